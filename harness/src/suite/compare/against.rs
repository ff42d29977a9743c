//! Compares the kernels of a run with one of them (`--against`).

use crate::kernel::KernelName;
use crate::suite::judge::snapshot_check::difference;
use crate::suite::judge::timings::{TimingComparison, Timings};
use crate::suite::store::path_document::write_document;
use crate::suite::store::run_results::{CaseResult, Results, Verdict};

/// Compares each case on each kernel with what it showed on `reference`. What differs is changed; what was new passes if
/// nothing does.
pub(crate) fn compare_against(results: &mut Results, reference: &KernelName) {
    let (theirs, others): (Vec<&mut CaseResult>, Vec<_>) =
        results.cases.iter_mut().partition(|one| one.kernel == *reference);
    for result in others.into_iter().filter(|one| is_comparable(one)) {
        match theirs.iter().find(|one| one.case == result.case).filter(|one| is_comparable(one)) {
            Some(before) => compare_with(result, before),
            None => result.notes.push(format!("not compared: there is no path of {reference}")),
        }
    }
}

/// Whether the iterations agreed on paths.
fn is_comparable(result: &CaseResult) -> bool {
    result.verdict != Verdict::Skipped && result.verdict <= Verdict::Failed && !result.paths.is_empty()
}

fn compare_with(result: &mut CaseResult, before: &CaseResult) {
    if result.verdict == Verdict::New {
        result.verdict = Verdict::Pass;
    }
    let name = &before.kernel;
    let (old, new) = (paths(before), paths(result));
    if old != new {
        result.downgrade(Verdict::Changed, difference(name, ("there", "here"), &old, &new));
    }
    let (old, timings) = (timings(before).document(), timings(result));
    match timings.compare_with(&old) {
        TimingComparison::Same => {}
        TimingComparison::WithinBand(within) => {
            result.notes.push(format!("timings differ from {name} within the tolerance: {}", within.join("; ")));
        }
        TimingComparison::Different => {
            result.downgrade(Verdict::Changed, difference(name, ("there", "here"), &old, &timings.document()));
        }
    }
}

fn paths(result: &CaseResult) -> String {
    let found = result.found_paths();
    write_document(found.iter().map(|(name, path)| (name.as_str(), path)))
}

fn timings(result: &CaseResult) -> Timings {
    let timings = result.timings.clone();
    let counts = timings.iter().filter_map(|timing| timing.summary.map(|summary| summary.count));
    Timings { iterations: counts.max().unwrap_or(0) as u32, timings }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(case: &str, kernel: &str, verdict: &str, path: &str, cost: u64) -> serde_json::Value {
        serde_json::json!({
            "case": case, "kernel": kernel, "verdict": verdict, "problems": [], "notes": [],
            "capture_digest": "", "timing_digest": "", "took_ms": 0,
            "paths": [{"name": "a.recv", "path": path, "agreeing": 5, "iterations": 5}],
            "timings": [{"name": "a.recv", "cost": cost, "switches": 0}],
        })
    }

    #[test]
    fn what_differs_from_the_reference_is_changed_and_what_does_not_passes() {
        let cases = [
            result("g/same", "6.12", "pass", "f\n", 1000),
            result("g/same", "mine", "new", "f\n", 1000),
            result("g/path", "6.12", "pass", "f\n", 1000),
            result("g/path", "mine", "new", "f\n  g\n", 1000),
            result("g/cost", "6.12", "pass", "f\n", 1000),
            result("g/cost", "mine", "new", "f\n", 2000),
            result("g/alone", "6.12", "skipped", "f\n", 1000),
            result("g/alone", "mine", "new", "f\n", 1000),
        ];
        let json = serde_json::json!({"version": 2, "kernels": [], "qemu": "10", "mode": "exact", "cases": cases});
        let mut results: Results = serde_json::from_value(json).unwrap();
        compare_against(&mut results, &"6.12".into());
        let mine: Vec<&CaseResult> = results.cases.iter().filter(|one| one.kernel == "mine").collect();
        let verdicts: Vec<Verdict> = mine.iter().map(|one| one.verdict).collect();
        assert_eq!(verdicts, [Verdict::Pass, Verdict::Changed, Verdict::Changed, Verdict::New]);
        let message = "6.12 differs from this run, first at line 3 of its text, in a.recv: there a blank line or the end, \
                       here `g`";
        assert_eq!(mine[1].problems[0].message, message);
        assert_eq!(mine[3].notes, ["not compared: there is no path of 6.12"]);
    }
}
