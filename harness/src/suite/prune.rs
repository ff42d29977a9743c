//! Removes warm images that no case needs any more, the user's own kernels that were not used for long, and the kernels that are
//! over the limits.

use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;

use crate::case::Case;
use crate::kernel::{self, CacheError, Kernel, KernelError, KernelName, Series};
use crate::vm::{Accelerator, Images, QemuProgram, Removal, StoredImage, VmError};

use crate::suite::cached_kernels::{CacheContents, PruneLimits, PrunePlan};
use crate::suite::project::{Project, ProjectError};
use crate::suite::run::image_spec::{ImageSpec, qemu_program};

/// The outcome of pruning a cache, or of planning to do so.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pruned {
    /// What was removed.
    pub(crate) removed: PrunePlan,
    /// What another process uses or makes; it was kept.
    pub(crate) in_use: PrunePlan,
    /// Pinned kernels and remembered releases that are not in the cache and have images there. All of these are kept, because it
    /// is unknown what they were made of.
    pub(crate) unknown: Vec<KernelName>,
}

/// Why a cache cannot be pruned.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PruneError {
    #[error(transparent)]
    Project(#[from] ProjectError),
    #[error(transparent)]
    Kernel(#[from] KernelError),
    #[error(transparent)]
    Cache(#[from] CacheError),
    #[error(transparent)]
    Vm(#[from] VmError),
    /// Every image's key depends on QEMU's digest.
    #[error(
        "the pinned QEMU {version} is not in the cache, so it is unknown which images are needed: `rxpath kernels fetch` \
         fetches it"
    )]
    NoQemu { version: String },
    #[error("{} has no CACHEDIR.TAG of rxpath, so it is not a cache of rxpath: nothing was removed", folder.display())]
    NotOurs { folder: PathBuf },
}

impl PruneError {
    /// Whether the request is wrong, as opposed to rxpath or its environment.
    pub(crate) fn is_request(&self) -> bool {
        match self {
            Self::Project(ProjectError::Kernel(error)) | Self::Kernel(error) => error.is_request(),
            Self::Project(_) | Self::NoQemu { .. } | Self::NotOurs { .. } => true,
            Self::Cache(error) => error.is_request(),
            Self::Vm(_) => false,
        }
    }
}

/// What [`prune`] would remove.
pub(crate) fn plan(project: &Project, limits: PruneLimits) -> Result<Pruned, PruneError> {
    if !project.cache.is_tagged() {
        return Err(PruneError::NotOurs { folder: project.cache.root().to_owned() });
    }
    let cases = project.cases()?;
    let listed = kernel::list(&project.pins, &project.lock, &project.cache)?;
    if !listed.qemu.cached {
        return Err(PruneError::NoQemu { version: listed.qemu.version });
    }
    let series = |cached| listed.kernels.iter().filter(move |one| one.cached == cached).map(|one| one.series);
    let fetched = project.fetch(&series(true).collect::<Vec<Series>>(), &|_| {})?;
    let mut unknown: Vec<KernelName> = series(false).map(KernelName::from).collect();
    let mut kernels = fetched.kernels;
    for (reference, kernel) in kernel::remembered_kernels(&project.cache)? {
        match kernel {
            Some(kernel) => kernels.push(kernel),
            None => unknown.push(reference.as_str().into()),
        }
    }
    let own = kernel::stored(&project.cache).into_iter().filter(|stored| stored.is_own).filter_map(|own| own.name);
    let by_name: BTreeSet<KernelName> = own.chain(unknown.iter().cloned()).collect();
    let mut needed = BTreeSet::new();
    let qemu = qemu_program(&fetched.qemu);
    for kernel in &kernels {
        needed.extend(keys(&cases, kernel, &qemu)?);
    }
    let contents = CacheContents::of(project)?;
    let images: Vec<&StoredImage> = contents.kernels.iter().flat_map(|kernel| &kernel.images).collect();
    let has_images = |name: &KernelName| {
        images
            .iter()
            .any(|image| image.info.as_ref().is_some_and(|info| KernelName::from(info.kernel.as_str()) == *name))
    };
    unknown.retain(has_images);
    let removed = contents.plan(|image| is_needed(image, &needed, &by_name), limits);
    Ok(Pruned { removed, unknown, ..Pruned::default() })
}

/// Removes the user's own kernels that were not used for 30 days, the images that no case needs on a pinned kernel, on a release
/// that the cache remembers, or on a user's own kernel that stays, and the kernels that are over the limits. Fetches nothing.
pub(crate) fn prune(project: &Project, limits: PruneLimits) -> Result<Pruned, PruneError> {
    let Pruned { removed: plan, unknown, .. } = plan(project, limits)?;
    let images = project.images();
    let mut pruned = Pruned { unknown, ..Pruned::default() };
    pruned.removed.kept = plan.kept;
    for kernel in plan.kernels {
        let is_gone = kernel.remove(&project.cache, &images)?;
        let list = if is_gone { &mut pruned.removed } else { &mut pruned.in_use };
        list.kernels.push(kernel);
    }
    for image in plan.images {
        let list = match images.remove(&image.key)? {
            Removal::Removed => &mut pruned.removed,
            Removal::InUse => &mut pruned.in_use,
        };
        list.images.push(image);
    }
    Ok(pruned)
}

/// The keys of the images that the cases need on a kernel, and of those that they are derived from.
fn keys(cases: &[Case], kernel: &Kernel, qemu: &QemuProgram) -> Result<BTreeSet<String>, KernelError> {
    let known = kernel.known_parts()?;
    let specs = cases.iter().filter_map(|case| ImageSpec::on_kernel(case, kernel, &known, Accelerator::Exact).ok());
    let specs: HashSet<ImageSpec> = specs.flat_map(|spec| [spec.base(), spec]).collect();
    specs.iter().map(|spec| Ok(Images::key(&spec.guest_kernel(kernel)?, &spec.machine, qemu))).collect()
}

/// Whether a case needs an image, or the image is of a kernel of which all images stay.
fn is_needed(image: &StoredImage, needed: &BTreeSet<String>, by_name: &BTreeSet<KernelName>) -> bool {
    let is_kept = |kernel: &str| by_name.contains(&KernelName::from(kernel));
    needed.contains(&image.key) || image.info.as_ref().is_some_and(|info| is_kept(&info.kernel))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(key: &str, kernel: Option<&str>) -> StoredImage {
        let text = |kernel| {
            format!(
                r#"{{"kernel":"{kernel}","qemu":"10","machine":"2 CPUs","times":{{"untraced_ms":1,"traced_ms":1}},"digests":[]}}"#
            )
        };
        let info = kernel.map(|kernel| serde_json::from_str(&text(kernel)).unwrap());
        StoredImage { key: key.to_owned(), info, bytes: 0, used: std::time::SystemTime::now() }
    }

    #[test]
    fn only_images_that_no_case_can_need_are_removed() {
        let needed = BTreeSet::from(["used".to_owned()]);
        let by_name = ["6.12", "6.12.0@24dd9866"].map(KernelName::from).into();
        for (image, is_kept) in [
            (image("used", Some("5.10")), true),
            (image("old", Some("5.10")), false),
            (image("old", Some("6.12")), true),
            (image("old", Some("6.12.0@24dd9866")), true),
            (image("old", Some("6.12.107")), false),
            (image("old", Some("6.1")), false),
            (image("unreadable", None), false),
            (image("used", None), true),
        ] {
            assert_eq!(is_needed(&image, &needed, &by_name), is_kept, "{image:?}");
        }
    }
}
