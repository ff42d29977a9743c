//! Compares what a pass shows with its accepted snapshot.

use crate::case::CaseName;
use crate::error_chain;
use crate::kernel::KernelName;
use crate::suite::judge::timings::{TimingComparison, Timings};
use crate::suite::store::path_document::section_at;
use crate::suite::store::run_results::{CaseResult, Problem, Verdict};
use crate::suite::store::saved::OperationTiming;
use crate::suite::store::snapshot::{SnapshotKind, Snapshots, first_difference};

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
        let Some(accepted) = self.accepted(SnapshotKind::Path, result) else { return };
        if let Some(accepted) = self.differing(SnapshotKind::Path, document, accepted, result) {
            result.accepted = Some(accepted);
        }
    }

    /// Timings may differ by as much as a different QEMU version causes.
    pub(super) fn check_timings(&self, timings: &Timings, result: &mut CaseResult) {
        let Some(accepted) = self.accepted(SnapshotKind::Timing, result) else { return };
        if let Some(TimingComparison::WithinBand(within)) = accepted.as_ref().map(|text| timings.compare_with(text)) {
            result
                .notes
                .push(format!("timings differ from the accepted ones within the tolerance: {}", within.join("; ")));
            if self.propose {
                self.snapshots.withdraw(self.case, self.kernel, SnapshotKind::Timing);
            }
        } else if let Some(accepted) = self.differing(SnapshotKind::Timing, &timings.document(), accepted, result) {
            note_accepted_costs(&mut result.timings, &accepted);
        }
    }

    /// The accepted text, if there is one. A damaged snapshot leaves nothing to compare: the result is broken then.
    fn accepted(&self, kind: SnapshotKind, result: &mut CaseResult) -> Option<Option<String>> {
        match self.snapshots.accepted(self.case, self.kernel, kind) {
            Ok(accepted) => Some(accepted),
            Err(error) => {
                result.downgrade(Verdict::Broken, Problem::new("snapshot", error_chain(&error)));
                None
            }
        }
    }

    /// Compares a document with the accepted one and downgrades the result if they differ. Returns the accepted one then.
    fn differing(
        &self,
        kind: SnapshotKind,
        document: &str,
        accepted: Option<String>,
        result: &mut CaseResult,
    ) -> Option<String> {
        let is_same = |accepted: &String| accepted.trim_end() == document.trim_end();
        let differs = !accepted.as_ref().is_some_and(is_same);
        if differs {
            result.downgrade(Verdict::Changed, self.difference(kind, document, accepted.as_deref()));
        }
        match (self.propose, differs) {
            (false, _) => {}
            (true, false) => self.snapshots.withdraw(self.case, self.kernel, kind),
            (true, true) => {
                if let Err(error) = self.snapshots.propose(self.case, self.kernel, kind, document) {
                    let message = format!("no pending snapshot could be written: {error}");
                    result.downgrade(Verdict::Broken, Problem::new("snapshot", message));
                }
            }
        }
        accepted.filter(|_| differs)
    }

    fn difference(&self, kind: SnapshotKind, document: &str, accepted: Option<&str>) -> Problem {
        let file = self.snapshots.file(self.case, self.kernel, kind);
        let Some(accepted) = accepted else {
            return Problem::new("snapshot", format!("there is no snapshot yet: expected {}", file.display()));
        };
        difference(&file.display().to_string(), ("accepted", "found"), accepted, document)
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

/// Adds the accepted costs to the timings. None are added if someone edited the accepted document so that it cannot be read;
/// its difference is shown as text.
fn note_accepted_costs(timings: &mut [OperationTiming], accepted: &str) {
    let accepted = Timings::parse(accepted).unwrap_or_default().timings;
    for timing in timings {
        timing.accepted = accepted.iter().find(|one| one.name == timing.name).map(|one| one.cost);
    }
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
    use std::fs;

    /// The result of checking timings of `cost` on a repository where `accepted` was accepted.
    fn checked(accepted: Option<u64>, cost: u64) -> (CaseResult, bool) {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("snapshots/g/c");
        fs::create_dir_all(&folder).unwrap();
        let timings = |cost: u64| Timings {
            iterations: 2,
            timings: vec![OperationTiming::measured("a.recv".to_owned(), 0, Summary::of(&[cost]).unwrap())],
        };
        if let Some(accepted) = accepted {
            let text = format!("---\nsource: a.rs\n---\n{}", timings(accepted).document());
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
            propose: accepted.is_some_and(|accepted| accepted.abs_diff(cost) <= 50),
        };
        check.check_timings(&timings, &mut result);
        (result, pending.exists())
    }

    #[test]
    fn timings_are_the_accepted_ones_or_within_the_tolerance_or_changed() {
        let (same, is_pending) = checked(Some(10_000), 10_000);
        assert_eq!(
            (same.verdict, same.notes.len(), same.timings[0].accepted, is_pending),
            (Verdict::Pass, 0, None, false)
        );
        let (near, is_pending) = checked(Some(10_000), 10_050);
        assert_eq!(
            (near.verdict, near.notes.len(), near.timings[0].accepted, is_pending),
            (Verdict::Pass, 1, None, false)
        );
        let (far, is_pending) = checked(Some(10_000), 10_051);
        assert_eq!((far.verdict, far.timings[0].accepted, is_pending), (Verdict::Changed, Some(10_000), true));
        assert_eq!(far.problems[0].place, "instructions, lower quartile of 2 iterations");
        let (new, is_pending) = checked(None, 10_000);
        assert_eq!((new.verdict, new.timings[0].accepted, is_pending), (Verdict::Changed, None, true));
        assert!(new.problems[0].message.ends_with("snapshots/g/c/6.12.timing.snap"), "{:?}", new.problems);
    }
}
