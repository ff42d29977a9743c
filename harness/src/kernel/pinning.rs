//! Finds the newest packages in the archive, with apt in private directories.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::apt::{Apt, Mirrors};
use super::cache_folder::{Cache, CacheError, CacheLock};
use super::error::KernelError;
use super::index::{self, Offer, OfferedKernel};
use super::lock::{Archive, LockedKernel, LockedQemu, PinnedPackage};
use super::pins::{WantedKernel, WantedQemu};

/// The archive's current indexes.
#[derive(Debug)]
pub(super) struct Resolver {
    apt: Apt,
    /// The `Packages` file of each suite.
    indexes: BTreeMap<String, String>,
    flavour: String,
    /// Keeps other processes from using apt's directories, which are in the cache.
    _held: CacheLock,
}

impl Resolver {
    /// Fetches the indexes of the given suites. Calls `waiting` before it waits for another process.
    pub(super) fn open(
        cache: &Cache,
        flavour: &str,
        suites: &BTreeSet<&str>,
        waiting: &dyn Fn(),
    ) -> Result<Self, KernelError> {
        let held = cache.lock("apt", waiting)?;
        let folder = cache.root().join("apt");
        let apt = Apt::private(&folder)?;
        let mirrors = Mirrors::discover()?;
        let mut lines = BTreeMap::new();
        for suite in suites {
            lines.insert((*suite).to_owned(), source_line(suite, &mirrors)?);
        }
        write(&folder.join("sources.list"), &lines.values().cloned().collect::<String>())?;
        for (suite, line) in &lines {
            write(&folder.join(format!("{suite}.list")), line)?;
        }
        // Otherwise an index that cannot be fetched is only a warning, and apt uses an old one.
        apt.read("apt-get", &["update", "-q", "-o", "APT::Update::Error-Mode=any"])?;
        let format = "$(RELEASE) $(FILENAME)";
        let listed = apt.read("apt-get", &["indextargets", "--format", format, "Created-By: Packages"])?;
        let mut indexes = BTreeMap::new();
        for (suite, file) in listed.lines().filter_map(|line| line.split_once(' ')) {
            // cat-file unpacks every compression that apt knows.
            indexes.insert(suite.to_owned(), apt.read("apt-helper", &["cat-file", file])?);
        }
        Ok(Self { apt, indexes, flavour: flavour.to_owned(), _held: held })
    }

    /// Finds the newest kernel of a wanted series.
    pub(super) fn kernel(&self, wanted: &WantedKernel) -> Result<LockedKernel, KernelError> {
        let offers = self.kernel_offers(&wanted.suite);
        let found = index::newest_kernel(&offers, wanted.series, &self.flavour);
        let (version, packages) = found.ok_or_else(|| KernelError::NothingFits {
            suite: wanted.suite.clone(),
            what: format!("complete linux-image of series {} and flavour {}", wanted.series, self.flavour),
            advice: "name a different suite or series in kernels.yaml",
        })?;
        let archive = Archive::of_suite(&wanted.suite);
        Ok(LockedKernel { series: wanted.series, version, suite: wanted.suite.clone(), archive, packages })
    }

    /// Lists the kernels in a suite, the newest first.
    pub(super) fn kernels(&self, suite: &str) -> Vec<OfferedKernel> {
        index::kernels(&self.kernel_offers(suite), &self.flavour)
    }

    fn kernel_offers(&self, suite: &str) -> Vec<Offer> {
        self.offers(suite, &|name| name.starts_with("linux-"))
    }

    /// Finds the wanted QEMU with all its dependencies: what apt would install on an empty machine.
    pub(super) fn qemu(&self, wanted: &WantedQemu) -> Result<LockedQemu, KernelError> {
        let list =
            format!("Dir::Etc::SourceList={}", self.apt.folder().join(format!("{}.list", wanted.suite)).display());
        let arguments = ["install", "-s", "-y", "--no-install-recommends", "-o", &list, &wanted.package];
        let plan = self.apt.read("apt-get", &arguments)?;
        let chosen: BTreeSet<(&str, &str)> = plan.lines().filter_map(installed).collect();
        let names: BTreeSet<&str> = chosen.iter().map(|(name, _)| *name).collect();
        let offers = self.offers(&wanted.suite, &|name| names.contains(name));
        let find = |(name, version): &(&str, &str)| -> Option<PinnedPackage> {
            let offer = offers.iter().find(|offer| offer.pin.package == *name && offer.pin.version == *version);
            offer.map(|offer| offer.pin.clone())
        };
        let nothing = |what: String| KernelError::NothingFits {
            suite: wanted.suite.clone(),
            what,
            advice: "name a different suite, package or series for QEMU in kernels.yaml",
        };
        let packages: Option<Vec<PinnedPackage>> = chosen.iter().map(find).collect();
        let packages =
            packages.ok_or_else(|| nothing(format!("complete index of the dependencies of {}", wanted.package)))?;
        let version = packages.iter().find(|pin| pin.package == wanted.package).map(|pin| pin.version.clone());
        let version = version.filter(|version| wanted.series.contains(version));
        let version = version.ok_or_else(|| nothing(format!("{} of series {}", wanted.package, wanted.series)))?;
        let archive = Archive::of_suite(&wanted.suite);
        Ok(LockedQemu { version, suite: wanted.suite.clone(), archive, packages })
    }

    fn offers(&self, suite: &str, wanted: &dyn Fn(&str) -> bool) -> Vec<Offer> {
        self.indexes.get(suite).map_or(Vec::new(), |packages| index::offers(packages, wanted))
    }
}

/// The line of sources.list(5) for a suite. Its signature is checked with Debian's keyring if the host has one, otherwise
/// with the keys that apt trusts.
fn source_line(suite: &str, mirrors: &Mirrors) -> Result<String, KernelError> {
    const KEYRINGS: [&str; 2] =
        ["/usr/share/keyrings/debian-archive-keyring.pgp", "/usr/share/keyrings/debian-archive-keyring.gpg"];
    let keyring = KEYRINGS.iter().find(|path| Path::new(path).exists());
    let options = keyring.map_or(String::new(), |path| format!("[signed-by={path}] "));
    let mirror = mirrors.address(Archive::of_suite(suite))?;
    Ok(format!("deb {options}{mirror} {suite} main\n"))
}

/// The name and version in a line such as `Inst libc6 (2.41-12 Debian:13.8/stable [amd64]) []` of `apt-get -s`.
fn installed(line: &str) -> Option<(&str, &str)> {
    let (name, rest) = line.strip_prefix("Inst ")?.split_once(' ')?;
    let version = rest.split_once('(')?.1.split(' ').next()?;
    Some((name.split(':').next()?, version))
}

fn write(path: &Path, text: &str) -> Result<(), KernelError> {
    fs::write(path, text).map_err(|error| CacheError::io("write", path)(error).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_and_version_are_read_from_apts_simulation() {
        assert_eq!(
            installed("Inst libc6 (2.41-12+deb13u5 Debian:13.8/stable [amd64]) []"),
            Some(("libc6", "2.41-12+deb13u5"))
        );
        assert_eq!(
            installed("Inst gcc-14-base:amd64 (14.2.0-19 Debian:13.8/stable [amd64])"),
            Some(("gcc-14-base", "14.2.0-19"))
        );
        assert_eq!(installed("Conf libc6 (2.41-12 Debian:13.8/stable [amd64])"), None);
    }
}
