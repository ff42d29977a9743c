//! `kernels update`: pins what is newest now, and says what changed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;

use super::cache::{self, Cache};
use super::error::KernelError;
use super::fetch::Progress;
use super::lock::{Lock, LockedKernel, LockedQemu, PinnedPackage};
use super::pinning::Resolver;
use super::pins::Pins;
use super::rewrite;

/// What the lock says now of a kernel or of QEMU that it did not say before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The series, or `qemu`.
    pub name: String,
    /// The version that was pinned; none if nothing was.
    pub old: Option<String>,
    /// The version that is pinned now; none if it is not wanted any more.
    pub new: Option<String>,
    /// The packages that differ.
    pub packages: Vec<PackageChange>,
}

/// A package whose pin differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PackageChange {
    /// Its name.
    pub package: String,
    /// The version that was pinned; none if it was not there.
    pub old: Option<String>,
    /// The version that is pinned now; none if it is not there any more.
    pub new: Option<String>,
}

/// Pins the newest packages of the named series, `qemu` for QEMU; of everything for no name. Only the lock file of the
/// project at `root` is written, at once, and only if something changed.
///
/// # Errors
///
/// When a name is unknown, the archive cannot be asked or offers nothing that fits, or a file cannot be read or written.
pub fn update(
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
    let qemu_is_due = with_qemu || old.is_none();

    let mut suites: BTreeSet<&str> = BTreeSet::new();
    suites.extend(chosen.iter().filter_map(|series| pins.kernel(*series)).map(|kernel| kernel.suite.as_str()));
    suites.extend(qemu_is_due.then_some(pins.qemu.suite.as_str()));
    let waiting = || progress(Progress::Waiting { name: "the package indexes" });
    progress(Progress::Resolving);
    let resolver = Resolver::open(cache, &pins, &suites, &waiting)?;

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
        Some(lock) if !qemu_is_due => lock.qemu.clone(),
        _ => resolver.qemu(&pins.qemu)?,
    };

    let changes = changes(old.as_ref(), &kernels, &qemu);
    if !changes.is_empty() {
        let path = Lock::path_in(root);
        let text = rewrite::rewrite(old.as_ref().map(|lock| lock.text.as_str()), &kernels, &qemu);
        // What an archive's index says is not trusted more than what a lock file says.
        Lock::parse(path.clone(), text.clone())?;
        cache::replace_file(&path, &text)?;
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
    fn only_what_changed_is_told() {
        let old = lock(GOOD).unwrap();
        assert!(changes(Some(&old), &old.kernels, &old.qemu).is_empty());

        let mut kernels = old.kernels.clone();
        kernels[0].version = "6.1.193-1".to_owned();
        kernels[0].packages[0].package = "linux-image-6.1.0-57-cloud-amd64".to_owned();
        let told = changes(Some(&old), &kernels, &old.qemu);
        assert_eq!(told.len(), 1);
        assert_eq!((told[0].old.as_deref(), told[0].new.as_deref()), (Some("6.1.192-2"), Some("6.1.193-1")));
        assert_eq!(told[0].packages.len(), 2);
    }

    #[test]
    fn new_and_dropped_series_are_told() {
        let old = lock(GOOD).unwrap();
        let mut other = old.kernels[0].clone();
        other.series = Series::new(5, 10);
        let told = changes(Some(&old), &[other], &old.qemu);
        let told: Vec<_> =
            told.iter().map(|change| (&*change.name, change.old.is_some(), change.new.is_some())).collect();
        assert_eq!(told, [("5.10", false, true), ("6.1", true, false)]);
        assert_eq!(changes(None, &old.kernels, &old.qemu).len(), 2);
    }

    #[test]
    fn a_package_rebuilt_under_the_same_version_is_told() {
        let old = lock(GOOD).unwrap();
        let mut qemu = old.qemu.clone();
        qemu.packages[0].sha256 = Sha256::of(b"rebuilt");
        let told = changes(Some(&old), &old.kernels, &qemu);
        assert_eq!(told[0].packages[0].old, told[0].packages[0].new);
    }
}
