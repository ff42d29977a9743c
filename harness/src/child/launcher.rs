//! Starts QEMU and apt so that they die with the harness, even when that is killed by SIGKILL.
//!
//! A process can ask Linux for a signal when its parent dies (prctl(2), PR_SET_PDEATHSIG). It has to ask in the child, between
//! fork and exec. Instead of running unsafe code there, the harness starts itself under a hidden name, asks, and becomes QEMU.
//! The setting survives the exec, and so do the scheduling policy and the CPU that it is bound to.
//!
//! apt has children of its own, which go on when it is killed. So the launcher stays as its parent there: it leads a process group
//! with all of them, and kills the group when the harness dies.

use std::cell::OnceCell;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use rustix::process::{
    Pid, Signal, getpid, getppid, kill_process, kill_process_group, set_parent_process_death_signal, setpgid,
};
use rustix::thread::{CpuSet, gettid, sched_setaffinity};

use crate::output::warn;

/// The first argument that makes the program the launcher.
const HIDDEN_NAME: &str = "rxpath-becomes-qemu";

/// The exit code if the program cannot be run, as in a shell.
pub(crate) const EXIT_NO_PROGRAM: i32 = 127;

/// How the host schedules a QEMU and its threads (sched(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheduling {
    Usual,
    /// As usual, in a process group that is killed as a whole.
    Group,
    /// With SCHED_BATCH, for exact mode. The process gets the same share of the host's CPUs, but its threads do not preempt each
    /// other on wake-up. Otherwise QEMU's main loop, woken while a guest CPU executes, would preempt that CPU's thread and do its
    /// work at a different point of guest time.
    Batch {
        /// The host CPU that it is bound to, if any.
        core: Option<usize>,
    },
}

/// chrt(1), of util-linux, before a program and its arguments.
const CHRT: [&str; 3] = ["chrt", "--batch", "0"];
/// The same for an existing thread, whose ID follows.
const CHRT_OF: [&str; 4] = ["chrt", "--batch", "--pid", "0"];
/// SCHED_BATCH (linux/sched.h) in /proc/PID/stat.
const BATCH: &str = "3";

/// Gives the calling thread the policy SCHED_BATCH. The programs that it starts inherit the policy and need no chrt.
pub(crate) fn batch_this_thread() {
    thread_local!(static ASKED: OnceCell<()> = const { OnceCell::new() });
    ASKED.with(|asked| {
        asked.get_or_init(|| {
            let thread = gettid().as_raw_nonzero().to_string();
            // Without chrt, the launcher tries again and then does without the policy.
            let _ = duct::cmd(CHRT_OF[0], CHRT_OF[1..].iter().copied().chain([thread.as_str()]))
                .stdin_null()
                .stdout_null()
                .stderr_null()
                .unchecked()
                .run();
        });
    });
}

/// Whether the calling thread has the policy SCHED_BATCH: the 41st field (proc_pid_stat(5)), counted from the third, which follows
/// the name.
fn is_batch() -> bool {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap_or_default();
    stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(41 - 3)) == Some(BATCH)
}

impl Scheduling {
    /// The launcher's argument for it.
    fn word(self) -> String {
        match self {
            Self::Usual => "usual".to_owned(),
            Self::Group => "group".to_owned(),
            Self::Batch { core: None } => "batch".to_owned(),
            Self::Batch { core: Some(core) } => format!("batch-{core}"),
        }
    }

    /// The reverse of [`word`](Self::word).
    fn from_word(word: &str) -> Self {
        match word.strip_prefix("batch") {
            None if word == "group" => Self::Group,
            None => Self::Usual,
            Some(rest) => Self::Batch { core: rest.strip_prefix('-').and_then(|number| number.parse().ok()) },
        }
    }
}

/// Turns a program that was started as the launcher into QEMU, and does not return then. Every program that starts guests must
/// call it first in its `main`.
pub fn run_launcher_if_requested() {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_none_or(|name| name != HIDDEN_NAME) {
        return;
    }
    let parent = arguments.next().and_then(|pid| pid.to_str()?.parse().ok()).and_then(Pid::from_raw);
    let scheduling = arguments.next().map_or(Scheduling::Usual, |word| Scheduling::from_word(&word.to_string_lossy()));
    let Some(program) = arguments.next() else { std::process::exit(EXIT_NO_PROGRAM) };
    let arguments: Vec<OsString> = arguments.collect();
    let when_parent_dies = if scheduling == Scheduling::Group { Signal::TERM } else { Signal::KILL };
    let asked = set_parent_process_death_signal(Some(when_parent_dies));
    // The parent may have died before the kernel was asked.
    if asked.is_err() || getppid() != parent {
        std::process::exit(EXIT_NO_PROGRAM);
    }
    if scheduling == Scheduling::Group {
        run_in_group(&program, &arguments);
    }
    if let Scheduling::Batch { core } = scheduling {
        if let Some(core) = core {
            bind_to(core);
        }
        if !is_batch() {
            // Returns only if there is no chrt. A run is then as exact as QEMU alone makes it.
            let _ = Command::new(CHRT[0]).args(&CHRT[1..]).arg(&program).args(&arguments).exec();
        }
    }
    let error = Command::new(&program).args(arguments).exec();
    warn(format_args!("{}: {error}", program.to_string_lossy()));
    std::process::exit(EXIT_NO_PROGRAM);
}

/// Binds the calling thread, and the program that it executes, to a CPU. Does nothing if this process may not use that CPU.
fn bind_to(number: usize) {
    let mut only = CpuSet::new();
    if number < CpuSet::MAX_CPU {
        only.set(number);
        let _ = sched_setaffinity(None, &only);
    }
}

/// Runs a program in a process group that this process leads, and kills the group when this process is asked to end.
fn run_in_group(program: &OsString, arguments: &[OsString]) -> ! {
    // This fails if the process leads a group already, which is as good.
    let _ = setpgid(None, None);
    let _ = ctrlc::set_handler(|| _ = kill_process_group(getpid(), Signal::KILL));
    let code = match Command::new(program).args(arguments).status() {
        Ok(status) => status.code().unwrap_or(EXIT_NO_PROGRAM - 1),
        Err(error) => {
            warn(format_args!("{}: {error}", program.to_string_lossy()));
            EXIT_NO_PROGRAM
        }
    };
    std::process::exit(code)
}

/// The program that becomes QEMU, if it is not this one.
static LAUNCHER: OnceLock<PathBuf> = OnceLock::new();

/// Starts guests through this program, which must call [`run_launcher_if_requested`]. For programs whose `main` is not their
/// own, such as tests.
pub fn launch_through(program: PathBuf) {
    // The first caller's choice stays.
    let _ = LAUNCHER.set(program);
}

/// The program and arguments that start `program` as a process that dies with this one.
pub(crate) fn tied_to_this_process(
    program: OsString,
    arguments: Vec<OsString>,
    scheduling: Scheduling,
) -> (OsString, Vec<OsString>) {
    // Not the path that the link leads to: a newer build may have replaced that file.
    let this = LAUNCHER.get().map_or_else(|| "/proc/self/exe".into(), |program| program.clone().into_os_string());
    let mut all = vec![HIDDEN_NAME.into(), std::process::id().to_string().into(), scheduling.word().into(), program];
    all.extend(arguments);
    (this, all)
}

/// The children of a process that it has not reaped yet (proc_pid_stat(5): the second field after the name is the parent).
pub fn children_of(parent: u32) -> Vec<i32> {
    let parent = parent.to_string();
    let is_child = |stat: &str| {
        let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        after_name.split_whitespace().nth(1) == Some(&parent)
    };
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter(|process| std::fs::read_to_string(process.path().join("stat")).is_ok_and(|stat| is_child(&stat)))
        .filter_map(|process| process.file_name().to_str()?.parse().ok())
        .collect()
}

/// Kills every child of this process, and apt with its own children.
pub(super) fn end_children() {
    for pid in children_of(std::process::id()).into_iter().filter_map(Pid::from_raw) {
        // It may have ended by itself, and only apt's launcher leads a group.
        let _ = kill_process_group(pid, Signal::KILL);
        let _ = kill_process(pid, Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_and_what_it_starts_have_the_batch_policy_once_it_has_asked() {
        let policies = |ask: bool| {
            let thread = move || {
                if ask {
                    batch_this_thread();
                }
                let started = duct::cmd!("chrt", "--pid", "0").read().unwrap_or_default();
                (is_batch(), started.contains("SCHED_BATCH"))
            };
            std::thread::spawn(thread).join().unwrap()
        };
        assert_eq!(policies(true), (true, true));
        assert_eq!(policies(false), (false, false));
    }
}
