//! Removes warm images that no case needs any more, and the user's own kernels that were not used for long.

use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;
use std::time::Duration;

use crate::case::Case;
use crate::kernel::own::{self, StoredOwn};
use crate::kernel::{self, CacheError, Kernel, KernelError, KernelName, Series};
use crate::vm::{Accelerator, Images, QemuProgram, Removal, StoredImage, VmError};

use crate::suite::project::{Project, ProjectError};
use crate::suite::run::image_spec::{ImageSpec, qemu_program};

/// How long a user's own kernel stays without being used.
const UNUSED: Duration = Duration::from_secs(30 * 24 * 3600);

/// The outcome of pruning a cache.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pruned {
    pub removed: Vec<StoredImage>,
    /// Unneeded images that another process is making; they were kept.
    pub in_use: Vec<StoredImage>,
    /// The number of needed images.
    pub kept: usize,
    /// Pinned kernels and remembered releases that are not in the cache. All of their images are kept, because it is unknown
    /// what they were made of.
    pub unknown: Vec<KernelName>,
    /// The user's own kernels, and unpacked packages, that were not used for 30 days.
    pub own: Vec<StoredOwn>,
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

/// Removes the user's own kernels that were not used for 30 days, and the images that no case needs on a pinned kernel, on a
/// release that the cache remembers, or on a user's own kernel that stays. Fetches nothing.
pub(crate) fn prune(project: &Project) -> Result<Pruned, PruneError> {
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
    let (own, mut by_name) = prune_own(project)?;
    by_name.extend(unknown.iter().cloned());
    let mut needed = BTreeSet::new();
    let qemu = qemu_program(&fetched.qemu);
    for kernel in &kernels {
        needed.extend(keys(&cases, kernel, &qemu)?);
    }
    let images = project.images();
    let (kept, unneeded): (Vec<_>, Vec<_>) =
        images.stored()?.into_iter().partition(|image| is_needed(image, &needed, &by_name));
    let mut pruned = Pruned { kept: kept.len(), unknown, own, ..Pruned::default() };
    for image in unneeded {
        match images.remove(&image.key)? {
            Removal::Removed => pruned.removed.push(image),
            Removal::InUse => pruned.in_use.push(image),
        }
    }
    Ok(pruned)
}

/// Removes the user's own kernels that were not used for long. Returns these, and the names of the others.
fn prune_own(project: &Project) -> Result<(Vec<StoredOwn>, BTreeSet<KernelName>), CacheError> {
    let (mut removed, mut kept) = (Vec::new(), BTreeSet::new());
    for own in own::stored(&project.cache) {
        if own.unused_for() >= UNUSED && own.remove_if_unused_for(UNUSED, &project.cache)? {
            removed.push(own);
        } else {
            kept.extend(own.kernel);
        }
    }
    Ok((removed, kept))
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
        StoredImage { key: key.to_owned(), info, bytes: 0 }
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
