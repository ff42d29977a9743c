//! The kernels whose accepted paths of a case are equal.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use crate::case::{Case, CaseName};
use crate::diff::Matrix;
use crate::kernel::{Fetched, Kernel, KernelName};
use crate::suite::compare::sides::{CompareError, Side, accepted, section_matrix};
use crate::suite::kernel_metadata::KernelMetadata;
use crate::suite::run::image_spec::ImageSpec;
use crate::suite::run::test_bed::{TestBedError, image_for_case};
use crate::suite::run::watcher::Watcher;
use crate::suite::store::snapshot::Snapshots;
use crate::vm::{Accelerator, Images};

/// The metadata of a kernel by image, each loaded once: a module's functions are known where it is loaded.
pub(crate) struct MetadataByImage<'a> {
    pub(crate) kernel: &'a Kernel,
    fetched: &'a Fetched,
    images: &'a Images,
    watcher: &'a dyn Watcher,
    loaded: HashMap<ImageSpec, KernelMetadata>,
}

impl<'a> MetadataByImage<'a> {
    pub(crate) fn new(kernel: &'a Kernel, fetched: &'a Fetched, images: &'a Images, watcher: &'a dyn Watcher) -> Self {
        Self { kernel, fetched, images, watcher, loaded: HashMap::new() }
    }

    /// The metadata on the machine of a case; the image is made if it is not in the cache.
    pub(crate) fn of(&mut self, case: &Case) -> Result<&KernelMetadata, CompareError> {
        match self.loaded.entry(ImageSpec::of(case, Accelerator::Exact)) {
            Entry::Occupied(loaded) => Ok(loaded.into_mut()),
            Entry::Vacant(missing) => {
                let image = image_for_case(case, self.kernel, &self.fetched.qemu, self.images, self.watcher);
                let metadata = image.and_then(|image| KernelMetadata::load(&image).map_err(TestBedError::from));
                let failed = |source| CompareError::Metadata { kernel: self.kernel.name(), source: Box::new(source) };
                Ok(missing.insert(metadata.map_err(failed)?))
            }
        }
    }

    pub(crate) fn loaded(&self) -> impl Iterator<Item = &KernelMetadata> {
        self.loaded.values()
    }
}

/// The accepted paths of a case on several kernels, given oldest first: for each section, which kernels share a path.
pub(crate) fn kernel_matrix(
    snapshots: &Snapshots,
    case: &CaseName,
    kernels: &[(KernelName, &KernelMetadata)],
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
    Ok(names.into_iter().map(|name| (name.clone(), section_matrix(name, &sides))).collect())
}
