//! Waits for what a command starts.

use std::fs;
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::Pid;

/// Polls until `look` gives something; `None` after 30 s.
pub(crate) fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match look() {
            None if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(5)),
            found => return found,
        }
    }
}

/// Waits until a child has become QEMU; its launcher has a name of its own.
pub(crate) fn qemu_of(rxpath: &Child) -> Option<Pid> {
    wait_for(|| {
        let children = rxpath::vm::children_of(rxpath.id()).into_iter().filter_map(Pid::from_raw);
        let is_qemu = |command: String| command.contains("-nodefaults") && !command.contains("rxpath-becomes-qemu");
        children.into_iter().find(|pid| is_qemu(command_of(*pid)))
    })
}

/// The command line of a process, with spaces between its words.
pub(crate) fn command_of(pid: Pid) -> String {
    let words = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
    String::from_utf8_lossy(&words).replace('\0', " ")
}
