//! `kernels update`: pins the newest packages and reports the changes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;

use super::cache_folder::Cache;
use super::error::KernelError;
use super::fetch::Progress;
use super::lock::{Lock, LockedKernel, LockedQemu, PinnedPackage};
use super::pinning::Resolver;
use super::pins::Pins;

/// A change of the pins of a kernel or of QEMU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The series, or `qemu`.
    pub name: String,
    /// The version pinned before, if any.
    pub old: Option<String>,
    /// The version pinned now; `None` if it is no longer wanted.
    pub new: Option<String>,
    pub packages: Vec<PackageChange>,
}

/// A change of the pin of one package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PackageChange {
    pub package: String,
    /// The version pinned before, if any.
    pub old: Option<String>,
    /// The version pinned now; `None` if it is no longer needed.
    pub new: Option<String>,
}

/// Pins the newest packages of the named series (`qemu` for QEMU), or of everything if no name is given. Writes the lock
/// file of the project at `root`, atomically, if something changed.
/// Fails when a name is unknown, the archive cannot be reached or has no matching packages, or a file cannot be read or written.
pub(crate) fn update(
    root: &Path,
    names: &[String],
    cache: &Cache,
    progress: &(dyn Fn(Progress<'_>) + Sync),
) -> Result<Vec<Change>, KernelError> {
    let pins = Pins::load(root)?;
    let series_names: Vec<&String> = names.iter().filter(|name| *name != "qemu").collect();
    let with_qemu = names.is_empty() || series_names.len() < names.len();
    let chosen = if series_names.is_empty() && with_qemu && !names.is_empty() {
        Vec::new()
    } else {
        pins.select(&series_names)?
    };
    let old = match Lock::load(root) {
        Ok(lock) => Some(lock),
        Err(KernelError::NoFile { .. }) => None,
        Err(error) => return Err(error),
    };
    let update_qemu = with_qemu || old.is_none();

    let mut suites: BTreeSet<&str> = BTreeSet::new();
    suites.extend(chosen.iter().filter_map(|series| pins.kernel(*series)).map(|kernel| kernel.suite.as_str()));
    suites.extend(update_qemu.then_some(pins.qemu.suite.as_str()));
    let waiting = || progress(Progress::Waiting { name: "the package indexes" });
    progress(Progress::Resolving);
    let resolver = Resolver::open(cache, &pins.flavour, &suites, &waiting)?;

    let mut kernels: Vec<LockedKernel> = Vec::new();
    for wanted in &pins.kernels {
        let before = old.iter().flat_map(|lock| &lock.kernels).find(|kernel| kernel.series == wanted.series);
        if chosen.contains(&wanted.series) {
            kernels.push(resolver.kernel(wanted)?);
        } else {
            kernels.extend(before.cloned());
        }
    }
    let qemu = match &old {
        Some(lock) if !update_qemu => lock.qemu.clone(),
        _ => resolver.qemu(&pins.qemu)?,
    };

    let changes = changes(old.as_ref(), &kernels, &qemu);
    if !changes.is_empty() {
        Lock::write(root, kernels, qemu)?;
    }
    Ok(changes)
}

fn changes(old: Option<&Lock>, kernels: &[LockedKernel], qemu: &LockedQemu) -> Vec<Change> {
    let before: &[LockedKernel] = old.map_or(&[], |lock| &lock.kernels);
    let mut changes = Vec::new();
    for kernel in kernels {
        let was = before.iter().find(|before| before.series == kernel.series);
        let packages = package_changes(was.map_or(&[], |was| &was.packages), &kernel.packages);
        if was != Some(kernel) {
            let (name, new) = (kernel.series.to_string(), Some(kernel.version.clone()));
            changes.push(Change { name, old: was.map(|was| was.version.clone()), new, packages });
        }
    }
    for gone in before.iter().filter(|before| kernels.iter().all(|kernel| kernel.series != before.series)) {
        let packages = package_changes(&gone.packages, &[]);
        changes.push(Change { name: gone.series.to_string(), old: Some(gone.version.clone()), new: None, packages });
    }
    let was = old.map(|lock| &lock.qemu);
    if was != Some(qemu) {
        let packages = package_changes(was.map_or(&[], |was| &was.packages), &qemu.packages);
        let (old, new) = (was.map(|was| was.version.clone()), Some(qemu.version.clone()));
        changes.push(Change { name: "qemu".to_owned(), old, new, packages });
    }
    changes
}

fn package_changes(old: &[PinnedPackage], new: &[PinnedPackage]) -> Vec<PackageChange> {
    let mut pairs: BTreeMap<&str, (Option<&PinnedPackage>, Option<&PinnedPackage>)> = BTreeMap::new();
    for pin in old {
        pairs.entry(&pin.package).or_default().0 = Some(pin);
    }
    for pin in new {
        pairs.entry(&pin.package).or_default().1 = Some(pin);
    }
    let version = |pin: Option<&PinnedPackage>| pin.map(|pin| pin.version.clone());
    pairs
        .into_iter()
        .filter(|(_, (old, new))| old != new)
        .map(|(package, (old, new))| PackageChange {
            package: package.to_owned(),
            old: version(old),
            new: version(new),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::digest::Sha256;
    use crate::kernel::lock::tests::{GOOD, lock};
    use crate::kernel::series::Series;

    #[test]
    fn only_changes_are_reported() {
        let old = lock(GOOD).unwrap();
        assert!(changes(Some(&old), &old.kernels, &old.qemu).is_empty());

        let mut kernels = old.kernels.clone();
        kernels[0].version = "6.1.193-1".to_owned();
        kernels[0].packages[0].package = "linux-image-6.1.0-57-cloud-amd64".to_owned();
        let changed = changes(Some(&old), &kernels, &old.qemu);
        assert_eq!(changed.len(), 1);
        assert_eq!((changed[0].old.as_deref(), changed[0].new.as_deref()), (Some("6.1.192-2"), Some("6.1.193-1")));
        assert_eq!(changed[0].packages.len(), 2);
    }

    #[test]
    fn new_and_dropped_series_are_reported() {
        let old = lock(GOOD).unwrap();
        let mut other = old.kernels[0].clone();
        other.series = Series::new(5, 10);
        let changed = changes(Some(&old), &[other], &old.qemu);
        let changed: Vec<_> =
            changed.iter().map(|change| (&*change.name, change.old.is_some(), change.new.is_some())).collect();
        assert_eq!(changed, [("5.10", false, true), ("6.1", true, false)]);
        assert_eq!(changes(None, &old.kernels, &old.qemu).len(), 2);
    }

    #[test]
    fn a_package_rebuilt_under_the_same_version_is_reported() {
        let old = lock(GOOD).unwrap();
        let mut qemu = old.qemu.clone();
        qemu.packages[0].sha256 = Sha256::of(b"rebuilt");
        let changed = changes(Some(&old), &old.kernels, &qemu);
        assert_eq!(changed[0].packages[0].old, changed[0].packages[0].new);
    }
}
