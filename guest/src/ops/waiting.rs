//! Waiting for readiness: poll, select, epoll.

use std::ffi::c_long;

use rxpath_guest::Slot;

use super::{After, Call, Scratch};
use crate::shared_state::SharedState;

/// Length of the kernel's signal set on x86-64, in bytes.
const SIGNAL_SET: c_long = 8;

pub fn poll(
    state: &SharedState,
    scratch: &mut Scratch,
    fds: &[(Slot, i16)],
    timeout_ns: Option<u64>,
    masked: bool,
) -> Call {
    let bytes: Vec<u8> = fds
        .iter()
        .flat_map(|(slot, events)| {
            // struct pollfd: descriptor, requested events, returned events.
            let fd = (state.get(*slot) as i32).to_ne_bytes();
            [fd[0], fd[1], fd[2], fd[3], events.to_ne_bytes()[0], events.to_ne_bytes()[1], 0, 0]
        })
        .collect();
    let at = scratch.place(&bytes);
    let count = fds.len() as c_long;
    if masked {
        let timeout = scratch.timespec(timeout_ns);
        let mask = scratch.room(SIGNAL_SET as usize);
        Call::new(libc::SYS_ppoll, [at, count, timeout, mask, SIGNAL_SET]).then(After::Polled(at))
    } else {
        Call::new(libc::SYS_poll, [at, count, milliseconds(timeout_ns)]).then(After::Polled(at))
    }
}

pub fn select(
    state: &SharedState,
    scratch: &mut Scratch,
    read: &[Slot],
    write: &[Slot],
    timeout_ns: Option<u64>,
    masked: bool,
) -> Call {
    let highest = read.iter().chain(write).map(|slot| state.get(*slot)).max().unwrap_or(-1);
    let count = highest + 1;
    let (read, write) = (descriptor_set(state, scratch, read, count), descriptor_set(state, scratch, write, count));
    if masked {
        let timeout = scratch.timespec(timeout_ns);
        let mask = scratch.room(SIGNAL_SET as usize);
        // pselect6 takes the address of a structure with the mask's address and size (select(2)).
        let mask = scratch.place(&[mask.to_ne_bytes(), SIGNAL_SET.to_ne_bytes()].concat());
        Call::new(libc::SYS_pselect6, [count, read, write, 0, timeout, mask]).then(After::Selected(read, write))
    } else {
        // struct timeval has the layout of timespec, but counts microseconds.
        let timeout = timeout_ns.map_or(0, |ns| scratch.pair(ns / 1_000_000_000, ns % 1_000_000_000 / 1_000));
        Call::new(libc::SYS_select, [count, read, write, 0, timeout]).then(After::Selected(read, write))
    }
}

/// Places a bitmap of descriptors below `count`, in whole 64-bit words: the kernel has no FD_SETSIZE.
fn descriptor_set(state: &SharedState, scratch: &mut Scratch, slots: &[Slot], count: i64) -> c_long {
    if slots.is_empty() {
        return 0;
    }
    let mut words = vec![0_u64; usize::try_from(count).unwrap_or(0).div_ceil(64).max(1)];
    for slot in slots {
        if let Ok(fd) = usize::try_from(state.get(*slot)) {
            words[fd / 64] |= 1 << (fd % 64);
        }
    }
    let bytes: Vec<u8> = words.into_iter().flat_map(u64::to_ne_bytes).collect();
    scratch.place(&bytes)
}

pub fn epoll_create(flags: i32) -> Call {
    Call::new(libc::SYS_epoll_create1, [c_long::from(flags)])
}

pub fn epoll_ctl(
    state: &SharedState,
    scratch: &mut Scratch,
    epoll: Slot,
    operation: i32,
    fd: Slot,
    events: u32,
) -> Call {
    // struct epoll_event is packed on x86-64: events (4), data (8), by which an event names its descriptor.
    let event = scratch.place(&[&events.to_ne_bytes()[..], &u64::from(fd).to_ne_bytes()].concat());
    Call::new(libc::SYS_epoll_ctl, [state.get(epoll), c_long::from(operation), state.get(fd), event])
}

pub fn epoll_wait(
    state: &SharedState,
    scratch: &mut Scratch,
    epoll: Slot,
    events: u32,
    timeout_ns: Option<u64>,
) -> Call {
    let room = scratch.room(events as usize * 12);
    let arguments = [state.get(epoll), room, c_long::from(events), milliseconds(timeout_ns)];
    Call::new(libc::SYS_epoll_wait, arguments).then(After::Waited(room))
}

fn milliseconds(timeout_ns: Option<u64>) -> c_long {
    timeout_ns.map_or(-1, |ns| ns.div_ceil(1_000_000) as c_long)
}

impl Scratch {
    /// Places a struct timespec; returns a null pointer, which means for ever, for `None`.
    pub fn timespec(&mut self, ns: Option<u64>) -> c_long {
        ns.map_or(0, |ns| self.pair(ns / 1_000_000_000, ns % 1_000_000_000))
    }

    fn pair(&mut self, first: u64, second: u64) -> c_long {
        self.place(&[first.to_ne_bytes(), second.to_ne_bytes()].concat())
    }
}
