//! One pass of a case on a test bed.

use std::path::Path;

use rxpath_guest::Pass;

use crate::case::{Case, Lowered, PassKind};
use crate::kernel::Kernel;
use crate::suite::kernel_metadata::traced_facts;
use crate::suite::run::milestone_functions::{MilestoneError, milestones};
use crate::suite::run::passes::{PassError, Recorded};
use crate::suite::run::save_capture::{SaveCaptureError, saved_capture};
use crate::suite::run::test_bed::TestBed;
use crate::suite::store::saved_capture::{CaptureMetadata, SAVED_VERSION};
use crate::vm::RunLimits;

/// A pass that was run: the case as it was lowered for it, and its capture.
pub(crate) struct CasePass {
    pub(crate) lowered: Lowered,
    pub(crate) recorded: Result<Recorded, CasePassError>,
}

/// Why a pass of a case has no usable capture.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CasePassError {
    #[error(transparent)]
    Pass(#[from] PassError),
    #[error(transparent)]
    Milestones(#[from] MilestoneError),
    #[error("cannot save the capture")]
    Save(#[from] SaveCaptureError),
}

impl CasePass {
    /// Runs a pass of a case.
    pub(crate) fn run(case: &Case, kernel: &Kernel, pass: PassKind, test_bed: &TestBed, limits: &RunLimits) -> Self {
        let mut lowered = case.lower(kernel.series, pass);
        let mut limits = limits.clone();
        limits.keep_failures = limits.keep_failures.map(|folder| {
            let case = case.name.replace('/', "-").to_lowercase();
            folder.join(format!("{case}-{}-{}", kernel.name(), pass.word()))
        });
        let recorded = number_milestones(&mut lowered, test_bed)
            .map_err(CasePassError::from)
            .and_then(|()| Ok(Recorded::run(&test_bed.image, pass.image(), lowered.plan.clone(), &limits)?));
        Self { lowered, recorded }
    }

    /// Saves the capture, if there is one, in GROUP/CASE/KERNEL/ below `folder`.
    pub(crate) fn save(self, folder: &Path, case: &Case, kernel: &Kernel, test_bed: &TestBed) -> Self {
        let save = |recorded: Recorded| {
            let metadata = CaptureMetadata {
                version: SAVED_VERSION,
                case: case.name.clone(),
                kernel: kernel.name(),
                release: kernel.release.clone(),
                digest: recorded.digest.clone(),
            };
            let (facts, _) = traced_facts(&test_bed.image).map_err(SaveCaptureError::from)?;
            let capture = saved_capture(&recorded, &test_bed.metadata, &facts)?;
            let place = folder.join(case.name.as_str()).join(metadata.kernel.as_str());
            capture.write(&place, &metadata).map_err(SaveCaptureError::from)?;
            Ok(recorded)
        };
        Self { recorded: self.recorded.and_then(save), ..self }
    }
}

/// Puts the milestones into the plan as the guest's kernel numbers them.
fn number_milestones(lowered: &mut Lowered, test_bed: &TestBed) -> Result<(), MilestoneError> {
    if let (Pass::Timing { milestones: numbered }, false) = (&mut lowered.plan.pass, lowered.milestones.is_empty()) {
        *numbered = Some(milestones(&test_bed.image, &lowered.milestones)?);
    }
    Ok(())
}
