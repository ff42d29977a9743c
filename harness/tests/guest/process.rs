//! Starts processes, finds them and waits for them.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// The program under test.
pub(crate) const RXPATH: &str = env!("CARGO_BIN_EXE_rxpath");

/// `rxpath` in the repository, with its own cache if one is named.
pub(crate) fn rxpath(cache: Option<&Path>, arguments: &[&str]) -> Command {
    let mut command = Command::new(RXPATH);
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR"));
    if let Some(cache) = cache {
        command.env("RXPATH_CACHE", cache);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Standard output and standard error as one text.
pub(crate) fn said(output: &Output) -> String {
    [String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)].concat()
}

/// The child processes of `parent`.
pub(crate) fn children(parent: u32) -> Vec<Pid> {
    rxpath::vm::children_of(parent).into_iter().filter_map(Pid::from_raw).collect()
}

/// Whether a process exists and is not a zombie.
pub(crate) fn lives(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// Polls until `look` gives something; `None` after `patience`.
pub(crate) fn wait_for<T>(patience: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() > deadline {
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until a child of `harness` has become QEMU; its launcher has a name of its own.
pub(crate) fn qemu_of(harness: &Child) -> Option<Pid> {
    wait_for(Duration::from_secs(60), || {
        children(harness.id()).into_iter().find(|pid| {
            let words = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
            let words = String::from_utf8_lossy(&words).into_owned();
            words.contains("-nodefaults") && !words.contains("rxpath-becomes-qemu")
        })
    })
}

/// Sends a signal to a child process.
pub(crate) fn signal(child: &Child, signal: Signal) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}
