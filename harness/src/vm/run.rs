//! One run: restore a warm image, let the agent send_order, take the capture.

use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::iter::once;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use rxpath_guest::{EXIT_DONE, EXIT_FAILED, MAX_ORDER, Order, Plan, SECTIONS_AT, qemu_exit_code, sections_length};

use super::console;
use super::cores::Core;
use super::error::{FaultKind, GuestFault, VmError};
use super::image::{ImageKind, WarmImage};
use super::launcher::{self, Scheduling};
use super::machine::{Accelerator, Purpose};

/// How a run is supervised.
#[derive(Clone, Debug)]
pub struct RunLimits {
    /// The longest a run may take, in host time.
    pub patience: Duration,
    /// Where to keep what a failed guest left behind, if anywhere.
    pub keep_failures: Option<PathBuf>,
    /// Where to keep QEMU's recording of a run in exact mode (see [`timers_due`](super::timers_due)), if anywhere.
    pub keep_recording: Option<PathBuf>,
}

impl Default for RunLimits {
    fn default() -> Self {
        Self { patience: Duration::from_secs(60), keep_failures: None, keep_recording: None }
    }
}

/// How often a waiting harness looks whether it was called off.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Set once by the harness when the user calls everything off; every guest then ends at its next glance.
static CANCELLED: AtomicBool = AtomicBool::new(false);

/// Runs a plan on a warm image; gives the region as the agent left it (see `rxpath_guest::sections`).
pub fn run_plan(image: &WarmImage, kind: ImageKind, plan: Plan, limits: &RunLimits) -> Result<Vec<u8>, VmError> {
    send_order(image, kind, &Order::Run(plan), limits)
}

/// Asks a warm image for what is true of its kernel as a whole.
pub fn run_facts(image: &WarmImage, limits: &RunLimits) -> Result<Vec<u8>, VmError> {
    send_order(image, ImageKind::Untraced, &Order::Facts, limits)
}

fn send_order(image: &WarmImage, kind: ImageKind, order: &Order, limits: &RunLimits) -> Result<Vec<u8>, VmError> {
    let order = postcard::to_stdvec(order).unwrap_or_default();
    if order.len() > MAX_ORDER {
        return Err(VmError::PlanTooLong { bytes: order.len(), most: MAX_ORDER });
    }
    let place = Place::new()?;
    fs::write(place.order(), order).map_err(VmError::io("writing", place.order()))?;
    let recording = limits.keep_recording.as_deref().unwrap_or(Path::new("/dev/null"));
    let purpose =
        Purpose::Run { image: &image.file(kind), order: &place.order(), console: &place.console(), recording };
    let arguments = image.machine().arguments(image.kernel(), &place.region(), &purpose);
    let qemu = image.qemu();
    let all: Vec<OsString> = qemu.leading.iter().cloned().chain(arguments).collect();
    // Held until the guest has ended.
    let core = image.core();
    let scheduling = match image.machine().accelerator {
        Accelerator::Exact => Scheduling::Batch { core: core.as_ref().map(Core::number) },
        Accelerator::Kvm | Accelerator::Translator => Scheduling::Usual,
    };
    if scheduling != Scheduling::Usual {
        launcher::batch_this_thread();
    }
    let program = qemu.program.clone().into_os_string();
    let command = shell_words(once(&program).chain(&all));
    let (program, arguments) = launcher::tied_to_this_process(program, all, scheduling);
    let mut supervision = Supervision { place, command, limits };
    let expression =
        qemu.environment.iter().fold(duct::cmd(program, arguments), |all, (name, value)| all.env(name, value));
    supervision.wait(expression)
}

/// The files of one run, in memory where the host has a file system for that.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Result<Self, VmError> {
        let memory = Path::new("/dev/shm");
        let builder = || tempfile::Builder::new().prefix("rxpath-").to_owned();
        let made = builder().tempdir_in(memory).or_else(|_| builder().tempdir());
        made.map(Self).map_err(VmError::io("creating a folder for a run in", memory))
    }

    fn order(&self) -> PathBuf {
        self.0.path().join("order")
    }

    fn region(&self) -> PathBuf {
        self.0.path().join("region")
    }

    fn console(&self) -> PathBuf {
        self.0.path().join("console")
    }

    fn qemu_log(&self) -> PathBuf {
        self.0.path().join("qemu")
    }
}

/// Tells when a QEMU ends. The handle would learn of it by a signal, which any thread of this process may have to take first: on a
/// host whose CPUs all have a guest, that thread's turn is milliseconds away.
struct Ending(Option<OwnedFd>);

impl Ending {
    fn of(qemu: &duct::Handle) -> Self {
        let pid = qemu.pids().first().and_then(|pid| Pid::from_raw(*pid as i32));
        Self(pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()))
    }

    /// Waits for this long at most. A host's kernel may have no descriptors for processes (pidfd_open(2): since 5.3).
    fn wait<'a>(&self, qemu: &'a duct::Handle, longest: Duration) -> std::io::Result<Option<&'a Output>> {
        let (Some(ending), Ok(longest)) = (&self.0, longest.try_into()) else {
            return qemu.wait_timeout(longest);
        };
        // Readable once the process has ended. An interrupted wait is only a shorter one.
        let _ = poll(&mut [PollFd::new(ending, PollFlags::IN)], Some(&longest));
        qemu.try_wait()
    }
}

struct Supervision<'a> {
    place: Place,
    command: String,
    limits: &'a RunLimits,
}

impl Supervision<'_> {
    /// Starts QEMU and waits for what comes of it.
    fn wait(&mut self, qemu: duct::Expression) -> Result<Vec<u8>, VmError> {
        const DOING: &str = "running the plan";
        let start_failed = |why: std::io::Error| VmError::Start { command: self.command.clone(), why: why.to_string() };
        let log = self.place.qemu_log();
        let handle = qemu.stdin_null().stdout_to_stderr().stderr_path(log).unchecked().start().map_err(start_failed)?;
        let deadline = Instant::now() + self.limits.patience;
        let ending = Ending::of(&handle);
        let status = loop {
            if let Some(output) = ending.wait(&handle, POLL_INTERVAL).map_err(start_failed)? {
                break output.status;
            }
            let is_cancelled = CANCELLED.load(Ordering::Relaxed);
            if is_cancelled || Instant::now() > deadline {
                // Dropping a handle would leave QEMU running.
                handle.kill().map_err(start_failed)?;
                handle.wait().map_err(start_failed)?;
                if is_cancelled {
                    return Err(VmError::Interrupted);
                }
                let seconds = self.limits.patience.as_secs();
                return Err(self.fault(FaultKind::HungHost { doing: DOING, seconds }));
            }
        };
        if CANCELLED.load(Ordering::Relaxed) {
            return Err(VmError::Interrupted);
        }
        let console = self.console();
        if let Some(splat) = console::find_splat(&console) {
            return Err(self.fault(FaultKind::Kernel(splat)));
        }
        match status.code() {
            Some(code) if code == qemu_exit_code(EXIT_DONE) => self.read_region(),
            Some(code) if code == qemu_exit_code(EXIT_FAILED) => {
                Err(self.fault(FaultKind::Agent(console::last_words(&console).unwrap_or("no words").to_owned())))
            }
            // Ending takes QEMU's devices apart under the CPUs' thread, which a NIC's timer in it does not always survive: seen
            // in one run of some hundred with virtio-net. What the agent had to say was said by then.
            None if self.has_finished() => self.read_region(),
            _ => {
                let log = fs::read_to_string(self.place.qemu_log()).unwrap_or_default();
                let how = [status.to_string(), log.trim().to_owned()].join(": ");
                Err(self.fault(FaultKind::QemuDied { doing: DOING, how: how.trim_end_matches(": ").to_owned() }))
            }
        }
    }

    fn console(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.place.console()).unwrap_or_default()).into_owned()
    }

    /// Whether the agent has written the region's header, which it does last.
    fn has_finished(&self) -> bool {
        let mut header = [0; SECTIONS_AT];
        let file = fs::File::open(self.place.region());
        file.and_then(|mut file| file.read_exact(&mut header)).is_ok() && sections_length(&header).is_ok()
    }

    /// As much of the region as the agent filled.
    fn read_region(&self) -> Result<Vec<u8>, VmError> {
        let path = self.place.region();
        let mut file = fs::File::open(&path).map_err(VmError::io("opening", &path))?;
        let mut out = vec![0; SECTIONS_AT];
        file.read_exact(&mut out).map_err(VmError::io("reading", &path))?;
        let length = sections_length(&out).map_err(|error| self.fault(FaultKind::Capture(error.to_string())))? as u64;
        out.reserve_exact(length.min(file.metadata().map_or(0, |file| file.len())) as usize);
        file.take(length).read_to_end(&mut out).map_err(VmError::io("reading", &path))?;
        Ok(out)
    }

    fn fault(&self, kind: FaultKind) -> VmError {
        VmError::Guest(Box::new(GuestFault {
            kind,
            console: console::tail(&self.console()),
            command: self.command.clone(),
            kept: self.keep(),
        }))
    }

    /// Keeps what the guest left behind where the user can look at it.
    fn keep(&self) -> Option<PathBuf> {
        let folder = self.limits.keep_failures.as_ref()?;
        fs::create_dir_all(folder).ok()?;
        for file in [self.place.order(), self.place.console(), self.place.qemu_log(), self.place.region()] {
            let name = file.file_name()?;
            // Copying keeps holes where the file systems know them; what is not there was never made.
            let _ = fs::copy(&file, folder.join(name));
        }
        Some(folder.clone())
    }
}

/// A command line as a shell would take it.
pub(super) fn shell_words<'a>(words: impl IntoIterator<Item = &'a OsString>) -> String {
    let quoted = words.into_iter().map(|word| {
        let word = word.to_string_lossy();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+:,./@%".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            word.into_owned()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

/// Ends every guest, and the command after it, on Ctrl-C or SIGTERM. To be called once.
pub fn cancel_on_signals() {
    // A handler that cannot be installed leaves the default, which ends everything at once.
    let _ = ctrlc::set_handler(|| {
        CANCELLED.store(true, Ordering::Relaxed);
        // Waiting for a booting guest's console cannot be called off; its process can.
        launcher::end_children();
    });
}

/// Whether everything has been called off.
pub fn is_cancelled() -> bool {
    CANCELLED.load(Ordering::Relaxed)
}
