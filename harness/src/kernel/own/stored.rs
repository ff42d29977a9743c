//! Lists and removes what the user's own kernels left in the cache.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::{LAYOUT, Manifest, name_of};
use crate::kernel::cache_folder::{Cache, CacheError};
use crate::kernel::digest::Sha256;
use crate::kernel::name::KernelName;

/// A user's own kernel in the cache, or packages that were unpacked for one.
#[derive(Debug, Clone)]
pub(crate) struct StoredOwn {
    /// `None` for unpacked packages.
    pub(crate) kernel: Option<KernelName>,
    pub(crate) folder: PathBuf,
    /// The name of the lock under which it is made.
    lock: String,
}

/// Lists them, by folder. Leaves out files that rxpath did not make.
pub(crate) fn stored(cache: &Cache) -> Vec<StoredOwn> {
    let names = |folder: &str| super::place::names(&cache.root().join(folder)).into_iter();
    let kernels = names("kernels").filter_map(|name| {
        let digest = name.strip_suffix(&format!("-own{LAYOUT}"))?;
        digest.parse::<Sha256>().ok()?;
        let folder = cache.root().join("kernels").join(&name);
        let kernel = Some(name_of(&Manifest::load(&folder)?.release, digest));
        Some(StoredOwn { kernel, folder, lock: format!("kernel-{digest}") })
    });
    let unpacked = names("unpacked").filter(|name| name.parse::<Sha256>().is_ok()).map(|name| {
        let folder = cache.root().join("unpacked").join(&name);
        StoredOwn { kernel: None, folder, lock: format!("unpacked-{name}") }
    });
    kernels.chain(unpacked).collect()
}

impl StoredOwn {
    /// How long ago it was used: each use changes the time of its folder.
    pub(crate) fn unused_for(&self) -> Duration {
        let used = fs::metadata(&self.folder).and_then(|folder| folder.modified());
        used.ok().and_then(|used| SystemTime::now().duration_since(used).ok()).unwrap_or_default()
    }

    /// Removes it, unless it was used after all or another process is making it. Returns whether it was removed.
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
