//! Removes warm images that no case on a pinned kernel needs any more.

use std::collections::BTreeSet;

use crate::kernel::{self, KernelError, Series};
use crate::vm::{Accelerator, Images, Removal, StoredImage, VmError};

use crate::suite::project::{Project, ProjectError};
use crate::suite::run::image_spec::{ImageSpec, qemu_program};

/// The outcome of pruning a cache.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pruned {
    pub removed: Vec<StoredImage>,
    /// Unneeded images that another process is making; they were kept.
    pub in_use: Vec<StoredImage>,
    /// The number of needed images.
    pub kept: usize,
    /// Pinned series that are not in the cache. All of their images are kept, because it is unknown what they were made of.
    pub unknown: Vec<Series>,
}

/// Why a cache cannot be pruned.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PruneError {
    #[error(transparent)]
    Project(#[from] ProjectError),
    #[error(transparent)]
    Kernel(#[from] KernelError),
    #[error(transparent)]
    Vm(#[from] VmError),
    /// Every image's key depends on QEMU's digest.
    #[error(
        "the pinned QEMU {version} is not in the cache, so it is unknown which images are needed: `rxpath kernels fetch` \
         fetches it"
    )]
    NoQemu { version: String },
}

impl PruneError {
    /// Whether the request is wrong, as opposed to rxpath or its environment.
    pub(crate) fn is_request(&self) -> bool {
        match self {
            Self::Project(ProjectError::Kernel(error)) | Self::Kernel(error) => error.is_request(),
            Self::Project(_) | Self::NoQemu { .. } => true,
            Self::Vm(_) => false,
        }
    }
}

/// Removes the images that no case on a pinned kernel needs. Fetches nothing.
pub(crate) fn prune(project: &Project) -> Result<Pruned, PruneError> {
    let cases = project.cases()?;
    let listed = kernel::list(&project.pins, &project.lock, &project.cache)?;
    if !listed.qemu.cached {
        return Err(PruneError::NoQemu { version: listed.qemu.version });
    }
    let series = |cached| listed.kernels.iter().filter(move |one| one.cached == cached).map(|one| one.series);
    let fetched = project.fetch(&series(true).collect::<Vec<_>>(), &|_| {})?;
    let qemu = qemu_program(&fetched.qemu);
    let mut needed = BTreeSet::new();
    for case in &cases {
        for kernel in fetched.kernels.iter().filter(|kernel| case.runs_on(kernel.series).is_ok()) {
            let spec = ImageSpec::of(case, Accelerator::Exact);
            needed.insert(Images::key(&spec.guest_kernel(kernel)?, &spec.machine, &qemu));
        }
    }
    let images = project.images();
    let unknown: Vec<Series> = series(false).collect();
    let (kept, unneeded): (Vec<_>, Vec<_>) =
        images.stored()?.into_iter().partition(|image| is_needed(image, &needed, &unknown));
    let mut pruned = Pruned { kept: kept.len(), unknown, ..Pruned::default() };
    for image in unneeded {
        match images.remove(&image.key)? {
            Removal::Removed => pruned.removed.push(image),
            Removal::InUse => pruned.in_use.push(image),
        }
    }
    Ok(pruned)
}

/// Whether a case needs an image, or the image may belong to a pinned kernel that is not in the cache.
fn is_needed(image: &StoredImage, needed: &BTreeSet<String>, unknown: &[Series]) -> bool {
    let of_unknown = |kernel: &str| unknown.iter().any(|series| series.to_string() == kernel);
    needed.contains(&image.key) || image.info.as_ref().is_some_and(|info| of_unknown(&info.kernel))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(key: &str, kernel: Option<&str>) -> StoredImage {
        let text = |kernel| {
            format!(
                r#"{{"kernel":"{kernel}","qemu":"10","machine":"2 CPUs","boot":{{"ready_ms":1,"arming_ms":1}},"digests":[]}}"#
            )
        };
        let info = kernel.map(|kernel| serde_json::from_str(&text(kernel)).unwrap());
        StoredImage { key: key.to_owned(), info, bytes: 0 }
    }

    #[test]
    fn only_images_that_no_case_can_need_are_removed() {
        let needed = BTreeSet::from(["used".to_owned()]);
        let unknown = ["6.12".parse().unwrap()];
        for (image, is_kept) in [
            (image("used", Some("5.10")), true),
            (image("old", Some("5.10")), false),
            (image("old", Some("6.12")), true),
            (image("old", Some("6.1")), false),
            (image("unreadable", None), false),
            (image("used", None), true),
        ] {
            assert_eq!(is_needed(&image, &needed, &unknown), is_kept, "{image:?}");
        }
    }
}
