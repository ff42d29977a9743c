//! A traced pass, complete and unfolded, for `rxpath show`, `rxpath export` and other programs.

use std::collections::BTreeMap;

use rxpath_guest::Tag;

use crate::case::{Case, CaseName, Lowered, PassKind};
use crate::kernel::{Kernel, Qemu};
use crate::path::own_times::TracerCost;
use crate::suite::inspect::timeline::Timeline;
use crate::suite::judge::observe::Observation;
use crate::suite::kernel_metadata::{KernelMetadata, MetadataError, traced_facts};
use crate::suite::run::passes::{PassError, Recorded};
use crate::suite::run::save_capture::{SaveCaptureError, saved_capture};
use crate::suite::run::test_bed::{TestBedError, image_for_case};
use crate::suite::run::tracer::{TracerError, tracer_cost};
use crate::suite::run::watcher::Watcher;
use crate::trace::CallForests;
use crate::vm::{Images, RunLimits, VmError};

/// A traced pass with everything that reading it needs.
#[derive(Debug)]
pub struct Capture {
    pub recorded: Recorded,
    pub metadata: KernelMetadata,
    /// What the guest sent about its kernel when the image was made.
    facts: Vec<u8>,
    lowered: Lowered,
    /// The cost of tracing a call, without which the costs of functions are unknown.
    pub tracer: Result<TracerCost, TracerError>,
}

/// Why a case could not be recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// A step of the case's setup failed.
    #[error("{case}: {failed}")]
    Setup { case: CaseName, failed: String },
    #[error(transparent)]
    TestBed(#[from] TestBedError),
    #[error(transparent)]
    Pass(#[from] PassError),
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    #[error(transparent)]
    Vm(#[from] VmError),
}

/// Runs the traced pass of a case.
pub fn record_case(
    case: &Case,
    kernel: &Kernel,
    qemu: &Qemu,
    images: &Images,
    limits: &RunLimits,
    watcher: &dyn Watcher,
) -> Result<Capture, RecordError> {
    let image = image_for_case(case, kernel, qemu, images, watcher)?;
    let lowered = case.lower(kernel.series, PassKind::Trace);
    let recorded = Recorded::run(&image, PassKind::Trace.image(), lowered.plan.clone(), limits)?;
    if let Some(failed) = recorded.report.failed_setup {
        return Err(RecordError::Setup { case: case.name.clone(), failed: case.failed_in_run(failed) });
    }
    let metadata = KernelMetadata::load(&image)?;
    let tracer = tracer_cost(&image, &metadata, kernel.series, limits);
    Ok(Capture { recorded, metadata, facts: traced_facts(&image)?.0, lowered, tracer })
}

impl Capture {
    /// The complete call forests.
    pub fn forests(&self) -> Result<CallForests, PassError> {
        self.recorded.forests(&self.metadata, Tag::Pages)
    }

    /// The paths that `rxpath show` prints.
    pub fn observation(&self, case: &Case) -> Result<Observation, PassError> {
        Observation::of(case, &self.lowered, &self.recorded, &self.metadata, self.tracer.as_ref().ok().copied())
    }

    /// The calls of each task over time.
    pub fn timeline(&self) -> Result<Timeline, PassError> {
        let tids = self.recorded.report.actor_tids.iter().zip(&self.lowered.names);
        let actors: BTreeMap<i32, String> = tids.map(|(tid, (name, _))| (*tid, name.clone())).collect();
        Ok(Timeline::of(&self.forests()?, &self.metadata, &actors))
    }

    /// The capture as a `trace.dat`, for trace-cmd and KernelShark.
    pub fn tracedat(&self) -> Result<Vec<u8>, SaveCaptureError> {
        Ok(saved_capture(&self.recorded, &self.metadata, &self.facts)?.tracedat()?)
    }
}
