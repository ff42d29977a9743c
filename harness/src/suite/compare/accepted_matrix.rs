//! The kernels whose accepted paths of a case are equal.

use std::collections::BTreeMap;

use crate::case::{Case, CaseName};
use crate::diff::Matrix;
use crate::kernel::{Fetched, Kernel, KernelName};
use crate::suite::compare::sides::{CompareError, Side, accepted, section_matrix};
use crate::suite::kernel_metadata::KernelMetadata;
use crate::suite::run::test_bed::{TestBedError, image_for_case};
use crate::suite::run::watcher::Watcher;
use crate::suite::store::snapshot::Snapshots;
use crate::vm::Images;

/// The metadata of a kernel on the machine of a case; its image is made if it is not in the cache.
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
        .map_err(|source| CompareError::Metadata { kernel: kernel.name(), source: Box::new(source) })
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
        sides.push(Side { kernel: kernel.clone(), metadata, graph: None, sections, costs: BTreeMap::new() });
    }
    let mut names: Vec<&String> = Vec::new();
    for (name, _) in sides.iter().flat_map(|side| &side.sections) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.into_iter().map(|name| Ok((name.clone(), section_matrix(name, &sides)?))).collect()
}
