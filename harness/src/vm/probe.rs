//! Finds out whether KVM works, by booting a kernel with it: a /dev/kvm that opens, and even creates a machine, may still not run
//! one. The answer is remembered for this host and this QEMU.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::boot::Boot;
use super::error::VmError;
use super::hang::Patience;
use super::machine::{Accelerator, GuestKernel, Machine, QemuProgram};
use crate::kernel::{Cache, write_best_effort};

/// With a working KVM the boot takes a second or two. Otherwise QEMU may neither boot nor end.
const PATIENCE: Patience = Patience { stalled: Duration::from_secs(20), cpu: Duration::from_secs(20) };

const DEVICE: &str = "/dev/kvm";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kvm {
    /// A guest booted with it, in this time from the start of QEMU to the agent's readiness.
    Works { boot_ms: u64 },
    /// It cannot be used, for this reason.
    Broken(String),
}

/// The remembered answer for this host and this QEMU, if there is one.
pub(crate) fn remembered(cache: &Cache, qemu: &QemuProgram) -> Option<Kvm> {
    if let Some(reason) = cannot_open() {
        return Some(Kvm::Broken(reason));
    }
    serde_json::from_slice(&fs::read(answer_file(cache, qemu)).ok()?).ok()
}

/// Returns the remembered answer, or boots this kernel with KVM.
/// Fails when QEMU cannot be started at all. A guest that does not boot is an answer, not an error.
pub(crate) fn probe(cache: &Cache, kernel: &GuestKernel, qemu: &QemuProgram) -> Result<Kvm, VmError> {
    if let Some(known) = remembered(cache, qemu) {
        return Ok(known);
    }
    let machine = Machine { accelerator: Accelerator::Kvm, ..Machine::default() };
    let answer = match (Boot { kernel, machine: &machine, qemu, core: None }).try_out(PATIENCE) {
        Ok(took) => Kvm::Works { boot_ms: took.as_millis() as u64 },
        Err(VmError::Guest(fault)) => {
            let last = fault.console.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("").trim().to_owned();
            let said = if last.is_empty() { String::new() } else { format!("; the last line on its console: {last}") };
            Kvm::Broken(format!("{DEVICE} opens, but {} does not boot with it: {fault}{said}", kernel.series))
        }
        Err(other) => return Err(other),
    };
    let file = answer_file(cache, qemu);
    // What cannot be remembered is found out again.
    let _ = file.parent().map(fs::create_dir_all);
    write_best_effort(&file, &serde_json::to_vec_pretty(&answer).unwrap_or_default());
    Ok(answer)
}

fn cannot_open() -> Option<String> {
    let opened = fs::File::options().read(true).write(true).open(DEVICE);
    opened.err().map(|error| format!("{DEVICE} cannot be opened: {error}"))
}

/// The file of the answer, named by a digest of what it depends on: the host, its kernel and processor, and QEMU.
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
