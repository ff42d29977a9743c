//! Gets package files from a folder or the archive, and refuses those that differ from their pins.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use super::apt::{self, Apt, Mirrors};
use super::cache_folder::{Cache, CacheError, CacheLock};
use super::digest::Sha256;
use super::error::{KernelError, LeftArchive, Mismatch, PinPlace, PinSource};
use super::lock::{Archive, Lock, PinnedPackage};

/// How often to check the progress of a download.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// The packages of one kernel, or of QEMU.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group<'a> {
    /// For messages: `kernel 6.12`.
    pub(super) owner: &'a str,
    /// The argument of `kernels update` that updates it (the series, or `qemu`), or of `kernels forget`.
    pub(super) name: &'a str,
    pub(super) suite: &'a str,
    pub(super) archive: Archive,
    pub(super) packages: &'a [PinnedPackage],
}

/// Where packages come from: the cache, then a folder, then the archive.
#[derive(Debug)]
pub(super) struct Sources<'a> {
    cache: &'a Cache,
    /// `None` for releases, which no project pins.
    lock: Option<&'a Lock>,
    folder: Option<Folder>,
    mirrors: OnceLock<Mirrors>,
}

/// The folder of `--packages DIR`.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    /// The package files, with their sizes in bytes.
    files: Vec<(PathBuf, u64)>,
}

impl<'a> Sources<'a> {
    pub(super) fn new(cache: &'a Cache, lock: Option<&'a Lock>, folder: Option<&Path>) -> Result<Self, KernelError> {
        let folder = folder.map(Folder::scan).transpose()?;
        Ok(Self { cache, lock, folder, mirrors: OnceLock::new() })
    }

    /// Returns the verified files of all packages of a group, in its order. Downloads those that are neither in the cache
    /// nor in the folder; calls `progress` with the bytes done and the bytes in all.
    pub(super) fn files(
        &self,
        group: Group<'_>,
        held: &CacheLock,
        staging: &Path,
        progress: &dyn Fn(u64, u64),
    ) -> Result<Vec<PathBuf>, KernelError> {
        let total = group.packages.iter().map(|pin| pin.size).sum();
        let mut files: HashMap<Sha256, PathBuf> = HashMap::new();
        for pin in group.packages {
            if let Some(file) = self.local(group, pin)? {
                files.insert(pin.sha256, file);
            }
        }
        let missing: Vec<&PinnedPackage> =
            group.packages.iter().filter(|pin| !files.contains_key(&pin.sha256)).collect();
        if !missing.is_empty() {
            let before: u64 = total - missing.iter().map(|pin| pin.size).sum::<u64>();
            let fetched = self.download(group, &missing, staging, &|done| progress(before + done, total))?;
            for (pin, file) in fetched {
                self.verify(group, pin, &file, &self.origin(group, pin))?;
                let place = self.cached(pin);
                held.publish_file(&file, &place)?;
                files.insert(pin.sha256, place);
            }
        }
        progress(total, total);
        Ok(group.packages.iter().filter_map(|pin| files.remove(&pin.sha256)).collect())
    }

    /// Removes the package files of a group from the cache.
    pub(super) fn remove_cached(&self, group: Group<'_>) {
        for pin in group.packages {
            // Best effort: a file that stays is used again, or replaced.
            let _ = fs::remove_file(self.cached(pin));
        }
    }

    fn cached(&self, pin: &PinnedPackage) -> PathBuf {
        self.cache.root().join("packages").join(format!("{}.deb", pin.sha256))
    }

    /// A verified file in the cache or the folder.
    fn local(&self, group: Group<'_>, pin: &PinnedPackage) -> Result<Option<PathBuf>, KernelError> {
        let cached = self.cached(pin);
        if fs::metadata(&cached).is_ok_and(|file| file.len() == pin.size)
            && Sha256::of_file(&cached).is_ok_and(|(digest, _)| digest == pin.sha256)
        {
            return Ok(Some(cached));
        }
        match &self.folder {
            Some(folder) => folder.find(pin).map_or(Ok(None), |found| match found {
                Found::Exact(file) => Ok(Some(file)),
                Found::SameName(file) => {
                    self.verify(group, pin, &file, &file.display().to_string()).map(|()| Some(file))
                }
            }),
            None => Ok(None),
        }
    }

    fn verify(&self, group: Group<'_>, pin: &PinnedPackage, file: &Path, origin: &str) -> Result<(), KernelError> {
        let (found, found_size) = Sha256::of_file(file).map_err(|error| KernelError::io("read", file, error))?;
        if (found, found_size) == (pin.sha256, pin.size) {
            return Ok(());
        }
        Err(KernelError::Mismatch(Box::new(Mismatch {
            pin: self.place(group, pin),
            origin: origin.to_owned(),
            expected: pin.sha256,
            expected_size: pin.size,
            found,
            found_size,
        })))
    }

    fn place(&self, group: Group<'_>, pin: &PinnedPackage) -> PinPlace {
        let source = match self.lock {
            None => PinSource::Release,
            Some(lock) => lock.line_of(pin).map_or(PinSource::Index, |line| PinSource::Lock(lock.path.clone(), line)),
        };
        PinPlace {
            source,
            owner: group.owner.to_owned(),
            name: group.name.to_owned(),
            package: pin.package.clone(),
            version: pin.version.clone(),
        }
    }

    fn mirrors(&self) -> Result<&Mirrors, KernelError> {
        if let Some(mirrors) = self.mirrors.get() {
            return Ok(mirrors);
        }
        let found = Mirrors::discover()?;
        Ok(self.mirrors.get_or_init(|| found))
    }

    fn origin(&self, group: Group<'_>, pin: &PinnedPackage) -> String {
        let mirror = self.mirrors.get().and_then(|mirrors| mirrors.address(group.archive).ok());
        format!("{}/{}", apt::without_password(mirror.unwrap_or_default()), pin.path)
    }

    /// Downloads packages with one call of apt's helper, which reuses its connections.
    fn download<'p>(
        &self,
        group: Group<'_>,
        missing: &[&'p PinnedPackage],
        staging: &Path,
        progress: &dyn Fn(u64),
    ) -> Result<Vec<(&'p PinnedPackage, PathBuf)>, KernelError> {
        // apt's `file:` makes a link, `copy:` a copy.
        let mirror = self.mirrors()?.address(group.archive)?;
        let mirror = mirror.strip_prefix("file:").map_or(mirror.to_owned(), |path| format!("copy:{path}"));
        let apt = Apt::private(&staging.join("apt"))?;
        let wanted: Vec<(&PinnedPackage, String, PathBuf)> = missing
            .iter()
            .map(|pin| (*pin, format!("{mirror}/{}", pin.path), staging.join(format!("{}.deb", pin.sha256))))
            .collect();
        let mut arguments = vec!["download-file".to_owned()];
        for (_, address, file) in &wanted {
            // The hash is left empty: the files are compared with the lock later, for an error with both digests.
            arguments.extend([address.clone(), file.display().to_string(), String::new()]);
        }
        let not_started = apt::not_started("apt-helper");
        let command = apt.command("apt-helper", &arguments).stdout_null().stderr_capture().unchecked();
        let running = command.start().map_err(&not_started)?;
        let output = loop {
            if let Some(output) = running.wait_timeout(POLL_INTERVAL).map_err(&not_started)? {
                break output;
            }
            progress(wanted.iter().filter_map(|(_, _, file)| fs::metadata(file).ok()).map(|file| file.len()).sum());
        };
        if output.status.success() {
            return Ok(wanted.into_iter().map(|(pin, _, file)| (pin, file)).collect());
        }
        let complaint = String::from_utf8_lossy(&output.stderr);
        let addresses: Vec<(&PinnedPackage, &str)> =
            wanted.iter().map(|(pin, address, _)| (*pin, &**address)).collect();
        Err(self.download_error(group, &addresses, &complaint))
    }

    /// Converts the messages of apt's helper to an error.
    fn download_error(&self, group: Group<'_>, wanted: &[(&PinnedPackage, &str)], complaint: &str) -> KernelError {
        let failures: Vec<(&PinnedPackage, &str)> = complaint
            .lines()
            .filter_map(|line| line.strip_prefix("E: Failed to fetch ")?.split_once(' '))
            .filter_map(|(address, reason)| {
                let (pin, _) = wanted.iter().find(|(_, wanted)| *wanted == address)?;
                Some((*pin, reason.trim()))
            })
            .collect();
        let gone = |reason: &str| reason.starts_with("404") || reason.contains("File not found");
        if let Some((pin, _)) = failures.iter().find(|(_, reason)| gone(reason)) {
            return KernelError::LeftArchive(Box::new(LeftArchive {
                pin: self.place(group, pin),
                suite: group.suite.to_owned(),
                origin: self.origin(group, pin),
            }));
        }
        let (pin, reason) = match failures.first() {
            Some((pin, reason)) => (*pin, (*reason).to_owned()),
            None => (wanted[0].0, apt::tail(complaint)),
        };
        if reason.contains("No space left on device") {
            let full = std::io::ErrorKind::StorageFull.into();
            return CacheError::io("download into", self.cache.root())(full).into();
        }
        let lacks = self
            .folder
            .as_ref()
            .map_or(String::new(), |folder| format!(" (and it is not in {} either)", folder.path.display()));
        KernelError::Network {
            owner: group.owner.to_owned(),
            package: format!("{} {}", pin.package, pin.version),
            origin: self.origin(group, pin),
            reason: reason + &lacks,
            more: failures.len().saturating_sub(1),
        }
    }
}

/// A file of the folder that matches a pin.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// By content.
    Exact(PathBuf),
    /// By name, with different content.
    SameName(PathBuf),
}

impl Folder {
    fn scan(path: &Path) -> Result<Self, KernelError> {
        let unusable = |error| KernelError::Setting {
            setting: "--packages",
            value: path.display().to_string(),
            problem: "expected a folder of .deb files".to_owned(),
            source: Some(error),
        };
        let mut files = Vec::new();
        for entry in fs::read_dir(path).map_err(unusable)? {
            let file = entry.map_err(unusable)?.path();
            if file.extension().is_some_and(|extension| extension == "deb") {
                let size = fs::metadata(&file).map_err(unusable)?.len();
                files.push((file, size));
            }
        }
        files.sort();
        Ok(Self { path: path.to_owned(), files })
    }

    fn find(&self, pin: &PinnedPackage) -> Option<Found> {
        let exact = self.files.iter().find(|(file, size)| {
            *size == pin.size && Sha256::of_file(file).is_ok_and(|(digest, _)| digest == pin.sha256)
        });
        if let Some((file, _)) = exact {
            return Some(Found::Exact(file.clone()));
        }
        let names = names_of(pin);
        let named =
            |file: &Path| file.file_name().is_some_and(|name| names.iter().any(|wanted| name == wanted.as_str()));
        self.files.iter().find(|(file, _)| named(file)).map(|(file, _)| Found::SameName(file.clone()))
    }
}

/// The possible names of a package's file: in the archive, and as downloaded by apt (with the epoch of the version).
fn names_of(pin: &PinnedPackage) -> [String; 2] {
    let architecture = pin.file_name().rsplit('_').next().unwrap_or_default();
    [pin.file_name().to_owned(), format!("{}_{}_{architecture}", pin.package, pin.version.replace(':', "%3a"))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::lock::tests::{GOOD, lock};

    fn group(lock: &Lock) -> Group<'_> {
        let qemu = &lock.qemu;
        Group { owner: "QEMU", name: "qemu", suite: &qemu.suite, archive: qemu.archive, packages: &qemu.packages }
    }

    fn sources<'a>(cache: &'a Cache, lock: &'a Lock, folder: &Path) -> Sources<'a> {
        Sources::new(cache, Some(lock), Some(folder)).unwrap()
    }

    /// A lock whose QEMU is one package with the content `0123456789`.
    fn lock_with_content() -> Lock {
        lock(&GOOD.replace(&"b".repeat(64), &Sha256::of(b"0123456789").to_string())).unwrap()
    }

    fn files(sources: &Sources<'_>, cache: &Cache, lock: &Lock) -> Result<Vec<PathBuf>, KernelError> {
        let held = cache.lock("qemu", &|| ()).unwrap();
        let staging = held.staging().unwrap();
        sources.files(group(lock), &held, staging.path(), &|_, _| ())
    }

    #[test]
    fn a_package_is_found_in_a_folder_by_its_content_whatever_its_name() {
        let (folder, root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let cache = Cache::at(root.path()).unwrap();
        let lock = lock_with_content();
        let file = folder.path().join("renamed.deb");
        fs::write(&file, "0123456789").unwrap();
        assert_eq!(files(&sources(&cache, &lock, folder.path()), &cache, &lock).unwrap(), [file]);
    }

    #[test]
    fn a_package_with_the_right_name_and_different_content_is_refused_with_both_digests_and_the_line() {
        for name in
            ["qemu-system-x86_10.0.13+ds-0+deb13u1_amd64.deb", "qemu-system-x86_1%3a10.0.13+ds-0+deb13u1_amd64.deb"]
        {
            let (folder, root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let cache = Cache::at(root.path()).unwrap();
            let lock = lock_with_content();
            fs::write(folder.path().join(name), "0123456780").unwrap();
            let error = files(&sources(&cache, &lock, folder.path()), &cache, &lock).unwrap_err();
            assert!(error.is_request());
            let message = error.to_string();
            assert!(message.starts_with("lock.yaml:23: qemu-system-x86 1:10.0.13"), "{message}");
            assert!(message.contains(&Sha256::of(b"0123456789").to_string()), "{message}");
            assert!(message.contains(&Sha256::of(b"0123456780").to_string()), "{message}");
        }
    }

    #[test]
    fn a_damaged_file_in_the_cache_is_not_trusted() {
        let (folder, root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let cache = Cache::at(root.path()).unwrap();
        let lock = lock_with_content();
        let good = folder.path().join("good.deb");
        fs::write(&good, "0123456789").unwrap();
        let sources = sources(&cache, &lock, folder.path());
        let cached = sources.cached(&lock.qemu.packages[0]);
        fs::create_dir_all(cached.parent().unwrap()).unwrap();
        fs::write(&cached, "0123456780").unwrap();
        assert_eq!(files(&sources, &cache, &lock).unwrap(), [good]);
    }

    #[test]
    fn a_missing_package_and_a_dead_network_are_different_errors() {
        let (folder, root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let cache = Cache::at(root.path()).unwrap();
        let lock = lock_with_content();
        let sources = sources(&cache, &lock, folder.path());
        let pin = &lock.qemu.packages[0];
        let error = |reason: &str| {
            let complaint = format!("E: Failed to fetch http://m.invalid/x  {reason}\nE: Download Failed\n");
            sources.download_error(group(&lock), &[(pin, "http://m.invalid/x")], &complaint)
        };
        let left = error("404  Not Found [IP: 192.0.2.1 80]");
        assert!(left.is_request());
        let message = left.to_string();
        for word in ["lock.yaml:23", "QEMU", "qemu-system-x86 1:10.0.13", "trixie", "kernels update qemu", "--packages"]
        {
            assert!(message.contains(word), "{word}: {message}");
        }
        let network = error("Temporary failure resolving 'm.invalid'");
        assert!(!network.is_request());
        assert!(network.to_string().contains("Temporary failure resolving"), "{network}");
        let odd = sources.download_error(group(&lock), &[(pin, "http://m.invalid/x")], "E: something else\n");
        assert!(odd.to_string().contains("E: something else"), "{odd}");
    }

    #[test]
    fn errors_about_releases_name_the_commands_for_them() {
        let root = tempfile::tempdir().unwrap();
        let cache = Cache::at(root.path()).unwrap();
        let lock = lock_with_content();
        let sources = Sources::new(&cache, None, None).unwrap();
        let group = Group { owner: "kernel 6.1.192", name: "6.1.192", ..group(&lock) };
        let pin = &lock.qemu.packages[0];
        let gone = "E: Failed to fetch http://m.invalid/x  404  Not Found\n";
        let left = sources.download_error(group, &[(pin, "http://m.invalid/x")], gone).to_string();
        assert!(left.contains("kernels available") && !left.contains("update") && !left.contains("lock"), "{left}");
        let file = root.path().join("x.deb");
        fs::write(&file, "different").unwrap();
        let differs = sources.verify(group, pin, &file, "x.deb").unwrap_err().to_string();
        assert!(differs.contains("`rxpath kernels forget 6.1.192`") && !differs.contains("lock"), "{differs}");
    }

    #[test]
    fn a_missing_folder_is_reported() {
        let cache = Cache::at(Path::new("unused")).unwrap();
        let lock = lock_with_content();
        let error = Sources::new(&cache, Some(&lock), Some(Path::new("/nowhere/at/all"))).unwrap_err();
        assert!(error.is_request() && error.to_string().starts_with("--packages is `/nowhere/at/all`"), "{error}");
    }
}
