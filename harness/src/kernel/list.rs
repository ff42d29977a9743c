//! `kernels list`: the pinned kernels and QEMU, and whether they are in the cache.

use serde::Serialize;

use super::cache_folder::Cache;
use super::digest::Sha256;
use super::error::KernelError;
use super::lock::Lock;
use super::pins::Pins;
use super::qemu::Qemu;
use super::series::Series;
use super::store::Kernel;

/// A pinned kernel. `kernels list --json` prints these; CI makes its matrix from them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedKernel {
    pub series: Series,
    pub version: String,
    pub suite: String,
    pub packages: Vec<String>,
    /// The bytes to download.
    pub size: u64,
    /// The digest of its packages.
    pub digest: Sha256,
    pub cached: bool,
    /// What `uname -r` prints in it; known once it is in the cache.
    pub release: Option<String>,
}

/// The pinned QEMU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedQemu {
    pub version: String,
    pub suite: String,
    /// The number of packages.
    pub packages: usize,
    /// The bytes to download.
    pub size: u64,
    /// The digest of its packages.
    pub digest: Sha256,
    pub cached: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// In the order of `kernels.yaml`.
    pub kernels: Vec<ListedKernel>,
    pub qemu: ListedQemu,
}

/// Lists what is pinned, and whether it is in the cache. Fetches and writes nothing.
/// Fails when a wanted kernel is not in the lock.
pub(crate) fn list(pins: &Pins, lock: &Lock, cache: &Cache) -> Result<Listed, KernelError> {
    let mut kernels = Vec::new();
    for series in pins.series() {
        let locked = lock.kernel(pins, series)?;
        let stored = Kernel::open(cache, locked, false).ok();
        kernels.push(ListedKernel {
            series,
            version: locked.version.clone(),
            suite: locked.suite.clone(),
            packages: locked.packages.iter().map(|pin| pin.package.clone()).collect(),
            size: locked.packages.iter().map(|pin| pin.size).sum(),
            digest: Kernel::digest_of(locked),
            cached: stored.is_some(),
            release: stored.map(|kernel| kernel.release),
        });
    }
    let qemu = ListedQemu {
        version: lock.qemu.version.clone(),
        suite: lock.qemu.suite.clone(),
        packages: lock.qemu.packages.len(),
        size: lock.qemu.packages.iter().map(|pin| pin.size).sum(),
        digest: Qemu::digest_of(&lock.qemu),
        cached: Qemu::open(cache, &lock.qemu, false).is_ok(),
    };
    Ok(Listed { kernels, qemu })
}

/// The digest of the kernel that is locked for a series.
pub(crate) fn pinned_digest(series: Series, pins: &Pins, lock: &Lock) -> Option<Sha256> {
    lock.kernel(pins, series).ok().map(Kernel::digest_of)
}
