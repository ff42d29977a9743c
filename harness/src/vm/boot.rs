//! The one boot of a kernel on a machine: watched on its serial console, paused by its agent twice, saved each time.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rexpect::ReadUntil;
use rexpect::session::PtySession;

use super::console;
use super::error::{FaultKind, GuestFault, VmError};
use super::image::{INITRAMFS_FILE, Stage};
use super::initramfs;
use super::launcher;
use super::machine::{Accelerator, BOOT_SHIFT, GuestKernel, Machine, Purpose, QemuProgram};
use super::qmp::Monitor;
use super::rebase;
use super::run::{called_off, shell_words};
use super::trim;

/// How long the guest may take from one line on its console to the next that matters. An exact boot takes under 20 s of
/// one core; five times that, with every core busy, is a hang.
const BOOT_PATIENCE: Duration = Duration::from_secs(100);

/// How every line of the agent's on the console begins.
const AGENT_SAYS: &str = "rxpath-agent: ";

/// What a boot took, in host time.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
pub struct BootTimes {
    /// From starting QEMU to the first pause, in milliseconds.
    pub ready_ms: u64,
    /// From there to function_graph switched on, without the saving in between, in milliseconds.
    pub arming_ms: u64,
}

/// Boots the kernel and saves its two warm images into `folder`.
pub(super) fn boot_and_save(
    kernel: &GuestKernel,
    machine: &Machine,
    qemu: &QemuProgram,
    folder: &Path,
) -> Result<BootTimes, VmError> {
    let initramfs_file = folder.join(INITRAMFS_FILE);
    std::fs::write(&initramfs_file, initramfs::build(&kernel.modules))
        .map_err(VmError::io("writing", &initramfs_file))?;
    // A Unix socket's path must be short (unix(7): 108 bytes); the cache's may not be.
    let short = tempfile::tempdir().map_err(VmError::io("creating a folder in", std::env::temp_dir()))?;
    let socket = short.path().join("qmp");
    let region = short.path().join("region");
    let arguments = machine.arguments(kernel, &region, &Purpose::Boot { initramfs: &initramfs_file, monitor: &socket });
    let mut watch = Watch::start(qemu, arguments, BOOT_PATIENCE)?;

    let started = Instant::now();
    watch.wait_for("ready", "the guest's getting ready")?;
    let mut monitor = Monitor::connect(&socket)?;
    watch.wait_until_stopped(&mut monitor)?;
    let ready = started.elapsed();
    save(&mut monitor, machine, &folder.join(Stage::Quiet.file()))?;

    let resumed = Instant::now();
    monitor.go_on()?;
    watch.wait_for("armed", "switching function_graph on")?;
    watch.wait_until_stopped(&mut monitor)?;
    let arming = resumed.elapsed();
    save(&mut monitor, machine, &folder.join(Stage::Armed.file()))?;
    Ok(BootTimes { ready_ms: ready.as_millis() as u64, arming_ms: arming.as_millis() as u64 })
}

/// Boots the kernel as for its images, which are thrown away: how long that takes.
pub fn measure_boot(kernel: &GuestKernel, machine: &Machine, qemu: &QemuProgram) -> Result<BootTimes, VmError> {
    let folder = tempfile::tempdir().map_err(VmError::io("creating a folder in", std::env::temp_dir()))?;
    boot_and_save(kernel, machine, qemu, folder.path())
}

/// Boots the kernel until its agent says that it is ready, and saves nothing: whether the machine runs at all.
pub(super) fn boot_only(
    kernel: &GuestKernel,
    machine: &Machine,
    qemu: &QemuProgram,
    patience: Duration,
) -> Result<Duration, VmError> {
    let place = tempfile::tempdir().map_err(VmError::io("creating a folder in", std::env::temp_dir()))?;
    let initramfs_file = place.path().join(INITRAMFS_FILE);
    std::fs::write(&initramfs_file, initramfs::build(&kernel.modules))
        .map_err(VmError::io("writing", &initramfs_file))?;
    let (socket, region) = (place.path().join("qmp"), place.path().join("region"));
    let purpose = Purpose::Boot { initramfs: &initramfs_file, monitor: &socket };
    let started = Instant::now();
    Watch::start(qemu, machine.arguments(kernel, &region, &purpose), patience)?
        .wait_for("ready", "the guest's booting")?;
    Ok(started.elapsed())
}

fn save(monitor: &mut Monitor, machine: &Machine, image: &Path) -> Result<(), VmError> {
    monitor.save(image, Instant::now() + BOOT_PATIENCE)?;
    if machine.accelerator == Accelerator::Exact {
        rebase::keep_time(image, BOOT_SHIFT)?;
    }
    trim::take_out_poison(image)?;
    Ok(())
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
    fn start(qemu: &QemuProgram, arguments: Vec<std::ffi::OsString>, patience: Duration) -> Result<Self, VmError> {
        let all = qemu.leading.iter().cloned().chain(arguments).collect();
        let (program, arguments) = launcher::tied_to_this_process(qemu.program.clone().into_os_string(), all);
        let shown = shell_words(&arguments[2..]);
        let mut command = Command::new(program);
        command.args(arguments).envs(qemu.environment.iter().cloned());
        let session = rexpect::session::spawn_command(command, Some(patience.as_millis() as u64))
            .map_err(|why| VmError::Start { command: shown.clone(), why: why.to_string() })?;
        let watch = Self { session, command: shown, patience, console: String::new() };
        // Whoever called everything off a moment ago may have looked for this one in vain.
        if called_off() { Err(VmError::Interrupted) } else { Ok(watch) }
    }

    /// Reads the console until the agent says these words; anything else that ends the wait is the guest's fault.
    fn wait_for(&mut self, words: &str, doing: &'static str) -> Result<(), VmError> {
        self.watch_for(words, doing).map_err(|why| if called_off() { VmError::Interrupted } else { why })
    }

    fn watch_for(&mut self, words: &str, doing: &'static str) -> Result<(), VmError> {
        let needles = vec![ReadUntil::String(AGENT_SAYS.to_owned()), ReadUntil::String("Kernel panic".to_owned())];
        match self.session.exp_any(needles) {
            Ok((before, found)) => {
                // What follows on the line says what happened.
                let rest = self.session.read_line().unwrap_or_default();
                self.console.extend([before.as_str(), found.as_str(), rest.as_str(), "\n"]);
                if found == AGENT_SAYS && rest.trim_end() == words {
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

    fn wait_until_stopped(&mut self, monitor: &mut Monitor) -> Result<(), VmError> {
        let deadline = Instant::now() + BOOT_PATIENCE;
        while !monitor.is_stopped()? {
            if Instant::now() > deadline {
                let doing = "the agent's pausing the machine";
                return Err(self.fault(FaultKind::HungHost { doing, seconds: BOOT_PATIENCE.as_secs() }));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
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
