//! From the two passes of a case to its verdict.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::case::{Case, Failure, Lowered, PassKind};
use crate::code::Containment;
use crate::error_chain;
use crate::kernel::{Kernel, KernelName};
use crate::path::CallPath;
use crate::suite::judge::expectations::{by_context, failures, result_failures};
use crate::suite::judge::faults::{SETUP, verdict_of_pass};
use crate::suite::judge::hung::stuck_problem;
use crate::suite::judge::milestone_times::{self, MilestoneTimingError};
use crate::suite::judge::observe::{Observation, Section};
use crate::suite::judge::snapshot_check::SnapshotCheck;
use crate::suite::judge::timings::Timings;
use crate::suite::run::case_pass::CasePass;
use crate::suite::run::passes::Recorded;
use crate::suite::run::test_bed::TestBed;
use crate::suite::store::run_results::{CaseResult, Problem, Verdict};
use crate::suite::store::saved::wakeups;
use crate::suite::store::snapshot::Snapshots;
use crate::trace::Presence;
use crate::vm::Accelerator;

/// How many lines of a long list a message shows.
const SHOWN_LOSSES: usize = 8;
const SHOWN_PLACES: usize = 5;

const UNTRACEABLE: &str = "the kernel cannot trace it: it is inlined into its callers, or not built";

/// What judging needs besides the passes.
pub(crate) struct Judge<'a> {
    pub(crate) snapshots: &'a Snapshots,
    /// Whether insta is to write differences as pending snapshots.
    pub(crate) propose: bool,
    pub(crate) accelerator: Accelerator,
    /// The compilers of the kernels whose configuration names them.
    pub(crate) compilers: BTreeMap<KernelName, String>,
}

/// A result, with the functions of its paths.
pub(crate) struct Judged {
    pub(crate) result: CaseResult,
    pub(crate) functions: BTreeSet<String>,
}

/// A case on a test bed, while it is judged.
struct CaseJudge<'a> {
    case: &'a Case,
    test_bed: &'a TestBed,
    accelerator: Accelerator,
    kernel: &'a Kernel,
    compiler: Option<&'a str>,
    /// `None` for a kernel that has no snapshots.
    snapshots: Option<SnapshotCheck<'a>>,
    result: CaseResult,
    functions: BTreeSet<String>,
}

impl Judge<'_> {
    /// Compares both passes with the case's expectations and with the snapshots.
    pub(crate) fn judge(
        &self,
        case: &Case,
        kernel: &Kernel,
        test_bed: &TestBed,
        trace: &CasePass,
        timing: &CasePass,
    ) -> Judged {
        let &Self { snapshots, propose, accelerator, ref compilers } = self;
        let name = kernel.name();
        let compiler = compilers.get(&name).map(String::as_str);
        let snapshots =
            kernel.is_pinned().then_some(SnapshotCheck { snapshots, case: &case.name, kernel: &name, propose });
        let mut result = CaseResult::new(case, name.clone());
        if snapshots.is_none() {
            result.verdict = Verdict::New;
        }
        let mut judge =
            CaseJudge { case, test_bed, accelerator, kernel, compiler, snapshots, result, functions: BTreeSet::new() };
        match &trace.recorded {
            Ok(recorded) => {
                judge.result.capture_digest = recorded.digest.clone();
                judge.judge_trace(&trace.lowered, recorded);
            }
            Err(error) => judge.downgrade(verdict_of_pass(place(PassKind::Trace), error)),
        }
        match &timing.recorded {
            Ok(recorded) => {
                judge.result.timing_digest = recorded.digest.clone();
                judge.judge_timing(&timing.lowered, recorded);
            }
            Err(error) => judge.downgrade(verdict_of_pass(place(PassKind::Timing), error)),
        }
        Judged { result: judge.result, functions: judge.functions }
    }
}

/// How problems name a pass.
fn place(pass: PassKind) -> &'static str {
    match pass {
        PassKind::Trace => "traced pass",
        PassKind::Timing => "timing pass",
    }
}

impl CaseJudge<'_> {
    /// What is judged on this kernel. A kernel that is not pinned may have inlined functions that the case expects: notes name
    /// them, and the rest of the calls must hold. For a pinned kernel, such a case is an error before anything runs.
    fn judgeable<'l>(&mut self, lowered: &'l Lowered, observation: &Observation) -> Cow<'l, Lowered> {
        if self.kernel.is_pinned() {
            return Cow::Borrowed(lowered);
        }
        let mut lowered = lowered.clone();
        let mut missing = BTreeSet::new();
        let paths = observation.sections.iter().filter_map(Section::shown);
        let seen: BTreeSet<&str> = paths.flat_map(CallPath::functions).collect();
        for expectation in &mut lowered.expectations {
            let mut caller: Option<String> = None;
            expectation.calls.retain(|call| {
                let names = &call.value.names;
                let is_seen = names.iter().any(|name| seen.contains(&**name));
                let reason = if is_seen { None } else { self.why_unseen(caller.as_deref(), names) };
                if let Some(reason) = &reason {
                    missing.insert(format!("not judged: {}: {reason}", names.join(" or ")));
                } else if is_seen {
                    caller = names.first().cloned();
                }
                reason.is_none()
            });
        }
        self.result.notes.extend(missing);
        Cow::Owned(lowered)
    }

    /// Why none of these functions can be seen where `caller` was, if the kernel's instructions say so.
    fn why_unseen(&self, caller: Option<&str>, functions: &[String]) -> Option<String> {
        if !functions.iter().any(|function| self.can_trace(function)) {
            return Some(UNTRACEABLE.to_owned());
        }
        let (caller, graph) = (caller?, self.test_bed.call_graph()?);
        let is_inlined = |function: &String| graph.containment(caller, function, None) == Containment::Inlined;
        let reason = || format!("the compiler inlined it into {caller}, which calls all that it calls");
        functions.iter().all(is_inlined).then(reason)
    }

    fn can_trace(&self, function: &str) -> bool {
        self.test_bed.metadata.presence(function) == Presence::Traceable
    }

    fn downgrade(&mut self, (verdict, problem): (Verdict, Problem)) {
        self.result.downgrade(verdict, problem);
    }

    fn judge_trace(&mut self, lowered: &Lowered, recorded: &Recorded) {
        if !self.check_agent_report(PassKind::Trace, lowered, recorded) {
            return;
        }
        let tracer = match &self.test_bed.tracer {
            Some(Ok(cost)) => Some(*cost),
            Some(Err(error)) => {
                self.result.notes.push(format!("the costs of functions are unknown: {}", error_chain(error)));
                None
            }
            None => None,
        };
        let observation = match Observation::of(self.case, lowered, recorded, &self.test_bed.metadata, tracer) {
            Ok(observation) => observation,
            Err(error) => return self.downgrade(verdict_of_pass(place(PassKind::Trace), &error.into())),
        };
        if !observation.losses.is_empty() {
            let mut shown = observation.losses.clone();
            if shown.len() > SHOWN_LOSSES {
                shown.truncate(SHOWN_LOSSES);
                shown.push(format!("and {} more", observation.losses.len() - SHOWN_LOSSES));
            }
            let mut message = format!("records are missing, so the capture proves nothing:\n{}", shown.join("\n"));
            if self.case.deadline_ns.is_none() && observation.lost_records {
                message.push_str(
                    "\nif the case waits for seconds, set `deadline:`, so that ticks of idle CPUs are not recorded",
                );
            }
            self.downgrade((Verdict::Inconclusive, Problem::new(place(PassKind::Trace), message)));
            return self.judge_failures(result_failures(self.case, lowered, &observation), false);
        }
        self.save_paths(&observation);
        let lowered = self.judgeable(lowered, &observation);
        let is_steady = observation.unsteady().next().is_none();
        self.judge_failures(failures(self.case, &lowered, &observation), is_steady);
        for (section, unstable) in observation.unsteady() {
            let places = unstable.places.iter().take(SHOWN_PLACES);
            let places: Vec<String> = places.map(|(place, count)| format!("{count} iterations: {place}")).collect();
            let message = format!(
                "the iterations do not agree: {} of {} took the most frequent path\n{}",
                unstable.agreeing,
                unstable.iterations,
                places.join("\n")
            );
            self.downgrade((Verdict::Inconclusive, Problem::new(&section.name, message)));
        }
        if let (true, Some(snapshots)) = (is_steady, &self.snapshots) {
            snapshots.check_paths(&observation.document(), &mut self.result);
        }
    }

    /// Reports what does not hold. If the iterations do not agree, an expectation that fails only in some of them proves
    /// nothing.
    fn judge_failures(&mut self, failures: Vec<Failure>, is_steady: bool) {
        for (context, failures) in by_context(failures) {
            let is_proven = is_steady || failures.iter().any(|failure| failure.in_all_iterations);
            let lines: Vec<String> = failures.iter().map(|one| format!("{}: {}", one.at, one.message)).collect();
            let verdict = if is_proven { Verdict::Failed } else { Verdict::Inconclusive };
            self.downgrade((verdict, Problem::new(context, lines.join("\n"))));
        }
    }

    fn save_paths(&mut self, observation: &Observation) {
        self.result.paths = observation.saved_paths();
        self.result.wakeups = wakeups(observation.shown_paths());
        self.result.sequence = observation.sequence.clone();
        self.functions.extend(observation.shown_paths().flat_map(|(_, path)| path.functions()).map(str::to_owned));
    }

    fn judge_timing(&mut self, lowered: &Lowered, recorded: &Recorded) {
        if !self.check_agent_report(PassKind::Timing, lowered, recorded) {
            return;
        }
        let mut timings = Timings::of(self.case, &recorded.report);
        if !lowered.milestones.is_empty() {
            match milestone_times::timings(recorded, &self.test_bed.metadata, &lowered.milestones) {
                Ok((measured, missing)) => {
                    timings.timings.extend(measured);
                    for name in missing {
                        if !self.kernel.is_pinned() && !self.can_trace(&name) {
                            self.result.notes.push(format!("not judged: {name}: {UNTRACEABLE}"));
                            continue;
                        }
                        let message = format!(
                            "expected the milestone {name} to be called during a recorded operation, and it was not: name \
                             a function that is, or limit it to the kernels that call it (`{name} since 6.1`)"
                        );
                        self.downgrade((Verdict::Failed, Problem::new("milestones", message)));
                    }
                }
                Err(error) => {
                    let verdict = match error {
                        MilestoneTimingError::Lost { .. } => Verdict::Inconclusive,
                        _ => Verdict::Broken,
                    };
                    self.downgrade((verdict, Problem::new(place(PassKind::Timing), error_chain(&error))));
                }
            }
        }
        self.result.timings = timings.timings.clone();
        if let (Accelerator::Exact, Some(snapshots)) = (self.accelerator, &self.snapshots) {
            let measured_with = self.test_bed.measured_with(self.kernel, self.compiler, &lowered.plan);
            snapshots.check_timings(&timings, &measured_with, &mut self.result);
            self.result.measured_with = Some(measured_with);
        }
    }

    /// Whether the agent ran the whole plan. If not, its report determines the verdict.
    fn check_agent_report(&mut self, pass: PassKind, lowered: &Lowered, recorded: &Recorded) -> bool {
        let report = &recorded.report;
        let failed = report.failed_setup.map(|failed| Problem::new(SETUP, self.case.failed_in_run(failed)));
        // Both passes have the same setup.
        if let Some(problem) = failed.filter(|problem| !self.result.problems.contains(problem)) {
            self.downgrade((Verdict::Failed, problem));
        }
        // If both passes hang, the first says how.
        if !report.stuck.is_empty() && self.result.verdict != Verdict::Hung {
            self.downgrade((Verdict::Hung, stuck_problem(self.case, place(pass), &lowered.plan, &report.stuck)));
        }
        if !report.errors.is_empty() {
            self.downgrade((Verdict::Failed, Problem::new(place(pass), report.errors.join("\n"))));
        }
        report.failed_setup.is_none() && report.stuck.is_empty() && report.errors.is_empty()
    }
}
