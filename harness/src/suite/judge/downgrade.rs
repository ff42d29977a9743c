//! From what went wrong to a verdict and the words for it.

use crate::case::Case;
use crate::vm::{FaultKind, GuestFault, VmError};

use crate::suite::judge::milestones::MilestoneError;
use crate::suite::run::matrix::TestBedError;
use crate::suite::run::passes::{PassError, Recorded};
use crate::suite::store::results::{CaseResult, Problem, Verdict};

/// Whether the agent ran everything; what it complains of otherwise becomes the verdict.
pub(crate) fn check_agent_report(case: &Case, recorded: &Recorded, pass: &str, result: &mut CaseResult) -> bool {
    let report = &recorded.report;
    if !report.stuck.is_empty() {
        let stuck = report.stuck.iter().map(|(actor, step)| format!("{} never ended", case.step_name(*actor, *step)));
        let message = format!("actors were still at work at the deadline: {}", stuck.collect::<Vec<_>>().join(", "));
        downgrade(result, Verdict::Hung, pass, message, String::new());
    }
    if !report.errors.is_empty() {
        downgrade(result, Verdict::Failed, pass, report.errors.join("\n"), String::new());
    }
    report.stuck.is_empty() && report.errors.is_empty()
}

/// Makes a verdict worse, never better, and says why.
pub(crate) fn downgrade(result: &mut CaseResult, verdict: Verdict, place: &str, message: String, evidence: String) {
    result.verdict = result.verdict.max(verdict);
    result.problems.push(Problem { place: place.to_owned(), message, evidence });
}

/// What a failed pass makes of a result.
pub(crate) fn record_pass_error(result: &mut CaseResult, pass: &str, why: &PassError) {
    let (verdict, evidence) = match why {
        PassError::Vm(VmError::Guest(fault)) => (verdict_of(&fault.kind), evidence_of(fault)),
        PassError::Milestones(why) if matches!(**why, MilestoneError::Lost(_)) => {
            (Verdict::Inconclusive, String::new())
        }
        PassError::Vm(_) | PassError::Saved(_) | PassError::Milestones(_) => (Verdict::Broken, String::new()),
        PassError::Region(_) | PassError::Report(_) | PassError::Decode(_) => (Verdict::Crashed, String::new()),
    };
    downgrade(result, verdict, pass, why.to_string(), evidence);
}

/// What a kernel and machine that could not be made ready make of every case that needed them.
pub(crate) fn record_test_bed_error(why: &TestBedError) -> (Verdict, Problem) {
    let (verdict, evidence) = match why {
        TestBedError::Vm(VmError::Guest(fault)) => (verdict_of(&fault.kind), evidence_of(fault)),
        _ => (Verdict::Broken, String::new()),
    };
    (verdict, Problem { place: "boot".to_owned(), message: why.to_string(), evidence })
}

fn verdict_of(fault: &FaultKind) -> Verdict {
    match fault {
        FaultKind::Hung { .. } => Verdict::Hung,
        FaultKind::Kernel(_)
        | FaultKind::QemuDied { .. }
        | FaultKind::Agent(_)
        | FaultKind::Stopped { .. }
        | FaultKind::Capture(_) => Verdict::Crashed,
    }
}

fn evidence_of(fault: &GuestFault) -> String {
    let kept = fault.kept.as_ref().map(|folder| format!("kept in {}\n", folder.display())).unwrap_or_default();
    format!("console:\n{}\nQEMU: {}\n{kept}", fault.console, fault.command)
}
