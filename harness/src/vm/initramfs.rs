//! The guest's minimal root: the agent as /init, the console's device node, the modules to load, the setups to perform, and any
//! other files.

use std::collections::BTreeSet;
use std::io::{Cursor, Write};

use cpio::newc;

use rxpath_guest::{MODULES_FOLDER, SETUPS_FILE, Setup};

use super::machine::GuestKernel;

/// The agent, built and embedded by harness/build.rs.
pub(super) const AGENT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/rxpath-guest"));

/// File types and permissions (inode(7)).
const DIRECTORY: u32 = 0o040_755;
const EXECUTABLE: u32 = 0o100_755;
const CHARACTER_DEVICE: u32 = 0o020_600;

/// The setups in the form that the agent reads.
pub(super) fn encoded(setups: &[Setup]) -> Vec<u8> {
    // Plain values can always be encoded.
    postcard::to_stdvec(setups).unwrap_or_default()
}

/// Builds the initramfs: a cpio archive in the `newc` format (Documentation/driver-api/early-userspace/buffer-format.rst).
pub(super) fn build(kernel: &GuestKernel) -> Vec<u8> {
    let (modules, files) = (&kernel.modules, &kernel.files);
    let sizes = modules.iter().map(|module| module.bytes.len()).chain(files.iter().map(|file| file.bytes.len()));
    let mut out = Vec::with_capacity(AGENT.len() + sizes.sum::<usize>() + 4096);
    let mut inode = 0;
    let mut entry = |out: &mut Vec<u8>, name: &str, mode: u32, device: (u32, u32), bytes: &[u8]| {
        inode += 1;
        let builder = newc::Builder::new(name).ino(inode).mode(mode).rdev_major(device.0).rdev_minor(device.1);
        let mut writer = builder.write(&mut *out, bytes.len() as u32);
        // Writing to memory cannot fail.
        let _ = writer.write_all(bytes);
        let _ = writer.finish();
    };
    for folder in ["dev", "proc", "sys", "tmp", MODULES_FOLDER] {
        entry(&mut out, folder, DIRECTORY, (0, 0), &[]);
    }
    // The standard output of PID 1: devtmpfs is not mounted yet when the kernel opens it.
    entry(&mut out, "dev/console", CHARACTER_DEVICE, (5, 1), &[]);
    entry(&mut out, "init", EXECUTABLE, (0, 0), AGENT);
    entry(&mut out, SETUPS_FILE, EXECUTABLE, (0, 0), &encoded(&kernel.setups));
    for (at, module) in modules.iter().enumerate() {
        // The agent loads them in the order of their names.
        entry(&mut out, &format!("{MODULES_FOLDER}/{at:03}-{}.ko", module.name), EXECUTABLE, (0, 0), &module.bytes);
    }
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
