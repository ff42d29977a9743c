//! The guest's minimal root: the agent as /init, the console's device node, and any other files.

use std::collections::BTreeSet;
use std::io::{Cursor, Write};
use std::sync::OnceLock;

use cpio::newc;
use sha2::{Digest, Sha256};

use super::machine::GuestFile;

/// The agent, built and embedded by harness/build.rs.
pub(super) const AGENT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/rxpath-guest"));

/// The first 12 hexadecimal digits of the agent's SHA-256 digest.
pub(crate) fn agent_digest() -> &'static str {
    static DIGEST: OnceLock<String> = OnceLock::new();
    DIGEST.get_or_init(|| hex::encode(&Sha256::digest(AGENT)[..6]))
}

/// File types and permissions (inode(7)).
const DIRECTORY: u32 = 0o040_755;
const EXECUTABLE: u32 = 0o100_755;
const CHARACTER_DEVICE: u32 = 0o020_600;

/// Builds the initramfs: a cpio archive in the `newc` format (Documentation/driver-api/early-userspace/buffer-format.rst).
pub(super) fn build(init: &[u8], files: &[GuestFile]) -> Vec<u8> {
    let size: usize = files.iter().map(|file| file.bytes.len()).sum();
    let mut out = Vec::with_capacity(init.len() + size + 4096);
    let mut inode = 0;
    let mut entry = |out: &mut Vec<u8>, name: &str, mode: u32, device: (u32, u32), bytes: &[u8]| {
        inode += 1;
        let builder = newc::Builder::new(name).ino(inode).mode(mode).rdev_major(device.0).rdev_minor(device.1);
        let mut writer = builder.write(&mut *out, bytes.len() as u32);
        // Writing to memory cannot fail.
        let _ = writer.write_all(bytes);
        let _ = writer.finish();
    };
    for folder in ["dev", "proc", "sys", "tmp"] {
        entry(&mut out, folder, DIRECTORY, (0, 0), &[]);
    }
    // The standard output of PID 1: devtmpfs is not mounted yet when the kernel opens it.
    entry(&mut out, "dev/console", CHARACTER_DEVICE, (5, 1), &[]);
    entry(&mut out, "init", EXECUTABLE, (0, 0), init);
    let mut folders = BTreeSet::new();
    for file in files {
        // The kernel does not create missing parent folders (init/initramfs.c).
        for folder in file.path.match_indices('/').map(|(at, _)| &file.path[..at]) {
            if folders.insert(folder) {
                entry(&mut out, folder, DIRECTORY, (0, 0), &[]);
            }
        }
        entry(&mut out, &file.path, EXECUTABLE, (0, 0), &file.bytes);
    }
    let mut trailer = Cursor::new(Vec::new());
    let _ = newc::trailer(&mut trailer);
    out.extend(trailer.into_inner());
    out
}
