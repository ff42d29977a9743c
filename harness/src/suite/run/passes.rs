//! The two passes of a case on a kernel, and what each brings back.

use rxpath_guest::{Plan, RunReport, Section, Tag};
use xxhash_rust::xxh3::xxh3_128;

use crate::trace::{CallForests, CpuPages, build};
use crate::vm::{ImageKind, RunLimits, VmError, WarmImage, run_plan};

use crate::suite::kernel_metadata::KernelMetadata;

/// A capture as it came, with what the agent said of it.
#[derive(Debug)]
pub struct Recorded {
    region: Vec<u8>,
    /// The agent's report.
    pub report: RunReport,
    /// Digest of everything that came back, as hexadecimal text.
    pub digest: String,
}

/// Why a pass brought nothing back.
#[derive(Debug, thiserror::Error)]
pub enum PassError {
    /// The guest or the machinery.
    #[error(transparent)]
    Vm(#[from] VmError),
    /// The region.
    #[error("the guest's capture cannot be read: {0}")]
    Region(#[from] rxpath_guest::RegionError),
    /// The agent's report.
    #[error("the agent's report cannot be decoded: {0}")]
    Report(#[from] postcard::Error),
    /// The ring buffer's pages.
    #[error("the recorded pages cannot be decoded: {0}")]
    Decode(#[from] crate::trace::DecodeError),
    /// The functions to trace alone.
    #[error(transparent)]
    Milestones(#[from] Box<crate::suite::judge::milestones::MilestoneError>),
    /// The folder to keep the capture in.
    #[error("the capture cannot be kept: {0}")]
    Saved(#[from] crate::suite::store::saved_capture::SavedError),
}

impl Recorded {
    /// Runs a plan on an image.
    pub fn run(image: &WarmImage, kind: ImageKind, plan: Plan, limits: &RunLimits) -> Result<Self, PassError> {
        Self::read(run_plan(image, kind, plan, limits)?)
    }

    /// Reads a region that an agent finished.
    pub fn read(region: Vec<u8>) -> Result<Self, PassError> {
        let digest = format!("{:032x}", xxh3_128(&region));
        let report = match rxpath_guest::sections(&region)?.iter().find(|section| section.tag == Tag::Report) {
            Some(section) => postcard::from_bytes(section.bytes)?,
            None => RunReport::default(),
        };
        Ok(Self { region, report, digest })
    }

    /// The bytes as they came.
    pub fn bytes(&self) -> &[u8] {
        &self.region
    }

    /// The call forests of what was recorded under `pages`.
    pub fn forests(&self, facts: &KernelMetadata, pages: Tag) -> Result<CallForests, PassError> {
        Ok(build(&facts.layout, &self.cpu_pages(pages)?)?)
    }

    /// What each CPU recorded under `pages`.
    pub fn cpu_pages(&self, pages: Tag) -> Result<Vec<CpuPages<'_>>, PassError> {
        let sections = rxpath_guest::sections(&self.region)?;
        let stats = |cpu: u32| {
            let of_cpu = |section: &&Section| section.tag == Tag::Stats && section.cpu == cpu;
            sections.iter().find(of_cpu).and_then(|section| std::str::from_utf8(section.bytes).ok()).unwrap_or("")
        };
        let of_pages = sections.iter().filter(|section| section.tag == pages);
        Ok(of_pages
            .map(|section| CpuPages { cpu: section.cpu as u16, pages: section.bytes, stats: stats(section.cpu) })
            .collect())
    }
}
