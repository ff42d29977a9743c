//! `kernels/kernels.lock.yaml`: exactly which packages the kernels and QEMU are made of.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::digest::Sha256;
use super::error::KernelError;
use super::pins::{Pins, is_plain_name};
use super::series::Series;
use super::yaml;

/// Where the file lies in a project.
const FILE: &str = "kernels/kernels.lock.yaml";

/// The only format of the file there is.
pub(super) const FORMAT: u32 = 1;

/// The largest package that is believed, in bytes: the largest kernel package so far has 50 MB.
const LARGEST: u64 = 1 << 30;

/// What the lock file says.
#[derive(Debug, Clone)]
pub struct Lock {
    /// The file this was read from.
    pub path: PathBuf,
    /// The kernels, in the file's order.
    pub kernels: Vec<LockedKernel>,
    /// The QEMU with everything it needs.
    pub qemu: LockedQemu,
    /// The file's text, to find the lines of pins in.
    pub(super) text: String,
}

/// The packages of one kernel.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LockedKernel {
    /// Its series.
    pub series: Series,
    /// The version of its packages.
    pub version: String,
    /// The suite they came from.
    pub suite: String,
    /// The archive that holds this suite.
    pub archive: Archive,
    /// The packages.
    pub packages: Vec<PinnedPackage>,
}

/// The packages of QEMU: itself and all it needs, down to the C library.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LockedQemu {
    /// The version of the package that was asked for.
    pub version: String,
    /// The suite they came from.
    pub suite: String,
    /// The archive that holds this suite.
    pub archive: Archive,
    /// The packages.
    pub packages: Vec<PinnedPackage>,
}

/// One package, exactly.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PinnedPackage {
    /// Its name.
    pub package: String,
    /// Its version.
    pub version: String,
    /// Where it is in the archive, relative to the archive's address.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// The digest of the package file.
    pub sha256: Sha256,
}

/// Which of Debian's two archives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Archive {
    /// The main archive, with stable suites and backports.
    Debian,
    /// The archive of the security suites.
    DebianSecurity,
}

impl Archive {
    /// The archive that holds a suite.
    pub fn of_suite(suite: &str) -> Self {
        if suite.ends_with("-security") { Self::DebianSecurity } else { Self::Debian }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LockFile {
    format: u32,
    kernels: Vec<LockedKernel>,
    qemu: LockedQemu,
}

impl Lock {
    /// Reads the file of the project at `root`.
    ///
    /// # Errors
    ///
    /// When the file is missing, is not the YAML that is expected, or holds a pin that cannot be meant.
    pub fn load(root: &Path) -> Result<Self, KernelError> {
        let path = Self::path_in(root);
        let (text, file) = yaml::read(&path, "`rxpath kernels update` writes it from kernels.yaml")?;
        Self::check(path, text, file)
    }

    /// Where the lock file of the project at `root` lies.
    pub fn path_in(root: &Path) -> PathBuf {
        root.join(FILE)
    }

    /// The lock that `text` holds, as if it had been read from `path`.
    pub(super) fn parse(path: PathBuf, text: String) -> Result<Self, KernelError> {
        let file = yaml::parse(&path, &text)?;
        Self::check(path, text, file)
    }

    /// The line of a pin, from 1, if the pin is in this lock.
    pub(super) fn line_of(&self, pin: &PinnedPackage) -> Option<usize> {
        yaml::place_of(&self.text, &pin.sha256.to_string(), 0).map(|(line, _)| line)
    }

    /// The packages of a wanted series.
    pub(super) fn kernel(&self, pins: &Pins, series: Series) -> Result<&LockedKernel, KernelError> {
        self.kernels.iter().find(|kernel| kernel.series == series).ok_or_else(|| KernelError::NotLocked {
            series,
            pins: pins.path.clone(),
            lock: self.path.clone(),
        })
    }

    fn check(path: PathBuf, text: String, file: LockFile) -> Result<Self, KernelError> {
        let LockFile { format, kernels, qemu } = file;
        let lock = Self { path, kernels, qemu, text };
        if format != FORMAT {
            let message = format!("this is lock format {format}; this program reads format {FORMAT}");
            return Err(lock.wrong("format:", 0, message));
        }
        let mut digests = HashSet::new();
        for (index, kernel) in lock.kernels.iter().enumerate() {
            if lock.kernels[..index].iter().any(|earlier| earlier.series == kernel.series) {
                return Err(lock.wrong("series:", index, format!("series {} is locked twice", kernel.series)));
            }
            if !kernel.series.holds(&kernel.version) {
                let message = format!("version `{}` is not of series {}", kernel.version, kernel.series);
                return Err(lock.wrong("series:", index, message));
            }
            let header = (format!("kernel {}", kernel.series), "series:", index);
            lock.check_group(header, &kernel.suite, kernel.archive, &kernel.packages, &mut digests)?;
        }
        let header = ("qemu".to_owned(), "qemu:", 0);
        lock.check_group(header, &lock.qemu.suite, lock.qemu.archive, &lock.qemu.packages, &mut digests)?;
        Ok(lock)
    }

    fn check_group(
        &self,
        (owner, key, nth): (String, &str, usize),
        suite: &str,
        archive: Archive,
        packages: &[PinnedPackage],
        digests: &mut HashSet<Sha256>,
    ) -> Result<(), KernelError> {
        if !is_plain_name(suite) || archive != Archive::of_suite(suite) {
            let message = format!("{owner}: suite `{suite}` is not one that the archive named below it holds");
            return Err(self.wrong(key, nth, message));
        }
        if packages.is_empty() {
            return Err(self.wrong(key, nth, format!("{owner} has no packages")));
        }
        for pin in packages {
            let digest = pin.sha256.to_string();
            if !digests.insert(pin.sha256) {
                return Err(self.wrong(&digest, 1, format!("{owner}: a second package with this sha256")));
            }
            if let Some(problem) = pin.problem() {
                return Err(self.wrong(&digest, 0, format!("{owner}: package `{}`: {problem}", pin.package)));
            }
        }
        Ok(())
    }

    fn wrong(&self, needle: &str, nth: usize, message: String) -> KernelError {
        let (line, column) = yaml::place_of(&self.text, needle, nth).unwrap_or((1, 1));
        yaml::at(&self.path, line, column, message)
    }
}

impl PinnedPackage {
    /// What makes this pin one that nobody can mean: its fields become addresses, file names and arguments.
    fn problem(&self) -> Option<String> {
        let version_byte = |byte: u8| byte.is_ascii_alphanumeric() || b".+-~:".contains(&byte);
        let path_byte = |byte: u8| byte.is_ascii_alphanumeric() || b".+-~_/%:".contains(&byte);
        if !is_plain_name(&self.package) {
            return Some("the name is not one that Debian allows".to_owned());
        }
        if self.version.is_empty() || !self.version.bytes().all(version_byte) {
            return Some(format!("version `{}` is not one that Debian allows", self.version));
        }
        let parts_fine = self.path.split('/').all(|part| !part.is_empty() && !part.starts_with('.'));
        let fine = self.path.starts_with("pool/") && self.path.ends_with(".deb") && parts_fine;
        if !fine || !self.path.bytes().all(path_byte) {
            return Some(format!("path `{}` is not like pool/…/NAME_VERSION_ARCHITECTURE.deb", self.path));
        }
        if self.size == 0 || self.size > LARGEST {
            return Some(format!("a size of {} bytes: expected 1 to {LARGEST}", self.size));
        }
        None
    }

    /// The package's file name in the archive.
    pub(super) fn file_name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub const GOOD: &str = "\
# kept
format: 1
kernels:
  - series: \"6.1\"
    version: 6.1.192-2
    suite: bookworm-security
    archive: debian-security
    packages:
      - package: linux-image-6.1.0-56-cloud-amd64
        version: 6.1.192-2
        path: pool/updates/main/l/linux-signed-amd64/linux-image-6.1.0-56-cloud-amd64_6.1.192-2_amd64.deb
        size: 26713492
        sha256: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
qemu:
  version: 1:10.0.13+ds-0+deb13u1
  suite: trixie
  archive: debian
  packages:
    - package: qemu-system-x86
      version: 1:10.0.13+ds-0+deb13u1
      path: pool/main/q/qemu/qemu-system-x86_10.0.13+ds-0+deb13u1_amd64.deb
      size: 10
      sha256: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
";

    pub fn lock(text: &str) -> Result<Lock, KernelError> {
        Lock::parse(PathBuf::from("lock.yaml"), text.to_owned())
    }

    fn error(from: &str, to: &str) -> String {
        assert!(GOOD.contains(from), "the test's own text: {from}");
        let error = lock(&GOOD.replacen(from, to, 1)).unwrap_err();
        assert!(error.is_request());
        error.to_string()
    }

    #[test]
    fn a_pin_is_found_by_its_line() {
        let lock = lock(GOOD).unwrap();
        assert_eq!(lock.line_of(&lock.kernels[0].packages[0]), Some(13));
        assert_eq!(lock.line_of(&lock.qemu.packages[0]), Some(23));
    }

    #[test]
    fn a_wrong_field_is_told_with_its_line() {
        assert!(error("format: 1", "format: 2").starts_with("lock.yaml:2:1: this is lock format 2"));
        assert!(error("aaaa", "AAAA").starts_with("lock.yaml:13:"), "{}", error("aaaa", "AAAA"));
        assert!(error("bbbb\n", "bbb\n").starts_with("lock.yaml:23:"));
        assert!(error("size: 10", "size: ten").starts_with("lock.yaml:22:"));
        assert!(error("size: 10", "bytes: 10").starts_with("lock.yaml:22:"));
        assert!(error("archive: debian\n", "archive: ubuntu\n").starts_with("lock.yaml:17:"));
    }

    #[test]
    fn a_version_of_another_series_is_refused() {
        let told = error("version: 6.1.192-2", "version: 6.12.1-1");
        assert_eq!(told, "lock.yaml:4:5: version `6.12.1-1` is not of series 6.1");
    }

    #[test]
    fn a_series_or_digest_that_stands_twice_is_refused_at_its_second_line() {
        let kernel = GOOD.find("  - series").unwrap()..GOOD.find("qemu:").unwrap();
        let twice = GOOD.replacen("qemu:", &format!("{}qemu:", &GOOD[kernel]), 1);
        assert_eq!(lock(&twice).unwrap_err().to_string(), "lock.yaml:14:5: series 6.1 is locked twice");
        let told = error(&"b".repeat(64), &"a".repeat(64));
        assert_eq!(told, "lock.yaml:23:15: qemu: a second package with this sha256");
    }

    #[test]
    fn pins_that_would_reach_outside_the_archive_or_into_a_command_are_refused() {
        let path = "pool/main/q/qemu/qemu-system-x86_10.0.13+ds-0+deb13u1_amd64.deb";
        for hostile in [
            "/etc/passwd.deb",
            "pool/../../x.deb",
            "http://elsewhere.invalid/pool/x.deb",
            "pool//x.deb",
            "pool/x.deb?y",
            "\"pool/a b.deb\"",
            "\"pool/a\\nb.deb\"",
            "pool/x.tar",
        ] {
            let told = error(path, hostile);
            assert!(told.starts_with("lock.yaml:23:15: qemu: package `qemu-system-x86`: path `"), "{told}");
        }
        assert!(error("package: qemu-system-x86", "package: -o=Dir=x").contains("name is not one"));
        assert!(error("size: 10", "size: 0").contains("a size of 0 bytes"));
        assert!(error("size: 10", "size: 99999999999999").contains("expected 1 to"));
    }

    #[test]
    fn a_suite_of_the_other_archive_is_refused() {
        assert!(error("suite: trixie", "suite: trixie-security").contains("suite `trixie-security`"));
    }
}
