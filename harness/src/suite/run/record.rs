//! A traced pass as it was recorded, for other programs to look at: nothing folded, nothing left out.

use std::collections::BTreeMap;

use rxpath_guest::Tag;

use crate::case::{Case, Lowered, PassKind};
use crate::kernel::{Kernel, Qemu};
use crate::path::cost::TracerCost;
use crate::suite::compare::timeline::Timeline;
use crate::suite::judge::observe::Observation;
use crate::suite::kernel_metadata::KernelMetadata;
use crate::suite::run::matrix::Watcher;
use crate::suite::run::passes::{PassError, Recorded};
use crate::suite::run::test_bed as prepare;
use crate::suite::run::tracer::{TracerError, tracer_cost};
use crate::suite::store::saved_capture::SavedCapture;
use crate::trace::CallForests;
use crate::vm::{ImageKind, Images, RunLimits};

/// A traced pass with what is needed to read it.
#[derive(Debug)]
pub struct Capture {
    /// What came back.
    pub recorded: Recorded,
    /// The kernel's layouts and symbols.
    pub facts: KernelMetadata,
    /// What the guest said of its kernel when its image was made.
    texts: Vec<u8>,
    lowered: Lowered,
    /// What tracing a call costs, or why it cannot be told what calls cost.
    pub tracer: Result<TracerCost, TracerError>,
}

/// Runs the traced pass of a case.
pub fn record_case(
    case: &Case,
    kernel: &Kernel,
    qemu: &Qemu,
    images: &Images,
    limits: &RunLimits,
    watcher: &dyn Watcher,
) -> Result<Capture, Box<dyn std::error::Error>> {
    let image = prepare::image(case, kernel, qemu, images, watcher)?;
    let lowered = case.lower(kernel.series, PassKind::Trace);
    let recorded = Recorded::run(&image, ImageKind::Traced, lowered.plan.clone(), limits)?;
    let facts = KernelMetadata::load(&image)?;
    let tracer = tracer_cost(&image, &facts, kernel.series, limits);
    Ok(Capture { recorded, facts, texts: image.facts()?, lowered, tracer })
}

impl Capture {
    /// The call forests, whole.
    pub fn forests(&self) -> Result<CallForests, PassError> {
        self.recorded.forests(&self.facts, Tag::Pages)
    }

    /// What `rxpath show` shows of it.
    pub fn observation(&self, case: &Case) -> Result<Observation, PassError> {
        Observation::of(case, &self.lowered, &self.recorded, &self.facts, self.tracer.as_ref().ok().copied())
    }

    /// Who did what when.
    pub fn timeline(&self) -> Result<Timeline, PassError> {
        let tids = self.recorded.report.actor_tids.iter().zip(&self.lowered.names);
        let actors: BTreeMap<i32, String> = tids.map(|(tid, (name, _))| (*tid, name.clone())).collect();
        Ok(Timeline::of(&self.forests()?, &self.facts, &actors))
    }

    /// The capture as a `trace.dat`, for trace-cmd and KernelShark.
    pub fn tracedat(&self) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
        Ok(SavedCapture::of(&self.recorded, &self.facts, &self.texts)?.tracedat()?)
    }
}
