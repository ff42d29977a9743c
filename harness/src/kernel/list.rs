//! `kernels list`: what is pinned, and what of it is in the cache.

use serde::Serialize;

use super::cache::Cache;
use super::digest::Sha256;
use super::error::KernelError;
use super::lock::Lock;
use super::pins::Pins;
use super::qemu::Qemu;
use super::series::Series;
use super::store::Kernel;

/// One pinned kernel. A list of these, as JSON, makes the matrix of a CI job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedKernel {
    /// The series.
    pub series: Series,
    /// The version of its packages.
    pub version: String,
    /// The suite they come from.
    pub suite: String,
    /// Their names.
    pub packages: Vec<String>,
    /// Their size in all, in bytes: what has to be downloaded.
    pub size: u64,
    /// Stands for all of them.
    pub digest: Sha256,
    /// Whether it is in the cache, ready to boot.
    pub cached: bool,
    /// What `uname -r` says in it; known once it is in the cache.
    pub release: Option<String>,
}

/// The pinned QEMU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedQemu {
    /// Its version.
    pub version: String,
    /// The suite it and all it needs come from.
    pub suite: String,
    /// How many packages these are.
    pub packages: usize,
    /// Their size in all, in bytes.
    pub size: u64,
    /// Stands for all of them.
    pub digest: Sha256,
    /// Whether it is in the cache, ready to run.
    pub cached: bool,
}

/// All that is pinned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// The kernels, in the order of `kernels.yaml`.
    pub kernels: Vec<ListedKernel>,
    /// The QEMU.
    pub qemu: ListedQemu,
}

/// What is pinned, and what of it is in the cache. Nothing is fetched or written.
///
/// # Errors
///
/// When a wanted kernel is not in the lock.
pub fn list(pins: &Pins, lock: &Lock, cache: &Cache) -> Result<Listed, KernelError> {
    let mut kernels = Vec::new();
    for series in pins.series() {
        let locked = lock.kernel(pins, series)?;
        let stored = Kernel::open(cache, locked, false);
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
        cached: Qemu::open(cache, &lock.qemu, false).is_some(),
    };
    Ok(Listed { kernels, qemu })
}
