//! The results of a run as text for a terminal, a log or a pipe.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anstyle::Style;

use super::change_words::{count, grouped};
use super::diff_terminal::function_table;
use super::drift::drift_sentence;
use super::run_words;
use super::styled::{Styled, of_verdict, verdict};
use crate::kernel::{KernelName, Series};
use crate::suite::{CaseResult, Problem, Results, RunChanges, RunKernel, Verdict};

/// How much of a run to print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// How many cases ended in each verdict.
    Quiet,
    /// Each change once, in one screen.
    #[default]
    Brief,
    /// All verdicts, and the whole diff of each case.
    Full,
}

/// How many rows of each part a brief text has.
const CHANGES: usize = 10;
const NAMED_CASES: usize = 5;
const FUNCTIONS: usize = 10;
const TIMINGS: usize = 6;
const FAILED: usize = 10;
const VERDICTS: usize = 5;

/// Formats a run: the changes of paths, the timings that moved, what failed, the verdicts of what did not pass, and how many
/// cases ended in each verdict. `reference` are the saved results that the run was compared with.
pub fn results(results: &Results, reference: Option<&Results>, detail: Detail) -> Styled {
    let mut out = Styled::default();
    if detail != Detail::Quiet {
        let changes = RunChanges::of(results, reference);
        let before = out.raw().len();
        write_changes(results, &changes, detail, &mut out);
        write_functions(results, &changes, detail, &mut out);
        write_timings(results, &changes, detail, &mut out);
        write_failed(results, &changes, detail, &mut out);
        write_verdicts(results, detail, &mut out);
        if out.raw().len() > before {
            let _ = writeln!(out);
        }
    }
    let tally = run_words::tally(results, verdict);
    let _ = writeln!(out, "{tally} on {} ({} mode, QEMU {})", run_words::kernels(results), results.mode, results.qemu);
    for RunKernel { name, version, .. } in results.kernels.iter().filter(|kernel| kernel.unlocked) {
        let _ = writeln!(out, "note: {name} is {version}, the newest version and not the locked one (--unlocked)");
    }
    if detail != Detail::Quiet {
        notes(results, &mut out);
    }
    out
}

/// What to do about differences; empty if there are none.
pub(crate) fn hint(results: &Results, detail: Detail) -> &'static str {
    let is_changed = |one: &CaseResult| one.verdict == Verdict::Changed;
    let is_pending = results.cases.iter().any(|one| is_changed(one) && is_pinned(&one.kernel));
    match (detail, results.cases.iter().any(is_changed), is_pending) {
        (Detail::Brief, true, true) => {
            "`rxpath report -v` prints each diff in full; `rxpath review` accepts or rejects what changed\n"
        }
        (Detail::Brief, true, false) => "`rxpath report -v` prints each diff in full\n",
        (_, _, true) => "`rxpath review` shows what changed, to accept or to reject\n",
        _ => "",
    }
}

/// The number of rows to print of a part.
fn rows(detail: Detail, brief: usize) -> usize {
    if detail == Detail::Full { usize::MAX } else { brief }
}

/// Separates parts by an empty line.
fn part(out: &mut Styled) {
    if !out.raw().is_empty() {
        let _ = writeln!(out);
    }
}

fn write_rest(all: usize, shown: usize, out: &mut Styled) {
    if all > shown {
        let _ = writeln!(out, "  and {} more", all - shown);
    }
}

/// Writes each change of paths once, with its cases.
fn write_changes(results: &Results, changes: &RunChanges, detail: Detail, out: &mut Styled) {
    if !changes.changes.is_empty() {
        let _ = writeln!(out, "{}", run_words::path_headline(changes));
    }
    let most = rows(detail, CHANGES);
    for (at, change) in changes.changes.iter().take(most).enumerate() {
        let reason = run_words::reason(changes, change).map(|reason| format!("  ({reason})")).unwrap_or_default();
        let named = rows(detail, NAMED_CASES);
        let title = run_words::title(changes, change);
        let _ = match run_words::cases(results, changes, change, named, str::to_owned) {
            (1, case) => writeln!(out, "{:>3}. only {case}: {title}{reason}", at + 1),
            (number, cases) => writeln!(out, "{:>3}. {title}{reason}\n     in {number} cases: {cases}", at + 1),
        };
    }
    write_rest(changes.changes.len(), most, out);
}

/// Writes what got slower or faster since the kernel that the run was compared with.
fn write_functions(results: &Results, changes: &RunChanges, detail: Detail, out: &mut Styled) {
    if !changes.functions.is_empty() {
        part(out);
        let most = rows(detail, FUNCTIONS);
        function_table(changes.functions.iter().take(most).map(|cost| run_words::function_row(results, cost)), out);
        write_rest(changes.functions.len(), most, out);
    }
}

/// Writes the timings that moved and those that differ within the tolerance.
fn write_timings(results: &Results, changes: &RunChanges, detail: Detail, out: &mut Styled) {
    let most = rows(detail, TIMINGS);
    if !changes.moved.is_empty() {
        part(out);
        let unit = if results.mode == "exact" { "instructions" } else { "ns" };
        let _ = writeln!(out, "{} ({unit})", run_words::moved_headline(&changes.moved));
    }
    let moved = changes.moved.iter().take(most);
    let moved: Vec<[String; 3]> = moved
        .map(|one| {
            let costs = format!("{} to {}", grouped(one.before), grouped(one.timing.cost));
            [run_words::share(one.share()), run_words::timing_name(results, one), costs]
        })
        .collect();
    let width = |column: usize| moved.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let [share, name] = [0, 1].map(width);
    for [a, b, c] in &moved {
        let _ = writeln!(out, "  {a:>share$}  {b:<name$}  {c}");
    }
    write_rest(changes.moved.len(), most, out);
    if let Some(sentence) = run_words::accepted_with(&changes.moved) {
        let _ = writeln!(out, "{sentence}");
    }
    if let Some(sentence) = drift_sentence(results) {
        if changes.moved.is_empty() {
            part(out);
        }
        let _ = writeln!(out, "{sentence}");
    }
}

/// Writes what has no snapshot yet, and what failed and why. A full text has the diffs too.
fn write_failed(results: &Results, changes: &RunChanges, detail: Detail, out: &mut Styled) {
    for (which, what) in [
        (&changes.first_seen, "no snapshot yet"),
        (&changes.remeasured, "timings of other operations or iterations than the snapshot"),
    ] {
        if let [_, rest @ ..] = &which[..] {
            part(out);
            let have = if rest.is_empty() { "has" } else { "have" };
            let names = run_words::results(which, rows(detail, NAMED_CASES));
            let _ = writeln!(out, "{} {have} {what}: {names}", count(which.len(), "result"));
        }
    }
    if detail == Detail::Full {
        let differing = results.cases.iter().filter(|one| one.verdict > Verdict::Skipped);
        return differing.for_each(|one| write_problems(&[one], true, out));
    }
    changes.failed.iter().take(FAILED).for_each(|alike| write_problems(alike, false, out));
    write_rest(changes.failed.len(), FAILED, out);
}

/// Writes why these results did not pass; they have the same problems.
fn write_problems(alike: &[&CaseResult], with_differences: bool, out: &mut Styled) {
    let [first, ..] = alike else { return };
    part(out);
    let wanted = first.problems.iter().filter(|problem| with_differences || !problem.is_difference());
    let names = run_words::results(alike, NAMED_CASES);
    let _ = write!(out, "{}: {names}\n{}", verdict(first.verdict), problems(wanted));
}

/// Writes the notes of cases on kernels that are not pinned, each once: why cases were skipped, and what was not judged.
fn notes(results: &Results, out: &mut Styled) {
    let mut cases: BTreeMap<(&KernelName, &str), Vec<&str>> = BTreeMap::new();
    for one in results.cases.iter().filter(|one| !is_pinned(&one.kernel)) {
        for note in &one.notes {
            cases.entry((&one.kernel, note)).or_default().push(&one.case);
        }
    }
    for ((kernel, note), cases) in cases {
        let of = match cases[..] {
            [case] => case.to_owned(),
            [first, ..] => format!("{} cases, such as {first},", cases.len()),
            [] => continue,
        };
        let _ = writeln!(out, "note: {of} on {kernel}: {note}");
    }
}

/// Whether a kernel has the name of a series.
fn is_pinned(kernel: &KernelName) -> bool {
    kernel.parse::<Series>().is_ok()
}

/// Formats why a case did not pass, with the evidence.
pub(super) fn problems<'p>(problems: impl IntoIterator<Item = &'p Problem>) -> String {
    let mut out = String::new();
    for problem in problems {
        let _ = writeln!(out, "  {}: {}", problem.place, problem.message.replace('\n', "\n    "));
        for line in problem.evidence.lines() {
            let _ = writeln!(out, "    {line}");
        }
    }
    out
}

/// Writes a table with a row for each case and a column for each kernel; a brief one has the cases that did not pass, the worst
/// first.
fn write_verdicts(results: &Results, detail: Detail, out: &mut Styled) {
    let kernels: Vec<&str> = results.kernels.iter().map(|kernel| kernel.name.as_str()).collect();
    let mut rows: Vec<(&str, Vec<Option<Verdict>>)> = Vec::new();
    for one in &results.cases {
        if rows.last().is_none_or(|(case, _)| one.case != *case) {
            rows.push((&one.case, vec![None; kernels.len()]));
        }
        let column = kernels.iter().position(|kernel| one.kernel == *kernel);
        if let (Some(column), Some((_, cells))) = (column, rows.last_mut()) {
            cells[column] = Some(one.verdict);
        }
    }
    let mut more = 0;
    if detail != Detail::Full {
        let worst = |cells: &[Option<Verdict>]| cells.iter().flatten().max().copied().unwrap_or_default();
        rows.retain(|(_, cells)| worst(cells) > Verdict::Skipped);
        rows.sort_by_key(|(_, cells)| std::cmp::Reverse(worst(cells)));
        more = rows.len().saturating_sub(VERDICTS);
        rows.truncate(VERDICTS);
    }
    if rows.is_empty() {
        return;
    }
    part(out);
    let word = |cell: Option<Verdict>| cell.map_or("-", Verdict::word);
    let style = |cell: Option<Verdict>| cell.map(of_verdict).unwrap_or_default();
    let names = rows.iter().map(|(case, _)| case.chars().count()).max().unwrap_or(0).max("case".len());
    let widths: Vec<usize> = kernels
        .iter()
        .enumerate()
        .map(|(at, kernel)| rows.iter().map(|(_, cells)| word(cells[at]).len()).max().unwrap_or(0).max(kernel.len()))
        .collect();
    let mut line = |name: &str, cells: Vec<(Style, &str)>| {
        let padded = cells
            .iter()
            .zip(&widths)
            .map(|((style, cell), width)| format!("{style}{cell}{style:#}{}", " ".repeat(width - cell.len())));
        let cells = padded.collect::<Vec<_>>().join("  ");
        let _ = writeln!(out, "{}", format!("{name:<names$}  {cells}").trim_end());
    };
    line("case", kernels.iter().map(|kernel| (Style::new(), *kernel)).collect());
    for (case, cells) in &rows {
        line(case, cells.iter().map(|cell| (style(*cell), word(*cell))).collect());
    }
    write_rest(rows.len() + more, rows.len(), out);
}

/// How often each pair of digests (traced pass, timing pass) occurred, by case and kernel.
pub type Digests = BTreeMap<(String, String), BTreeMap<(String, String), u32>>;

/// Formats the distinct digests of each case and kernel after `--repeat`, with their counts where they differ.
pub fn digests(repeat: u32, digests: &Digests) -> String {
    let mut out = format!("\ndistinct captures in {repeat} runs (traced pass, timing pass)\n");
    for ((case, kernel), seen) in digests {
        for ((trace, timing), times) in seen {
            let times = if seen.len() > 1 { format!(" ({times} of {repeat} runs)") } else { String::new() };
            let _ = writeln!(out, "{} {case} {kernel} {trace} {timing}{times}", seen.len());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::run_sample::bump;
    use crate::suite::{Drift, DriftedTiming, MeasuredWith, NO_SNAPSHOT, OperationTiming};

    fn text(results: &Results, detail: Detail) -> String {
        super::results(results, None, detail).to_string()
    }

    #[test]
    fn a_bump_of_seven_cases_is_one_screen_with_each_change_once() {
        let run = bump();
        assert_eq!(run.cases.len(), 7);
        let brief = text(&run, Detail::Brief) + hint(&run, Detail::Brief);
        assert!(brief.lines().count() <= 40, "{} lines:\n{brief}", brief.lines().count());
        for once in
            ["tcp_queue_rcv: +tcp_rcv_sne_update", "__ip_queue_xmit: -ip_local_out", "tcp_ack: -tcp_replace_ts_recent"]
        {
            assert_eq!(brief.matches(once).count(), 1, "{once} in\n{brief}");
        }
        let changed = brief.lines().next().unwrap();
        assert!(changed.ends_with(" changes of paths in 7 cases"), "{brief}");
        assert!(brief.contains("(ip_local_out: a level disappeared: traceable in 6.18, not seen here"), "{brief}");
        assert!(brief.contains("7 changed on 6.18 (6.18.15-1~bpo13+1) (exact mode"), "{brief}");
        assert!(brief.contains("`rxpath report -v` prints each diff in full"), "{brief}");
        assert!(
            !brief.contains("@@") && text(&run, Detail::Full).contains("@@ -1,1 +1,1 @@\n    -accepted\n"),
            "{brief}"
        );
        assert!(text(&run, Detail::Quiet).starts_with("7 changed on 6.18"));
    }

    /// A run of these cases on one kernel, each with one timing that was accepted with 10,000 instructions.
    fn timed(cases: &[(&str, Verdict, u64)]) -> Results {
        let mut run = bump();
        let blank = CaseResult { kernel: "6.18".into(), ..CaseResult::default() };
        let timing = |cost| OperationTiming {
            name: "a.recv".to_owned(),
            cost,
            switches: 0,
            accepted: Some(10_000),
            summary: None,
        };
        let case = |(name, verdict, cost): &(&str, Verdict, u64)| CaseResult {
            case: (*name).into(),
            verdict: *verdict,
            timings: vec![timing(*cost)],
            ..blank.clone()
        };
        run.cases = cases.iter().map(case).collect();
        run
    }

    #[test]
    fn timings_are_listed_largest_change_first_and_counted_within_the_tolerance() {
        let cases = ["far", "near", "same", "less"].map(|name| format!("g/{name}"));
        let verdicts = [Verdict::Changed, Verdict::Pass, Verdict::Pass, Verdict::Changed];
        let costs = [10_500, 10_000, 10_000, 8000];
        let rows: Vec<_> = (0..4).map(|at| (&*cases[at], verdicts[at], costs[at])).collect();
        let mut run = timed(&rows);
        let drifted = DriftedTiming { name: "a.recv".to_owned(), accepted: 10_000, cost: 10_030 };
        run.cases[1].drift = Some(Drift { because: vec!["QEMU".to_owned()], timings: vec![drifted] });
        let with = crate::suite::measured_with_sample();
        run.cases[0].accepted_with = Some(with.clone());
        run.cases[0].measured_with = Some(MeasuredWith { kernel: "6.12.118-1".to_owned(), ..with });
        let expected = "\
2 timings moved in 2 cases, -20.0 % to +5.0 % (instructions)
  -20.0 %  g/less a.recv  10,000 to 8,000
   +5.0 %  g/far a.recv   10,000 to 10,500
6.18 was accepted with kernel 6.12.117-1
1 timing of 1 pair differ from the accepted ones by at most 0.30 %, within the tolerance of 0.5 %";
        let found = text(&run, Detail::Brief);
        assert!(found.starts_with(expected), "{found}");
        let rest = "\n\ncase    6.18\ng/far   changed\ng/less  changed\n\n2 pass, 2 changed on 6.18 (6.18.15-1~bpo13+1) (exact";
        assert!(found.contains(rest), "{found}");
        assert!(text(&run, Detail::Full).contains("g/same  pass\n"));
    }

    #[test]
    fn a_failure_of_many_cases_is_one_entry_and_what_has_no_snapshot_is_counted() {
        let mut run = timed(&[
            ("g/a", Verdict::Failed, 10_000),
            ("g/b", Verdict::Failed, 10_000),
            ("g/c", Verdict::Changed, 10_000),
            ("g/d", Verdict::Changed, 10_000),
        ]);
        let problem = |message: &str| Problem::new("a.recv", message);
        for (one, message) in run.cases.iter_mut().zip(["1 < 2", "1 < 2", NO_SNAPSHOT, "line 2 differs"]) {
            one.problems = vec![problem(message)];
        }
        let found = text(&run, Detail::Brief);
        let expected = "\
1 result has no snapshot yet: g/c on 6.18

1 result has timings of other operations or iterations than the snapshot: g/d on 6.18

failed: g/a on 6.18, g/b on 6.18
  a.recv: 1 < 2

case  6.18
g/a   failed
";
        assert!(found.starts_with(expected), "{found}");
    }
}
