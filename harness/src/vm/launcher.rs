//! Starts QEMU so that it dies with the harness, even when that is killed by SIGKILL.
//!
//! A process can ask Linux for a signal when its parent dies (prctl(2), PR_SET_PDEATHSIG). It has to ask in the child, between
//! fork and exec. Instead of running unsafe code there, the harness starts itself under a hidden name, asks, and becomes QEMU.
//! The setting survives the exec, and so do the scheduling policy and the CPU that it is bound to.

use std::cell::OnceCell;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use rustix::process::{Pid, Signal, getppid, kill_process, set_parent_process_death_signal};
use rustix::thread::gettid;

use super::cores;

/// The first argument that makes the program the launcher.
const HIDDEN_NAME: &str = "rxpath-becomes-qemu";

/// How the host schedules a QEMU and its threads (sched(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheduling {
    Usual,
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
pub(super) fn batch_this_thread() {
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
            Self::Batch { core: None } => "batch".to_owned(),
            Self::Batch { core: Some(core) } => format!("batch-{core}"),
        }
    }

    /// The reverse of [`word`](Self::word).
    fn from_word(word: &str) -> Self {
        match word.strip_prefix("batch") {
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
    let Some(program) = arguments.next() else { std::process::exit(127) };
    let arguments: Vec<OsString> = arguments.collect();
    let asked = set_parent_process_death_signal(Some(Signal::KILL));
    // The parent may have died before the kernel was asked.
    if asked.is_err() || getppid() != parent {
        std::process::exit(127);
    }
    if let Scheduling::Batch { core } = scheduling {
        if let Some(core) = core {
            cores::bind_to(core);
        }
        if !is_batch() {
            // Returns only if there is no chrt. A run is then as exact as QEMU alone makes it.
            let _ = Command::new(CHRT[0]).args(&CHRT[1..]).arg(&program).args(&arguments).exec();
        }
    }
    let error = Command::new(&program).args(arguments).exec();
    eprintln!("{}: {error}", program.to_string_lossy());
    std::process::exit(127);
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
pub(super) fn tied_to_this_process(
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

/// Kills every child of this process.
pub(super) fn end_children() {
    for pid in children_of(std::process::id()).into_iter().filter_map(Pid::from_raw) {
        // It may have ended by itself.
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
