//! Makes warm images: boots a kernel once, and derives everything else from machines that were saved.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rxpath_guest::{Order, READY};

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
use super::run_guest::encoded;
use super::trim;
use super::warm_image::ImageKind;

/// What making the two images took, in host time, each from starting QEMU to the machine's pause.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct MakingTimes {
    /// Booting, or preparing the base's untraced image further, in milliseconds.
    #[serde(alias = "ready_ms")]
    pub(crate) untraced_ms: u64,
    /// Switching function_graph on, or preparing the base's traced image further, in milliseconds.
    #[serde(alias = "arming_ms")]
    pub(crate) traced_ms: u64,
}

/// A kernel whose images are made, and where.
pub(super) struct Boot<'a> {
    pub(super) kernel: &'a GuestKernel,
    pub(super) machine: &'a Machine,
    pub(super) qemu: &'a QemuProgram,
    /// The host CPU that QEMU is bound to, if any.
    pub(super) core: Option<Core>,
}

impl Boot<'_> {
    /// Boots the kernel and saves its two warm images in a folder.
    ///
    /// A second process makes the second image from the first. When one process made both, a timer sometimes ran during the first
    /// save, and two boots then went on differently.
    pub(super) fn save(&self, folder: &Path) -> Result<MakingTimes, VmError> {
        let [untraced, traced] = [ImageKind::Untraced, ImageKind::Traced].map(|kind| folder.join(kind.file()));
        let prepare = Order::Prepare(self.kernel.booted.clone());
        let booting = self.save_paused(&Purpose::Boot, &prepare, "booting", &untraced)?;
        mapped::leave_memory(&untraced)?;
        let change = Purpose::Change { image: &untraced };
        let enabling = self.save_paused(&change, &Order::EnableTracing, "switching function_graph on", &traced)?;
        mapped::leave_memory(&traced)?;
        Ok(MakingTimes::of(booting, enabling))
    }

    /// Prepares the two images in the folder `base` further, and saves what differs from them in `folder`: loading modules and
    /// changing settings takes a fraction of a boot, and so does switching function_graph on for nothing but the new modules.
    pub(super) fn derive(&self, base: &Path, folder: &Path) -> Result<MakingTimes, VmError> {
        let prepare = Order::Prepare(self.kernel.derived.clone().unwrap_or_default());
        let derive = |kind: ImageKind| {
            let (base, image) = (base.join(kind.file()), folder.join(kind.file()));
            let change = Purpose::Change { image: &base };
            let took = self.save_paused(&change, &prepare, "preparing the machine", &image)?;
            mapped::keep_differences(&image, &base)?;
            Ok::<_, VmError>(took)
        };
        Ok(MakingTimes::of(derive(ImageKind::Untraced)?, derive(ImageKind::Traced)?))
    }

    /// Runs QEMU until the agent has obeyed the order and paused the machine, and saves that. Returns how long it took until the
    /// pause.
    fn save_paused(
        &self,
        purpose: &Purpose,
        order: &Order,
        doing: &'static str,
        image: &Path,
    ) -> Result<Duration, VmError> {
        let started = Instant::now();
        let mut monitor = self.start(purpose, order, Patience::BOOT)?;
        monitor.wait_for_stop(doing)?;
        let took = started.elapsed();
        // A machine also stops when QEMU cannot execute it.
        if console::last_words(&monitor.qemu.console()) != Some(READY) {
            return Err(monitor.qemu.fault(FaultKind::Stopped { doing }));
        }
        monitor.save(image)?;
        drop(monitor);
        if self.machine.accelerator == Accelerator::Exact {
            rebase::keep_time(image, BOOT_SHIFT)?;
        }
        trim::punch_out_poison(image)?;
        Ok(took)
    }

    /// Boots the kernel until its agent is ready, and saves nothing. Returns how long it took.
    pub(super) fn try_out(&self, patience: Patience) -> Result<Duration, VmError> {
        let started = Instant::now();
        let prepare = Order::Prepare(self.kernel.booted.clone());
        let mut monitor = self.start(&Purpose::Boot, &prepare, patience)?;
        while console::last_words(&monitor.qemu.console()) != Some(READY) {
            monitor.qemu.expect_running("booting", Duration::from_millis(10))?;
        }
        Ok(started.elapsed())
    }

    /// Starts a machine, with a monitor that is connected before the machine executes anything.
    fn start(&self, purpose: &Purpose, order: &Order, patience: Patience) -> Result<Monitor, VmError> {
        let folder = GuestFolder::new()?;
        fs::write(folder.order(), encoded(order)).map_err(VmError::io("writing", folder.order()))?;
        if matches!(purpose, Purpose::Boot) {
            let file = folder.initramfs();
            fs::write(&file, initramfs::build(initramfs::AGENT, &self.kernel.files))
                .map_err(VmError::io("writing", &file))?;
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

impl MakingTimes {
    fn of(untraced: Duration, traced: Duration) -> Self {
        Self { untraced_ms: untraced.as_millis() as u64, traced_ms: traced.as_millis() as u64 }
    }
}
