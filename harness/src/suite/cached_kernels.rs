//! The kernels in the cache with their images, and which of them a prune removes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use crate::kernel::{self, Cache, KernelName, StoredKernel, bytes_on_disk, remembered_digest, remembered_references};
use crate::suite::project::Project;
use crate::vm::{Images, Removal, StoredImage, VmError, in_use};

/// How long a user's own kernel stays without being used.
const UNUSED: Duration = Duration::from_secs(30 * 24 * 3600);

/// A kernel in the cache: what was unpacked, and its warm images.
#[derive(Clone, Debug)]
pub(crate) struct CachedKernel {
    /// What names it: pins, releases, or the name in reports. Empty for the unpacked packages of a user's own kernel.
    pub(crate) names: BTreeSet<KernelName>,
    pub(crate) stored: Option<StoredKernel>,
    /// The size of what was unpacked.
    pub(crate) unpacked: u64,
    pub(crate) images: Vec<StoredImage>,
    /// When any of it was used last.
    pub(crate) used: SystemTime,
}

/// The cache by kernels.
#[derive(Clone, Debug)]
pub(crate) struct CacheContents {
    /// The most recently used first.
    pub(crate) kernels: Vec<CachedKernel>,
    /// The size of everything.
    pub(crate) bytes: u64,
}

/// What limits a cache beside the need for its images.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PruneLimits {
    /// The number of kernels to keep.
    pub(crate) kernels: Option<usize>,
    /// The size of the whole cache.
    pub(crate) bytes: Option<u64>,
}

/// What a prune removes.
#[derive(Clone, Debug, Default)]
pub(crate) struct PrunePlan {
    /// Kernels with all their images, the least recently used first.
    pub(crate) kernels: Vec<CachedKernel>,
    /// Images of the other kernels.
    pub(crate) images: Vec<StoredImage>,
    /// The number of images that stay.
    pub(crate) kept: usize,
}

impl CachedKernel {
    pub(crate) fn bytes(&self) -> u64 {
        self.unpacked + self.images.iter().map(|image| image.bytes).sum::<u64>()
    }

    /// The digest of the kernel; `None` if only images are left, and they do not say it.
    pub(crate) fn digest(&self) -> Option<&str> {
        let of_images = || self.images.iter().find_map(|image| image.info.as_ref()?.kernel_digest.as_deref());
        self.stored.as_ref().map(|stored| stored.digest.as_str()).or_else(of_images)
    }

    fn is_long_unused(&self) -> bool {
        self.stored.as_ref().is_some_and(|stored| stored.is_own && stored.unused_for() >= UNUSED)
    }

    /// Removes it with its images. Returns false, and may leave a part, if another process uses or makes it.
    /// Fails when the cache cannot be written.
    pub(crate) fn remove(&self, cache: &Cache, images: &Images) -> Result<bool, VmError> {
        // Held until everything is gone.
        let _alone = match self.digest().map(|digest| cache.try_lock(&in_use(digest))).transpose()? {
            Some(None) => return Ok(false),
            alone => alone,
        };
        let is_derived = |image: &StoredImage| image.info.as_ref().is_some_and(|info| info.base.is_some());
        let (derived, booted): (Vec<_>, Vec<_>) = self.images.iter().partition(|image| is_derived(image));
        for image in derived.into_iter().chain(booted) {
            if images.remove(&image.key)? == Removal::InUse {
                return Ok(false);
            }
        }
        Ok(self.stored.as_ref().map_or(Ok(true), |stored| stored.remove_if_unused_for(Duration::ZERO, cache))?)
    }
}

impl CacheContents {
    /// Lists the kernels in the cache of a project. Fetches and changes nothing.
    pub(crate) fn of(project: &Project) -> Result<Self, VmError> {
        let cache = &project.cache;
        let pinned = kernel::list(&project.pins, &project.lock, cache)?.kernels;
        let pinned = pinned.into_iter().map(|kernel| (KernelName::from(kernel.series), kernel.digest.to_string()));
        let releases = remembered_references(cache).into_iter().filter_map(|reference| {
            Some((KernelName::from(reference.as_str()), remembered_digest(&reference, cache)?.to_string()))
        });
        let kernels = grouped(pinned.chain(releases).collect(), kernel::stored(cache), project.images().stored()?);
        Ok(Self { kernels, bytes: bytes_on_disk(cache.root()) })
    }

    /// What to remove: images that `is_needed` says no to, the user's own kernels that were not used for 30 days, and then the least
    /// recently used kernels until what stays is within the limits.
    pub(crate) fn plan(self, is_needed: impl Fn(&StoredImage) -> bool, limits: PruneLimits) -> PrunePlan {
        let mut plan = PrunePlan::default();
        let mut bytes = self.bytes;
        let mut kept: Vec<CachedKernel> = Vec::new();
        for kernel in self.kernels {
            // Packages are not counted beside the kernel that is in them.
            let named = kept.iter().filter(|kept| !kept.names.is_empty()).count();
            if limits.kernels.is_some_and(|most| named >= most) || kernel.is_long_unused() {
                bytes = bytes.saturating_sub(kernel.bytes());
                plan.kernels.push(kernel);
                continue;
            }
            let (images, unneeded): (Vec<_>, Vec<_>) = kernel.images.iter().cloned().partition(&is_needed);
            bytes = bytes.saturating_sub(unneeded.iter().map(|image| image.bytes).sum());
            plan.images.extend(unneeded);
            kept.push(CachedKernel { images, ..kernel });
        }
        while limits.bytes.is_some_and(|most| bytes > most) {
            let Some(kernel) = kept.pop() else { break };
            bytes = bytes.saturating_sub(kernel.bytes());
            plan.kernels.push(kernel);
        }
        plan.kernels.sort_by_key(|kernel| kernel.used);
        plan.kept = kept.iter().map(|kernel| kernel.images.len()).sum();
        plan
    }
}

impl PrunePlan {
    /// The bytes that it frees.
    pub(crate) fn bytes(&self) -> u64 {
        let kernels = self.kernels.iter().map(CachedKernel::bytes);
        kernels.chain(self.images.iter().map(|image| image.bytes)).sum()
    }
}

/// Puts together what belongs to one kernel, the most recently used first. `names` has names with the digests of their kernels.
fn grouped(names: Vec<(KernelName, String)>, stored: Vec<StoredKernel>, images: Vec<StoredImage>) -> Vec<CachedKernel> {
    let mut groups: BTreeMap<String, CachedKernel> = BTreeMap::new();
    let empty = |digest: &str| {
        let of_this = names.iter().filter(|(_, named)| named == digest).map(|(name, _)| name.clone());
        let used = SystemTime::UNIX_EPOCH;
        CachedKernel { names: of_this.collect(), stored: None, unpacked: 0, images: Vec::new(), used }
    };
    for stored in stored {
        let digest = stored.digest.clone();
        let kernel = groups.entry(digest.clone()).or_insert_with(|| empty(&digest));
        if kernel.names.is_empty() {
            kernel.names.extend(stored.name.clone());
        }
        kernel.used = kernel.used.max(stored.used());
        kernel.unpacked = stored.bytes();
        kernel.stored = Some(stored);
    }
    for image in images {
        let name = image.info.as_ref().map_or("?", |info| &info.kernel);
        let digest = image.info.as_ref().and_then(|info| info.kernel_digest.clone());
        // Earlier images do not say which bytes their kernel has.
        let by_name = || names.iter().find(|(known, _)| *known == *name).map(|(_, digest)| digest.clone());
        let digest = digest.or_else(by_name).unwrap_or_else(|| format!("only the name: {name}"));
        let kernel = groups.entry(digest.clone()).or_insert_with(|| empty(&digest));
        if kernel.names.is_empty() {
            kernel.names.insert(name.into());
        }
        kernel.used = kernel.used.max(image.used);
        kernel.images.push(image);
    }
    let mut kernels: Vec<CachedKernel> = groups.into_values().collect();
    kernels.sort_by_key(|kernel| Reverse(kernel.used));
    kernels
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1_000_000;

    /// An image of the kernel with this digest that was used so many days ago.
    fn image(key: &str, name: &str, digest: Option<&str>, days: u64) -> StoredImage {
        let info = serde_json::json!({
            "kernel": name, "kernel_digest": digest, "qemu": "10", "machine": "2 CPUs",
            "times": {"untraced_ms": 1, "traced_ms": 1}, "digests": [],
        });
        let used = SystemTime::UNIX_EPOCH + Duration::from_secs((1000 - days) * 24 * 3600);
        StoredImage { key: key.to_owned(), info: serde_json::from_value(info).unwrap(), bytes: 100 * MB, used }
    }

    /// Four kernels: 400 MB of images, and 50 MB that belong to none.
    fn contents() -> CacheContents {
        let images = vec![
            image("old", "6.1", Some("a"), 9),
            image("new", "6.1", Some("a"), 1),
            image("release", "6.12.117", Some("b"), 2),
            image("pinned", "6.12", Some("b"), 4),
            image("own", "6.12.0@24dd9866", Some("c"), 3),
            image("earlier", "6.12", None, 400),
            image("gone", "6.18", Some("d"), 300),
        ];
        let names = [("6.1", "a"), ("6.12", "b"), ("6.12.117", "b")].map(|(name, digest)| (name.into(), digest.into()));
        CacheContents { kernels: grouped(names.into(), Vec::new(), images), bytes: 750 * MB }
    }

    fn names(kernels: &[CachedKernel]) -> Vec<String> {
        let join = |kernel: &CachedKernel| kernel.names.iter().map(KernelName::to_string).collect::<Vec<_>>().join("+");
        kernels.iter().map(join).collect()
    }

    /// The kernels and images that are removed, and the number of images that stay.
    fn plan(limits: PruneLimits) -> (Vec<String>, Vec<String>, usize, u64) {
        let plan = contents().plan(|image| image.key != "earlier", limits);
        let images = plan.images.iter().map(|image| image.key.clone()).collect();
        (names(&plan.kernels), images, plan.kept, plan.bytes() / MB)
    }

    #[test]
    fn what_has_the_same_bytes_is_one_kernel_and_the_last_use_of_any_part_counts() {
        let kernels = contents().kernels;
        assert_eq!(names(&kernels), ["6.1", "6.12+6.12.117", "6.12.0@24dd9866", "6.18"]);
        assert_eq!(kernels.iter().map(|kernel| kernel.images.len()).collect::<Vec<_>>(), [2, 3, 1, 1]);
    }

    #[test]
    fn the_least_recently_used_kernels_go_first_until_the_rest_is_within_the_limits() {
        let earlier = || vec!["earlier".to_owned()];
        let (all, keep) = (PruneLimits::default(), |kernels| PruneLimits { kernels: Some(kernels), bytes: None });
        let size = |megabytes: u64| PruneLimits { kernels: None, bytes: Some(megabytes * MB) };
        assert_eq!(plan(all), (vec![], earlier(), 6, 100));
        assert_eq!(plan(keep(9)), (vec![], earlier(), 6, 100));
        assert_eq!(plan(keep(2)), (vec!["6.18".into(), "6.12.0@24dd9866".into()], earlier(), 4, 300));
        assert_eq!(plan(keep(0)).2, 0);
        assert_eq!(plan(size(650)), (vec![], earlier(), 6, 100));
        assert_eq!(plan(size(649)), (vec!["6.18".into()], earlier(), 5, 200));
        assert_eq!(
            plan(size(251)),
            (vec!["6.18".into(), "6.12.0@24dd9866".into(), "6.12+6.12.117".into()], earlier(), 2, 500)
        );
        // What belongs to no kernel stays.
        assert_eq!(plan(size(0)).2, 0);
        let both = PruneLimits { kernels: Some(3), bytes: Some(500 * MB) };
        assert_eq!(plan(both).0, ["6.18", "6.12.0@24dd9866"]);
    }

    #[test]
    fn a_kernel_that_is_in_use_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path()).unwrap();
        let images = Images::new(cache.clone());
        let kernel = &contents().kernels[0];
        let using = cache.hold(&in_use("a")).unwrap();
        assert!(!kernel.remove(&cache, &images).unwrap());
        drop(using);
        assert!(kernel.remove(&cache, &images).unwrap());
    }
}
