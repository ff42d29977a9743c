//! Faults on demand, for the tests of the supervision.

use std::fs;

use rxpath_guest::Fault;

use super::Call;
use crate::sys;

pub fn provoke(fault: Fault) -> Call {
    match fault {
        Fault::Panic => {
            // Documentation/admin-guide/sysrq.rst: `c` crashes the system.
            let _ = fs::write("/proc/sys/kernel/sysrq", "1");
            let _ = fs::write("/proc/sysrq-trigger", "c");
        }
        // `WARN()` in the kernel prints a report; lines of the same form in the kernel log reach the same console.
        Fault::Warn => {
            let _ = fs::write("/dev/kmsg", "<4>------------[ cut here ]------------\n");
            let _ = fs::write("/dev/kmsg", "<4>WARNING: CPU: 0 PID: 1 at rxpath/fault.rs\n");
        }
        Fault::Spin => loop {
            std::hint::spin_loop();
        },
        // PID 1 ignores its own signals, but its exit makes the kernel panic.
        Fault::Die => sys::exit_now(1),
    }
    Call::new(libc::SYS_getpid, [])
}
