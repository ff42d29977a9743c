//! The cache folder, which holds everything that rxpath fetches or makes.
//!
//! Nothing in it is ever incomplete under its final name: things are made in `staging/`, flushed to disk and renamed into
//! place. Making a thing requires the lock of its name, so two processes make it once. A process that dies loses its lock,
//! and the next holder clears what it left in `staging/`.

use std::env;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::FlockOperation;
use rustix::process::{getegid, geteuid};
use tempfile::TempDir;

use crate::child::is_cancelled;
use crate::replace_file::replace_file;

/// Characters that apt's configuration cannot express, that separate QEMU's options (qemu(1)), or that separate or expand the
/// folders of its loader (ld.so(8)).
const UNUSABLE: [char; 8] = ['"', '\\', '\n', '\r', ',', ':', ';', '$'];

/// Marks a cache (bford.info/cachedir): backup programs skip folders with this file.
const TAG: &str = "CACHEDIR.TAG";
const TAG_TEXT: &str = "Signature: 8a477f597d28d172789f06886806bc55\n# The cache of rxpath; it can be deleted.\n";

/// How often a process that waits for a lock tries to take it.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Why the cache cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    #[error("RXPATH_CACHE is `{value}`: {problem}")]
    Setting { value: String, problem: &'static str },

    #[error("the cache {} is not safe: {problem}; RXPATH_CACHE names a different folder", folder.display())]
    Unsafe { folder: PathBuf, problem: &'static str },

    /// The user cancelled the command (Ctrl-C, SIGTERM).
    #[error("interrupted")]
    Interrupted,

    #[error("cannot {action} {} in the cache (RXPATH_CACHE names a different folder)", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl CacheError {
    /// Whether the request is at fault rather than the machinery.
    pub(crate) fn is_request(&self) -> bool {
        matches!(self, Self::Setting { .. } | Self::Unsafe { .. })
    }

    /// For `map_err`: the error of a failed file operation.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }
}

/// A cache folder. It need not exist until something is written to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    root: PathBuf,
}

/// The exclusive right to make the thing of one name in the cache, until dropped.
#[derive(Debug)]
pub(crate) struct CacheLock {
    cache: Cache,
    name: String,
    _held: File,
}

impl Cache {
    /// The cache folder of this user: `RXPATH_CACHE`, or `rxpath` in `XDG_CACHE_HOME` or in `~/.cache`.
    /// Fails when `RXPATH_CACHE` is unusable, or neither it nor a home directory exists.
    pub(crate) fn locate() -> Result<Self, CacheError> {
        let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        // The XDG Base Directory Specification: ignore relative paths in its variables.
        let xdg = || set("XDG_CACHE_HOME").filter(|path| path.is_absolute());
        let home = || env::home_dir().filter(|path| path.is_absolute()).map(|home| home.join(".cache"));
        let cache = match set("RXPATH_CACHE") {
            Some(path) => Self::at(&path),
            None => match xdg().or_else(home) {
                Some(base) => Self::at(&base.join("rxpath")),
                None => Err(CacheError::Setting {
                    value: String::new(),
                    problem: "there is no home directory to keep the cache in: set it to a folder",
                }),
            },
        }?;
        cache.check_owner()?;
        Ok(cache)
    }

    /// The cache in the given folder.
    /// Fails when the path contains one of [`UNUSABLE`].
    pub(crate) fn at(root: &Path) -> Result<Self, CacheError> {
        let root = std::path::absolute(root).map_err(CacheError::io("find", root))?;
        match root.to_str() {
            Some(text) if !text.contains(UNUSABLE) => Ok(Self { root }),
            _ => Err(CacheError::Setting {
                value: root.to_string_lossy().escape_debug().to_string(),
                problem: "apt, QEMU and its loader cannot use a folder whose name is not UTF-8 or has one of \" \\ , : ; $ or a \
                          line break",
            }),
        }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Locks the thing called `name`. If another process holds the lock, calls `waiting` and waits.
    /// Fails when the cache cannot be written, or the user cancels the command.
    pub(crate) fn lock(&self, name: &str, waiting: &dyn Fn()) -> Result<CacheLock, CacheError> {
        if let Some(lock) = self.try_lock(name)? {
            return Ok(lock);
        }
        waiting();
        // A blocking flock() would not see that the user cancels the command.
        loop {
            if is_cancelled() {
                return Err(CacheError::Interrupted);
            }
            std::thread::sleep(POLL_INTERVAL);
            if let Some(lock) = self.try_lock(name)? {
                return Ok(lock);
            }
        }
    }

    /// Like [`Cache::lock`], but returns `None` instead of waiting.
    pub(crate) fn try_lock(&self, name: &str) -> Result<Option<CacheLock>, CacheError> {
        let (path, held) = self.lock_file(name)?;
        match rustix::fs::flock(&held, FlockOperation::NonBlockingLockExclusive).map_err(io::Error::from) {
            Ok(()) => Ok(Some(CacheLock { cache: self.clone(), name: name.to_owned(), _held: held })),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(CacheError::io("lock", &path)(error)),
        }
    }

    /// Keeps what the lock of this name protects from being removed, for as long as the file is open. Any number of processes can
    /// do so at once. In a cache that cannot be written to, nothing can be removed either, and the result is `None`.
    pub(crate) fn hold(&self, name: &str) -> Option<File> {
        let (_, held) = self.lock_file(name).ok()?;
        // A removal takes moments.
        rustix::fs::flock(&held, FlockOperation::LockShared).ok().map(|()| held)
    }

    /// Opens the lock file of this name. Lock files are never removed: two processes could then hold the same lock on two
    /// different files.
    fn lock_file(&self, name: &str) -> Result<(PathBuf, File), CacheError> {
        self.prepare()?;
        let path = self.root.join("locks").join(name);
        match File::options().create(true).append(true).open(&path) {
            Ok(file) => Ok((path, file)),
            Err(error) => Err(CacheError::io("lock", &path)(error)),
        }
    }

    fn prepare(&self) -> Result<(), CacheError> {
        for folder in ["locks", "staging"] {
            let path = self.root.join(folder);
            create_folder(&path).map_err(CacheError::io("create", &path))?;
        }
        let tag = self.root.join(TAG);
        if !tag.exists() {
            fs::write(&tag, TAG_TEXT).map_err(CacheError::io("write", &tag))?;
        }
        Ok(())
    }

    /// Whether rxpath made this folder a cache.
    pub(crate) fn is_tagged(&self) -> bool {
        fs::read(self.root.join(TAG)).is_ok_and(|text| text == TAG_TEXT.as_bytes())
    }

    /// Refuses a folder that other users can write to: its programs would run as this user. ssh does the same with its files.
    fn check_owner(&self) -> Result<(), CacheError> {
        let Ok(folder) = fs::metadata(&self.root) else { return Ok(()) };
        let (user, group) = (geteuid().as_raw(), getegid().as_raw());
        let problem = if folder.uid() != user && folder.uid() != 0 {
            "it belongs to a different user, who could change what runs from it"
        } else if folder.mode() & 0o002 != 0 || folder.mode() & 0o020 != 0 && folder.gid() != group {
            "other users can write to it and change what runs from it (`chmod go-w` prevents that)"
        } else {
            return Ok(());
        };
        Err(CacheError::Unsafe { folder: self.root.clone(), problem })
    }
}

impl CacheLock {
    /// Creates an empty folder on the cache's file system to make the thing in, and removes what an earlier holder of this
    /// lock left. The folder is deleted when dropped.
    pub(crate) fn staging(&self) -> Result<TempDir, CacheError> {
        let base = self.cache.root.join("staging").join(&self.name);
        if base.exists() {
            fs::remove_dir_all(&base).map_err(CacheError::io("clear", &base))?;
        }
        let made = fs::create_dir(&base).and_then(|()| {
            // A unique name, so that a download of a killed process cannot write into this folder.
            tempfile::Builder::new().prefix("").tempdir_in(&base)
        });
        made.map_err(CacheError::io("write", &base))
    }

    /// Moves a finished folder from the staging folder to its place in the cache, atomically and durably. A folder that is
    /// already there is damaged, or it would not have been made again: it is replaced.
    pub(crate) fn publish(&self, staged: &Path, place: &Path) -> Result<(), CacheError> {
        let parent = place.parent().unwrap_or(&self.cache.root);
        let publish = || {
            fs::create_dir_all(parent)?;
            // A rename can reach the disk before the data: after a power loss, the folder would have empty files.
            rustix::fs::syncfs(File::open(parent)?)?;
            if place.is_dir() {
                let aside = self.cache.root.join("staging").join(&self.name).join("replaced");
                fs::rename(place, &aside)?;
            }
            fs::rename(staged, place)
        };
        publish().map_err(CacheError::io("write", place))
    }

    /// Moves a finished file from the staging folder to its place in the cache. Unlike [`Self::publish`], it does not flush
    /// the file: it is for files that are verified whenever they are used.
    pub(super) fn publish_file(&self, staged: &Path, place: &Path) -> Result<(), CacheError> {
        let parent = place.parent().unwrap_or(&self.cache.root);
        let moved = fs::create_dir_all(parent).and_then(|()| fs::rename(staged, place));
        moved.map_err(CacheError::io("write", place))
    }

    /// Removes a folder from its place, atomically, and deletes it. A missing folder is not an error.
    pub(crate) fn withdraw(&self, place: &Path) -> Result<(), CacheError> {
        let staging = self.staging()?;
        let removed = match fs::rename(place, staging.path().join("withdrawn")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(()) => staging.close(),
        };
        removed.map_err(CacheError::io("remove", place))
    }
}

impl Drop for CacheLock {
    fn drop(&mut self) {
        // Best effort: the next holder removes what is left.
        let _ = fs::remove_dir_all(self.cache.root.join("staging").join(&self.name));
    }
}

/// Creates a folder of the cache, and those above it, so that only this user can write to it whatever the umask is: what is in
/// the cache is run.
pub(crate) fn create_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o755).create(path)
}

/// Writes a file of the cache that only saves time. If it cannot be written, the next process makes its content again.
pub(crate) fn write_best_effort(path: &Path, bytes: &[u8]) {
    let _ = replace_file(path, bytes);
}

/// The size on the disk of a folder's files, without holes.
pub(crate) fn bytes_on_disk(folder: &Path) -> u64 {
    /// The unit of `st_blocks` (stat(3type)).
    const BLOCK: u64 = 512;
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let bytes = entries.map(|entry| match entry.metadata() {
        Ok(data) if data.is_dir() => bytes_on_disk(&entry.path()),
        Ok(data) => data.blocks() * BLOCK,
        Err(_) => 0,
    });
    bytes.sum()
}

/// When a folder was last used: each use changes its time (see [`touch`]).
pub(crate) fn last_use(folder: &Path) -> SystemTime {
    fs::metadata(folder).and_then(|folder| folder.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Notes in a folder's time of change that it is used now, for `cache prune`. An error only means that it may be made again.
pub(crate) fn touch(folder: &Path) {
    let _ = File::open(folder).and_then(|folder| folder.set_modified(SystemTime::now()));
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
    fn what_is_in_use_cannot_be_locked() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path()).unwrap();
        let (one, other) = (cache.hold("thing").unwrap(), cache.hold("thing").unwrap());
        drop(one);
        assert!(cache.try_lock("thing").unwrap().is_none());
        drop(other);
        assert!(cache.try_lock("thing").unwrap().is_some());
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
    fn a_damaged_folder_is_replaced_as_a_whole() {
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
    fn a_cache_that_others_can_write_to_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(&folder.path().join("cache")).unwrap();
        cache.check_owner().unwrap();
        cache.lock("thing", &|| ()).unwrap();
        cache.check_owner().unwrap();
        assert!(cache.is_tagged());
        fs::set_permissions(cache.root(), fs::Permissions::from_mode(0o777)).unwrap();
        let error = cache.check_owner().unwrap_err();
        assert!(error.is_request() && error.to_string().contains("other users can write"), "{error}");
    }

    #[test]
    fn an_unwritable_cache_is_reported_with_the_way_out() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = Cache::at(&file).unwrap().lock("thing", &|| ()).unwrap_err();
        assert!(!error.is_request());
        let message = error.to_string();
        assert!(message.contains("file/locks") && message.contains("RXPATH_CACHE names a different"), "{message}");
    }
}
