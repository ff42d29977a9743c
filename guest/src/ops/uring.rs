//! io_uring: one request at a time on the actor's own ring (`linux/io_uring.h`).

use std::ffi::c_long;
use std::io::{Error, Result};
use std::sync::atomic::{AtomicU32, Ordering};

use rxpath_guest::UringRequest;

use super::{After, Buffer, Call, Scratch};
use crate::shared_state::SharedState;
use crate::sys;

/// Number of entries in a ring.
const ENTRIES: u32 = 8;
/// Length of `struct io_uring_sqe` and of `struct io_uring_cqe`, in bytes.
const SQE: usize = 64;
const CQE: usize = 16;
const OP_POLL_ADD: u8 = 6;
const OP_RECV: u8 = 27;
const OP_PROVIDE_BUFFERS: u8 = 31;
const SQE_BUFFER_SELECT: u8 = 1 << 5;
/// Suppresses the completion of a successful request (since Linux 5.17).
const SQE_CQE_SKIP_SUCCESS: u8 = 1 << 6;
const RECV_MULTISHOT: u16 = 1 << 1;
const CQE_BUFFER: u32 = 1 << 0;
const CQE_MORE: u32 = 1 << 1;
const ENTER_GETEVENTS: c_long = 1;
/// Offsets at which the rings and the request array are mapped.
const OFF_SQ_RING: i64 = 0;
const OFF_CQ_RING: i64 = 0x800_0000;
const OFF_SQES: i64 = 0x1000_0000;
/// Number of buffers provided to a multishot request.
const BUFFERS: u32 = 16;
/// The group of those buffers.
const GROUP: u16 = 1;
/// User data of requests whose completions are skipped.
const UNOBSERVED: u64 = u64::MAX;

/// `struct io_uring_params`: sizes, flags, features, and the offsets within the mapped rings.
#[repr(C)]
#[derive(Default)]
struct Params {
    sq_entries: u32,
    cq_entries: u32,
    flags: u32,
    sq_thread_cpu: u32,
    sq_thread_idle: u32,
    features: u32,
    wq_fd: u32,
    reserved: [u32; 3],
    /// head, tail, ring_mask, ring_entries, flags, dropped, array, reserved, user address (2 words).
    sq_off: [u32; 10],
    /// head, tail, ring_mask, ring_entries, overflow, cqes, flags, reserved, user address (2 words).
    cq_off: [u32; 10],
}

/// A mapped ring.
pub struct Ring {
    fd: c_long,
    sq: *mut u8,
    cq: *mut u8,
    sqes: *mut u8,
    params: Params,
    /// Where the current request receives, if it does.
    receives: Option<Buffer>,
    /// Set while a multishot request is armed: the address of its buffers, and the length of each.
    multishot: Option<(c_long, u32)>,
}

pub fn submit(state: &SharedState, scratch: &mut Scratch, request: &UringRequest) -> Call {
    match prepare(state, scratch, request) {
        Ok((fd, count)) => {
            let arguments = [fd, c_long::from(count), 1, ENTER_GETEVENTS, 0, 0];
            Call::new(libc::SYS_io_uring_enter, arguments).then(After::Completion)
        }
        Err(error) => Call::prepared(Err(error)),
    }
}

/// Puts the request into the ring; returns the ring's descriptor and the number of requests to submit.
fn prepare(state: &SharedState, scratch: &mut Scratch, request: &UringRequest) -> Result<(c_long, u32)> {
    if scratch.ring.is_none() {
        scratch.ring = Some(Ring::new()?);
    }
    let to = match request {
        UringRequest::Recv { bytes, flags, .. } => scratch.incoming_with(*bytes, *flags),
        UringRequest::RecvMultishot { bytes, .. } => bytes.checked_mul(BUFFERS).and_then(|all| scratch.incoming(all)),
        UringRequest::Poll { .. } => Some(0),
    };
    let to = to.ok_or_else(|| Error::from_raw_os_error(libc::EFAULT))?;
    let Some(ring) = &mut scratch.ring else { return Err(Error::from_raw_os_error(libc::ENXIO)) };
    let count = match *request {
        UringRequest::Recv { socket, bytes, flags } => {
            ring.receives = Some(Buffer { at: to, room: bytes as usize });
            ring.push(&Entry {
                opcode: OP_RECV,
                fd: state.get(socket),
                address: to,
                length: bytes,
                flags: flags as u32,
                ..Entry::default()
            });
            1
        }
        UringRequest::Poll { fd, events } => {
            ring.receives = None;
            ring.push(&Entry {
                opcode: OP_POLL_ADD,
                fd: state.get(fd),
                flags: u32::from(events as u16),
                ..Entry::default()
            });
            1
        }
        UringRequest::RecvMultishot { socket, bytes } => ring.arm_multishot(state.get(socket), to, bytes)?,
    };
    Ok((ring.fd, count))
}

/// The fields of a request that the agent uses.
#[derive(Default)]
struct Entry {
    opcode: u8,
    entry_flags: u8,
    priority: u16,
    fd: c_long,
    offset: u64,
    address: c_long,
    length: u32,
    /// msg_flags, poll32_events.
    flags: u32,
    user_data: u64,
    group: u16,
}

impl Ring {
    fn new() -> Result<Self> {
        let mut params = Params::default();
        // SAFETY: `params` is what io_uring_setup(2) fills.
        let fd = sys::check(unsafe { libc::syscall(libc::SYS_io_uring_setup, ENTRIES, &mut params) })?;
        let sq = map(fd, OFF_SQ_RING, params.sq_off[6] as usize + params.sq_entries as usize * 4)?;
        let cq = map(fd, OFF_CQ_RING, params.cq_off[5] as usize + params.cq_entries as usize * CQE)?;
        let sqes = map(fd, OFF_SQES, params.sq_entries as usize * SQE)?;
        Ok(Self { fd, sq, cq, sqes, params, receives: None, multishot: None })
    }

    fn word(&self, ring: *mut u8, offset: u32) -> &AtomicU32 {
        // SAFETY: the kernel gave these offsets, which are aligned and within the mapping, and it accesses these words
        // atomically.
        unsafe { &*ring.add(offset as usize).cast::<AtomicU32>() }
    }

    /// Appends a request (`struct io_uring_sqe`).
    fn push(&mut self, entry: &Entry) {
        let tail = self.word(self.sq, self.params.sq_off[1]).load(Ordering::Relaxed);
        let index = tail & (self.params.sq_entries - 1);
        let mut bytes = [0_u8; SQE];
        bytes[0] = entry.opcode;
        bytes[1] = entry.entry_flags;
        bytes[2..4].copy_from_slice(&entry.priority.to_ne_bytes());
        bytes[4..8].copy_from_slice(&(entry.fd as i32).to_ne_bytes());
        bytes[8..16].copy_from_slice(&entry.offset.to_ne_bytes());
        bytes[16..24].copy_from_slice(&entry.address.to_ne_bytes());
        bytes[24..28].copy_from_slice(&entry.length.to_ne_bytes());
        bytes[28..32].copy_from_slice(&entry.flags.to_ne_bytes());
        bytes[32..40].copy_from_slice(&entry.user_data.to_ne_bytes());
        bytes[40..42].copy_from_slice(&entry.group.to_ne_bytes());
        // SAFETY: `index` is below the number of entries that were mapped.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.sqes.add(index as usize * SQE), SQE) };
        self.word(self.sq, self.params.sq_off[6] + index * 4).store(index, Ordering::Relaxed);
        self.word(self.sq, self.params.sq_off[1]).store(tail.wrapping_add(1), Ordering::Release);
    }

    /// Arms the multishot request unless it is armed; returns the number of requests to submit.
    fn arm_multishot(&mut self, fd: c_long, to: c_long, bytes: u32) -> Result<u32> {
        if self.multishot.is_some() {
            return Ok(0);
        }
        self.provide(to, bytes, BUFFERS, 0)?;
        self.push(&Entry {
            opcode: OP_RECV,
            entry_flags: SQE_BUFFER_SELECT,
            priority: RECV_MULTISHOT,
            fd,
            group: GROUP,
            ..Entry::default()
        });
        self.multishot = Some((to, bytes));
        Ok(1)
    }

    /// Gives buffers to the kernel, outside the measurement and without a completion, which the next request would take
    /// for its own.
    fn provide(&mut self, at: c_long, bytes: u32, count: u32, first: u64) -> Result<()> {
        self.push(&Entry {
            opcode: OP_PROVIDE_BUFFERS,
            entry_flags: SQE_CQE_SKIP_SUCCESS,
            fd: count.into(),
            address: at,
            length: bytes,
            offset: first,
            group: GROUP,
            user_data: UNOBSERVED,
            ..Entry::default()
        });
        // SAFETY: takes no pointers but a null signal mask.
        sys::check(unsafe { libc::syscall(libc::SYS_io_uring_enter, self.fd, 1, 0, 0, 0, 0) }).map(drop)
    }

    /// Takes the next completion: its result, and where it received data.
    pub fn completion(&mut self) -> (i64, After) {
        while let Some((user_data, result, flags)) = self.take() {
            if user_data == UNOBSERVED {
                continue;
            }
            let Some((start, room)) = self.multishot else {
                return (result, self.receives.map_or(After::Nothing, After::Received));
            };
            if flags & CQE_MORE == 0 {
                self.multishot = None;
            }
            if flags & CQE_BUFFER == 0 {
                return (result, After::Nothing);
            }
            let buffer = flags >> 16;
            let at = start + c_long::from(buffer) * c_long::from(room);
            // The kernel gets the buffer back at once: the agent reads its bytes before the actor receives again.
            let _ = self.provide(at, room, 1, buffer.into());
            return (result, After::Received(Buffer { at, room: room as usize }));
        }
        (-i64::from(libc::EAGAIN), After::Nothing)
    }

    /// Takes a `struct io_uring_cqe` from the ring: user data, result, flags.
    fn take(&mut self) -> Option<(u64, i64, u32)> {
        let head = self.word(self.cq, self.params.cq_off[0]).load(Ordering::Relaxed);
        if head == self.word(self.cq, self.params.cq_off[1]).load(Ordering::Acquire) {
            return None;
        }
        let index = (head & (self.params.cq_entries - 1)) as usize;
        // SAFETY: `index` is below the number of completions that were mapped, and the kernel has finished writing this
        // one.
        let bytes =
            unsafe { std::ptr::read(self.cq.add(self.params.cq_off[5] as usize + index * CQE).cast::<[u8; CQE]>()) };
        self.word(self.cq, self.params.cq_off[0]).store(head.wrapping_add(1), Ordering::Release);
        let four = |at: usize| [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        let user_data = u64::from(u32::from_ne_bytes(four(0))) | u64::from(u32::from_ne_bytes(four(4))) << 32;
        Some((user_data, i32::from_ne_bytes(four(8)).into(), u32::from_ne_bytes(four(12))))
    }
}

fn map(fd: c_long, offset: i64, length: usize) -> Result<*mut u8> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a fresh shared mapping of the ring, not aliased by anything else in this process.
    let start = unsafe {
        libc::mmap(std::ptr::null_mut(), length, protection, libc::MAP_SHARED | libc::MAP_POPULATE, fd as i32, offset)
    };
    if start == libc::MAP_FAILED { Err(Error::last_os_error()) } else { Ok(start.cast()) }
}
