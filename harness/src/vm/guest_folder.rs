//! The files that one QEMU process and the harness share.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::error::VmError;

/// The folder of one QEMU process: in memory where the host has a file system for that, and deleted when dropped.
pub(super) struct GuestFolder {
    path: PathBuf,
    _temporary: Option<TempDir>,
}

impl GuestFolder {
    pub(super) fn new() -> Result<Self, VmError> {
        // Its path is short, too: that of a Unix socket has at most 108 bytes (unix(7)).
        let memory = Path::new("/dev/shm");
        let mut builder = tempfile::Builder::new();
        // Who may connect to the monitor's socket may make QEMU write files.
        builder.prefix("rxpath-").permissions(Permissions::from_mode(0o700));
        let temporary = builder.tempdir_in(memory).or_else(|_| builder.tempdir());
        let temporary = temporary.map_err(VmError::io("creating a folder for a guest in", std::env::temp_dir()))?;
        Ok(Self { path: temporary.path().to_owned(), _temporary: Some(temporary) })
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
