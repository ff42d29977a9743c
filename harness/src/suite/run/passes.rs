//! A pass: one plan run on an image, and what it brings back.

use rxpath_guest::{Plan, RegionError, RunReport, Section, Tag};
use xxhash_rust::xxh3::xxh3_128;

use crate::case::PassKind;
use crate::trace::{CallForests, CpuPages, DecodeError, NodeKind, build, moved};
use crate::vm::{ImageKind, RunLimits, VmError, WarmImage, run_plan};

use crate::suite::kernel_metadata::KernelMetadata;

impl PassKind {
    /// `trace` or `timing`.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Timing => "timing",
        }
    }

    /// The image that the pass starts from.
    pub(crate) fn image(self) -> ImageKind {
        match self {
            Self::Trace => ImageKind::Traced,
            Self::Timing => ImageKind::Untraced,
        }
    }
}

/// A guest's capture, with the agent's report.
#[derive(Debug)]
pub struct Recorded {
    region: Vec<u8>,
    pub report: RunReport,
    /// XXH3 digest of the whole region, in hexadecimal.
    pub digest: String,
}

/// Why a pass has no usable capture.
#[derive(Debug, thiserror::Error)]
pub enum PassError {
    #[error(transparent)]
    Vm(#[from] VmError),
    #[error("cannot read the guest's capture")]
    Region(#[from] RegionError),
    #[error("cannot decode the agent's report")]
    Report(#[from] postcard::Error),
    #[error("cannot decode the recorded pages")]
    Decode(#[from] DecodeError),
}

impl Recorded {
    /// Runs a plan on an image.
    pub fn run(image: &WarmImage, kind: ImageKind, plan: Plan, limits: &RunLimits) -> Result<Self, PassError> {
        Self::read(run_plan(image, kind, plan, limits)?)
    }

    /// Reads the region that an agent filled.
    pub fn read(region: Vec<u8>) -> Result<Self, PassError> {
        let digest = format!("{:032x}", xxh3_128(&region));
        let report = match rxpath_guest::sections(&region)?.iter().find(|section| section.tag == Tag::Report) {
            Some(section) => postcard::from_bytes(section.bytes)?,
            None => RunReport::default(),
        };
        Ok(Self { region, report, digest })
    }

    /// The region, as the guest left it.
    pub fn bytes(&self) -> &[u8] {
        &self.region
    }

    /// The call forests of the sections with the tag `pages`, with the functions' addresses in the traced image.
    pub fn forests(&self, metadata: &KernelMetadata, pages: Tag) -> Result<CallForests, PassError> {
        let mut forests = build(&metadata.layout, &self.cpu_pages(pages)?)?;
        if pages == Tag::MilestonePages {
            for node in forests.by_task.values_mut().flat_map(|forest| &mut forest.nodes) {
                if let NodeKind::Call { func, .. } = &mut node.kind {
                    *func = moved(&metadata.modules, *func);
                }
            }
        }
        Ok(forests)
    }

    /// The sections with the tag `pages`, each with its CPU's counters.
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
