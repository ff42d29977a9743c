//! The releases in Debian's archive: lists them, and remembers what a reference such as `6.12.107` was resolved to.
//!
//! A reference is resolved once, by the archive's indexes. The cache keeps the result with its digests, so that the same
//! reference gives the same bytes until [`forget`].

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::cache_folder::{Cache, CacheError};
use super::digest::Sha256;
use super::error::KernelError;
use super::fetch::{Progress, fetch_locked};
use super::lock::{Archive, LockedKernel, PinnedPackage};
use super::pinning::Resolver;
use super::reference::KernelRef;
use super::release_pattern::{InvalidPattern, ReleasePattern};
use super::series::Series;
use super::store::Kernel;
use super::version::compare_versions;
use super::yaml;
use crate::replace_file::replace_file;

/// The flavour of all releases: the one that rxpath pins too.
const FLAVOUR: &str = "cloud-amd64";

/// The suites with kernels of this flavour. If two have the same version, it counts for the first.
const SUITES: [&str; 6] =
    ["bullseye-security", "bookworm-security", "bookworm-backports", "trixie", "trixie-security", "trixie-backports"];

const FORMAT: u32 = 1;

/// A kernel in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Release {
    /// The version of its packages, such as `6.12.107-1`.
    pub(super) version: String,
    pub(super) series: Series,
    pub(super) suite: String,
    pub(super) archive: Archive,
    pub(super) packages: Vec<PinnedPackage>,
    /// Whether the archive still has its modules and its configuration. Without them, it can run the cases that need no module.
    pub(super) has_modules: bool,
}

impl Release {
    fn into_locked(self) -> LockedKernel {
        let Self { version, series, suite, archive, packages, has_modules: _ } = self;
        LockedKernel { series, version, suite, archive, packages }
    }
}

/// A release as `kernels available` lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Available {
    pub(crate) version: String,
    pub(crate) series: Series,
    pub(crate) suite: String,
    pub(crate) packages: Vec<String>,
    /// The bytes to download.
    pub(crate) size: u64,
    pub(crate) has_modules: bool,
    pub(crate) cached: bool,
}

/// The name of one release: a kernel's version (`6.12.107`, its newest build) or a package version (`6.12.107-1`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReleaseRef(String);

impl fmt::Display for ReleaseRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl ReleaseRef {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    fn remembered_at(&self, cache: &Cache) -> PathBuf {
        // The characters of a version are plain: no slash, no dot at the start.
        cache.root().join("references").join(format!("{}.yaml", self.0))
    }
}

impl FromStr for ReleaseRef {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        match text.parse()? {
            ReleasePattern::Release(_) | ReleasePattern::Package(_) => Ok(Self(text.to_owned())),
            ReleasePattern::Under(_) | ReleasePattern::Range(..) => Err(InvalidPattern::of(text)),
        }
    }
}

/// Lists the releases in the archive that match a pattern, by version.
/// Fails when the archive cannot be reached.
pub(crate) fn available(
    pattern: &ReleasePattern,
    cache: &Cache,
    progress: &(dyn Fn(Progress<'_>) + Sync),
) -> Result<Vec<Available>, KernelError> {
    let releases = all(cache, progress)?.into_iter().filter(|release| pattern.matches(&release.version));
    let listed = releases.map(|release| {
        let has_modules = release.has_modules;
        let locked = release.into_locked();
        Available {
            series: locked.series,
            packages: locked.packages.iter().map(|pin| pin.package.clone()).collect(),
            size: locked.packages.iter().map(|pin| pin.size).sum(),
            has_modules,
            cached: Kernel::open(cache, &locked, false).is_ok(),
            version: locked.version,
            suite: locked.suite,
        }
    });
    Ok(listed.collect())
}

/// Replaces each pattern by the releases in the archive that match it, by version: each kernel's version once, as its newest
/// build, which the cache remembers. Every kernel is in the result once.
/// Fails when there is a pattern, and the archive cannot be reached or has no match; or when the cache cannot be written.
pub(crate) fn expand(
    kernels: Vec<KernelRef>,
    cache: &Cache,
    progress: &(dyn Fn(Progress<'_>) + Sync),
) -> Result<Vec<KernelRef>, KernelError> {
    // The indexes are fetched once, and only for a pattern.
    let mut releases = None;
    let mut expanded: Vec<KernelRef> = Vec::new();
    for kernel in kernels {
        let found = match kernel {
            KernelRef::Releases(pattern) => {
                let releases: &Vec<Release> = match &mut releases {
                    Some(releases) => releases,
                    none => none.insert(all(cache, progress)?),
                };
                remember_matches(&pattern, releases, cache)?.into_iter().map(KernelRef::Release).collect()
            }
            kernel => vec![kernel],
        };
        for kernel in found {
            if !expanded.contains(&kernel) {
                expanded.push(kernel);
            }
        }
    }
    Ok(expanded)
}

/// The releases that match a pattern. They are remembered, so that nothing has to look them up again.
fn remember_matches(
    pattern: &ReleasePattern,
    releases: &[Release],
    cache: &Cache,
) -> Result<Vec<ReleaseRef>, KernelError> {
    let found = references(pattern, releases);
    if found.is_empty() {
        return Err(unknown(&pattern.to_string(), Vec::new()));
    }
    for reference in &found {
        remember(reference, choose(reference, releases)?.into_locked(), cache)?;
    }
    Ok(found)
}

fn references(pattern: &ReleasePattern, releases: &[Release]) -> Vec<ReleaseRef> {
    let matching = releases.iter().map(|release| release.version.as_str()).filter(|version| pattern.matches(version));
    let upstream = |version: &str| version.split('-').next().unwrap_or(version).to_owned();
    let mut references: Vec<ReleaseRef> = matching.map(|version| ReleaseRef(upstream(version))).collect();
    references.dedup();
    references
}

/// Makes releases ready to boot, in the order given. Takes packages from the folder `from` if it has them.
/// Fails when the archive has no such release, cannot be reached or has different bytes than it had when the reference was first
/// used, or the cache cannot be written.
pub(crate) fn fetch_releases(
    references: &[ReleaseRef],
    cache: &Cache,
    from: Option<&Path>,
    progress: &(dyn Fn(Progress<'_>) + Sync),
) -> Result<Vec<Kernel>, KernelError> {
    // The indexes are fetched once, and only for a new reference.
    let mut releases = None;
    let mut resolved = Vec::new();
    for reference in references {
        let locked = match remembered(reference, cache)? {
            Some(locked) => locked,
            None => {
                let releases: &Vec<Release> = match &mut releases {
                    Some(releases) => releases,
                    none => none.insert(all(cache, progress)?),
                };
                remember(reference, choose(reference, releases)?.into_locked(), cache)?
            }
        };
        resolved.push((reference.clone(), locked));
    }
    fetch_locked(&resolved, cache, from, progress)
}

/// Forgets what a reference was resolved to, so that its next use looks it up again. Returns whether it was remembered.
/// Fails when the cache cannot be written.
pub(crate) fn forget(reference: &ReleaseRef, cache: &Cache) -> Result<bool, KernelError> {
    let path = reference.remembered_at(cache);
    match fs::remove_file(&path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(CacheError::io("remove", &path)(error).into()),
    }
}

/// The releases that the cache remembers, each with its kernel if that is in the cache.
/// Fails when the file of a reference is damaged.
pub(crate) fn remembered_kernels(cache: &Cache) -> Result<Vec<(ReleaseRef, Option<Kernel>)>, KernelError> {
    let mut kernels = Vec::new();
    for reference in remembered_references(cache) {
        if let Some(locked) = remembered(&reference, cache)? {
            let kernel = Kernel::open(cache, &locked, false).ok();
            let kernel = kernel.map(|kernel| Kernel { name: reference.as_str().into(), ..kernel });
            kernels.push((reference, kernel));
        }
    }
    Ok(kernels)
}

/// The references that the cache remembers.
pub(crate) fn remembered_references(cache: &Cache) -> Vec<ReleaseRef> {
    let entries = fs::read_dir(cache.root().join("references")).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".yaml")?.parse().ok()).collect()
}

/// The digest of the kernel that a reference was resolved to.
pub(crate) fn remembered_digest(reference: &ReleaseRef, cache: &Cache) -> Option<Sha256> {
    Some(Kernel::digest_of(&remembered(reference, cache).ok()??))
}

/// All releases, by version.
fn all(cache: &Cache, progress: &(dyn Fn(Progress<'_>) + Sync)) -> Result<Vec<Release>, KernelError> {
    progress(Progress::Resolving);
    let waiting = || progress(Progress::Waiting { name: "the package indexes" });
    let resolver = Resolver::open(cache, FLAVOUR, &BTreeSet::from(SUITES), &waiting)?;
    let offered = SUITES.iter().flat_map(|suite| {
        let releases = resolver.kernels(suite).into_iter();
        releases.filter_map(|kernel| {
            Some(Release {
                series: Series::of_version(&kernel.version)?,
                version: kernel.version,
                suite: (*suite).to_owned(),
                archive: Archive::of_suite(suite),
                packages: kernel.packages,
                has_modules: kernel.has_modules,
            })
        })
    });
    Ok(each_once(offered.collect()))
}

/// Sorts releases by version, and keeps the first of each version, or the first with modules.
fn each_once(mut releases: Vec<Release>) -> Vec<Release> {
    releases.sort_by(|a, b| compare_versions(&a.version, &b.version).then_with(|| b.has_modules.cmp(&a.has_modules)));
    releases.dedup_by(|later, earlier| later.version == earlier.version);
    releases
}

/// The newest release that a reference names.
fn choose(reference: &ReleaseRef, releases: &[Release]) -> Result<Release, KernelError> {
    let version = reference.as_str();
    let matching = version.parse::<ReleasePattern>().ok();
    let found = releases.iter().rev().find(|release| matching.as_ref().is_some_and(|it| it.matches(&release.version)));
    found.cloned().ok_or_else(|| {
        let above = releases.partition_point(|release| compare_versions(&release.version, version).is_lt());
        let nearest = [above.checked_sub(1), Some(above)].into_iter().flatten();
        unknown(version, nearest.filter_map(|index| releases.get(index)).map(|near| near.version.clone()).collect())
    })
}

fn unknown(reference: &str, nearest: Vec<String>) -> KernelError {
    KernelError::UnknownRelease { reference: reference.to_owned(), suites: SUITES.join(", "), nearest }
}

/// What a reference was resolved to.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Remembered {
    format: u32,
    kernel: LockedKernel,
}

/// Writes what a reference was resolved to. If another process was faster, its result counts.
fn remember(reference: &ReleaseRef, kernel: LockedKernel, cache: &Cache) -> Result<LockedKernel, KernelError> {
    let _held = cache.lock("references", &|| ())?;
    if let Some(earlier) = remembered(reference, cache)? {
        return Ok(earlier);
    }
    let path = reference.remembered_at(cache);
    let text = serde_yaml::to_string(&Remembered { format: FORMAT, kernel });
    let text = text.expect("a release has only strings and numbers");
    let kernel = check(reference, &path, yaml::parse(&path, &text)?)?;
    let folder = path.parent().unwrap_or(cache.root());
    let written = fs::create_dir_all(folder).and_then(|()| replace_file(&path, text.as_bytes()));
    written.map_err(CacheError::io("write", &path))?;
    Ok(kernel)
}

fn remembered(reference: &ReleaseRef, cache: &Cache) -> Result<Option<LockedKernel>, KernelError> {
    let path = reference.remembered_at(cache);
    match yaml::read(&path, "") {
        Ok((_text, file)) => check(reference, &path, file).map(Some),
        Err(KernelError::NoFile { .. }) => Ok(None),
        Err(KernelError::File { message, .. }) => Err(damaged(reference, &path, &message)),
        Err(error) => Err(error),
    }
}

/// Checks a file's content, which becomes addresses, file names and arguments.
fn check(reference: &ReleaseRef, path: &Path, file: Remembered) -> Result<LockedKernel, KernelError> {
    let Remembered { format, kernel } = file;
    if format != FORMAT {
        return Err(damaged(reference, path, &format!("format {format}, expected {FORMAT}")));
    }
    match kernel.packages.iter().find_map(PinnedPackage::problem) {
        Some(problem) => Err(damaged(reference, path, &problem)),
        None if kernel.packages.is_empty() => Err(damaged(reference, path, "no packages")),
        None => Ok(kernel),
    }
}

fn damaged(reference: &ReleaseRef, path: &Path, problem: &str) -> KernelError {
    let message = format!("{problem}; `rxpath kernels forget {reference}` removes this file");
    yaml::at(path, 1, 1, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(version: &str, suite: &str, has_modules: bool) -> Release {
        let package = format!("linux-image-{version}-cloud-amd64");
        let pin = PinnedPackage {
            path: format!("pool/main/l/linux/{package}_{version}_amd64.deb"),
            package,
            version: version.to_owned(),
            size: 7,
            sha256: Sha256::of(format!("{version}{suite}").as_bytes()),
        };
        Release {
            version: version.to_owned(),
            series: Series::of_version(version).unwrap(),
            suite: suite.to_owned(),
            archive: Archive::of_suite(suite),
            packages: vec![pin],
            has_modules,
        }
    }

    fn reference(text: &str) -> ReleaseRef {
        text.parse().unwrap()
    }

    #[test]
    fn a_reference_names_one_release() {
        for good in ["6.12.107", "6.12.107-1", "6.12.107-1~bpo12+1"] {
            assert_eq!(reference(good).as_str(), good);
        }
        for bad in ["6.12", "6.12.*", "*", "6.12.1..6.12.2", "../../x", "6.12.107-1/x", "vmlinux", ""] {
            assert!(bad.parse::<ReleaseRef>().is_err(), "{bad}");
        }
    }

    #[test]
    fn releases_are_sorted_and_each_version_counts_once_with_its_modules() {
        let releases = each_once(vec![
            release("6.12.9-1", "trixie", true),
            release("6.12.10-1", "trixie", false),
            release("6.1.3-1", "bookworm-security", true),
            release("6.12.9-1", "trixie-security", true),
            release("6.12.10-1", "trixie-security", true),
        ]);
        let listed: Vec<(&str, &str)> = releases.iter().map(|release| (&*release.version, &*release.suite)).collect();
        let expected = [("6.1.3-1", "bookworm-security"), ("6.12.9-1", "trixie"), ("6.12.10-1", "trixie-security")];
        assert_eq!(listed, expected);
    }

    #[test]
    fn the_newest_build_of_a_version_is_chosen_unless_one_is_named() {
        let releases = each_once(
            ["6.1.192-1", "6.1.192-3", "6.1.192-2", "6.12.107-1~deb12u1", "6.12.107-1"]
                .map(|version| release(version, "trixie", true))
                .into(),
        );
        let chosen = |text: &str| choose(&reference(text), &releases).unwrap().version;
        assert_eq!(chosen("6.1.192"), "6.1.192-3");
        assert_eq!(chosen("6.1.192-2"), "6.1.192-2");
        assert_eq!(chosen("6.12.107"), "6.12.107-1");
        let all = references(&"6.1..6.12".parse().unwrap(), &releases);
        assert_eq!(all, [reference("6.1.192"), reference("6.12.107")]);
        let error = choose(&reference("6.2.5"), &releases).unwrap_err();
        assert!(error.is_request());
        let message = error.to_string();
        for part in ["`6.2.5`", "trixie-backports", "nearest are 6.1.192-3, 6.12.107-1~deb12u1", "kernels available"] {
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn a_reference_stays_what_it_was_until_it_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path()).unwrap();
        let reference = reference("6.1.192");
        let [old, new] = ["6.1.192-2", "6.1.192-3"].map(|version| release(version, "trixie", true).into_locked());
        assert_eq!(remembered(&reference, &cache).unwrap(), None);
        assert_eq!(remember(&reference, old.clone(), &cache).unwrap(), old);
        assert_eq!(remember(&reference, new.clone(), &cache).unwrap(), old);
        assert_eq!(remembered(&reference, &cache).unwrap(), Some(old));
        assert_eq!(remembered_kernels(&cache).unwrap(), [(reference.clone(), None)]);
        assert!(forget(&reference, &cache).unwrap());
        assert!(!forget(&reference, &cache).unwrap());
        assert_eq!(remember(&reference, new.clone(), &cache).unwrap(), new);
    }

    #[test]
    fn the_matches_of_a_pattern_are_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path()).unwrap();
        let releases = ["6.18.5-1", "6.18.9-1", "6.18.9-2", "6.19.6-2"].map(|it| release(it, "trixie", true));
        let found = remember_matches(&"6.18.*".parse().unwrap(), &releases, &cache).unwrap();
        assert_eq!(found, [reference("6.18.5"), reference("6.18.9")]);
        assert_eq!(remembered(&found[1], &cache).unwrap().unwrap().version, "6.18.9-2");
        assert_eq!(remembered(&reference("6.19.6"), &cache).unwrap(), None);
        let error = remember_matches(&"6.20..6.21".parse().unwrap(), &releases, &cache).unwrap_err();
        assert!(error.is_request() && error.to_string().contains("no kernel `6.20..6.21`"), "{error}");
    }

    #[test]
    fn without_a_pattern_the_kernels_stay_as_they_are_and_the_archive_is_not_asked() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path()).unwrap();
        let kernels: Vec<KernelRef> = ["6.12", "6.12.107", "./linux"].map(|name| name.parse().unwrap()).into();
        assert_eq!(expand(kernels.clone(), &cache, &|_| panic!("nothing to look up")).unwrap(), kernels);
    }

    #[test]
    fn a_hostile_or_damaged_memory_is_an_error_that_names_the_way_out() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path()).unwrap();
        let reference = reference("6.1.192");
        let mut hostile = release("6.1.192-2", "trixie", true).into_locked();
        hostile.packages[0].path = "pool/../../x.deb".to_owned();
        assert!(remember(&reference, hostile, &cache).is_err());
        assert_eq!(remembered(&reference, &cache).unwrap(), None);
        fs::create_dir_all(folder.path().join("references")).unwrap();
        for text in ["", "format: 1\n", "format: 2\nkernel: {}\n"] {
            fs::write(reference.remembered_at(&cache), text).unwrap();
            let error = remembered(&reference, &cache).unwrap_err();
            assert!(error.is_request() && error.to_string().contains("`rxpath kernels forget 6.1.192`"), "{error}");
        }
    }
}
