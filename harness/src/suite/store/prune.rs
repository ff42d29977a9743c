//! The upkeep of a cache: which warm images the cases on the pinned kernels still need.

use std::collections::BTreeSet;

use crate::kernel::{self, KernelError, Series};
use crate::vm::{Images, Removal, StoredImage, VmError};

use crate::suite::project::{Project, ProjectError};
use crate::suite::run::test_bed as prepare;

/// What pruning did.
#[derive(Clone, Debug, Default)]
pub struct Pruned {
    /// Images that are gone.
    pub removed: Vec<StoredImage>,
    /// Images that another process is making; they were left alone.
    pub in_use: Vec<StoredImage>,
    /// Images that stay.
    pub kept: usize,
    /// Pinned series that are not in the cache: what their images were made of is not known, so all of them stay.
    pub unknown: Vec<Series>,
}

/// Why a cache cannot be pruned.
#[derive(Debug, thiserror::Error)]
pub enum PruneError {
    /// Cases.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// Pins and what is fetched of them.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// Images.
    #[error(transparent)]
    Vm(#[from] VmError),
    /// Every image's key holds the QEMU's digest.
    #[error(
        "the pinned QEMU {version} is not in the cache, so no image can be told to be needed: `rxpath kernels fetch` brings it"
    )]
    NoQemu {
        /// Its version.
        version: String,
    },
}

impl PruneError {
    /// Whether the request is wrong rather than the machinery broken.
    pub fn is_request(&self) -> bool {
        match self {
            Self::Project(ProjectError::Kernel(why)) | Self::Kernel(why) => why.is_request(),
            Self::Project(_) | Self::NoQemu { .. } => true,
            Self::Vm(_) => false,
        }
    }
}

/// Removes the images that no case on a pinned kernel needs. Nothing is fetched.
pub fn prune(project: &Project) -> Result<Pruned, PruneError> {
    let cases = project.cases()?;
    let listed = kernel::list(&project.pins, &project.lock, &project.cache)?;
    if !listed.qemu.cached {
        return Err(PruneError::NoQemu { version: listed.qemu.version });
    }
    let series = |cached| listed.kernels.iter().filter(move |one| one.cached == cached).map(|one| one.series);
    let fetched = project.fetch(&series(true).collect::<Vec<_>>(), &|_| {})?;
    let qemu = prepare::program(&fetched.qemu);
    let mut needed = BTreeSet::new();
    for case in &cases {
        for kernel in fetched.kernels.iter().filter(|kernel| case.runs_on(kernel.series).is_ok()) {
            let guest = prepare::kernel_for(case, kernel)?;
            needed.insert(Images::key(&guest, &prepare::machine(case), &qemu));
        }
    }
    let images = project.images();
    let unknown: Vec<Series> = series(false).collect();
    let (kept, needless): (Vec<_>, Vec<_>) =
        images.stored()?.into_iter().partition(|image| is_needed(image, &needed, &unknown));
    let mut pruned = Pruned { kept: kept.len(), unknown, ..Pruned::default() };
    for image in needless {
        match images.remove(&image.key)? {
            Removal::Removed => pruned.removed.push(image),
            Removal::InUse => pruned.in_use.push(image),
        }
    }
    Ok(pruned)
}

/// Whether an image must stay: a case needs it, or it belongs to a pinned kernel of which nothing more is known.
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
    fn only_what_nobody_can_need_goes() {
        let needed = BTreeSet::from(["used".to_owned()]);
        let unknown = ["6.12".parse().unwrap()];
        for (image, stays) in [
            (image("used", Some("5.10")), true),
            (image("old", Some("5.10")), false),
            (image("old", Some("6.12")), true),
            (image("old", Some("6.1")), false),
            (image("unreadable", None), false),
            (image("used", None), true),
        ] {
            assert_eq!(is_needed(&image, &needed, &unknown), stays, "{image:?}");
        }
    }
}
