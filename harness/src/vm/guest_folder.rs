//! The files that one QEMU process and the harness share.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

use super::error::VmError;

/// The folder of one QEMU process: in memory where the host has a file system for that, and deleted when dropped.
pub(super) struct GuestFolder {
    path: PathBuf,
    _temporary: Option<(TempDir, File)>,
}

const PREFIX: &str = "rxpath-guest-";

/// All that is ever in such a folder.
const FILES: [&str; 6] = ["initramfs", "monitor", "order", "region", "console", "qemu"];

/// A folder that is younger may belong to a process that has not locked it yet.
const YOUNG: Duration = Duration::from_secs(60);

impl GuestFolder {
    pub(super) fn new() -> Result<Self, VmError> {
        static CLEARED: Once = Once::new();
        // Its path is short, too: that of a Unix socket has at most 108 bytes (unix(7)).
        let memory = Path::new("/dev/shm");
        CLEARED.call_once(|| {
            clear_abandoned(memory);
            clear_abandoned(&std::env::temp_dir());
        });
        let mut builder = tempfile::Builder::new();
        // Who may connect to the monitor's socket may make QEMU write files.
        builder.prefix(PREFIX).permissions(Permissions::from_mode(0o700));
        let temporary = builder.tempdir_in(memory).or_else(|_| builder.tempdir());
        let temporary = temporary.map_err(VmError::io("creating a folder for a guest in", std::env::temp_dir()))?;
        let path = temporary.path().to_owned();
        let held = lock(&path).map_err(VmError::io("locking", &path))?;
        Ok(Self { path, _temporary: Some((temporary, held)) })
    }

    /// A folder that need not exist, for a command line that nothing runs.
    pub(super) fn named(path: &Path) -> Self {
        Self { path: path.to_owned(), _temporary: None }
    }

    /// The initramfs that a boot unpacks.
    pub(super) fn initramfs(&self) -> PathBuf {
        self.path.join("initramfs")
    }

    /// The socket of QEMU's monitor.
    pub(super) fn monitor(&self) -> PathBuf {
        self.path.join("monitor")
    }

    /// The order that the agent obeys.
    pub(super) fn order(&self) -> PathBuf {
        self.path.join("order")
    }

    /// The memory shared with the guest.
    pub(super) fn region(&self) -> PathBuf {
        self.path.join("region")
    }

    /// What the guest writes to its serial port.
    pub(super) fn console(&self) -> PathBuf {
        self.path.join("console")
    }

    /// What QEMU itself prints.
    pub(super) fn qemu_log(&self) -> PathBuf {
        self.path.join("qemu")
    }

    /// Copies what the guest left behind to where the user can look at it. A file that cannot be copied is missing there.
    pub(super) fn keep_in(&self, folder: &Path) -> Option<PathBuf> {
        std::fs::create_dir_all(folder).ok()?;
        for file in [self.order(), self.console(), self.qemu_log(), self.region()] {
            let _ = std::fs::copy(&file, folder.join(file.file_name()?));
        }
        Some(folder.to_owned())
    }
}

/// Locks a folder for as long as the file is open.
fn lock(folder: &Path) -> io::Result<File> {
    let held = File::open(folder)?;
    flock(&held, FlockOperation::NonBlockingLockExclusive)?;
    Ok(held)
}

/// Removes the folders of processes that were killed: their locks are free.
fn clear_abandoned(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let is_old = || {
            let changed = entry.metadata().and_then(|data| data.modified());
            changed.is_ok_and(|changed| changed.elapsed().is_ok_and(|age| age > YOUNG))
        };
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()) && is_old() {
            let held = lock(&entry.path());
            if held.is_ok() {
                remove(&entry.path());
            }
        }
    }
}

/// Removes a guest's folder, and nothing else that may have such a name: a folder with any other content stays, and those of
/// other users do too.
fn remove(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>) else { return };
    let is_ours = |entry: &fs::DirEntry| {
        let is_file = entry.file_type().is_ok_and(|kind| !kind.is_dir());
        is_file && FILES.iter().any(|name| entry.file_name() == *name)
    };
    if entries.iter().all(is_ours) {
        let _ =
            entries.iter().try_for_each(|entry| fs::remove_file(entry.path())).and_then(|()| fs::remove_dir(folder));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_dead_processes_are_removed_and_those_of_living_ones_stay() {
        let parent = tempfile::tempdir().unwrap();
        let folder = |name: &str| {
            let path = parent.path().join(name);
            fs::create_dir(&path).unwrap();
            path
        };
        let names =
            ["rxpath-guest-dead", "rxpath-guest-young", "rxpath-guest-living", "rxpath-guest-of-a-user", "rxpath-ci"];
        let [dead, young, living, with_more, other] = names.map(folder);
        let _held = lock(&living).unwrap();
        for file in [dead.join("order"), other.join("order"), with_more.join("order"), with_more.join("results.json")] {
            fs::write(file, "").unwrap();
        }
        for old in [&dead, &living, &with_more, &other] {
            File::open(old).unwrap().set_modified(std::time::SystemTime::now() - 2 * YOUNG).unwrap();
        }
        clear_abandoned(parent.path());
        let left = [dead, young, living, with_more.join("order"), other.join("order")];
        assert_eq!(left.map(|path| path.exists()), [false, true, true, true, true]);
    }
}
