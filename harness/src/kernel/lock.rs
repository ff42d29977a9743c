//! `kernels/kernels.lock.yaml`: the exact packages of the kernels and of QEMU.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::digest::Sha256;
use super::error::{Contradiction, KernelError};
use super::index;
use super::pins::{Pins, is_plain_name};
use super::series::Series;
use super::yaml;
use crate::replace_file::replace_file;

/// The path of the file in a project.
const FILE: &str = "kernels/kernels.lock.yaml";

const FORMAT: u32 = 1;

const HEADER: &str = "\
# The exact packages of the kernels and the QEMU in kernels.yaml.
#
# Written by `rxpath kernels update [SERIES…]`. Paths are relative to the archive's address, which comes from the machine's
# own apt. A package whose digest differs is refused.
";

/// The largest plausible package in bytes: the largest kernel package so far has 50 MB.
const LARGEST: u64 = 1 << 30;

/// The content of the lock file.
#[derive(Debug, Clone)]
pub struct Lock {
    pub(super) path: PathBuf,
    /// In the order of the file.
    pub(super) kernels: Vec<LockedKernel>,
    pub(super) qemu: LockedQemu,
    /// The file's text, for the lines of pins.
    text: String,
}

/// The packages of one kernel.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LockedKernel {
    pub(super) series: Series,
    pub(super) version: String,
    pub(super) suite: String,
    pub(super) archive: Archive,
    pub(super) packages: Vec<PinnedPackage>,
}

impl LockedKernel {
    /// Whether its modules and its configuration are among its packages: of some releases, the archive only has the image.
    pub(super) fn has_modules(&self) -> bool {
        let has = |prefix: &str| self.packages.iter().any(|pin| pin.package.starts_with(prefix));
        has("linux-modules-") || !has("linux-binary-")
    }
}

/// QEMU's package and all its dependencies, down to the C library.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LockedQemu {
    /// The version of QEMU's own package.
    pub(super) version: String,
    pub(super) suite: String,
    pub(super) archive: Archive,
    pub(super) packages: Vec<PinnedPackage>,
}

/// The exact version and content of one package.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PinnedPackage {
    pub(super) package: String,
    pub(super) version: String,
    /// Relative to the archive's address.
    pub(super) path: String,
    /// In bytes.
    pub(super) size: u64,
    pub(super) sha256: Sha256,
}

/// One of Debian's two archives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Archive {
    /// The main archive, with stable suites and backports.
    Debian,
    /// The archive of the security suites.
    DebianSecurity,
}

impl Archive {
    /// The archive that has a suite.
    pub(super) fn of_suite(suite: &str) -> Self {
        if suite.ends_with("-security") { Self::DebianSecurity } else { Self::Debian }
    }
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct LockFile {
    format: u32,
    kernels: Vec<LockedKernel>,
    qemu: LockedQemu,
}

impl Lock {
    /// Reads the file of the project at `root`.
    /// Fails when the file is missing, is not the expected YAML, or contains an invalid pin.
    pub(crate) fn load(root: &Path) -> Result<Self, KernelError> {
        let path = root.join(FILE);
        let (text, file) = yaml::read(&path, "`rxpath kernels update` writes it from kernels.yaml")?;
        Self::check(path, text, file)
    }

    /// Writes the file of the project at `root`.
    /// Fails when a pin is invalid, which an archive's index can cause, or the file cannot be written.
    pub(super) fn write(root: &Path, kernels: Vec<LockedKernel>, qemu: LockedQemu) -> Result<(), KernelError> {
        let Self { path, text, .. } = Self::parse(root.join(FILE), to_text(kernels, qemu))?;
        replace_file(&path, text.as_bytes()).map_err(|error| KernelError::io("write", &path, error))
    }

    /// Parses `text`, the content of `path`.
    fn parse(path: PathBuf, text: String) -> Result<Self, KernelError> {
        let file = yaml::parse(&path, &text)?;
        Self::check(path, text, file)
    }

    /// The line of a pin, from 1, if the pin is in this lock.
    pub(super) fn line_of(&self, pin: &PinnedPackage) -> Option<usize> {
        yaml::place_of(&self.text, &pin.sha256.to_string(), 0).map(|(line, _)| line)
    }

    pub(super) fn kernel(&self, pins: &Pins, series: Series) -> Result<&LockedKernel, KernelError> {
        self.kernels.iter().find(|kernel| kernel.series == series).ok_or_else(|| KernelError::NotLocked {
            series,
            pins: pins.path.clone(),
            lock: self.path.clone(),
        })
    }

    /// Checks that this lock is for these pins, so that nothing but what `kernels.yaml` names ever runs.
    /// Fails when the two name different series, suites, flavours or packages of QEMU; the error names the command that solves it.
    pub(crate) fn check_pins(&self, pins: &Pins) -> Result<(), KernelError> {
        for kernel in &self.kernels {
            let name = kernel.series.to_string();
            let contradiction = |locked: String, wanted: String, argument: &str| {
                let line = kernel.packages.first().and_then(|pin| self.line_of(pin)).unwrap_or(1);
                Err(self.contradiction(pins, line, format!("kernel {name}"), (locked, wanted), argument))
            };
            let Some(wanted) = pins.kernel(kernel.series) else {
                return contradiction(format!("version {}", kernel.version), "no kernel of this series".to_owned(), "");
            };
            if kernel.suite != wanted.suite {
                return contradiction(format!("suite {}", kernel.suite), format!("suite {}", wanted.suite), &name);
            }
            let fits = |pin: &PinnedPackage| {
                index::is_kernel_package(&pin.package, kernel.series, &pins.flavour) && pin.version == kernel.version
            };
            if let Some(pin) = kernel.packages.iter().find(|pin| !fits(pin)) {
                let locked = format!("package {} {}", pin.package, pin.version);
                let wanted = format!("flavour {} of version {}", pins.flavour, kernel.version);
                return contradiction(locked, wanted, "");
            }
        }
        for wanted in &pins.kernels {
            self.kernel(pins, wanted.series)?;
        }
        let (locked, wanted) = (&self.qemu, &pins.qemu);
        let contradiction = |found: String, expected: String| {
            let line = yaml::place_of(&self.text, "qemu:", 0).map_or(1, |(line, _)| line);
            Err(self.contradiction(pins, line, "QEMU".to_owned(), (found, expected), "qemu"))
        };
        if locked.suite != wanted.suite {
            return contradiction(format!("suite {}", locked.suite), format!("suite {}", wanted.suite));
        }
        if !locked.packages.iter().any(|pin| pin.package == wanted.package && pin.version == locked.version) {
            let found = format!("no package {} {}", wanted.package, locked.version);
            return contradiction(found, format!("package {}", wanted.package));
        }
        if !wanted.series.contains(&locked.version) {
            return contradiction(format!("version {}", locked.version), format!("series {}", wanted.series));
        }
        Ok(())
    }

    fn contradiction(
        &self,
        pins: &Pins,
        line: usize,
        owner: String,
        (locked, wanted): (String, String),
        name: &str,
    ) -> KernelError {
        let (lock, pins) = (self.path.clone(), pins.path.clone());
        let name = name.to_owned();
        KernelError::Contradiction(Box::new(Contradiction { lock, line, owner, locked, pins, wanted, name }))
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
            if !kernel.series.contains(&kernel.version) {
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
            let message = format!("{owner}: suite `{suite}` does not belong to the archive on the next line");
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

/// The content of a lock file.
fn to_text(kernels: Vec<LockedKernel>, qemu: LockedQemu) -> String {
    let yaml = serde_yaml::to_string(&LockFile { format: FORMAT, kernels, qemu });
    HEADER.to_owned() + &yaml.expect("a lock has only strings and numbers")
}

impl PinnedPackage {
    /// Checks the fields, which become addresses, file names and arguments, and returns what is wrong with them.
    pub(super) fn problem(&self) -> Option<String> {
        let version_byte = |byte: u8| byte.is_ascii_alphanumeric() || b".+-~:".contains(&byte);
        let path_byte = |byte: u8| byte.is_ascii_alphanumeric() || b".+-~_/%:".contains(&byte);
        if !is_plain_name(&self.package) {
            return Some("invalid package name".to_owned());
        }
        if self.version.is_empty() || !self.version.bytes().all(version_byte) {
            return Some(format!("invalid version `{}`", self.version));
        }
        let parts_fine = self.path.split('/').all(|part| !part.is_empty() && !part.starts_with('.'));
        let fine = self.path.starts_with("pool/") && self.path.ends_with(".deb") && parts_fine;
        if !fine || !self.path.bytes().all(path_byte) {
            return Some(format!("invalid path `{}`: expected pool/…/NAME_VERSION_ARCHITECTURE.deb", self.path));
        }
        if self.size == 0 || self.size > LARGEST {
            return Some(format!("invalid size {}: expected 1 to {LARGEST} bytes", self.size));
        }
        None
    }

    pub(super) fn file_name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) const GOOD: &str = "\
# A comment.
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

    pub(crate) fn lock(text: &str) -> Result<Lock, KernelError> {
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
    fn a_written_lock_reads_back_and_writes_the_same() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("kernels")).unwrap();
        let good = lock(GOOD).unwrap();
        Lock::write(folder.path(), good.kernels.clone(), good.qemu.clone()).unwrap();
        let again = Lock::load(folder.path()).unwrap();
        assert_eq!((&again.kernels, &again.qemu), (&good.kernels, &good.qemu));
        assert_eq!(to_text(again.kernels, again.qemu), again.text);
    }

    #[test]
    fn a_lock_that_contradicts_the_pins_is_refused_with_the_command_that_solves_it() {
        let pins = |from: &str, to: &str| {
            let text = "flavour: cloud-amd64\nkernels:\n  - series: \"6.1\"\n    suite: bookworm-security\n\
                        qemu:\n  package: qemu-system-x86\n  series: \"10.0\"\n  suite: trixie\n";
            assert!(text.contains(from), "the test's own text: {from}");
            crate::kernel::pins::tests::pins(&text.replace(from, to)).unwrap()
        };
        let good = lock(GOOD).unwrap();
        good.check_pins(&pins("flavour", "flavour")).unwrap();
        for (from, to, command, found) in [
            ("cloud-amd64", "amd64", "update`", "package linux-image-6.1.0-56-cloud-amd64 6.1.192-2"),
            ("cloud-amd64", "rt-amd64", "update`", "flavour rt-amd64"),
            ("suite: bookworm-security", "suite: bookworm", "update 6.1`", "suite bookworm-security"),
            ("- series: \"6.1\"", "- series: \"6.12\"", "update`", "no kernel of this series"),
            ("suite: trixie", "suite: forky", "update qemu`", "suite trixie"),
            ("qemu-system-x86", "qemu-system-arm", "update qemu`", "package qemu-system-arm"),
            ("series: \"10.0\"", "series: \"10.1\"", "update qemu`", "series 10.1"),
        ] {
            let error = good.check_pins(&pins(from, to)).unwrap_err();
            assert!(error.is_request());
            let message = error.to_string();
            assert!(message.starts_with("lock.yaml:"), "{message}");
            assert!(message.ends_with(&format!("run `rxpath kernels {command}")), "{message}");
            assert!(message.contains(found), "{message}");
        }
        let more = pins("qemu:", "  - series: \"6.12\"\n    suite: trixie\nqemu:");
        assert!(good.check_pins(&more).unwrap_err().to_string().ends_with("run `rxpath kernels update 6.12`"));
        for (from, to) in [
            ("linux-image-6.1.0-56-cloud-amd64\n", "linux-image-6.12.9-cloud-amd64\n"),
            ("package: linux-image-6.1.0-56-cloud-amd64\n", "package: hello\n"),
            ("        version: 6.1.192-2", "        version: 6.1.191-1"),
        ] {
            let odd = lock(&GOOD.replacen(from, to, 1)).unwrap();
            let message = odd.check_pins(&pins("flavour", "flavour")).unwrap_err().to_string();
            assert!(message.contains("is locked with package"), "{message}");
        }
    }

    #[test]
    fn the_lock_of_this_project_is_as_update_writes_it() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let lock = Lock::load(root).unwrap();
        lock.check_pins(&Pins::load(root).unwrap()).unwrap();
        assert_eq!(to_text(lock.kernels, lock.qemu), lock.text);
    }

    #[test]
    fn an_invalid_field_is_reported_with_its_line() {
        assert!(error("format: 1", "format: 2").starts_with("lock.yaml:2:1: this is lock format 2"));
        assert!(error("aaaa", "AAAA").starts_with("lock.yaml:13:"), "{}", error("aaaa", "AAAA"));
        assert!(error("bbbb\n", "bbb\n").starts_with("lock.yaml:23:"));
        assert!(error("size: 10", "size: ten").starts_with("lock.yaml:22:"));
        assert!(error("size: 10", "bytes: 10").starts_with("lock.yaml:22:"));
        assert!(error("archive: debian\n", "archive: ubuntu\n").starts_with("lock.yaml:17:"));
    }

    #[test]
    fn a_version_of_a_different_series_is_refused() {
        let message = error("version: 6.1.192-2", "version: 6.12.1-1");
        assert_eq!(message, "lock.yaml:4:5: version `6.12.1-1` is not of series 6.1");
    }

    #[test]
    fn a_duplicate_series_or_digest_is_refused_at_its_second_line() {
        let kernel = GOOD.find("  - series").unwrap()..GOOD.find("qemu:").unwrap();
        let twice = GOOD.replacen("qemu:", &format!("{}qemu:", &GOOD[kernel]), 1);
        assert_eq!(lock(&twice).unwrap_err().to_string(), "lock.yaml:14:5: series 6.1 is locked twice");
        let message = error(&"b".repeat(64), &"a".repeat(64));
        assert_eq!(message, "lock.yaml:23:15: qemu: a second package with this sha256");
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
            let message = error(path, hostile);
            assert!(
                message.starts_with("lock.yaml:23:15: qemu: package `qemu-system-x86`: invalid path `"),
                "{message}"
            );
        }
        assert!(error("package: qemu-system-x86", "package: -o=Dir=x").contains("invalid package name"));
        assert!(error("size: 10", "size: 0").contains("invalid size 0"));
        assert!(error("size: 10", "size: 99999999999999").contains("expected 1 to"));
    }

    #[test]
    fn a_suite_of_the_other_archive_is_refused() {
        assert!(error("suite: trixie", "suite: trixie-security").contains("suite `trixie-security`"));
    }
}
