//! Timings that drifted within the tolerance, and `rxpath review --refresh`, which accepts them.

use std::fs;
use std::path::{Path, PathBuf};

use rxpath::suite::{Results, Verdict};

use super::Tested;
use super::process::{rxpath, said};
use super::repository::make_repository;

const CASES: [&str; 3] = ["errors/bad-address", "socket/netlink-create", "socket/tcp-create"];

/// A repository with the three cases, and with their accepted paths on 6.12.
fn repository(root: &Path) -> Tested {
    let real = make_repository(root)?;
    for file in CASES.iter().flat_map(|case| [format!("cases/{case}.yaml"), format!("snapshots/{case}/6.12.snap")]) {
        let to = root.join(&file);
        fs::create_dir_all(to.parent().ok_or("no folder")?)?;
        fs::copy(real.join(file), to)?;
    }
    Ok(())
}

fn timings_of(root: &Path, case: &str) -> PathBuf {
    root.join("snapshots").join(case).join("6.12.timing.snap")
}

/// Runs the three cases; returns the exit code, what was said, and the results.
fn run(root: &Path) -> Result<(Option<i32>, String, Results), Box<dyn std::error::Error>> {
    let root_name = root.to_str().ok_or("not UTF-8")?;
    let output = rxpath(None, &["run", "-k", "6.12", "--root", root_name]).output()?;
    Ok((output.status.code(), said(&output), Results::load(&root.join("target/rxpath/results.json"))?))
}

/// The text of a timing snapshot with a different cost of its first timing.
fn with_cost(text: &str, change: impl Fn(u64) -> u64) -> String {
    let (heading, body) = text.split_once(" iterations\n").unwrap();
    let (first, rest) = body.split_once('\n').unwrap();
    let (name, cost) = first.rsplit_once(": ").unwrap();
    format!("{heading} iterations\n{name}: {}\n{rest}", change(cost.parse().unwrap()))
}

/// The text of a timing snapshot as if a different agent had measured it.
fn by_other_agent(text: &str) -> String {
    let agent = text.lines().find(|line| line.starts_with("  agent: ")).unwrap();
    text.replace(agent, "  agent: other")
}

#[test]
fn a_refresh_accepts_what_drifted_and_nothing_that_changed() -> Tested {
    let folder = tempfile::tempdir()?;
    let root = folder.path();
    repository(root)?;
    let (code, said_first, _) = run(root)?;
    assert_eq!(code, Some(1), "{said_first}");
    // As `cargo insta accept` does it.
    for case in CASES {
        let pending = timings_of(root, case).with_extension("snap.new");
        let text = fs::read_to_string(&pending)?;
        let kept: Vec<&str> = text.lines().filter(|line| !line.starts_with("assertion_line")).collect();
        fs::write(timings_of(root, case), kept.join("\n") + "\n")?;
        fs::remove_file(pending)?;
    }
    let [drifted, unknown, changed] = CASES.map(|case| timings_of(root, case));
    let accepted = [&drifted, &unknown, &changed].map(|file| fs::read_to_string(file).unwrap());
    assert!(accepted[0].contains("\ninfo:\n  kernel: 6.12."), "{}", accepted[0]);

    // What was measured with the same must be equal to the instruction.
    let (code, said_same, results) = run(root)?;
    assert_eq!(code, Some(0), "{said_same}");
    assert!(results.cases.iter().all(|one| one.drift.is_none() && one.measured_with.is_some()));
    fs::write(&drifted, with_cost(&accepted[0], |cost| cost + 1))?;
    let (code, said_inexact, _) = run(root)?;
    assert_eq!(code, Some(1), "{said_inexact}");
    assert!(said_inexact.contains("1 timing moved in 1 case"), "{said_inexact}");

    fs::write(&drifted, by_other_agent(&with_cost(&accepted[0], |cost| cost + 1)))?;
    let older = accepted[1].lines().filter(|line| !line.starts_with("info:") && !line.starts_with("  "));
    fs::write(&unknown, older.map(|line| format!("{line}\n")).collect::<String>())?;
    fs::write(&changed, by_other_agent(&with_cost(&accepted[2], |cost| 2 * cost)))?;
    let before = fs::read_to_string(&changed)?;
    let (code, said_drift, results) = run(root)?;
    assert_eq!(code, Some(1), "{said_drift}");
    assert!(said_drift.contains("1 timing of 1 pair differ"), "{said_drift}");
    assert!(said_drift.contains("measured with a different agent: errors/bad-address on 6.12"), "{said_drift}");
    assert_eq!(
        results.cases.iter().map(|one| one.verdict).collect::<Vec<_>>(),
        [Verdict::Pass, Verdict::Pass, Verdict::Changed]
    );

    let output = rxpath(None, &["review", "--refresh", "--root", root.to_str().ok_or("not UTF-8")?]).output()?;
    let said = said(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let expected = "timings of 3 pairs: 1 accepted within the tolerance, 1 the same but measured with something else, \
                    0 up to date, 1 left as they are";
    assert!(said.contains(expected), "{said}");
    // Equal to what insta wrote.
    assert_eq!(fs::read_to_string(&drifted)?, accepted[0]);
    assert_eq!(fs::read_to_string(&unknown)?, accepted[1]);
    assert_eq!(fs::read_to_string(&changed)?, before);
    assert!(changed.with_extension("snap.new").exists());
    Ok(())
}
