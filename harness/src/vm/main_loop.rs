//! QEMU's main loop, kept out of the way of the thread that executes the guest.
//!
//! Where instructions are counted, the two share the guest's clock under locks, and what is the host's affair is who gets them
//! first. In the usual order the main loop sleeps until every CPU is idle. Something may wake it before: a guest's timer that
//! comes due under a busy CPU does. It then waits for a lock until the CPU's turn ends, and if it gets ahead there it delivers
//! the next timer itself and cuts turns short (accel/tcg/tcg-accel-ops-rr.c, `rr_kick_vcpu_thread`): CPUs alternate
//! elsewhere, and a capture has other bytes. A thread that is woken gets ahead of one that runs only by its priority.

use std::fs;

use rustix::process::{Pid, setpriority_process};

/// What QEMU has when the CPUs' thread is there: its main loop, the one that frees what RCU protects, and that one.
const THREADS: usize = 3;

/// The lowest priority there is (setpriority(2)).
const LAST: i32 = 19;

/// Gives the main loop of a QEMU in exact mode the lowest priority, if its CPUs' thread was made already: a thread inherits
/// the priority of the one that makes it. Says whether there is nothing left to do.
pub(super) fn step_back(qemu: u32) -> bool {
    // A process that ended has no folder, and needs nothing any more.
    let Ok(threads) = fs::read_dir(format!("/proc/{qemu}/task")) else { return true };
    if threads.count() < THREADS {
        return false;
    }
    // On Linux this is the priority of one thread: the one whose number is the process's (setpriority(2), "C library/kernel
    // differences"). Should it fail, the run is as exact as QEMU alone makes it.
    let _ = i32::try_from(qemu).ok().and_then(Pid::from_raw).map(|main| setpriority_process(Some(main), LAST));
    true
}
