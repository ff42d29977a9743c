//! Saved results and the reports made from them.

use std::path::{Path, PathBuf};

use rxpath::path::SelfCost;
use rxpath::path::text;
use rxpath::report::{Overview, html, markdown, terminal};
use rxpath::suite::{
    OperationTiming, Problem, RESULTS_VERSION, Results, ResultsError, RunKernel, SavedPath, Snapshots, TimingSummary,
    Verdict, accepted, wakeups,
};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("harness/tests/data/results").join(name)
}

#[test]
fn results_written_before_there_were_paths_in_them_still_read() {
    let old = Results::load(&data("before-paths.json")).unwrap();
    assert_eq!((old.version, old.kernels.len(), old.cases.len()), (RESULTS_VERSION, 6, 6));
    assert_eq!(old.worst(), Verdict::Pass);
    assert!(old.cases.iter().all(|one| one.paths.is_empty() && !one.timings.is_empty()));
}

#[test]
fn results_of_version_1_read_as_those_of_this_version() {
    let old = Results::load(&data("four-cases.json")).unwrap();
    assert_eq!(old.version, RESULTS_VERSION);
    let names: Vec<&str> = old.kernels.iter().map(|kernel| kernel.name.as_str()).collect();
    assert_eq!(names, ["5.10", "6.1", "6.12", "6.18", "7.2", "7.3"]);
    let last = RunKernel {
        name: "7.3".into(),
        version: "7.3.4-1~bpo13+1".to_owned(),
        unlocked: false,
        options: Default::default(),
    };
    assert_eq!(old.kernels[5], last);
    let summary = Some(TimingSummary { count: 32, min: 47_619, p90: 53_515, max: 53_529 });
    let name = "receiver.recv".to_owned();
    let recv = OperationTiming { name, cost: 47_643, switches: 0, accepted: None, summary };
    assert_eq!(old.cases[0].timings[0], recv);
    assert_eq!(old.cases.iter().map(|one| one.timings.len()).sum::<usize>(), 48);
}

#[test]
fn cases_that_a_kernel_cannot_have_do_not_turn_a_run_that_passes_into_a_skipped_one() {
    let mut results = Results::load(&data("before-paths.json")).unwrap();
    results.cases[0].verdict = Verdict::Skipped;
    assert_eq!(results.worst(), Verdict::Pass);
    let text = markdown::report(&Overview::of(&results), markdown::SUMMARY_LIMIT);
    assert!(text.starts_with("## rxpath: pass\n"), "{text}");
    results.cases[1].verdict = Verdict::Changed;
    assert_eq!(results.worst(), Verdict::Changed);
    results.cases.iter_mut().for_each(|one| one.verdict = Verdict::Skipped);
    assert_eq!(results.worst(), Verdict::Skipped);
}

#[test]
fn an_odd_capture_among_many_is_told_from_captures_that_alternate() {
    let digest = |name: &str| (name.to_owned(), "t".to_owned());
    let mut digests = terminal::Digests::new();
    digests.insert(("recv/a".to_owned(), "6.12".to_owned()), [(digest("same"), 50)].into());
    digests.insert(("recv/b".to_owned(), "6.12".to_owned()), [(digest("odd"), 1), (digest("usual"), 49)].into());
    let text = terminal::digests(50, &digests);
    let lines: Vec<&str> = text.lines().skip(2).collect();
    let expected =
        ["1 recv/a 6.12 same t", "2 recv/b 6.12 odd t (1 of 50 runs)", "2 recv/b 6.12 usual t (49 of 50 runs)"];
    assert_eq!(lines, expected);
}

#[test]
fn results_saved_and_loaded_are_the_same() {
    let results = Results::load(&data("four-cases.json")).unwrap();
    assert!(results.cases.iter().all(|one| !one.paths.is_empty() && !one.timings.is_empty()));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new/results.json");
    results.save(&file).unwrap();
    assert_eq!(Results::load(&file).unwrap(), results);
}

#[test]
fn what_is_no_result_of_a_run_or_of_a_later_version_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("results.json");
    std::fs::write(&file, format!("{{\"version\": {}, \"strange\": []}}", RESULTS_VERSION + 1)).unwrap();
    assert!(matches!(Results::load(&file), Err(ResultsError::TooNew { .. })));
    std::fs::write(&file, "{\"version\": 1}").unwrap();
    assert!(Results::load(&file).unwrap_err().to_string().contains("rxpath run --json"));
    assert!(matches!(Results::load(&folder.path().join("none")), Err(ResultsError::Unreadable { .. })));
}

#[test]
fn a_run_on_a_kernel_without_snapshots_is_new_and_succeeds() {
    let mut results = Results::load(&data("before-paths.json")).unwrap();
    results.cases[0].verdict = Verdict::New;
    assert_eq!((results.worst(), results.worst().exit_code()), (Verdict::New, 0));
    results.cases[1].verdict = Verdict::Skipped;
    assert_eq!(results.worst(), Verdict::New);
    assert!(terminal::results(&results, None, terminal::Detail::Brief).to_string().contains("1 new"));
}

#[test]
fn the_schema_in_docs_is_that_of_the_results() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/results.schema.json");
    let schema = serde_json::to_string_pretty(&schemars::schema_for!(Results)).unwrap() + "\n";
    if std::env::var_os("RXPATH_WRITE_SCHEMA").is_some() {
        std::fs::write(&file, &schema).unwrap();
    }
    let stored = std::fs::read_to_string(&file).unwrap();
    assert!(stored == schema, "RXPATH_WRITE_SCHEMA=1 cargo nextest run the_schema_in_docs writes it again");
}

#[test]
fn runs_of_single_kernels_merge_into_the_run_of_all() {
    let all = Results::load(&data("four-cases.json")).unwrap();
    let part = |kernel: &str| {
        let mut part = all.clone();
        part.kernels.retain(|one| one.name == kernel);
        part.cases.retain(|one| one.kernel == kernel);
        part.functions.retain(|one| one.kernel == kernel);
        part
    };
    let parts = ["7.3", "6.1", "5.10", "7.2", "6.18", "6.12"].map(part);
    let merged = Results::merge(parts.to_vec()).unwrap();
    assert_eq!((&merged.kernels, &merged.cases, &merged.qemu), (&all.kernels, &all.cases, &all.qemu));
    assert_eq!(Results::merge(Vec::new()), None);
}

/// A run of 80 cases on six kernels: the accepted snapshots of this repository, each case several times over.
fn eighty_cases() -> Results {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let four = Results::load(&data("four-cases.json")).unwrap();
    let snapshots = Snapshots::new(root);
    let mut real: Vec<String> = Vec::new();
    for group in std::fs::read_dir(root.join("snapshots")).unwrap().flatten() {
        for case in std::fs::read_dir(group.path()).unwrap().flatten() {
            let name = |entry: &std::fs::DirEntry| entry.file_name().into_string().unwrap();
            real.push(format!("{}/{}", name(&group), name(&case)));
        }
    }
    real.sort();
    assert!(real.len() >= 20, "{real:?}");
    let mut results = four.clone();
    results.cases.clear();
    for (number, case) in real.iter().cycle().take(80).enumerate() {
        for RunKernel { name: series, .. } in &four.kernels {
            let Ok(sections) = accepted(&snapshots, &case.as_str().into(), series) else { continue };
            let mut one = four.cases[0].clone();
            one.case = format!("{case}-{number}").as_str().into();
            one.kernel = series.clone();
            one.paths = sections
                .iter()
                .map(|(name, path)| SavedPath {
                    self_costs: Default::default(),
                    name: name.clone(),
                    path: text::write(path),
                    agreeing: 32,
                    iterations: 32,
                    costs: path.functions().map(|name| (name.to_owned(), 1234)).collect(),
                })
                .collect();
            one.wakeups = wakeups(sections.iter().map(|(name, path)| (name.as_str(), path)));
            results.cases.push(one);
        }
    }
    results
}

#[test]
fn eighty_cases_on_six_kernels_are_a_report_in_three_seconds_and_no_page_of_two_megabytes() {
    let results = eighty_cases();
    assert!(results.cases.len() > 400, "{}", results.cases.len());
    let folder = tempfile::tempdir().unwrap();
    // The machine may be busy with other work, so only the report's own CPU time counts.
    let cpu_before = cpu_time();
    let began = std::time::Instant::now();
    let written = html::write(&Overview::of(&results), folder.path()).unwrap();
    let (took, cpu) = (began.elapsed(), cpu_time() - cpu_before);
    eprintln!("{written:?} in {took:?}, {cpu:.2} s of CPU");
    assert!(cpu <= 3.0, "{cpu} s of CPU for {written:?}");
    assert!(written.largest < 2_000_000, "{written:?}");
    check_links(folder.path());
}

#[test]
fn regions_of_a_page_have_names_that_tell_them_apart() {
    let folder = tempfile::tempdir().unwrap();
    html::write(&Overview::of(&bump()), folder.path()).unwrap();
    let mut most = 0;
    for entry in std::fs::read_dir(folder.path()).unwrap().flatten() {
        let page = std::fs::read_to_string(entry.path()).unwrap();
        let regions = page.split("role=\"region\"").skip(1);
        let labels: Vec<&str> = regions
            .map(|rest| rest.strip_prefix(" aria-label=\"").and_then(|label| label.split('"').next()).unwrap())
            .collect();
        let different: std::collections::BTreeSet<&str> = labels.iter().copied().collect();
        assert_eq!(different.len(), labels.len(), "{:?}: {labels:?}", entry.file_name());
        most = most.max(labels.len());
    }
    assert!(most > 3, "no page has two call trees");
}

#[test]
fn every_function_of_a_path_has_a_page_that_the_search_of_the_index_finds() {
    let results = Results::load(&data("four-cases.json")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    html::write(&Overview::of(&results), folder.path()).unwrap();
    check_links(folder.path());
    let page = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let rows = page("index.html");
    let rows: Vec<&str> = rows.split("<li data-row>").skip(1).collect();
    for function in results.cases.iter().flat_map(|one| &one.paths).flat_map(|saved| saved.costs.keys()) {
        let link = format!("<a href=\"function-{function}.html\">{function}</a>");
        assert!(rows.iter().any(|row| row.starts_with(&link)), "{function} is not in the index");
    }
    let function = page("function-tcp_rcv_established.html");
    for expected in
        ["<a href=\"case-recv~tcp-", "softirq in ", "tcp_v4_do_rcv", "/linux/v5.10.262/A/ident/tcp_rcv_established\""]
    {
        assert!(function.contains(expected), "{expected} is not in {function}");
    }
}

#[test]
fn calls_shows_a_function_of_saved_results_and_suggests_names_for_an_unknown_one() {
    let calls = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_rxpath"));
        let command = command.arg("calls").args(arguments).arg("--from").arg(data("four-cases.json"));
        let output = command.env_remove("RXPATH_SOURCE_URL").output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    let (code, text, _) = calls(&["tcp_rcv_established.isra.0", "-k", "6.12,7.3"]);
    assert!(code == 0 && text.starts_with("tcp_rcv_established: called in "), "{text}");
    assert!(text.contains("\n7.3 ") && !text.contains("\n5.10 "), "{text}");
    let (code, json, _) = calls(&["tcp_rcv_established", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (code, &json["kernels"][2]["kernel"], &json["kernels"][2]["presence"]),
        (0, &"6.12".into(), &"called".into())
    );
    let (code, _, error) = calls(&["tcp_rcv_establishd"]);
    assert_eq!((code, error.contains("did you mean `tcp_rcv_established`")), (2, true), "{error}");
    let (code, _, error) = calls(&["_raw_spin_lock"]);
    assert_eq!((code, error.contains("paths leave it out")), (2, true), "{error}");
    let (code, _, error) = calls(&["tcp_rcv_established", "-k", "6.21"]);
    assert_eq!((code, error.contains("no kernel called `6.21`")), (2, true), "{error}");
}

/// The pages of a report by the names of their files.
fn pages_of(results: &Results) -> std::collections::BTreeMap<String, String> {
    let folder = tempfile::tempdir().unwrap();
    html::write(&Overview::of(results), folder.path()).unwrap();
    let pages = std::fs::read_dir(folder.path()).unwrap().flatten();
    let page = |entry: std::fs::DirEntry| {
        (entry.file_name().into_string().unwrap(), std::fs::read_to_string(entry.path()).unwrap())
    };
    pages.map(page).collect()
}

/// The values of an attribute, in order.
fn values<'p>(page: &'p str, attribute: &str) -> Vec<&'p str> {
    page.split(&format!(" {attribute}=\"")).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

#[test]
fn links_into_pages_survive_a_reorder_of_operations() {
    let results = Results::load(&data("four-cases.json")).unwrap();
    let mut reordered = results.clone();
    reordered.cases.iter_mut().for_each(|one| one.paths.reverse());
    let (pages, others) = (pages_of(&results), pages_of(&reordered));
    let mut compared = 0;
    for (name, page) in pages.iter().filter(|(name, _)| name.starts_with("case-") || name.starts_with("diff-")) {
        let ids = |page| values(page, "id").into_iter().map(str::to_owned).collect::<std::collections::BTreeSet<_>>();
        assert_eq!(ids(page), ids(&others[name]), "{name}");
        compared += 1;
    }
    assert!(compared > 4);
    assert!(pages.values().any(|page| page.contains("href=\"#path-receiver.recv\"")));
}

#[test]
fn the_first_page_is_a_plain_list_by_groups_with_marks_and_without_folders_of_the_machine() {
    let mut results = eighty_cases();
    for one in results.cases.iter_mut().take(3) {
        one.verdict = Verdict::Failed;
        let message = "/home/ci/work/snapshots/a/b/6.12.snap differs".to_owned();
        one.problems = vec![Problem { place: "a.recv".to_owned(), message, evidence: "@@".to_owned() }];
    }
    let pages = pages_of(&results);
    let index = &pages["index.html"];
    for (name, page) in &pages {
        assert!(!page.contains("/home/ci"), "{name} names a folder of the machine");
    }
    assert!(index.matches(">pass<").count() <= 2, "{}", index.matches(">pass<").count());
    assert!(index.matches("role=\"img\" aria-label=\"pass\"").count() > 400);
    let rows = index.matches("data-row").count() - index.matches("'[data-row]'").count();
    assert!(rows >= 80 && index.matches("data-row hidden").count() == 0);
    assert!(index.contains("id=\"filters\"") && index.contains("role=\"search\" hidden"));
    assert!(index.contains("href=\"#group-recv\"") && index.contains("id=\"group-recv\""));
    for version in ["6.12 (6.12", "No case matches"] {
        assert!(index.contains(version), "{version}");
    }
}

#[test]
fn a_page_of_changes_begins_with_a_summary_and_self_costs_and_folds_no_two_lines() {
    let mut results = Results::load(&data("four-cases.json")).unwrap();
    for one in &mut results.cases {
        let cost = if one.kernel == "5.10" { 100 } else { 340 };
        for saved in &mut one.paths {
            let functions: Vec<String> = text::parse(&saved.path).unwrap().functions().map(str::to_owned).collect();
            let own = SelfCost { cost, traced: 1, shared: false };
            saved.self_costs = functions.into_iter().map(|function| (function, own)).collect();
        }
    }
    let pages = pages_of(&results);
    let mut folds = 0;
    for (name, page) in pages.iter().filter(|(name, _)| name.starts_with("diff-")) {
        let summary = page.find("aria-label=\"summary\"").unwrap_or_else(|| panic!("{name} has no summary"));
        assert!(summary < page.find("class=\"code").unwrap(), "{name}");
        if name.ends_with("-5.10-6.1.html") {
            assert!(page.contains("Self costs that moved") && page.contains(">+240<"), "{name}");
            let unchanged = page.split("<div class=\"row\">").nth(1).unwrap();
            assert!(unchanged.split("</div>").next().unwrap().contains("class=\"nc\">340<"), "{name}");
        }
        for words in page.split("<details class=\"fold\"><summary>").skip(1) {
            let lines: usize = words.split(' ').next().unwrap().parse().unwrap();
            assert!(lines >= 3, "{name} folds {lines} lines");
            folds += 1;
        }
        // The indentation is not part of the text, so a line that wraps continues beneath its own start.
        assert!(page.contains("style=\"--d:1\"") && !page.contains("class=\"f\">  "), "{name}");
    }
    assert!(folds > 5, "{folds}");
}

#[test]
fn the_page_of_a_case_lists_its_operations_and_kernels_and_has_self_costs_beside_totals() {
    let mut results = Results::load(&data("four-cases.json")).unwrap();
    for saved in results.cases.iter_mut().flat_map(|one| &mut one.paths) {
        let functions: Vec<String> = text::parse(&saved.path).unwrap().functions().map(str::to_owned).collect();
        saved.costs = functions.iter().map(|function| (function.clone(), 1500)).collect();
        let own = SelfCost { cost: 1234, traced: 1, shared: false };
        saved.self_costs = functions.into_iter().map(|function| (function, own)).collect();
    }
    let pages = pages_of(&results);
    for (name, page) in pages.iter().filter(|(name, _)| name.starts_with("case-")) {
        assert!(page.contains("aria-label=\"on this page\"") && page.contains("data-kernel href=\"#kernel-6.12\""));
        assert!(page.contains("<span class=\"self\">1,234</span><span class=\"total\">1,500</span>"), "{name}");
    }
}

/// What this process has used of the CPUs, in seconds (proc_pid_stat(5), fields 14 and 15, in hundredths).
fn cpu_time() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

/// Every link of every page leads to a page that is there, and to a place in it that is there.
fn check_links(folder: &Path) {
    let mut pages = std::collections::BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        pages.insert(entry.file_name().into_string().unwrap(), std::fs::read_to_string(entry.path()).unwrap());
    }
    let mut links = 0;
    for (page, text) in &pages {
        let own = text.replace("<a href=\"https://elixir.bootlin.com/linux/v", "");
        assert!(!own.contains("src=\"") && !own.contains("http"), "{page} asks for something from elsewhere");
        for link in text.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            let (file, place) = link.split_once('#').unwrap_or((link, ""));
            if file == "data:," || file.starts_with("https:") {
                continue;
            }
            let target = if file.is_empty() { Some(text) } else { pages.get(file) };
            let target = target.unwrap_or_else(|| panic!("{page}: no page {file}"));
            assert!(place.is_empty() || target.contains(&format!("id=\"{place}\"")), "{page}: no place {link}");
            links += 1;
        }
    }
    assert!(links > pages.len(), "{links} links");
}

#[test]
fn hostile_names_are_text_in_html_and_in_markdown() {
    let hostile =
        ["<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "'`|](#)*_\u{202e}\0", "../../etc/x", "."];
    let long = "x".repeat(10_000);
    let mut results = Results::load(&data("four-cases.json")).unwrap();
    let names: Vec<&str> = hostile.iter().copied().chain([long.as_str()]).collect();
    for (number, one) in results.cases.iter_mut().enumerate() {
        let name = names[number % names.len()];
        one.case = format!("{name}{}", number / 6).as_str().into();
        one.title = name.to_owned();
        one.about = name.to_owned();
        let escaped = text::entry(&rxpath::path::PathEntry::Call(name.into()));
        one.accepted = Some(format!("# {}\n{}", one.paths[0].name, one.paths[0].path));
        one.paths[0].path = format!("{escaped}\n  {escaped}\n");
        one.paths[1].name = name.replace(['\n', '\0'], " ");
        one.wakeups.iter_mut().for_each(|wakeup| wakeup.function = name.to_owned());
        one.timings.iter_mut().for_each(|timing| timing.name = name.to_owned());
        one.verdict = [Verdict::Changed, Verdict::Failed][number % 2];
        one.problems =
            vec![Problem { place: name.into(), message: format!("{name}\n{name}"), evidence: format!("```\n{name}") }];
        one.notes = vec![name.to_owned()];
    }
    results.kernels[0].version = hostile[0].to_owned();
    let folder = tempfile::tempdir().unwrap();
    let overview = Overview::of(&results);
    html::write(&overview, folder.path()).unwrap();
    for entry in std::fs::read_dir(folder.path()).unwrap().flatten() {
        let page = std::fs::read_to_string(entry.path()).unwrap();
        assert_eq!(page.matches("<script>").count(), 1, "{:?} has a script that is not its own", entry.file_name());
        assert!(!page.contains("<img"), "{:?}", entry.file_name());
    }
    assert!(!folder.path().parent().unwrap().join("etc").exists());
    check_links(folder.path());
    let text = markdown::report(&overview, markdown::SUMMARY_LIMIT);
    let mut outside = String::new();
    let mut fence = None;
    for line in text.lines() {
        match fence {
            None if line.starts_with("```") => fence = Some(line.trim_end_matches(char::is_alphabetic).to_owned()),
            Some(ref open) if line == open => fence = None,
            None => outside.push_str(line),
            Some(_) => {}
        }
    }
    assert_eq!(fence, None, "a fence was broken out of");
    assert!(!outside.contains("<script") && !outside.contains("<img") && !outside.contains("](#)"), "{outside}");
}

/// A run that found the snapshots of 6.18 where those of 6.12 were accepted, as after an update of the kernel.
fn bump() -> Results {
    let mut results = eighty_cases();
    let new: Vec<_> = results.cases.iter().filter(|one| one.kernel == "6.18").cloned().collect();
    results.cases.retain(|one| one.kernel == "6.12");
    results.kernels.retain(|kernel| kernel.name == "6.12");
    results.functions.retain(|one| one.kernel == "6.18");
    results.functions[0].kernel = "6.12".into();
    for one in &mut results.cases {
        let Some(new) = new.iter().find(|new| new.case == one.case) else { continue };
        if new.paths == one.paths {
            continue;
        }
        let section = |saved: &SavedPath| format!("# {}\n{}", saved.name, saved.path);
        one.accepted = Some(one.paths.iter().map(section).collect::<Vec<_>>().join("\n"));
        one.paths = new.paths.clone();
        one.verdict = Verdict::Changed;
    }
    results
}

#[test]
fn a_kernel_bump_is_one_screen_of_markdown_with_everything_else_folded() {
    let results = bump();
    let changed = results.cases.iter().filter(|one| one.verdict == Verdict::Changed).count();
    assert!(changed > 30, "{changed}");
    let mut earlier = results.clone();
    let four = Results::load(&data("four-cases.json")).unwrap();
    earlier.functions = four.functions.into_iter().filter(|one| one.kernel == "6.12").collect();
    earlier.cases.iter_mut().flat_map(|one| &mut one.timings).for_each(|timing| timing.cost += timing.cost / 10);
    let text = markdown::report(&Overview::of(&results).compared_with(Some(&earlier)), markdown::SUMMARY_LIMIT);
    if let Some(file) = std::env::var_os("RXPATH_SHOW_MARKDOWN") {
        std::fs::write(file, &text).unwrap();
    }
    assert!(text.starts_with("## rxpath: changed\n"), "{text}");
    let mut folds = 0;
    let visible = text.lines().filter(|line| {
        let is_visible = folds == 0;
        folds += usize::from(line.starts_with("<details>"));
        folds -= usize::from(line.starts_with("</details>"));
        is_visible && !line.is_empty()
    });
    let visible: Vec<&str> = visible.collect();
    assert!(visible.len() <= 50, "{} lines are to be seen:\n{}", visible.len(), visible.join("\n"));
    assert!(text.contains("no such symbol in the accepted 6.12"), "a reason is missing");
    assert!(text.contains("timings moved"), "the timings are missing");
}

#[test]
fn markdown_is_cut_to_what_the_host_takes_and_says_so() {
    let results = bump();
    let overview = Overview::of(&results);
    let whole = markdown::report(&overview, usize::MAX);
    for limit in [4_000, whole.len() / 2, whole.len() - 1] {
        let cut = markdown::report(&overview, limit);
        assert!(cut.len() <= limit && cut.contains("are left out"), "{} of {limit}", cut.len());
        assert_eq!(cut.matches("<details>").count(), cut.matches("</details>").count());
        assert!(cut.starts_with("## rxpath: changed"));
    }
    assert_eq!(markdown::report(&overview, whole.len() + 200), whole);
}

#[test]
fn the_same_change_in_many_snapshots_is_one_row() {
    let results = bump();
    let overview = Overview::of(&results);
    let text = markdown::report(&overview, usize::MAX);
    let changed = results.cases.iter().filter(|one| one.verdict == Verdict::Changed).count();
    let line = text.lines().find(|line| line.contains(" changes of paths")).unwrap();
    let words: Vec<&str> = line.split(' ').collect();
    let at = words.iter().position(|word| *word == "changes").unwrap();
    let (changes, cases): (usize, usize) = (words[at - 1].parse().unwrap(), words[at + 4].parse().unwrap());
    assert_eq!(cases, changed);
    assert!(changes < changed, "{changes} of {changed}");
    let rows = text.lines().filter_map(|line| line.split('|').nth(1)?.trim().parse::<usize>().ok());
    let rows: Vec<usize> = rows.collect();
    assert!(rows.len() == changes && rows[0] > 10 && rows.is_sorted_by(|one, next| one >= next), "{rows:?}");
}
