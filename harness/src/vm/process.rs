//! One QEMU process: started, supervised while the harness waits for it, and ended when dropped.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::iter::once;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};
use rxpath_guest::{EXIT_FAILED, MODULE_FAILED, SETUP_FAILED, qemu_exit_code};

use super::console;
use super::cores::Core;
use super::error::{FaultKind, GuestFault, VmError};
use super::guest_folder::GuestFolder;
use super::hang::{HangDetector, Patience};
use super::machine::{Accelerator, QemuProgram};
use crate::child::{self, Scheduling, is_cancelled};

/// How often a waiting harness checks whether it was cancelled and whether the guest has hung.
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// What a QEMU process runs as.
pub(super) struct Launch<'a> {
    pub(super) qemu: &'a QemuProgram,
    pub(super) accelerator: Accelerator,
    /// The host CPU that it is bound to, if any.
    pub(super) core: Option<&'a Core>,
    pub(super) patience: Patience,
    /// Where to keep what a failed guest left behind, if anywhere.
    pub(super) keep_failures: Option<PathBuf>,
}

pub(super) struct QemuProcess {
    handle: duct::Handle,
    /// Readable once the process has ended. duct waits for a signal instead, which goes to any thread of this process. On a host
    /// whose CPUs all run guests, that thread may get its turn milliseconds later.
    ended: Option<OwnedFd>,
    hang: HangDetector,
    folder: GuestFolder,
    program: PathBuf,
    command: String,
    keep_failures: Option<PathBuf>,
}

impl QemuProcess {
    /// Starts QEMU with these arguments, which name the files in `folder`.
    pub(super) fn start(launch: Launch<'_>, arguments: Vec<OsString>, folder: GuestFolder) -> Result<Self, VmError> {
        let Launch { qemu, accelerator, core, patience, keep_failures } = launch;
        let arguments: Vec<OsString> = qemu.leading.iter().cloned().chain(arguments).collect();
        let scheduling = match accelerator {
            Accelerator::Exact => Scheduling::Batch { core: core.map(Core::number) },
            Accelerator::Kvm | Accelerator::Translator => Scheduling::Usual,
        };
        if scheduling != Scheduling::Usual {
            child::batch_this_thread();
        }
        let program = qemu.program.clone().into_os_string();
        let command = shell_words(once(&program).chain(&arguments));
        let (program, arguments) = child::tied_to_this_process(program, arguments, scheduling);
        let expression = qemu
            .environment
            .iter()
            .fold(duct::cmd(program, arguments), |expression, (name, value)| expression.env(name, value))
            .stdin_null()
            .stdout_to_stderr()
            .stderr_path(folder.qemu_log())
            .unchecked();
        let handle = expression.start().map_err(|source| VmError::Start { program: qemu.program.clone(), source })?;
        let pid = handle.pids().first().copied().unwrap_or_default();
        // The host's kernel may have no descriptors for processes (pidfd_open(2): since 5.3).
        let ended = Pid::from_raw(pid as i32).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        let (hang, program) = (HangDetector::new(pid, patience), qemu.program.clone());
        Ok(Self { handle, ended, hang, folder, program, command, keep_failures })
    }

    pub(super) fn folder(&self) -> &GuestFolder {
        &self.folder
    }

    /// Waits until QEMU ends.
    /// Fails when the user cancels the command, or the guest has hung. QEMU has then been killed.
    pub(super) fn wait(&mut self, doing: &'static str) -> Result<ExitStatus, VmError> {
        loop {
            if let Some(status) = self.poll(doing, POLL_INTERVAL)? {
                return Ok(status);
            }
        }
    }

    /// Waits for this long, at most [`POLL_INTERVAL`].
    /// Fails as [`wait`](Self::wait) does, and when QEMU ends.
    pub(super) fn expect_running(&mut self, doing: &'static str, time: Duration) -> Result<(), VmError> {
        match self.poll(doing, time)? {
            None => Ok(()),
            Some(status) => Err(self.fault_of_end(doing, status)),
        }
    }

    fn poll(&mut self, doing: &'static str, longest: Duration) -> Result<Option<ExitStatus>, VmError> {
        let status = self.wait_for_end(longest).map_err(VmError::io("waiting for", &self.program))?;
        if is_cancelled() {
            self.kill();
            return Err(VmError::Interrupted);
        }
        if status.is_some() {
            return Ok(status);
        }
        match self.hang.check() {
            None => Ok(None),
            Some(hang) => {
                self.kill();
                Err(self.fault(FaultKind::Hung { doing, hang }))
            }
        }
    }

    fn wait_for_end(&self, longest: Duration) -> io::Result<Option<ExitStatus>> {
        let output = match (&self.ended, longest.try_into()) {
            (Some(ended), Ok(longest)) => {
                // An interrupted wait is only a shorter one.
                let _ = poll(&mut [PollFd::new(ended, PollFlags::IN)], Some(&longest));
                self.handle.try_wait()?
            }
            _ => self.handle.wait_timeout(longest)?,
        };
        Ok(output.map(|output| output.status))
    }

    fn kill(&self) {
        // It may have ended by itself; duct leaves running what is not killed.
        let _ = self.handle.kill().and_then(|()| self.handle.wait().map(drop));
    }

    /// What the guest has written to its serial port so far.
    pub(super) fn console(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.console()).unwrap_or_default()).into_owned()
    }

    /// The fault of a guest whose QEMU has ended without doing what it was started for.
    pub(super) fn fault_of_end(&self, doing: &'static str, status: ExitStatus) -> VmError {
        let console = self.console();
        if let Some(splat) = console::find_splat(&console) {
            return self.fault(FaultKind::Kernel(splat));
        }
        if status.code() == Some(qemu_exit_code(EXIT_FAILED)) {
            return self.fault(fault_of_agent(console::last_words(&console).unwrap_or("it gave no reason")));
        }
        let log = fs::read_to_string(self.folder.qemu_log()).unwrap_or_default();
        let how = match log.trim() {
            "" => status.to_string(),
            log => format!("{status}: {log}"),
        };
        if is_of_host(status, &log) {
            return self.fault(FaultKind::Host { doing, how });
        }
        self.fault(FaultKind::QemuDied { doing, how })
    }

    pub(super) fn fault(&self, kind: FaultKind) -> VmError {
        VmError::Guest(Box::new(GuestFault {
            kind,
            console: console::tail(&self.console()),
            command: self.command.clone(),
            kept: self.keep_failures.as_deref().and_then(|folder| self.folder.keep_in(folder)),
        }))
    }
}

impl Drop for QemuProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Why the agent gave up, by its last words.
fn fault_of_agent(words: &str) -> FaultKind {
    let numbers = |text: &str| -> Option<Vec<i32>> { text.split(' ').map(|number| number.parse().ok()).collect() };
    if let Some([setup, step, errno]) = words.strip_prefix(SETUP_FAILED).and_then(numbers).as_deref() {
        return FaultKind::Setup { setup: *setup as usize, step: *step as u16, errno: *errno };
    }
    let module = words.strip_prefix(MODULE_FAILED).and_then(|rest| rest.rsplit_once(' '));
    if let Some((name, Ok(errno))) = module.map(|(name, errno)| (name, errno.parse())) {
        return FaultKind::Module { name: name.to_owned(), errno };
    }
    FaultKind::Agent(words.to_owned())
}

/// Whether QEMU ended because of what the host lacks: it was not even started, it refused its arguments or its files, or a limit or
/// a full file system ended it.
fn is_of_host(status: ExitStatus, log: &str) -> bool {
    /// QEMU's own exit code for everything that it refuses, always with a message.
    const REFUSED: i32 = 1;
    /// Those of a shell and of the launcher for a program that cannot be run.
    const NOT_STARTED: [i32; 2] = [126, 127];
    /// A write beyond the end of a full file system, a limit of CPU time, a limit of a file's size.
    const LIMITS: [Signal; 3] = [Signal::BUS, Signal::XCPU, Signal::XFSZ];
    /// errno's texts, with which QEMU aborts.
    const COMPLAINTS: [&str; 4] = [
        "Cannot allocate memory",
        "Resource temporarily unavailable",
        "Too many open files",
        "No space left on device",
    ];
    match (status.code(), status.signal()) {
        (Some(REFUSED), _) => !log.trim().is_empty(),
        (Some(code), _) => NOT_STARTED.contains(&code),
        (None, Some(signal)) => {
            LIMITS.iter().any(|limit| limit.as_raw() == signal) || COMPLAINTS.iter().any(|text| log.contains(text))
        }
        (None, None) => false,
    }
}

/// A command line, quoted for a shell.
fn shell_words<'a>(words: impl IntoIterator<Item = &'a OsString>) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_host_lacks_is_told_from_what_the_guest_does() {
        let is_of_host = |raw: i32, log: &str| is_of_host(ExitStatus::from_raw(raw), log);
        let exit = |code: i32| code << 8;
        assert!(is_of_host(exit(1), "qemu: cannot set up guest memory 'ram': Cannot allocate memory"));
        assert!(is_of_host(exit(127), ""));
        assert!(is_of_host(Signal::BUS.as_raw(), ""));
        assert!(is_of_host(Signal::ABORT.as_raw(), "qemu_thread_create: Resource temporarily unavailable"));
        for guest in [0, exit(0), exit(1), exit(3), Signal::KILL.as_raw(), Signal::ABORT.as_raw()] {
            assert!(!is_of_host(guest, ""), "{guest}");
        }
    }

    #[test]
    fn a_failing_setup_and_a_failing_module_are_told_from_the_agents_other_failures() {
        assert_eq!(fault_of_agent("setup failed: 1 22 95"), FaultKind::Setup { setup: 1, step: 22, errno: 95 });
        let module = FaultKind::Module { name: "tun".to_owned(), errno: 8 };
        assert_eq!(fault_of_agent("module failed: tun 8"), module);
        for other in ["setup failed: 1 22", "module failed: tun", "mapping /dev/mem: EPERM"] {
            assert_eq!(fault_of_agent(other), FaultKind::Agent(other.to_owned()));
        }
    }

    #[test]
    fn words_are_quoted_where_a_shell_would_change_them() {
        let words = ["qemu", "-append", "console=ttyS0 nokaslr", "", "it's", "a,b"].map(OsString::from);
        assert_eq!(shell_words(&words), r"qemu -append 'console=ttyS0 nokaslr' '' 'it'\''s' a,b");
    }
}
