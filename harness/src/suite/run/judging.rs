//! From what both passes of a job gave to its verdict.

use super::matrix::{Job, Suite, TestBed};
use crate::case::Lowered;
use crate::suite::judge::downgrade::{check_agent_report, downgrade, record_pass_error};
use crate::suite::judge::expectations as judge;
use crate::suite::judge::milestones;
use crate::suite::judge::observe::Observation;
use crate::suite::judge::timings::{TimingComparison, Timings, cost_failures};
use crate::suite::kernel_metadata::KernelMetadata;
use crate::suite::run::passes::{PassError, Recorded};
use crate::suite::store::results::{CaseResult, Verdict};
use crate::suite::store::saved::{self, OperationTiming};
use crate::suite::store::snapshot::{Compared, SnapshotKind, first_difference, section_at};
use crate::vm::Accelerator;

impl Suite<'_> {
    /// What came of a job: both passes, against what the case expects and against the snapshots.
    pub(crate) fn judge(
        &self,
        job: &Job<'_>,
        lowered: &Lowered,
        test_bed: &TestBed,
        trace: Result<Recorded, PassError>,
        timing: Result<Recorded, PassError>,
    ) -> CaseResult {
        let mut result = job.result(Verdict::Pass, Vec::new());
        match trace {
            Ok(recorded) => {
                result.capture_digest = recorded.digest.clone();
                self.judge_trace(job, lowered, test_bed, &recorded, &mut result);
            }
            Err(why) => record_pass_error(&mut result, "traced pass", &why),
        }
        match timing {
            Ok(recorded) => {
                result.timing_digest = recorded.digest.clone();
                self.judge_timing(job, lowered, &test_bed.facts, &recorded, &mut result);
            }
            Err(why) => record_pass_error(&mut result, "timing pass", &why),
        }
        result
    }

    fn judge_trace(
        &self,
        job: &Job<'_>,
        lowered: &Lowered,
        test_bed: &TestBed,
        recorded: &Recorded,
        result: &mut CaseResult,
    ) {
        if !check_agent_report(job.case, recorded, "traced pass", result) {
            return;
        }
        if let Some(Err(why)) = &test_bed.tracer {
            result.notes.push(format!("no costs of functions: {why}"));
        }
        let tracer = test_bed.tracer.as_ref().and_then(|tracer| tracer.as_ref().ok()).copied();
        let observation = match Observation::of(job.case, lowered, recorded, &test_bed.facts, tracer) {
            Ok(observation) => observation,
            Err(why) => return record_pass_error(result, "traced pass", &why),
        };
        if !observation.losses.is_empty() {
            const TOLD: usize = 8;
            let mut told: Vec<&str> = observation.losses.iter().take(TOLD).map(String::as_str).collect();
            let more = format!("and {} more", observation.losses.len().saturating_sub(TOLD));
            if observation.losses.len() > TOLD {
                told.push(&more);
            }
            let message = format!("records are missing, so nothing can be said:\n{}", told.join("\n"));
            return downgrade(result, Verdict::Inconclusive, "traced pass", message, String::new());
        }
        result.paths = saved::paths(&observation);
        result.wakeups = saved::wakeups_of(&result.paths);
        for (context, failures) in judge::by_context(judge::failures(job.case, lowered, &observation)) {
            let lines: Vec<String> = failures.iter().map(|one| format!("{}: {}", one.at, one.message)).collect();
            downgrade(result, Verdict::Failed, &context, lines.join("\n"), String::new());
        }
        for (section, unstable) in observation.unsteady() {
            let places: Vec<String> =
                unstable.places.iter().take(5).map(|(place, count)| format!("{count} iterations: {place}")).collect();
            let message = format!(
                "the iterations do not agree: the most frequent path came {} times of {}\n{}",
                unstable.agreeing,
                unstable.iterations,
                places.join("\n")
            );
            downgrade(result, Verdict::Inconclusive, &section.name, message, String::new());
        }
        if observation.unsteady().next().is_none() {
            self.compare_with_snapshot(job, SnapshotKind::Path, &observation.document(), result);
        }
    }

    fn judge_timing(
        &self,
        job: &Job<'_>,
        lowered: &Lowered,
        facts: &KernelMetadata,
        recorded: &Recorded,
        result: &mut CaseResult,
    ) {
        if !check_agent_report(job.case, recorded, "timing pass", result) {
            return;
        }
        let mut timings = Timings::of(job.case, &recorded.report);
        if !lowered.milestones.is_empty() {
            let found = milestones::timings(recorded, facts, &lowered.milestones);
            match found.map_err(|why| PassError::from(Box::new(why))) {
                Ok((found, missing)) => {
                    timings.timings.extend(found);
                    for name in missing {
                        let message = format!(
                            "expected the milestone {name} to be called in a recorded operation, and it was not: name a function that is, or gate it (`{name} since 6.1`)"
                        );
                        downgrade(result, Verdict::Failed, "milestones", message, String::new());
                    }
                }
                Err(why) => record_pass_error(result, "timing pass", &why),
            }
        }
        result.timings = timings.timings.clone();
        if self.options.accelerator != Accelerator::Exact {
            return;
        }
        let (case, kernel) = (&job.case.name, job.kernel_name());
        let accepted = self.snapshots.accepted(case, &kernel, SnapshotKind::Timing);
        match accepted.map(|accepted| (timings.compare_with(&accepted), accepted)) {
            Some((TimingComparison::WithinBand(within), accepted)) => {
                result.notes.push(format!("timings within the band of what was accepted: {}", within.join("; ")));
                // What an earlier run may have proposed is no longer true.
                self.snapshots.propose(case, &kernel, SnapshotKind::Timing, &accepted);
            }
            _ => self.compare_with_snapshot(job, SnapshotKind::Timing, &timings.document(), result),
        }
    }

    fn compare_with_snapshot(&self, job: &Job<'_>, kind: SnapshotKind, document: &str, result: &mut CaseResult) {
        let (case, kernel) = (&job.case.name, job.kernel_name());
        let file = self.snapshots.file(case, &kernel, kind);
        match self.snapshots.compare(case, &kernel, kind, document) {
            Compared::Same => {}
            Compared::New => {
                let message = format!("no snapshot yet: expected {}", file.display());
                downgrade(result, Verdict::Changed, "snapshot", message, String::new());
            }
            Compared::Different(accepted) => {
                let (line, old, new) = first_difference(&accepted, document);
                let section = section_at(document, line);
                let or_end = |text: &str| {
                    if text.is_empty() { "a blank line or the end".to_owned() } else { format!("`{}`", text.trim()) }
                };
                let message = format!(
                    "{} differs from what was accepted, first at line {line} of its text, in {section}: accepted {}, found {}",
                    file.display(),
                    or_end(old),
                    or_end(new)
                );
                let evidence = unified(&accepted, document);
                downgrade(result, Verdict::Changed, section, message, evidence);
                match kind {
                    SnapshotKind::Path => result.accepted = Some(accepted),
                    SnapshotKind::Timing => note_accepted_costs(&mut result.timings, &accepted),
                }
            }
        }
        if self.options.propose {
            self.snapshots.propose(case, &kernel, kind, document);
        }
    }
}

/// Holds costs against the bounds that cases set, which may speak of other cases: so only when all have run.
pub(crate) fn judge_costs(jobs: &[Job<'_>], found: &mut [CaseResult]) {
    for job in jobs.iter().filter(|job| job.skip.is_none()) {
        let kernel = job.kernel_name();
        let expectations: Vec<_> = job.case.expectations.iter().filter_map(|one| one.on(job.kernel.series)).collect();
        let (wrong, unknown) = cost_failures(job.case, &expectations, &kernel, found);
        let Some(result) = found.iter_mut().find(|one| one.case == job.case.name && one.kernel == kernel) else {
            continue;
        };
        for failure in wrong {
            let message = format!("{}: {}", failure.at, failure.message);
            downgrade(result, Verdict::Failed, &failure.context, message, String::new());
        }
        result
            .notes
            .extend(unknown.iter().map(|failure| format!("{}: not judged: {}", failure.context, failure.message)));
    }
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
    diff.unified_diff(
        &imara_diff::BasicLineDiffPrinter(&input.interner),
        imara_diff::UnifiedDiffConfig::default(),
        &input,
    )
    .to_string()
}
