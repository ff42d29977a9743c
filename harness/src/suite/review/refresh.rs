//! Refreshes timing snapshots: accepts what drifted within the tolerance, and notes what the timings were measured with.

use crate::suite::judge::timings::{TimingVerdict, Timings};
use crate::suite::store::run_results::{CaseResult, Results, Verdict};
use crate::suite::store::snapshot::{SnapshotError, Snapshots};

/// What a refresh did, as numbers of pairs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Refreshed {
    /// Their timings drifted, and are accepted now.
    pub drifted: usize,
    /// Their timings are the same, and were measured with something else before.
    pub measured_again: usize,
    /// Nothing about their timings is new.
    pub up_to_date: usize,
    /// They did not pass, or differ from a snapshot that was changed since.
    pub left: usize,
}

/// Refreshes the timing snapshots of all pairs that passed. Any other snapshot stays as it is.
pub(crate) fn refresh(results: &Results, snapshots: &Snapshots) -> Result<Refreshed, SnapshotError> {
    let mut refreshed = Refreshed::default();
    for result in results.cases.iter().filter(|one| one.measured_with.is_some()) {
        *refresh_one(result, snapshots, &mut refreshed)? += 1;
    }
    Ok(refreshed)
}

/// Refreshes the timing snapshot of a pair. Returns the number that counts it.
fn refresh_one<'r>(
    result: &CaseResult,
    snapshots: &Snapshots,
    refreshed: &'r mut Refreshed,
) -> Result<&'r mut usize, SnapshotError> {
    let CaseResult { case, kernel, .. } = result;
    let (Some(now), true) = (&result.measured_with, result.verdict == Verdict::Pass) else {
        return Ok(&mut refreshed.left);
    };
    let accepted = snapshots.accepted_timings(case, kernel)?;
    let stored = accepted.as_ref().and_then(|accepted| Timings::parse(&accepted.text));
    let (Some(accepted), Some(stored)) = (accepted, stored) else { return Ok(&mut refreshed.left) };
    let timings = Timings { iterations: stored.iterations, timings: result.timings.clone() };
    let count = match timings.judge_by(&accepted, now) {
        TimingVerdict::Changed | TimingVerdict::Inexact => return Ok(&mut refreshed.left),
        TimingVerdict::Same if accepted.measured_with.as_ref() == Some(now) => return Ok(&mut refreshed.up_to_date),
        TimingVerdict::Same => &mut refreshed.measured_again,
        TimingVerdict::Drifted(_) => &mut refreshed.drifted,
    };
    snapshots.refresh(case, kernel, &timings.document(), now)?;
    Ok(count)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::path::timing::Summary;
    use crate::suite::store::measured_with::MeasuredWith;
    use crate::suite::store::measured_with::tests::sample;
    use crate::suite::store::saved::OperationTiming;
    use crate::suite::store::snapshot::SnapshotKind;

    fn timings(cost: u64) -> Timings {
        let summary = Summary::of(&[cost]).unwrap();
        Timings { iterations: 32, timings: vec![OperationTiming::measured("a.recv".to_owned(), 0, summary)] }
    }

    /// A repository whose snapshot has a cost of 10,000, and the text of its file.
    fn repository(root: &Path, heading: &str) -> (Snapshots, String) {
        let snapshots = Snapshots::new(root);
        let file = snapshots.file(&"g/c".into(), &"6.12".into(), SnapshotKind::Timing);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let text = format!("---\nsource: a.rs\n{heading}---\n{}", timings(10_000).document());
        fs::write(file, &text).unwrap();
        (snapshots, text)
    }

    #[test]
    fn what_passed_is_refreshed_and_what_changed_is_not_touched() {
        let none = Refreshed::default();
        let (left, drifted) = (Refreshed { left: 1, ..none }, Refreshed { drifted: 1, ..none });
        let (measured_again, up_to_date) =
            (Refreshed { measured_again: 1, ..none }, Refreshed { up_to_date: 1, ..none });
        let same = sample().heading();
        let other = MeasuredWith { agent: "other".to_owned(), ..sample() }.heading();
        for (heading, verdict, cost, expected) in [
            (&*same, Verdict::Pass, 10_000, up_to_date),
            (&same, Verdict::Pass, 10_001, left),
            (&other, Verdict::Pass, 10_000, measured_again),
            (&other, Verdict::Pass, 10_050, drifted),
            (&other, Verdict::Pass, 10_051, left),
            (&other, Verdict::Changed, 10_050, left),
            (&other, Verdict::Failed, 10_000, left),
            ("", Verdict::Pass, 10_000, measured_again),
            ("", Verdict::Pass, 9_950, drifted),
            ("", Verdict::Inconclusive, 9_950, left),
        ] {
            let root = tempfile::tempdir().unwrap();
            let (snapshots, before) = repository(root.path(), heading);
            let result = CaseResult {
                case: "g/c".into(),
                kernel: "6.12".into(),
                verdict,
                timings: timings(cost).timings,
                measured_with: Some(sample()),
                ..CaseResult::default()
            };
            let mut refreshed = none;
            *refresh_one(&result, &snapshots, &mut refreshed).unwrap() += 1;
            assert_eq!(refreshed, expected, "{heading}{verdict:?} {cost}");
            let after = match expected == left || expected == up_to_date {
                true => before,
                false => format!("---\nsource: a.rs\n{same}---\n{}", timings(cost).document()),
            };
            let file = snapshots.file(&result.case, &result.kernel, SnapshotKind::Timing);
            assert_eq!(fs::read_to_string(file).unwrap(), after, "{heading}{verdict:?} {cost}");
        }
    }
}
