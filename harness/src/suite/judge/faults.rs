//! The verdicts of cases whose passes failed.

use crate::case::Case;
use crate::error_chain;
use crate::suite::run::case_pass::CasePassError;
use crate::suite::run::passes::PassError;
use crate::suite::run::save_capture::SaveCaptureError;
use crate::suite::run::test_bed::TestBedError;
use crate::suite::store::run_results::{Problem, Verdict};
use crate::vm::{FaultKind, GuestFault, VmError};

/// The verdict of a case whose pass has no usable capture.
pub(super) fn verdict_of_pass(place: &str, error: &CasePassError) -> (Verdict, Problem) {
    let (verdict, evidence) = match error {
        CasePassError::Pass(cause) | CasePassError::Save(SaveCaptureError::Pass(cause)) => match cause {
            PassError::Vm(cause) => verdict_of_vm(cause),
            PassError::Region(_) | PassError::Report(_) | PassError::Decode(_) => (Verdict::Crashed, String::new()),
        },
        CasePassError::Milestones(_) | CasePassError::Save(_) => (Verdict::Broken, String::new()),
    };
    (verdict, Problem { evidence, ..Problem::new(place, error_chain(error)) })
}

/// The place of problems with a kernel that could not be booted.
pub(crate) const BOOT: &str = "boot";

/// The place of problems with what happens before the actors start.
pub(super) const SETUP: &str = "setup";

/// The verdict of a case on a test bed that could not be made ready.
pub(crate) fn verdict_of_test_bed(case: &Case, error: &TestBedError) -> (Verdict, Problem) {
    if let TestBedError::Vm(VmError::Guest(fault)) = error {
        let message = match &fault.kind {
            FaultKind::Setup { setup, step, errno } => Some(case.failed_in_image(*setup, *step, *errno)),
            FaultKind::Module { name, errno } => Some(case.failed_module(name, *errno)),
            _ => None,
        };
        if let Some(message) = message {
            return (Verdict::Failed, Problem::new(SETUP, message));
        }
    }
    let (verdict, evidence) = match error {
        TestBedError::Vm(cause) => verdict_of_vm(cause),
        _ => (Verdict::Broken, String::new()),
    };
    (verdict, Problem { evidence, ..Problem::new(BOOT, error_chain(error)) })
}

fn verdict_of_vm(error: &VmError) -> (Verdict, String) {
    match error {
        VmError::Guest(fault) => (verdict_of_fault(&fault.kind), evidence_of(fault)),
        _ => (Verdict::Broken, String::new()),
    }
}

fn verdict_of_fault(fault: &FaultKind) -> Verdict {
    match fault {
        FaultKind::Hung { .. } => Verdict::Hung,
        FaultKind::Host { .. } => Verdict::Broken,
        FaultKind::Kernel(_)
        | FaultKind::QemuDied { .. }
        | FaultKind::Agent(_)
        | FaultKind::Setup { .. }
        | FaultKind::Module { .. }
        | FaultKind::Stopped { .. }
        | FaultKind::Capture(_) => Verdict::Crashed,
    }
}

fn evidence_of(fault: &GuestFault) -> String {
    let kept = fault.kept.as_ref().map(|folder| format!("kept in {}\n", folder.display())).unwrap_or_default();
    format!("console:\n{}\nQEMU: {}\n{kept}", fault.console, fault.command)
}
