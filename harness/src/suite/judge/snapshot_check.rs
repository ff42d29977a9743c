//! Compares what a pass shows with its accepted snapshot.

use crate::case::CaseName;
use crate::error_chain;
use crate::kernel::KernelName;
use crate::suite::judge::timings::{TimingVerdict, Timings};
use crate::suite::store::measured_with::MeasuredWith;
use crate::suite::store::path_document::section_at;
use crate::suite::store::run_results::{CaseResult, NO_SNAPSHOT, Problem, Verdict};
use crate::suite::store::saved::OperationTiming;
use crate::suite::store::snapshot::{SnapshotError, SnapshotKind, Snapshots, first_difference};

/// The snapshots of one case on one kernel.
pub(super) struct SnapshotCheck<'a> {
    pub(super) snapshots: &'a Snapshots,
    pub(super) case: &'a CaseName,
    pub(super) kernel: &'a KernelName,
    /// Whether insta is to write differences as pending snapshots.
    pub(super) propose: bool,
}

impl SnapshotCheck<'_> {
    pub(super) fn check_paths(&self, document: &str, result: &mut CaseResult) {
        let accepted = self.snapshots.accepted(self.case, self.kernel, SnapshotKind::Path);
        let Some(accepted) = unless_damaged(accepted, result) else { return };
        if accepted.as_ref().is_some_and(|accepted| accepted.trim_end() == document.trim_end()) {
            return self.withdraw(SnapshotKind::Path);
        }
        result.downgrade(Verdict::Changed, self.difference(SnapshotKind::Path, document, accepted.as_deref()));
        self.propose(SnapshotKind::Path, document, None, result);
        result.accepted = accepted;
    }

    /// Timings may differ by as much as a different QEMU version causes, unless they were measured with the same.
    pub(super) fn check_timings(&self, timings: &Timings, measured_with: &MeasuredWith, result: &mut CaseResult) {
        let accepted = self.snapshots.accepted_timings(self.case, self.kernel);
        let Some(accepted) = unless_damaged(accepted, result) else { return };
        let verdict = accepted.as_ref().map(|accepted| timings.judge_by(accepted, measured_with));
        if let Some(TimingVerdict::Same | TimingVerdict::Drifted(_)) = verdict {
            if let Some(TimingVerdict::Drifted(drift)) = verdict {
                result.drift = Some(drift);
            }
            return self.withdraw(SnapshotKind::Timing);
        }
        let (accepted, accepted_with) = accepted.map(|accepted| (accepted.text, accepted.measured_with)).unzip();
        result.accepted_with = accepted_with.flatten();
        let document = timings.document();
        let mut problem = self.difference(SnapshotKind::Timing, &document, accepted.as_deref());
        if verdict == Some(TimingVerdict::Inexact) {
            problem.message.push_str(
                "; that is within the tolerance, which does not apply: both were measured with the same kernel, QEMU, agent, \
                 rxpath and inputs",
            );
        }
        result.downgrade(Verdict::Changed, problem);
        self.propose(SnapshotKind::Timing, &document, Some(measured_with), result);
        if let Some(accepted) = accepted {
            note_accepted_costs(&mut result.timings, &parsed(&accepted));
        }
    }

    fn withdraw(&self, kind: SnapshotKind) {
        if self.propose {
            self.snapshots.withdraw(self.case, self.kernel, kind);
        }
    }

    fn propose(
        &self,
        kind: SnapshotKind,
        document: &str,
        measured_with: Option<&MeasuredWith>,
        result: &mut CaseResult,
    ) {
        if !self.propose {
            return;
        }
        if let Err(error) = self.snapshots.propose(self.case, self.kernel, kind, document, measured_with) {
            let message = format!("no pending snapshot could be written: {error}");
            result.downgrade(Verdict::Broken, Problem::new("snapshot", message));
        }
    }

    fn difference(&self, kind: SnapshotKind, document: &str, accepted: Option<&str>) -> Problem {
        let file = self.snapshots.file(self.case, self.kernel, kind);
        let Some(accepted) = accepted else {
            return Problem::new("snapshot", format!("{NO_SNAPSHOT}: expected {}", file.display()));
        };
        difference(&file.display().to_string(), ("accepted", "found"), accepted, document)
    }
}

/// What was read of a snapshot. A damaged one leaves nothing to compare: the result is broken then.
fn unless_damaged<T>(read: Result<T, SnapshotError>, result: &mut CaseResult) -> Option<T> {
    match read {
        Ok(accepted) => Some(accepted),
        Err(error) => {
            result.downgrade(Verdict::Broken, Problem::new("snapshot", error_chain(&error)));
            None
        }
    }
}

/// The problem that two documents differ. `source` is where the accepted one is from; `words` say which of the two is which.
pub(crate) fn difference(source: &str, words: (&str, &str), accepted: &str, document: &str) -> Problem {
    let (line, old, new) = first_difference(accepted, document);
    let section = section_at(document, line);
    let or_end = |text: &str| {
        if text.is_empty() { "a blank line or the end".to_owned() } else { format!("`{}`", text.trim()) }
    };
    let message = format!(
        "{source} differs from this run, first at line {line} of its text, in {section}: {} {}, {} {}",
        words.0,
        or_end(old),
        words.1,
        or_end(new)
    );
    Problem { evidence: unified(accepted, document), ..Problem::new(section, message) }
}

/// Adds the costs that the timings were compared with.
pub(crate) fn note_accepted_costs(timings: &mut [OperationTiming], accepted: &[OperationTiming]) {
    for timing in timings {
        timing.accepted = accepted.iter().find(|one| one.name == timing.name).map(|one| one.cost);
    }
}

/// The accepted timings; none if someone edited the document so that it cannot be read: its difference is shown as text.
fn parsed(accepted: &str) -> Vec<OperationTiming> {
    Timings::parse(accepted).unwrap_or_default().timings
}

/// The changed lines of two texts with three lines around them, as `diff -u` writes them.
fn unified(accepted: &str, found: &str) -> String {
    let input = imara_diff::InternedInput::new(accepted, found);
    let mut diff = imara_diff::Diff::compute(imara_diff::Algorithm::Histogram, &input);
    diff.postprocess_lines(&input);
    let printer = imara_diff::BasicLineDiffPrinter(&input.interner);
    diff.unified_diff(&printer, imara_diff::UnifiedDiffConfig::default(), &input).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::timing::Summary;
    use crate::suite::store::measured_with::tests::sample;
    use std::fs;

    /// The result of checking timings of `cost` on a repository where `accepted` was accepted, and whether a pending snapshot of
    /// an earlier run is left.
    fn checked(accepted: Option<u64>, cost: u64, agent: &str) -> (CaseResult, bool) {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("snapshots/g/c");
        fs::create_dir_all(&folder).unwrap();
        let timings = |cost: u64| Timings {
            iterations: 2,
            timings: vec![OperationTiming::measured("a.recv".to_owned(), 0, Summary::of(&[cost]).unwrap())],
        };
        if let Some(accepted) = accepted {
            let text = format!("---\nsource: a.rs\n{}---\n{}", sample().heading(), timings(accepted).document());
            fs::write(folder.join("6.12.timing.snap"), text).unwrap();
        }
        let pending = folder.join("6.12.timing.snap.new");
        fs::write(&pending, "of an earlier run").unwrap();
        let (case, kernel) = ("g/c".into(), "6.12".into());
        let text = r#"{"case": "g/c", "kernel": "6.12", "verdict": "pass", "problems": [], "notes": [],
                       "capture_digest": "", "timing_digest": "", "took_ms": 0}"#;
        let mut result: CaseResult = serde_json::from_str(text).unwrap();
        let timings = timings(cost);
        result.timings = timings.timings.clone();
        let snapshots = Snapshots::new(root.path());
        let check = SnapshotCheck {
            snapshots: &snapshots,
            case: &case,
            kernel: &kernel,
            propose: accepted.is_some_and(|accepted| accepted.abs_diff(cost) <= 50 && agent == "other"),
        };
        let now = MeasuredWith { agent: agent.to_owned(), ..sample() };
        check.check_timings(&timings, &now, &mut result);
        (result, pending.exists())
    }

    #[test]
    fn timings_are_the_accepted_ones_or_within_the_tolerance_or_changed() {
        let drift =
            |result: &CaseResult| result.drift.as_ref().map(|drift| (drift.because.clone(), drift.timings.len()));
        let (same, is_pending) = checked(Some(10_000), 10_000, "other");
        assert_eq!((same.verdict, drift(&same), is_pending), (Verdict::Pass, None, false));
        let (near, is_pending) = checked(Some(10_000), 10_050, "other");
        let expected = Some((vec!["agent".to_owned()], 1));
        assert_eq!((near.verdict, drift(&near), is_pending), (Verdict::Pass, expected, false));
        assert_eq!((near.notes.len(), near.timings[0].accepted), (0, None));
        let (far, is_pending) = checked(Some(10_000), 10_051, "other");
        assert_eq!((far.verdict, far.timings[0].accepted, is_pending), (Verdict::Changed, Some(10_000), true));
        assert!(far.has_other_timings() && far.accepted_with.is_some());
        assert_eq!((drift(&far), &*far.problems[0].place), (None, "instructions, lower quartile of 2 iterations"));
        let (inexact, _) = checked(Some(10_000), 10_001, &sample().agent);
        assert_eq!((inexact.verdict, drift(&inexact)), (Verdict::Changed, None));
        assert!(inexact.problems[0].message.contains("the tolerance, which does not apply"), "{:?}", inexact.problems);
        let (new, is_pending) = checked(None, 10_000, "other");
        assert_eq!((new.verdict, new.timings[0].accepted, is_pending), (Verdict::Changed, None, true));
        assert!(new.problems[0].message.ends_with("snapshots/g/c/6.12.timing.snap"), "{:?}", new.problems);
    }
}
