//! Compares the accepted snapshots of a case between kernels.

use std::collections::BTreeMap;

use crate::case::{Case, CaseName};
use crate::diff::{Matrix, OperationCost, TimingLine, side_by_side};
use crate::kernel::{Fetched, Kernel, KernelName};
use crate::path::CallPath;
use crate::path::cost::Costs;
use crate::suite::compare::sides::{CompareError, SectionDiff, Side, accepted, compare, section_matrix};
use crate::suite::judge::timings::Timings;
use crate::suite::kernel_metadata::KernelMetadata;
use crate::suite::run::test_bed::{TestBedError, image_for_case};
use crate::suite::run::watcher::Watcher;
use crate::suite::store::saved::OperationTiming;
use crate::suite::store::snapshot::{SnapshotKind, Snapshots};
use crate::vm::Images;

/// The changes of a case from one kernel to another.
#[derive(Clone, Debug)]
pub(crate) struct CaseDiff {
    pub case: CaseName,
    pub old: KernelName,
    pub new: KernelName,
    /// The paths by section; empty if only timings were requested.
    pub sections: Vec<SectionDiff>,
    /// The timings; `None` if they were not requested, or not accepted on both kernels.
    pub timings: Option<Vec<TimingLine>>,
}

/// A comparison of a case between two kernels.
#[derive(Clone, Debug)]
pub(crate) struct DiffRequest<'a> {
    pub(crate) snapshots: &'a Snapshots,
    pub(crate) case: &'a CaseName,
    pub(crate) old: KernelName,
    pub(crate) new: KernelName,
    /// Limits the comparison to paths or to timings.
    pub(crate) only: Option<SnapshotKind>,
}

/// What explains the paths of a kernel.
#[derive(Debug)]
pub(crate) struct KernelKnowledge {
    pub(crate) metadata: KernelMetadata,
    /// The costs of functions, by section, if they were measured.
    pub(crate) costs: BTreeMap<String, Costs>,
}

impl KernelKnowledge {
    fn side(&self, kernel: &KernelName, sections: Vec<(String, CallPath)>) -> Side<'_> {
        Side { kernel: kernel.clone(), metadata: &self.metadata, sections, costs: self.costs.clone() }
    }
}

/// Compares a case. `knowledge` is called for the old and the new kernel only if there are paths to compare.
pub(crate) fn diff_case<E: From<CompareError>>(
    request: DiffRequest<'_>,
    knowledge: impl FnOnce() -> Result<[KernelKnowledge; 2], E>,
) -> Result<CaseDiff, E> {
    let DiffRequest { snapshots, case, old, new, only } = request;
    let timings = match only {
        Some(SnapshotKind::Path) => None,
        Some(SnapshotKind::Timing) => Some(timing_lines(snapshots, case, &old, &new)?),
        // Paths can be compared before timings are accepted.
        None => match timing_lines(snapshots, case, &old, &new) {
            Err(CompareError::NoTimings { .. }) => None,
            lines => Some(lines?),
        },
    };
    let sections = match only {
        Some(SnapshotKind::Timing) => Vec::new(),
        _ => {
            let (old_paths, new_paths) = (accepted(snapshots, case, &old)?, accepted(snapshots, case, &new)?);
            let [old_knowledge, new_knowledge] = &knowledge()?;
            compare(old_knowledge.side(&old, old_paths), new_knowledge.side(&new, new_paths))?
        }
    };
    Ok(CaseDiff { case: case.clone(), old, new, sections, timings })
}

fn timing_lines(
    snapshots: &Snapshots,
    case: &CaseName,
    old: &KernelName,
    new: &KernelName,
) -> Result<Vec<TimingLine>, CompareError> {
    Ok(side_by_side(&accepted_costs(snapshots, case, old)?, &accepted_costs(snapshots, case, new)?))
}

/// The accepted costs of a case's operations on a kernel.
fn accepted_costs(
    snapshots: &Snapshots,
    case: &CaseName,
    kernel: &KernelName,
) -> Result<Vec<(String, OperationCost)>, CompareError> {
    let document = snapshots
        .accepted(case, kernel, SnapshotKind::Timing)
        .ok_or_else(|| CompareError::NoTimings { case: case.clone(), kernel: kernel.clone() })?;
    let file = || snapshots.file(case, kernel, SnapshotKind::Timing).display().to_string();
    let timings = Timings::parse(&document).ok_or_else(|| CompareError::NotTimings { file: file() })?;
    let cost = |one: OperationTiming| (one.name, OperationCost { cost: one.cost, switches: one.switches });
    Ok(timings.timings.into_iter().map(cost).collect())
}

/// The metadata of a kernel on the machine of a case; its image is booted if it is not in the cache.
pub(crate) fn metadata_of(
    case: &Case,
    kernel: &Kernel,
    fetched: &Fetched,
    images: &Images,
    watcher: &dyn Watcher,
) -> Result<KernelMetadata, CompareError> {
    let image = image_for_case(case, kernel, &fetched.qemu, images, watcher);
    image
        .and_then(|image| KernelMetadata::load(&image).map_err(TestBedError::from))
        .map_err(|source| CompareError::Metadata { kernel: kernel.series.into(), source: Box::new(source) })
}

/// The accepted paths of a case on several kernels, given oldest first: for each section, which kernels share a path.
pub(crate) fn kernel_matrix(
    snapshots: &Snapshots,
    case: &CaseName,
    kernels: &[(KernelName, KernelMetadata)],
) -> Result<Vec<(String, Matrix)>, CompareError> {
    let mut sides = Vec::new();
    for (kernel, metadata) in kernels {
        let sections = accepted(snapshots, case, kernel)?;
        sides.push(Side { kernel: kernel.clone(), metadata, sections, costs: BTreeMap::new() });
    }
    let mut names: Vec<&String> = Vec::new();
    for (name, _) in sides.iter().flat_map(|side| &side.sections) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.into_iter().map(|name| Ok((name.clone(), section_matrix(name, &sides)?))).collect()
}
