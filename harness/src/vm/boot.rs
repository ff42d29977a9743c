//! The one boot of a kernel on a machine. Its agent pauses the machine twice, and it is saved each time.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rxpath_guest::{ARMED, READY};

use super::console;
use super::cores::Core;
use super::error::{FaultKind, VmError};
use super::guest_folder::GuestFolder;
use super::hang::Patience;
use super::initramfs;
use super::machine::{Accelerator, GuestKernel, Machine, QemuProgram};
use super::mapped;
use super::process::{Launch, QemuProcess};
use super::qemu_arguments::{BOOT_SHIFT, Purpose, qemu_arguments};
use super::qmp::Monitor;
use super::rebase;
use super::trim;

/// What a boot took, in host time.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct BootTimes {
    /// From starting QEMU to the first pause, in milliseconds.
    pub(crate) ready_ms: u64,
    /// From starting the QEMU that restores the untraced image to the pause with function_graph switched on, in milliseconds.
    pub(crate) arming_ms: u64,
}

/// A kernel to boot, and where.
pub(super) struct Boot<'a> {
    pub(super) kernel: &'a GuestKernel,
    pub(super) machine: &'a Machine,
    pub(super) qemu: &'a QemuProgram,
    /// The host CPU that QEMU is bound to, if any.
    pub(super) core: Option<Core>,
}

impl Boot<'_> {
    /// Boots the kernel and saves its two warm images.
    ///
    /// A second process makes the second image from the first. When one process made both, a timer sometimes ran during the first
    /// save, and two boots then went on differently.
    pub(super) fn save(&self, untraced: &Path, traced: &Path) -> Result<BootTimes, VmError> {
        let ready = self.save_paused(&Purpose::Boot, READY, "booting", untraced)?;
        let enable = Purpose::EnableTracing { image: untraced };
        let arming = self.save_paused(&enable, ARMED, "switching function_graph on", traced)?;
        // Only now: the second process has to read the first image as it was saved.
        for image in [untraced, traced] {
            if self.machine.accelerator == Accelerator::Exact {
                rebase::keep_time(image, BOOT_SHIFT)?;
            }
            trim::punch_out_poison(image)?;
            mapped::leave_memory(image)?;
        }
        Ok(BootTimes { ready_ms: ready.as_millis() as u64, arming_ms: arming.as_millis() as u64 })
    }

    /// Runs QEMU until the agent has printed these words and paused the machine, and saves that. Returns how long it took until
    /// the pause.
    fn save_paused(
        &self,
        purpose: &Purpose,
        words: &str,
        doing: &'static str,
        image: &Path,
    ) -> Result<Duration, VmError> {
        let started = Instant::now();
        let mut monitor = self.start(purpose, Patience::BOOT)?;
        monitor.wait_for_stop(doing)?;
        let took = started.elapsed();
        // A machine also stops when QEMU cannot execute it.
        if console::last_words(&monitor.qemu.console()) != Some(words) {
            return Err(monitor.qemu.fault(FaultKind::Stopped { doing }));
        }
        monitor.save(image)?;
        Ok(took)
    }

    /// Boots the kernel until its agent is ready, and saves nothing. Returns how long it took.
    pub(super) fn try_out(&self, patience: Patience) -> Result<Duration, VmError> {
        let started = Instant::now();
        let mut monitor = self.start(&Purpose::Boot, patience)?;
        while console::last_words(&monitor.qemu.console()) != Some(READY) {
            monitor.qemu.expect_running("booting", Duration::from_millis(10))?;
        }
        Ok(started.elapsed())
    }

    /// Starts a machine, with a monitor that is connected before the machine executes anything.
    fn start(&self, purpose: &Purpose, patience: Patience) -> Result<Monitor, VmError> {
        let folder = GuestFolder::new()?;
        if matches!(purpose, Purpose::Boot) {
            let file = folder.initramfs();
            fs::write(&file, initramfs::build(self.kernel)).map_err(VmError::io("writing", &file))?;
        }
        let arguments = qemu_arguments(self.machine, self.kernel, &folder, purpose);
        let launch = Launch {
            qemu: self.qemu,
            accelerator: self.machine.accelerator,
            core: self.core.as_ref(),
            patience,
            keep_failures: None,
        };
        let mut monitor = Monitor::connect(QemuProcess::start(launch, arguments, folder)?)?;
        if matches!(purpose, Purpose::Boot) {
            monitor.resume()?;
        }
        Ok(monitor)
    }
}
