//! Whether KVM works here: decided by booting a kernel with it, because a /dev/kvm that opens, and even makes a machine,
//! may still run none. The answer is remembered for this machine and this QEMU.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::boot;
use super::error::VmError;
use super::machine::{Accelerator, GuestKernel, Machine, QemuProgram};
use crate::kernel::{Cache, write_best_effort};

/// With a working KVM the boot takes a second or two; without, QEMU neither boots nor ends.
const PATIENCE: Duration = Duration::from_secs(20);

const DEVICE: &str = "/dev/kvm";

/// What was found out about KVM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kvm {
    /// A guest was booted with it, in this many milliseconds.
    Works {
        /// From starting QEMU to the guest's being ready.
        boot_ms: u64,
    },
    /// It cannot be used, and why.
    Broken(String),
}

/// What is remembered of KVM on this machine with this QEMU, if it has been tried.
pub fn remembered(cache: &Cache, qemu: &QemuProgram) -> Option<Kvm> {
    if let Some(why) = cannot_open() {
        return Some(Kvm::Broken(why));
    }
    serde_json::from_slice(&fs::read(answer_file(cache, qemu)).ok()?).ok()
}

/// Whether KVM works: from memory, or by booting this kernel with it.
///
/// # Errors
///
/// When QEMU cannot be started at all; a guest that does not come up is an answer, not an error.
pub fn probe(cache: &Cache, kernel: &GuestKernel, qemu: &QemuProgram) -> Result<Kvm, VmError> {
    if let Some(known) = remembered(cache, qemu) {
        return Ok(known);
    }
    let machine = Machine { accelerator: Accelerator::Kvm, ..Machine::default() };
    let answer = match boot::boot_only(kernel, &machine, qemu, PATIENCE) {
        Ok(took) => Kvm::Works { boot_ms: took.as_millis() as u64 },
        Err(VmError::Guest(fault)) => {
            let last = fault.console.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("").trim().to_owned();
            let said = if last.is_empty() { String::new() } else { format!("; the last it said: {last}") };
            Kvm::Broken(format!("{DEVICE} opens, but {} does not boot with it: {fault}{said}", kernel.series))
        }
        Err(other) => return Err(other),
    };
    remember(&answer_file(cache, qemu), &answer);
    Ok(answer)
}

fn cannot_open() -> Option<String> {
    let opened = fs::File::options().read(true).write(true).open(DEVICE);
    opened.err().map(|why| format!("{DEVICE} cannot be opened: {why}"))
}

/// Not being able to remember only costs the next probe.
fn remember(file: &Path, answer: &Kvm) {
    let Some(folder) = file.parent() else { return };
    let _ = fs::create_dir_all(folder);
    write_best_effort(file, &serde_json::to_vec_pretty(answer).unwrap_or_default());
}

/// Named by what the answer depends on: the host's kernel and processor, the machine, and QEMU.
fn answer_file(cache: &Cache, qemu: &QemuProgram) -> PathBuf {
    let mut digest = Sha256::new();
    for file in ["/etc/machine-id", "/proc/sys/kernel/osrelease", "/proc/sys/kernel/version"] {
        digest.update(fs::read(file).unwrap_or_default());
        digest.update([0]);
    }
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    digest.update(cpus.lines().find(|line| line.starts_with("model name")).unwrap_or("").as_bytes());
    digest.update(qemu.digest.as_bytes());
    cache.root().join("kvm").join(format!("{}.json", hex::encode(&digest.finalize()[..16])))
}
