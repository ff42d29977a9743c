//! Starts QEMU so that it dies with the harness, even when that is killed by SIGKILL.
//!
//! Linux tells a process of its parent's death if it asks (prctl(2), PR_SET_PDEATHSIG). Asking has to happen in the child,
//! between fork and exec; instead of unsafe code there, the harness starts itself under a hidden name, asks, and
//! becomes QEMU. The setting survives the exec. So does the policy by which the host schedules it.

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
    /// As any other process.
    Usual,
    /// By SCHED_BATCH, for exact mode: with the same share of the host's CPUs, but none of its threads takes a CPU away from
    /// another at the moment that it is woken. QEMU's main loop, which is woken while a CPU of the guest has its turn, would else
    /// get ahead of the thread whose turn it is, and do its work at another place of the guest's time.
    Batch {
        /// The host's only CPU that it may run on, if it is bound to one.
        core: Option<usize>,
    },
}

/// chrt(1), util-linux's, before a program and its arguments.
const CHRT: [&str; 3] = ["chrt", "--batch", "0"];
/// The same for a thread that is there: its id comes behind.
const CHRT_OF: [&str; 4] = ["chrt", "--batch", "--pid", "0"];
/// SCHED_BATCH, as proc_pid_stat(5) tells it (linux/sched.h).
const BATCH: &str = "3";

/// Has the calling thread scheduled by SCHED_BATCH, and so what it starts, which is spared a chrt of its own each time.
pub(super) fn batch_this_thread() {
    thread_local!(static ASKED: OnceCell<()> = const { OnceCell::new() });
    ASKED.with(|asked| {
        asked.get_or_init(|| {
            let thread = gettid().as_raw_nonzero().to_string();
            // Without a chrt, the launcher tries it again and goes without.
            let _ = duct::cmd(CHRT_OF[0], CHRT_OF[1..].iter().copied().chain([thread.as_str()]))
                .stdin_null()
                .stdout_null()
                .stderr_null()
                .unchecked()
                .run();
        });
    });
}

/// Whether the calling thread is scheduled by SCHED_BATCH: the 41st field, counted from the third, which follows the name.
fn is_batch() -> bool {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap_or_default();
    stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(41 - 3)) == Some(BATCH)
}

impl Scheduling {
    /// The word by which the launcher is told.
    fn word(self) -> String {
        match self {
            Self::Usual => "usual".to_owned(),
            Self::Batch { core: None } => "batch".to_owned(),
            Self::Batch { core: Some(core) } => format!("batch-{core}"),
        }
    }

    /// What a word tells; `Usual` of one that says nothing.
    fn from_word(word: &str) -> Self {
        match word.strip_prefix("batch") {
            None => Self::Usual,
            Some(rest) => Self::Batch { core: rest.strip_prefix('-').and_then(|number| number.parse().ok()) },
        }
    }
}

/// Must be called first thing in `main` of every program that starts guests: when the program was started as the launcher
/// it becomes QEMU here and does not return.
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
            // Comes back where there is no chrt; a run is then as exact as QEMU alone makes it.
            let _ = Command::new(CHRT[0]).args(&CHRT[1..]).arg(&program).args(&arguments).exec();
        }
    }
    let why = Command::new(&program).args(arguments).exec();
    eprintln!("{}: {why}", program.to_string_lossy());
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

/// The program and its arguments, such that running them runs `program` as a process that dies with this one.
pub(super) fn tied_to_this_process(
    program: OsString,
    arguments: Vec<OsString>,
    scheduling: Scheduling,
) -> (OsString, Vec<OsString>) {
    // The link, not the path behind it: the file may have been replaced by a newer build meanwhile.
    let this = LAUNCHER.get().map_or_else(|| "/proc/self/exe".into(), |program| program.clone().into_os_string());
    let mut all = vec![HIDDEN_NAME.into(), std::process::id().to_string().into(), scheduling.word().into(), program];
    all.extend(arguments);
    (this, all)
}

/// The processes that `parent` has started and not yet reaped (proc_pid_stat(5): the second field after the name is the
/// parent).
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

/// Kills every process that this one has started. Those who wait for them find them ended.
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
    fn a_thread_and_what_it_starts_are_scheduled_in_batches_once_it_has_asked() {
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
