//! The cache folder: the only place that fetched things are written to.
//!
//! Nothing in it is ever half-made under its final name: work goes on in `staging/`, is written out to the disk, and is
//! renamed in. Whoever makes a thing holds the lock of its name, so two processes make it once; a process that dies loses
//! its lock, and the next holder clears what it left in `staging/`.

use std::env;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use tempfile::TempDir;

use super::error::KernelError;

/// A cache folder. It need not exist until something is written to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    root: PathBuf,
}

/// Leave to make the thing of one name in the cache, until dropped. Other processes wait.
#[derive(Debug)]
pub struct CacheLock {
    cache: Cache,
    name: String,
    _held: File,
}

impl Cache {
    /// The cache folder of this user: `RXPATH_CACHE`, or `rxpath` in `XDG_CACHE_HOME` or in `~/.cache`.
    ///
    /// # Errors
    ///
    /// When `RXPATH_CACHE` cannot be used, or there is neither it nor a home directory.
    pub fn locate() -> Result<Self, KernelError> {
        let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        // The XDG Base Directory Specification: a relative path in its variables is invalid and to be ignored.
        let xdg = || set("XDG_CACHE_HOME").filter(|path| path.is_absolute());
        let home = || env::home_dir().filter(|path| path.is_absolute()).map(|home| home.join(".cache"));
        match set("RXPATH_CACHE") {
            Some(path) => Self::at(&path),
            None => match xdg().or_else(home) {
                Some(base) => Self::at(&base.join("rxpath")),
                None => Err(setting("", "there is no home directory to keep the cache in: name a folder")),
            },
        }
    }

    /// The cache in the given folder.
    ///
    /// # Errors
    ///
    /// When the path holds a character that apt's configuration cannot express.
    pub fn at(root: &Path) -> Result<Self, KernelError> {
        let root = std::path::absolute(root).map_err(|error| setting(&root.to_string_lossy(), &error.to_string()))?;
        match root.to_str() {
            Some(text) if !text.contains(['"', '\n', '\\']) => Ok(Self { root }),
            _ => Err(setting(
                &root.to_string_lossy(),
                "apt cannot use a folder whose name is not UTF-8 or has quotes, backslashes or line breaks",
            )),
        }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Waits until nobody else makes the thing called `name`, and keeps others from it. `waiting` is called before a wait.
    ///
    /// # Errors
    ///
    /// When the cache cannot be written.
    pub fn lock(&self, name: &str, waiting: &dyn Fn()) -> Result<CacheLock, KernelError> {
        if let Some(lock) = self.try_lock(name)? {
            return Ok(lock);
        }
        waiting();
        let (path, held) = self.lock_file(name)?;
        while let Err(error) = rustix::fs::flock(&held, FlockOperation::LockExclusive) {
            if error != rustix::io::Errno::INTR {
                return Err(KernelError::cache("lock", &path, error.into()));
            }
        }
        Ok(CacheLock { cache: self.clone(), name: name.to_owned(), _held: held })
    }

    /// As [`Cache::lock`], but gives `None` instead of waiting.
    ///
    /// # Errors
    ///
    /// When the cache cannot be written.
    pub fn try_lock(&self, name: &str) -> Result<Option<CacheLock>, KernelError> {
        let (path, held) = self.lock_file(name)?;
        match rustix::fs::flock(&held, FlockOperation::NonBlockingLockExclusive).map_err(io::Error::from) {
            Ok(()) => Ok(Some(CacheLock { cache: self.clone(), name: name.to_owned(), _held: held })),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(KernelError::cache("lock", &path, error)),
        }
    }

    /// The lock file of this name, open. Lock files stay: removing one would let two processes hold "the" lock on two files.
    fn lock_file(&self, name: &str) -> Result<(PathBuf, File), KernelError> {
        self.prepare()?;
        let path = self.root.join("locks").join(name);
        match File::options().create(true).append(true).open(&path) {
            Ok(file) => Ok((path, file)),
            Err(error) => Err(KernelError::cache("lock", &path, error)),
        }
    }

    fn prepare(&self) -> Result<(), KernelError> {
        for folder in ["locks", "staging"] {
            let path = self.root.join(folder);
            fs::create_dir_all(&path).map_err(|error| KernelError::cache("create", &path, error))?;
        }
        // https://bford.info/cachedir/: backup programs skip folders that hold this file.
        let tag = self.root.join("CACHEDIR.TAG");
        if !tag.exists() {
            let text = "Signature: 8a477f597d28d172789f06886806bc55\n# The cache of rxpath; it can be deleted.\n";
            fs::write(&tag, text).map_err(|error| KernelError::cache("write", &tag, error))?;
        }
        Ok(())
    }
}

impl CacheLock {
    /// An empty folder to make the thing in, on the cache's file system. It goes away when dropped; so does, now, what an
    /// earlier holder of this lock left.
    ///
    /// # Errors
    ///
    /// When the cache cannot be written.
    pub fn staging(&self) -> Result<TempDir, KernelError> {
        let base = self.cache.root.join("staging").join(&self.name);
        if base.exists() {
            fs::remove_dir_all(&base).map_err(|error| KernelError::cache("clear", &base, error))?;
        }
        let made = fs::create_dir(&base).and_then(|()| {
            // A name of its own, so that a download whose process was killed cannot write into this one.
            tempfile::Builder::new().prefix("").tempdir_in(&base)
        });
        made.map_err(|error| KernelError::cache("write", &base, error))
    }

    /// Moves a finished folder from the staging folder to its place below the cache's root, at once and for good. What is
    /// there already, which its maker found to be damaged, is replaced.
    ///
    /// # Errors
    ///
    /// When the cache cannot be written.
    pub fn publish(&self, staged: &Path, place: &Path) -> Result<(), KernelError> {
        let parent = place.parent().unwrap_or(&self.cache.root);
        let failed = |error| KernelError::cache("write", place, error);
        fs::create_dir_all(parent).map_err(failed)?;
        // Renames can reach the disk before the data does; after a power loss the name would stand for empty files.
        let folder = File::open(parent).map_err(failed)?;
        rustix::fs::syncfs(&folder).map_err(|error| failed(error.into()))?;
        if place.is_dir() {
            let aside = self.cache.root.join("staging").join(&self.name).join("replaced");
            fs::rename(place, &aside).map_err(failed)?;
        }
        fs::rename(staged, place).map_err(failed)
    }

    /// Takes a folder out of its place, at once, and deletes it. One that is not there is no error.
    ///
    /// # Errors
    ///
    /// When the cache cannot be written.
    pub fn withdraw(&self, place: &Path) -> Result<(), KernelError> {
        let failed = |error| KernelError::cache("remove", place, error);
        let staging = self.staging()?;
        match fs::rename(place, staging.path().join("withdrawn")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(failed(error)),
            Ok(()) => staging.close().map_err(failed),
        }
    }
}

impl CacheLock {
    /// Moves a finished file, whose content is verified whenever it is used, from the staging folder to its place.
    pub(super) fn publish_file(&self, staged: &Path, place: &Path) -> Result<(), KernelError> {
        let parent = place.parent().unwrap_or(&self.cache.root);
        let moved = fs::create_dir_all(parent).and_then(|()| fs::rename(staged, place));
        moved.map_err(|error| KernelError::cache("write", place, error))
    }
}

impl Drop for CacheLock {
    fn drop(&mut self) {
        // Only tidiness: what cannot be removed now is removed by the next holder.
        let _ = fs::remove_dir_all(self.cache.root.join("staging").join(&self.name));
    }
}

/// Keeps something in the cache that only saves time: written under another name first, so that a reader sees all of it or
/// nothing, and not being able to keep it costs the next process its making.
pub fn write_best_effort(path: &Path, bytes: &[u8]) {
    let Some(folder) = path.parent() else { return };
    let _ = tempfile::NamedTempFile::new_in(folder).and_then(|mut file| {
        file.write_all(bytes)?;
        file.persist(path).map(drop).map_err(|error| error.error)
    });
}

/// Replaces a file outside the cache at once: readers see the old content or the new, never a part.
pub(super) fn replace_file(path: &Path, content: &str) -> Result<(), KernelError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let written = tempfile::Builder::new().prefix(".rxpath-").tempfile_in(folder).and_then(|mut file| {
        file.write_all(content.as_bytes())?;
        // Temporary files are made for their owner alone; this one is to be read like its neighbours.
        let mode = fs::metadata(path).map_or(0o644, |old| std::os::unix::fs::PermissionsExt::mode(&old.permissions()));
        file.as_file().set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)
    });
    written.map(drop).map_err(|error| KernelError::io("write", path, error))
}

fn setting(value: &str, message: &str) -> KernelError {
    KernelError::Setting { setting: "RXPATH_CACHE", value: value.to_owned(), message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn only_one_holder_at_a_time_makes_a_thing() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path()).unwrap();
        let (inside, most, waits) = (AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let waited = || _ = waits.fetch_add(1, Ordering::SeqCst);
                    let _lock = cache.lock("thing", &waited).unwrap();
                    most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::sleep(std::time::Duration::from_millis(20));
                    inside.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        assert_eq!(most.into_inner(), 1);
        assert!(waits.into_inner() >= 1);
    }

    #[test]
    fn what_a_dead_process_left_is_cleared_and_never_published() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path()).unwrap();
        let left = folder.path().join("staging/thing/abc");
        fs::create_dir_all(&left).unwrap();
        fs::write(left.join("half"), "ha").unwrap();

        let lock = cache.lock("thing", &|| ()).unwrap();
        let staging = lock.staging().unwrap();
        assert!(!left.exists());
        let made = staging.path().join("made");
        fs::create_dir(&made).unwrap();
        fs::write(made.join("file"), "new").unwrap();
        let place = folder.path().join("things/thing");
        lock.publish(&made, &place).unwrap();
        assert_eq!(fs::read_to_string(place.join("file")).unwrap(), "new");
        drop((staging, lock));
        assert!(!folder.path().join("staging/thing").exists());
    }

    #[test]
    fn a_damaged_folder_is_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path()).unwrap();
        let place = folder.path().join("things/thing");
        fs::create_dir_all(&place).unwrap();
        fs::write(place.join("old"), "damaged").unwrap();
        let lock = cache.lock("thing", &|| ()).unwrap();
        let staging = lock.staging().unwrap();
        let made = staging.path().join("made");
        fs::create_dir(&made).unwrap();
        lock.publish(&made, &place).unwrap();
        assert!(!place.join("old").exists());
    }

    #[test]
    fn a_cache_that_cannot_be_written_is_told_with_the_way_out() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = Cache::at(&file).unwrap().lock("thing", &|| ()).unwrap_err();
        assert!(!error.is_request());
        let told = error.to_string();
        assert!(told.contains("file/locks") && told.contains("RXPATH_CACHE names another folder"), "{told}");
    }

    #[test]
    fn a_replaced_file_keeps_its_mode() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock.yaml");
        replace_file(&path, "one").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o664)).unwrap();
        replace_file(&path, "two").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o664);
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
    }
}
