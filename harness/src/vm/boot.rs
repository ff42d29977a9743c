//! The one boot of a kernel on a machine: watched on its serial console, paused by its agent twice, saved each time.

use std::ffi::OsString;
use std::iter::once;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rexpect::ReadUntil;
use rexpect::session::PtySession;
use rxpath_guest::{AGENT_PREFIX, ARMED, READY};

use super::console;
use super::cores::Core;
use super::error::{FaultKind, GuestFault, VmError};
use super::image::ImageKind;
use super::initramfs;
use super::launcher::{self, Scheduling};
use super::machine::{Accelerator, BOOT_SHIFT, GuestKernel, Machine, Purpose, QemuProgram};
use super::mapped;
use super::qmp::Monitor;
use super::rebase;
use super::run::{is_cancelled, shell_words};
use super::trim;

/// How long the guest may take from one line on its console to the next that matters. An exact boot takes under 20 s of
/// one core; five times that, with every core busy, is a hang.
const BOOT_PATIENCE: Duration = Duration::from_secs(100);

/// What a boot took, in host time.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
pub struct BootTimes {
    /// From starting QEMU to the first pause, in milliseconds.
    pub ready_ms: u64,
    /// From starting the QEMU that restores it to function_graph switched on, in milliseconds.
    pub arming_ms: u64,
}

/// Boots the kernel, on this CPU of the host's if one is given, and saves its two warm images into `folder`.
///
/// The second one is made from the first by a process of its own: one that saves its machine was seen to run a timer in the
/// middle of that, and two boots that went on from there differed.
pub(super) fn boot_and_save(
    kernel: &GuestKernel,
    machine: &Machine,
    qemu: &QemuProgram,
    folder: &Path,
    core: Option<&Core>,
) -> Result<BootTimes, VmError> {
    let host = Host { qemu, core: core.map(Core::number) };
    let (quiet, armed) = (folder.join(ImageKind::Untraced.file()), folder.join(ImageKind::Traced.file()));
    let place = Place::new()?;

    let initramfs = place.initramfs(kernel)?;
    let boot = Purpose::Boot { initramfs: &initramfs, monitor: &place.monitor };
    let arguments = machine.arguments(kernel, &place.region, &boot);
    let ready = live(host, arguments, &place, Start::OnRequest, READY, "the guest's getting ready", &quiet)?;

    let purpose = Purpose::EnableTracing { image: &quiet, monitor: &place.monitor };
    let arguments = machine.arguments(kernel, &place.region, &purpose);
    let arming = live(host, arguments, &place, Start::ByItself, ARMED, "switching function_graph on", &armed)?;

    for image in [&quiet, &armed] {
        if machine.accelerator == Accelerator::Exact {
            rebase::keep_time(image, BOOT_SHIFT)?;
        }
        trim::take_out_poison(image)?;
        mapped::leave_memory(image)?;
    }
    Ok(BootTimes { ready_ms: ready.as_millis() as u64, arming_ms: arming.as_millis() as u64 })
}

/// What a booting machine runs by: the program, and the host's CPU that it is bound to, if any.
#[derive(Clone, Copy)]
struct Host<'a> {
    qemu: &'a QemuProgram,
    core: Option<usize>,
}

/// Whether a machine runs as soon as its monitor is connected.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    ByItself,
    OnRequest,
}

/// Runs QEMU until the agent has said these words and stopped the machine, and saves that; gives how long it took until
/// the stop.
fn live(
    host: Host<'_>,
    arguments: Vec<OsString>,
    place: &Place,
    start: Start,
    words: &str,
    doing: &'static str,
    image: &Path,
) -> Result<Duration, VmError> {
    let started = Instant::now();
    let mut watch = Watch::start(host, arguments, BOOT_PATIENCE)?;
    let mut monitor = watch.connect(&place.monitor, start)?;
    watch.wait_for(words, doing)?;
    monitor.wait_for_stop().map_err(|why| watch.explain(why, doing))?;
    let took = started.elapsed();
    monitor.save(image, Instant::now() + BOOT_PATIENCE).map_err(|why| watch.explain(why, "saving the machine"))?;
    Ok(took)
}

/// A failure after everything was called off is no failure.
fn interrupted_or(why: VmError) -> VmError {
    if is_cancelled() { VmError::Interrupted } else { why }
}

/// The files of a booting machine. A Unix socket's path must be short (unix(7): 108 bytes); the cache's may not be.
struct Place {
    monitor: PathBuf,
    region: PathBuf,
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Result<Self, VmError> {
        let folder = tempfile::tempdir().map_err(VmError::io("creating a folder in", std::env::temp_dir()))?;
        Ok(Self { monitor: folder.path().join("qmp"), region: folder.path().join("region"), folder })
    }

    fn initramfs(&self, kernel: &GuestKernel) -> Result<PathBuf, VmError> {
        let file = self.folder.path().join("initramfs");
        std::fs::write(&file, initramfs::build(kernel)).map_err(VmError::io("writing", &file))?;
        Ok(file)
    }
}

/// Boots the kernel as for its images, which are thrown away: how long that takes.
pub(super) fn measure_boot(
    kernel: &GuestKernel,
    machine: &Machine,
    qemu: &QemuProgram,
    core: Option<&Core>,
) -> Result<BootTimes, VmError> {
    let folder = tempfile::tempdir().map_err(VmError::io("creating a folder in", std::env::temp_dir()))?;
    boot_and_save(kernel, machine, qemu, folder.path(), core)
}

/// Boots the kernel until its agent says that it is ready, and saves nothing: whether the machine runs at all.
pub(super) fn boot_only(
    kernel: &GuestKernel,
    machine: &Machine,
    qemu: &QemuProgram,
    patience: Duration,
) -> Result<Duration, VmError> {
    let place = Place::new()?;
    let initramfs = place.initramfs(kernel)?;
    let purpose = Purpose::Boot { initramfs: &initramfs, monitor: &place.monitor };
    let started = Instant::now();
    let host = Host { qemu, core: None };
    let mut watch = Watch::start(host, machine.arguments(kernel, &place.region, &purpose), patience)?;
    let _monitor = watch.connect(&place.monitor, Start::OnRequest)?;
    watch.wait_for(READY, "the guest's booting")?;
    Ok(started.elapsed())
}

/// A booting QEMU under the eyes of rexpect. Ends with the value.
struct Watch {
    session: PtySession,
    command: String,
    patience: Duration,
    /// Everything read from the console so far.
    console: String,
}

impl Watch {
    fn start(host: Host<'_>, arguments: Vec<OsString>, patience: Duration) -> Result<Self, VmError> {
        let Host { qemu, core } = host;
        let all: Vec<OsString> = qemu.leading.iter().cloned().chain(arguments).collect();
        let program = qemu.program.clone().into_os_string();
        let shown = shell_words(once(&program).chain(&all));
        let (program, arguments) = launcher::tied_to_this_process(program, all, Scheduling::Batch { core });
        let mut command = Command::new(program);
        command.args(arguments).envs(qemu.environment.iter().cloned());
        let session = rexpect::session::spawn_command(command, Some(patience.as_millis() as u64))
            .map_err(|why| VmError::Start { command: shown.clone(), why: why.to_string() })?;
        let watch = Self { session, command: shown, patience, console: String::new() };
        // Whoever called everything off a moment ago may have looked for this one in vain.
        if is_cancelled() { Err(VmError::Interrupted) } else { Ok(watch) }
    }

    /// Reads the console until the agent says these words; anything else that ends the wait is the guest's fault.
    fn wait_for(&mut self, words: &str, doing: &'static str) -> Result<(), VmError> {
        self.watch_for(words, doing).map_err(interrupted_or)
    }

    /// Connects to the monitor that QEMU waits for, and lets the machine begin; a QEMU that has ended instead tells why on
    /// its console.
    fn connect(&mut self, socket: &Path, start: Start) -> Result<Monitor, VmError> {
        let connected = Monitor::connect(socket, &|| self.is_running()).and_then(|mut monitor| {
            if start == Start::OnRequest {
                monitor.resume()?;
            }
            Ok(monitor)
        });
        connected.map_err(|why| self.explain(why, "starting"))
    }

    /// A monitor that fails has most often lost its QEMU, which may be about to end: what that said is the better reason.
    fn explain(&mut self, why: VmError, doing: &'static str) -> VmError {
        /// How long a QEMU that has closed its monitor may take to end.
        const ENDING: Duration = Duration::from_secs(2);
        let deadline = Instant::now() + ENDING;
        while self.is_running() {
            if Instant::now() > deadline {
                return interrupted_or(why);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.wait_for("nothing", doing).err().unwrap_or(why)
    }

    fn is_running(&self) -> bool {
        matches!(self.session.process().status(), Some(rexpect::process::WaitStatus::StillAlive))
    }

    fn watch_for(&mut self, words: &str, doing: &'static str) -> Result<(), VmError> {
        let needles = vec![ReadUntil::String(AGENT_PREFIX.to_owned()), ReadUntil::String("Kernel panic".to_owned())];
        match self.session.exp_any(needles) {
            Ok((before, found)) => {
                // What follows on the line says what happened.
                let rest = self.session.read_line().unwrap_or_default();
                self.console.extend([before.as_str(), found.as_str(), rest.as_str(), "\n"]);
                if found == AGENT_PREFIX && rest.trim_end() == words {
                    return Ok(());
                }
                let kind = match console::find_splat(&self.console) {
                    Some(splat) => FaultKind::Kernel(splat),
                    None => FaultKind::Agent(console::last_words(&self.console).unwrap_or("no words").to_owned()),
                };
                Err(self.fault(kind))
            }
            Err(rexpect::error::Error::Timeout { got, .. }) => {
                self.console.push_str(&got);
                Err(self.fault(FaultKind::HungHost { doing, seconds: self.patience.as_secs() }))
            }
            Err(rexpect::error::Error::EOF { got, exit_code, .. }) => {
                self.console.push_str(&got);
                let how = exit_code.map_or_else(|| "no exit code".to_owned(), |code| format!("exit code {code}"));
                Err(self.fault(match console::find_splat(&self.console) {
                    Some(splat) => FaultKind::Kernel(splat),
                    None => FaultKind::QemuDied { doing, how },
                }))
            }
            Err(other) => Err(VmError::Start { command: self.command.clone(), why: other.to_string() }),
        }
    }

    fn fault(&self, kind: FaultKind) -> VmError {
        VmError::Guest(Box::new(GuestFault {
            kind,
            console: console::tail(&self.console),
            command: self.command.clone(),
            kept: None,
        }))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Nothing of the booting machine is needed any more: it must not linger until it notices a closed terminal.
        let _ = self.session.process_mut().kill(rexpect::process::Signal::SIGKILL);
    }
}
