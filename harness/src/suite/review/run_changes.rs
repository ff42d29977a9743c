//! What changed in a run: the changes of paths, each once, and the timings that moved.
//!
//! Every report of a run starts from this value: the terminal, Markdown, the job summary and the pages.

use std::collections::BTreeMap;
use std::ops::Range;

use indexmap::IndexMap;

use crate::diff::{FunctionCost, function_costs, runs};
use crate::suite::compare::kernel_diff::parts;
use crate::suite::compare::sides::SectionDiff;
use crate::suite::review::explained::{SavedSide, explain_saved};
use crate::suite::store::run_results::{CaseResult, NO_SNAPSHOT, Results, Verdict};
use crate::suite::store::saved::OperationTiming;

/// A timing that moved by a smaller share since an earlier run is left out.
const MOVED_SINCE_EARLIER: f64 = 0.005;

/// What changed in a run.
#[derive(Debug)]
pub(crate) struct RunChanges<'r> {
    /// The results whose paths differ from those they were compared with, in the order of the results.
    pub(crate) changed: Vec<ChangedPaths<'r>>,
    /// The changes of paths, each once, those in most results first.
    pub(crate) changes: Vec<PathChange>,
    /// The functions whose self costs differ from those of the kernel that the run was compared with, those that matter most
    /// first; empty if it was compared with snapshots.
    pub(crate) functions: Vec<FunctionCost>,
    /// The timings that moved, largest share first.
    pub(crate) moved: Vec<MovedTiming<'r>>,
    /// The results without a snapshot to compare with, on kernels that should have one.
    pub(crate) first_seen: Vec<&'r CaseResult>,
    /// The other changed results: their timing snapshots differ in what is measured, or cannot be read.
    pub(crate) remeasured: Vec<&'r CaseResult>,
    /// What failed, was inconclusive or broke, with the results that did so for the same reasons.
    pub(crate) failed: Vec<Vec<&'r CaseResult>>,
}

/// A result whose paths changed.
#[derive(Debug)]
pub(crate) struct ChangedPaths<'r> {
    pub(crate) result: &'r CaseResult,
    pub(crate) sections: Vec<SectionDiff>,
}

/// Changes of paths that always occur together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PathChange {
    /// The indices in [`RunChanges::changed`] of the results with it; at least one.
    pub(crate) results: Vec<usize>,
    /// Where it is in the first of these results.
    pub(crate) places: Vec<Place>,
}

/// Changed lines of a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The index of the section.
    pub(crate) section: usize,
    pub(crate) lines: Range<usize>,
}

/// A timing that differs from the one it was compared with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MovedTiming<'r> {
    pub(crate) result: &'r CaseResult,
    pub(crate) timing: &'r OperationTiming,
    pub(crate) before: u64,
}

impl MovedTiming<'_> {
    /// The change as a share of the cost before.
    pub(crate) fn share(&self) -> f64 {
        (self.timing.cost as f64 - self.before as f64) / (self.before as f64).max(1.0)
    }
}

impl<'r> RunChanges<'r> {
    /// Finds what changed. `earlier` are the results of an earlier run: timings without a different accepted cost are compared
    /// with them, and they list the functions that the kernels had then. If the run was compared with saved results, it takes
    /// these to explain the differences.
    pub(crate) fn of(results: &'r Results, earlier: Option<&'r Results>) -> Self {
        let differing = results.cases.iter().filter(|one| one.accepted.is_some());
        let changed: Vec<ChangedPaths> = differing
            .map(|result| ChangedPaths { sections: accepted_diffs(results, earlier, result), result })
            .filter(|one| one.sections.iter().any(|section| !section.explained.diff.is_same()))
            .collect();
        let mut moved = moved_timings(results, earlier);
        moved.sort_by(|one, other| other.share().abs().total_cmp(&one.share().abs()));
        let of_verdict =
            |is_wanted: fn(Verdict) -> bool| results.cases.iter().filter(move |one| is_wanted(one.verdict));
        let lacks_snapshot = |one: &&CaseResult| one.problems.iter().any(|it| it.message.starts_with(NO_SNAPSHOT));
        let (first_seen, compared): (Vec<_>, Vec<_>) =
            of_verdict(|verdict| verdict == Verdict::Changed).partition(lacks_snapshot);
        let is_shown = |one: &CaseResult| {
            one.has_other_timings() || changed.iter().any(|changed| std::ptr::eq(changed.result, one))
        };
        let remeasured = compared.into_iter().filter(|one| !is_shown(one)).collect();
        let mut failed: IndexMap<_, Vec<&CaseResult>> = IndexMap::new();
        for one in of_verdict(|verdict| verdict > Verdict::Changed) {
            let reasons = one.problems.iter().filter(|problem| !problem.is_difference());
            let reasons: Vec<_> = reasons.map(|it| (&it.place, &it.message, &it.evidence)).collect();
            failed.entry((one.verdict, reasons)).or_default().push(one);
        }
        let failed = failed.into_values().collect();
        let references = results.cases.iter().filter_map(|one| Some((reference_of(results, earlier, one)?, one)));
        let functions = function_costs(references.flat_map(|(old, new)| parts(old, new)));
        Self { changes: grouped(&changed), changed, functions, moved, first_seen, remeasured, failed }
    }
}

/// Compares the paths of a result with the accepted ones, or with those of the kernel that the run was compared with; empty if
/// they do not differ.
pub(crate) fn accepted_diffs(results: &Results, earlier: Option<&Results>, result: &CaseResult) -> Vec<SectionDiff> {
    let Some(accepted) = result.accepted_paths() else { return Vec::new() };
    let found = result.found_paths();
    let reference = reference_of(results, earlier, result);
    let is_in_run = reference.is_some_and(|one| results.against.as_deref() == Some(one.kernel.as_str()));
    let known = if is_in_run { Some(results) } else { earlier };
    let before = known.and_then(|known| known.functions_of(&reference.unwrap_or(result).kernel));
    let after = results.functions_of(&result.kernel);
    let old_name = results.against.clone().unwrap_or_else(|| format!("the accepted {}", result.kernel));
    explain_saved(
        SavedSide { name: &old_name, paths: &accepted, functions: before, result: reference },
        SavedSide { name: &result.kernel, paths: &found, functions: after, result: Some(result) },
    )
}

/// What a result was compared with, if that was not a snapshot and is known.
fn reference_of<'r>(results: &'r Results, earlier: Option<&'r Results>, one: &CaseResult) -> Option<&'r CaseResult> {
    let against = results.against.as_deref()?;
    if one.kernel == against {
        return None;
    }
    let in_run = results.cases.iter().find(|other| other.case == one.case && other.kernel == against);
    in_run.or_else(|| earlier?.cases.iter().find(|other| other.case == one.case))
}

/// The changes that occur in the same results are one.
fn grouped(changed: &[ChangedPaths]) -> Vec<PathChange> {
    let mut by_name: BTreeMap<String, PathChange> = BTreeMap::new();
    for (at, one) in changed.iter().enumerate() {
        for (section, diff) in one.sections.iter().enumerate() {
            for (name, lines) in runs(&diff.explained.diff) {
                let change =
                    by_name.entry(name).or_insert_with(|| PathChange { results: Vec::new(), places: Vec::new() });
                if change.results.last() != Some(&at) {
                    change.results.push(at);
                }
                if change.results.len() == 1 && change.places.is_empty() {
                    change.places.push(Place { section, lines });
                }
            }
        }
    }
    let mut by_results: BTreeMap<Vec<usize>, Vec<Place>> = BTreeMap::new();
    for change in by_name.into_values() {
        by_results.entry(change.results).or_default().extend(change.places);
    }
    let ordered = |(results, mut places): (Vec<usize>, Vec<Place>)| {
        places.sort_by_key(|place| (place.section, place.lines.start));
        PathChange { results, places }
    };
    let mut all: Vec<PathChange> = by_results.into_iter().map(ordered).collect();
    all.sort_by_key(|change| std::cmp::Reverse(change.results.len()));
    all
}

fn moved_timings<'r>(results: &'r Results, earlier: Option<&'r Results>) -> Vec<MovedTiming<'r>> {
    let mut moved = Vec::new();
    for result in &results.cases {
        let same = |other: &&CaseResult| (&other.case, &other.kernel) == (&result.case, &result.kernel);
        let earlier = earlier.and_then(|earlier| earlier.cases.iter().find(same));
        for timing in &result.timings {
            let known = || earlier?.timing(&timing.name).map(|earlier| earlier.cost);
            let Some(before) = timing.accepted.or_else(known) else { continue };
            let one = MovedTiming { result, timing, before };
            let is_moved = match timing.accepted {
                Some(accepted) => accepted != timing.cost,
                None => one.share().abs() > MOVED_SINCE_EARLIER,
            };
            moved.extend(is_moved.then_some(one));
        }
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(case: &str, kernel: &str, path: &str, accepted: Option<&str>, cost: u64) -> serde_json::Value {
        let self_costs = serde_json::json!({"f": {"cost": cost, "traced": 1}});
        serde_json::json!({
            "case": case, "kernel": kernel, "verdict": "changed", "problems": [], "notes": [], "capture_digest": "",
            "timing_digest": "", "took_ms": 0, "accepted": accepted.map(|path| format!("# a.recv\n{path}")),
            "paths": [{"name": "a.recv", "path": path, "agreeing": 5, "iterations": 5, "self_costs": self_costs}],
            "timings": [{"name": "a.recv", "cost": cost, "switches": 0}],
        })
    }

    fn results(against: Option<&str>, cases: &[serde_json::Value]) -> Results {
        let json = serde_json::json!({"version": 2, "kernels": [], "qemu": "10", "mode": "exact", "cases": cases,
                                      "against": against});
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn changes_that_occur_in_the_same_results_are_one_and_those_in_most_results_come_first() {
        let run = results(
            None,
            &[
                result("g/one", "6.12", "f\n  g\n  h\n  i\n", Some("f\n  h\n"), 10),
                result("g/two", "6.12", "f\n  g\n  h\n", Some("f\n  h\n"), 10),
                result("g/two", "6.18", "f\n  h\n", Some("f\n  h\n  k\n"), 10),
                result("g/same", "6.18", "f\n", None, 10),
            ],
        );
        let found = RunChanges::of(&run, None);
        let changes: Vec<(&[usize], Vec<Range<usize>>)> = found
            .changes
            .iter()
            .map(|change| (&*change.results, change.places.iter().map(|place| place.lines.clone()).collect()))
            .collect();
        assert_eq!(changes, [(&[0, 1][..], vec![1..2]), (&[0], vec![3..4]), (&[2], vec![2..3])]);
        assert!(found.functions.is_empty() && found.remeasured.len() == 1, "{found:?}");
    }

    #[test]
    fn a_run_compared_with_a_kernel_has_the_functions_that_cost_more() {
        let before = result("g/one", "6.12", "f\n", None, 1000);
        let now = result("g/one", "mine", "f\n  g\n", Some("f\n"), 1500);
        let in_run = results(Some("6.12"), &[before.clone(), now.clone()]);
        let saved = results(None, &[before]);
        let apart = results(Some("6.12 in base.json"), &[now]);
        for (run, earlier) in [(&in_run, None), (&apart, Some(&saved))] {
            let functions = RunChanges::of(run, earlier).functions;
            let [cost] = &functions[..] else { panic!("{functions:?}") };
            assert_eq!((&*cost.function, cost.before, cost.now), ("f", 1000, 1500));
        }
        assert!(RunChanges::of(&apart, None).functions.is_empty());
    }
}
