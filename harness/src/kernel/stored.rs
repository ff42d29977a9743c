//! Lists and removes the kernels in the cache.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::cache_folder::{Cache, CacheError, bytes_on_disk, last_use};
use super::digest::Sha256;
use super::name::KernelName;
use super::own;
use super::store::{self, Kernel};

/// An unpacked kernel in the cache, or packages that were unpacked for one.
#[derive(Debug, Clone)]
pub(crate) struct StoredKernel {
    /// The name of a user's own kernel, the release of one from the archive; `None` for unpacked packages.
    pub(crate) name: Option<KernelName>,
    /// Whether it is a user's own kernel, or packages of one.
    pub(crate) is_own: bool,
    /// Identifies the kernel; of packages, these.
    pub(crate) digest: String,
    pub(crate) folder: PathBuf,
    /// The name of the lock under which it is made.
    lock: String,
}

/// Lists them, by folder. Leaves out files that rxpath did not make.
pub(crate) fn stored(cache: &Cache) -> Vec<StoredKernel> {
    let names = |folder: &str| own::names(&cache.root().join(folder)).into_iter();
    let kernels = names("kernels").filter_map(|folder_name| {
        let (digest, layout) = folder_name.split_once('-')?;
        digest.parse::<Sha256>().ok()?;
        let folder = cache.root().join("kernels").join(&folder_name);
        let is_own = layout.starts_with("own");
        let name = if is_own { own::stored_name(&folder, digest) } else { Kernel::stored_release(&folder) }?;
        let (digest, lock) = (digest.to_owned(), format!("kernel-{digest}"));
        Some(StoredKernel { name: Some(name), is_own, digest, folder, lock })
    });
    let unpacked = names("unpacked").filter(|name| name.parse::<Sha256>().is_ok()).map(|digest| {
        let folder = cache.root().join("unpacked").join(&digest);
        let lock = format!("unpacked-{digest}");
        StoredKernel { name: None, is_own: true, digest, folder, lock }
    });
    kernels.chain(unpacked).collect()
}

impl StoredKernel {
    /// Each use of a user's own kernel changes the time of its folder. One from the archive is used through its images, and its folder
    /// also changes when it is only checked.
    pub(crate) fn used(&self) -> SystemTime {
        if self.is_own { last_use(&self.folder) } else { last_use(&self.folder.join(store::MANIFEST)) }
    }

    pub(crate) fn unused_for(&self) -> Duration {
        self.used().elapsed().unwrap_or_default()
    }

    pub(crate) fn bytes(&self) -> u64 {
        bytes_on_disk(&self.folder)
    }

    /// Removes it, unless it was used in the last `least` after all or another process is making it. Returns whether it was
    /// removed.
    /// Fails when the cache cannot be written.
    pub(crate) fn remove_if_unused_for(&self, least: Duration, cache: &Cache) -> Result<bool, CacheError> {
        let Some(held) = cache.try_lock(&self.lock)? else { return Ok(false) };
        if self.unused_for() < least {
            return Ok(false);
        }
        held.withdraw(&self.folder)?;
        Ok(true)
    }
}
