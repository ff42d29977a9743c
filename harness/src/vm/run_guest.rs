//! One run: restores a warm image, lets its agent execute an order, and takes the capture.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rxpath_guest::{EXIT_DONE, MAX_ORDER, Order, Plan, SECTIONS_AT, qemu_exit_code, sections_length};

use super::console;
use super::error::{FaultKind, VmError};
use super::guest_folder::GuestFolder;
use super::hang::Patience;
use super::process::{Launch, QemuProcess};
use super::qemu_arguments::{Purpose, qemu_arguments};
use super::warm_image::{ImageKind, WarmImage};

/// What bounds a run from outside, and what is kept of it.
#[derive(Clone, Debug, Default)]
pub struct RunLimits {
    /// Replaces the patience that follows from the plan's deadline.
    pub patience: Option<Patience>,
    /// Where to keep what a failed guest left behind, if anywhere.
    pub keep_failures: Option<PathBuf>,
    /// Where to keep QEMU's recording of a run in exact mode (see [`timers_due`](super::timers_due)), if anywhere.
    pub keep_recording: Option<PathBuf>,
    /// Bytes to append to the order, which the agent ignores. Each makes a run start 200 ns later (`READING_NS` in
    /// guest/src/main.rs), so tests can show that timings do not depend on the moment.
    pub order_padding: usize,
}

/// Runs a plan on a warm image. Returns the region as the agent left it (see `rxpath_guest::sections`).
pub fn run_plan(image: &WarmImage, kind: ImageKind, plan: Plan, limits: &RunLimits) -> Result<Vec<u8>, VmError> {
    let deadline = Duration::from_nanos(plan.deadline_ns);
    send_order(image, kind, &Order::Run(plan), deadline, limits)
}

/// Asks a warm image for what describes its kernel as a whole.
pub(super) fn run_facts(image: &WarmImage, limits: &RunLimits) -> Result<Vec<u8>, VmError> {
    send_order(image, ImageKind::Untraced, &Order::Facts, Duration::ZERO, limits)
}

/// Asks a traced image where its modules were loaded.
pub(super) fn run_modules(image: &WarmImage, limits: &RunLimits) -> Result<Vec<u8>, VmError> {
    send_order(image, ImageKind::Traced, &Order::Modules, Duration::ZERO, limits)
}

/// An order in the form that the agent reads.
pub(super) fn encoded(order: &Order) -> Vec<u8> {
    // Plain values can always be encoded.
    postcard::to_stdvec(order).unwrap_or_default()
}

/// The order to run a plan, in the form that the agent reads.
pub(crate) fn order_bytes(plan: &Plan) -> Vec<u8> {
    encoded(&Order::Run(plan.clone()))
}

/// Sends an order whose actors take at most `deadline` of guest time.
fn send_order(
    image: &WarmImage,
    kind: ImageKind,
    order: &Order,
    deadline: Duration,
    limits: &RunLimits,
) -> Result<Vec<u8>, VmError> {
    const DOING: &str = "running the plan";
    let mut order = encoded(order);
    order.resize(order.len() + limits.order_padding, 0);
    if order.len() > MAX_ORDER {
        return Err(VmError::PlanTooLong { bytes: order.len(), most: MAX_ORDER });
    }
    let folder = GuestFolder::new()?;
    fs::write(folder.order(), order).map_err(VmError::io("writing", folder.order()))?;
    let recording = limits.keep_recording.as_deref().unwrap_or(Path::new("/dev/null"));
    let purpose = Purpose::Run { image: &image.file(kind), memory: &image.memory(kind), recording };
    let arguments = qemu_arguments(&image.machine, &image.kernel, &folder, &purpose);
    // Held until QEMU has ended.
    let core = image.core();
    let launch = Launch {
        qemu: &image.qemu,
        accelerator: image.machine.accelerator,
        core: core.as_ref(),
        patience: limits.patience.unwrap_or_else(|| Patience::for_run(deadline)),
        keep_failures: limits.keep_failures.clone(),
    };
    let mut qemu = QemuProcess::start(launch, arguments, folder)?;
    let status = qemu.wait(DOING)?;
    if let Some(splat) = console::find_splat(&qemu.console()) {
        return Err(qemu.fault(FaultKind::Kernel(splat)));
    }
    let ended_well = match status.code() {
        Some(code) => code == qemu_exit_code(EXIT_DONE),
        // At its end QEMU dismantles its devices while the CPUs' thread may run a NIC's timer, and in one of some hundred runs
        // with virtio-net it crashed. The capture was complete by then.
        None => header(qemu.folder()).is_ok_and(|header| sections_length(&header).is_ok()),
    };
    if ended_well { read_region(&qemu) } else { Err(qemu.fault_of_end(DOING, status)) }
}

/// Reads the region's header, which the agent writes last.
fn header(folder: &GuestFolder) -> std::io::Result<[u8; SECTIONS_AT]> {
    let mut header = [0; SECTIONS_AT];
    File::open(folder.region())?.read_exact(&mut header)?;
    Ok(header)
}

/// Reads as much of the region as the agent filled.
fn read_region(qemu: &QemuProcess) -> Result<Vec<u8>, VmError> {
    let path = qemu.folder().region();
    let read = || VmError::io("reading", &path);
    let header = header(qemu.folder()).map_err(read())?;
    let length = sections_length(&header).map_err(|error| qemu.fault(FaultKind::Capture(error)))?;
    let file = File::open(&path).map_err(read())?;
    let size = file.metadata().map_err(read())?.len() as usize;
    let mut out = Vec::with_capacity(size.min(SECTIONS_AT.saturating_add(length)));
    file.take(SECTIONS_AT.saturating_add(length) as u64).read_to_end(&mut out).map_err(read())?;
    Ok(out)
}
