//! Signals and timers: sigaction, kill, F_SETOWN, alarm, setitimer, timers of a single thread.

use std::ffi::{c_int, c_long};

use rxpath_guest::{ActorIndex, Slot};

use super::{Call, Scratch};
use crate::shared_state::SharedState;
use crate::sys;

/// Handles a signal by doing nothing, which still interrupts a sleeping system call.
extern "C" fn nothing(_: c_int) {}

pub fn sigaction(signal: i32, flags: i32) -> Call {
    // SAFETY: an all-zero sigaction is a valid value of that plain C structure.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = nothing as extern "C" fn(c_int) as usize;
    action.sa_flags = flags;
    // Through libc, which adds the restorer that x86-64 needs.
    // SAFETY: `action` is valid for the call, and its handler touches nothing.
    Call::prepared(sys::check(unsafe { libc::sigaction(signal, &action, std::ptr::null_mut()) }))
}

pub fn kill(state: &SharedState, actor: ActorIndex, signal: i32) -> Call {
    // tkill(2): an actor is one task, thread or process.
    Call::new(libc::SYS_tkill, [tid(state, actor), c_long::from(signal)])
}

pub fn kill_child(state: &SharedState, child: Slot, signal: i32) -> Call {
    Call::new(libc::SYS_kill, [state.get(child), c_long::from(signal)])
}

pub fn set_owner(state: &SharedState, fd: Slot, actor: ActorIndex) -> Call {
    Call::new(libc::SYS_fcntl, [state.get(fd), c_long::from(libc::F_SETOWN), tid(state, actor)])
}

fn tid(state: &SharedState, actor: ActorIndex) -> c_long {
    let tid =
        state.actors.get(usize::from(actor)).map_or(0, |actor| actor.tid.load(std::sync::atomic::Ordering::Acquire));
    c_long::from(tid)
}

pub fn alarm(seconds: u32) -> Call {
    Call::new(libc::SYS_alarm, [c_long::from(seconds)])
}

pub fn setitimer(scratch: &mut Scratch, after_ns: u64) -> Call {
    // struct itimerval: interval, then the time to the first expiry, in seconds and microseconds.
    let words = [0, 0, after_ns / 1_000_000_000, after_ns % 1_000_000_000 / 1_000];
    let at = scratch.place(&words.map(u64::to_ne_bytes).concat());
    Call::new(libc::SYS_setitimer, [c_long::from(libc::ITIMER_REAL), at, 0])
}

pub fn timer(scratch: &mut Scratch, after_ns: u64) -> Call {
    let timer = match thread_timer() {
        Ok(timer) => timer,
        Err(error) => return Call::prepared(Err(error)),
    };
    // struct itimerspec: interval, then the time to the first expiry, in seconds and nanoseconds.
    let words = [0, 0, after_ns / 1_000_000_000, after_ns % 1_000_000_000];
    let at = scratch.place(&words.map(u64::to_ne_bytes).concat());
    Call::new(libc::SYS_timer_settime, [timer, 0, at, 0])
}

thread_local! {
    static TIMER: std::cell::Cell<Option<c_long>> = const { std::cell::Cell::new(None) };
}

/// The calling thread's own timer, made on first use, which sends SIGALRM only to this thread.
fn thread_timer() -> std::io::Result<c_long> {
    if let Some(timer) = TIMER.get() {
        return Ok(timer);
    }
    // SAFETY: an all-zero sigevent is a valid value of that plain C structure.
    let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
    event.sigev_notify = libc::SIGEV_THREAD_ID;
    event.sigev_signo = libc::SIGALRM;
    event.sigev_notify_thread_id = sys::gettid();
    let mut timer: c_int = 0;
    // SAFETY: both pointers are valid for the call; the kernel's timer_t is an int.
    sys::check(unsafe { libc::syscall(libc::SYS_timer_create, libc::CLOCK_MONOTONIC, &event, &mut timer) })?;
    TIMER.set(Some(timer.into()));
    Ok(timer.into())
}
