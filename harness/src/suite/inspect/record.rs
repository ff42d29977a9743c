//! A traced pass, complete and unfolded, for `rxpath show`, `rxpath export` and other programs.

use rxpath_guest::Tag;

use crate::case::{Case, CaseName, Lowered, PassKind};
use crate::kernel::{Kernel, Qemu};
use crate::nearest::any_of;
use crate::path::own_times::TracerCost;
use crate::suite::inspect::timeline::{Excerpt, Recording, Timeline};
use crate::suite::judge::observe::Observation;
use crate::suite::kernel_metadata::{KernelMetadata, MetadataError, traced_facts};
use crate::suite::run::image_spec::{ImageSpec, qemu_program};
use crate::suite::run::passes::{PassError, Recorded};
use crate::suite::run::save_capture::{SaveCaptureError, saved_capture};
use crate::suite::run::test_bed::{ImageSource, TestBedError};
use crate::suite::run::tracer::TracerError;
use crate::suite::run::watcher::Watcher;
use crate::trace::CallForests;
use crate::vm::{Accelerator, Images, RunLimits, VmError};

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

/// A part of a recording that cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum ExcerptError {
    #[error("iteration {wanted} is not in the recording: it has {known}")]
    Iteration {
        wanted: u32,
        /// Separated by commas.
        known: String,
    },
    #[error("no actor is called `{wanted}`: expected {known}")]
    Actor { wanted: String, known: String },
    #[error(transparent)]
    Pass(#[from] PassError),
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
    let qemu = qemu_program(qemu);
    let (source, spec) = (ImageSource { images, qemu: &qemu, watcher }, ImageSpec::of(case, Accelerator::Exact));
    let image = source.image(&spec, kernel, Vec::new())?;
    let lowered = case.lower(kernel.series, PassKind::Trace);
    let recorded = Recorded::run(&image, PassKind::Trace.image(), lowered.plan.clone(), limits)?;
    if let Some(failed) = recorded.report.failed_setup {
        return Err(RecordError::Setup { case: case.name.clone(), failed: case.failed_in_run(failed) });
    }
    let metadata = KernelMetadata::load(&image)?;
    let tracer = source.tracer_cost(&spec, kernel, &metadata, limits)?;
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

    /// The calls of each task over time. Without the tracer's cost, times include its share.
    pub fn timeline(&self, excerpt: &Excerpt) -> Result<Timeline, ExcerptError> {
        let forests = self.forests()?;
        let recording = Recording {
            forests: &forests,
            names: &self.metadata,
            report: &self.recorded.report,
            roles: &self.lowered.names,
            tracer: self.tracer.as_ref().ok().copied().unwrap_or_default(),
        };
        let iterations = recording.iterations();
        if let Some(wanted) = excerpt.iteration.filter(|wanted| !iterations.contains(wanted)) {
            let known = iterations.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
            return Err(ExcerptError::Iteration { wanted, known });
        }
        let actors = || self.lowered.names.iter().map(|(name, _)| name.as_str());
        if let Some(wanted) = excerpt.actors.iter().find(|wanted| !actors().any(|actor| actor == *wanted)) {
            let known = any_of(actors());
            return Err(ExcerptError::Actor { wanted: wanted.clone(), known });
        }
        Ok(Timeline::of(&recording, excerpt))
    }

    /// The capture as a `trace.dat`, for trace-cmd and KernelShark.
    pub fn tracedat(&self) -> Result<Vec<u8>, SaveCaptureError> {
        Ok(saved_capture(&self.recorded, &self.metadata, &self.facts)?.tracedat()?)
    }
}
