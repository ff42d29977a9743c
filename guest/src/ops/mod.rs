//! The operations, one file for each group of system calls. An operation is prepared (addresses, buffers, descriptors)
//! before the clock starts or the trace is marked, so that only the bare system call is measured.

mod children;
pub mod connection;
pub mod details;
mod fault;
mod files;
mod hooks;
pub mod inject;
mod message;
mod netfilter;
pub mod network;
mod options;
mod rtnetlink;
mod signals;
mod transfer;
mod uring;
mod waiting;
mod zerocopy;

use std::ffi::c_long;

use rxpath_guest::pure::packet_headers::sequence_number;
use rxpath_guest::{Op, Origin, Slot};

use crate::shared_state::SharedState;
use crate::sys;

/// Length of the memory for what one system call points to (addresses, option values, vectors), in bytes.
const ARENA: usize = 256 * 1024;
/// Initial length of a buffer for transfers, in bytes. Each of its pages costs a fault before the run, so it grows on
/// demand.
const USUAL_TRANSFER: usize = 16 * 1024;
/// Length of the longest transfer, in bytes.
const TRANSFER: usize = 1024 * 1024;
/// What a buffer holds in which nothing was received.
const UNTOUCHED: u8 = 0xff;

/// An actor's memory for its system calls. Its pages are written before anything is measured.
pub struct Scratch {
    arena: Vec<u8>,
    used: usize,
    outgoing: Vec<u8>,
    incoming: Vec<u8>,
    /// Whose bytes the next operation sends.
    pub origin: Origin,
    ring: Option<uring::Ring>,
    window: Option<zerocopy::Window>,
    child: Option<children::Child>,
}

impl Scratch {
    pub fn new() -> Self {
        // Not `vec![0; …]`: the kernel would provide its pages only when they are first written.
        Self {
            arena: vec![0xff; ARENA],
            used: 0,
            outgoing: vec![0xff; USUAL_TRANSFER],
            incoming: vec![UNTOUCHED; USUAL_TRANSFER],
            origin: Origin::default(),
            ring: None,
            window: None,
            child: None,
        }
    }

    /// Copies bytes to where the next system call can point to them, aligned to 16 bytes; returns their address.
    pub fn place(&mut self, bytes: &[u8]) -> c_long {
        let base = self.arena.as_ptr() as usize;
        let from = (base + self.used).next_multiple_of(16) - base;
        // One operation never needs more than the arena: `prepare` rewinds it, and the length of an order limits all
        // lists.
        let from = if from + bytes.len() > self.arena.len() { 0 } else { from };
        let length = bytes.len().min(self.arena.len());
        self.arena[from..from + length].copy_from_slice(&bytes[..length]);
        self.used = from + length;
        self.arena[from..].as_ptr() as c_long
    }

    /// Reserves zeroed memory, aligned to 16 bytes; returns its address.
    pub fn room(&mut self, bytes: usize) -> c_long {
        self.place(&vec![0; bytes])
    }

    /// Places an iovec array (readv(2)) of consecutive pieces from `start` on; returns its address.
    pub fn pieces(&mut self, start: c_long, lengths: &[u32]) -> c_long {
        let mut at = start;
        let mut bytes = Vec::new();
        for length in lengths {
            bytes.extend(at.to_ne_bytes());
            bytes.extend((*length as usize).to_ne_bytes());
            at += c_long::from(*length);
        }
        self.place(&bytes)
    }

    /// Takes the next completion from the actor's ring: its result, and where it received data.
    fn completion(&mut self) -> (i64, After) {
        self.ring.as_mut().map_or((-i64::from(libc::ENXIO), After::Nothing), uring::Ring::completion)
    }

    /// The address of `bytes` bytes that only this operation sends; `None` if that is longer than any transfer.
    pub fn outgoing(&mut self, bytes: u32) -> Option<c_long> {
        let bytes = fitting(bytes)?;
        if bytes > self.outgoing.len() {
            self.outgoing = vec![0xff; TRANSFER];
        }
        self.origin.fill(&mut self.outgoing[..bytes]);
        Some(self.outgoing.as_ptr() as c_long)
    }

    /// The address of a buffer to receive into, at least `bytes` long; `None` if that is longer than any transfer.
    pub fn incoming(&mut self, bytes: u32) -> Option<c_long> {
        let bytes = fitting(bytes)?;
        if bytes > self.incoming.len() {
            // The old buffer is never freed, because an operation that has not finished may point to it.
            Vec::leak(std::mem::replace(&mut self.incoming, vec![UNTOUCHED; TRANSFER]));
        }
        Some(self.incoming.as_mut_ptr() as c_long)
    }

    /// Like [`Self::incoming`], for an operation with these flags. With MSG_TRUNC, TCP stores nothing, so the buffer is
    /// made to show whether anything was stored.
    pub fn incoming_with(&mut self, bytes: u32, flags: i32) -> Option<c_long> {
        let at = self.incoming(bytes)?;
        if flags & libc::MSG_TRUNC != 0 {
            self.incoming[..bytes as usize].fill(UNTOUCHED);
        }
        Some(at)
    }

    fn rewind(&mut self) {
        self.used = 0;
    }
}

/// The length of a transfer, unless it is too long.
fn fitting(bytes: u32) -> Option<usize> {
    Some(bytes as usize).filter(|bytes| *bytes <= TRANSFER)
}

/// A prepared system call.
pub struct Call {
    number: c_long,
    arguments: [c_long; 6],
    after: After,
}

/// Where an operation receives.
#[derive(Clone, Copy)]
pub struct Buffer {
    pub at: c_long,
    /// In bytes.
    pub room: usize,
}

/// What to do after the system call, outside the measurement.
#[derive(Clone)]
pub enum After {
    Nothing,
    /// The return value is the number of bytes received.
    Received(Buffer),
    /// The return value is the number of bytes received, and the kernel wrote their sender's address.
    ReceivedFrom {
        buffer: Buffer,
        /// The address of the sender's address.
        address: c_long,
        /// The address of its length, a u32.
        length: c_long,
    },
    /// Like `Received`, for a packet, whose TCP sequence number goes to the slot.
    Packet(Buffer, Option<Slot>),
    /// Like `Received`, for a message with its header (`struct user_msghdr`) at this address: close the descriptors
    /// that came with it.
    Message(c_long, Buffer),
    /// The return value is the number of messages received.
    Messages {
        /// The address of their headers (`struct mmsghdr`).
        headers: c_long,
        /// The buffer of the first one; the others follow.
        first: Buffer,
    },
    /// The kernel wrote the events of descriptors, as `struct pollfd` at this address.
    Polled(c_long),
    /// The kernel wrote the sets of readable and writable descriptors to these addresses.
    Selected(c_long, c_long),
    /// The return value is the number of events that the kernel wrote, as `struct epoll_event` at this address.
    Waited(c_long),
    /// The kernel has mapped received bytes, and written their number as a u32.
    Mapped {
        /// The address of that number.
        length: c_long,
        /// The address of the bytes.
        window: c_long,
    },
    /// The result is an unsigned number that the kernel wrote: its address, and its width in bytes.
    Number(c_long, u8),
    /// The kernel wrote two descriptors, as ints at this address, for these slots.
    Pair(c_long, (Slot, Slot)),
    /// The result is that of the next completion on the actor's ring.
    Completion,
    /// The call made a child, which exits at once: wait for it.
    Reap,
    /// The result was known before the call: a value, or a negative errno.
    Already(i64),
}

/// The result of a system call.
pub struct Outcome {
    /// The return value; -1 on failure.
    pub ret: i64,
    /// 0 on success.
    pub errno: i32,
    after: After,
}

impl Call {
    /// A system call whose return value is the result.
    pub fn new<const N: usize>(number: c_long, arguments: [c_long; N]) -> Self {
        let mut all = [0; 6];
        all[..N].copy_from_slice(&arguments);
        Self { number, arguments: all, after: After::Nothing }
    }

    /// The return value is the number of bytes received at this address, at most `room`.
    pub fn receiving(self, at: c_long, room: u32) -> Self {
        self.then(After::Received(Buffer { at, room: room as usize }))
    }

    pub fn then(self, after: After) -> Self {
        Self { after, ..self }
    }

    /// A call that fails with EFAULT, for a transfer that does not fit into the actor's memory.
    pub fn impossible() -> Self {
        Self::already(-i64::from(libc::EFAULT))
    }

    /// The result of preparing, a value or a negative errno, in place of a system call's.
    pub fn already(result: i64) -> Self {
        // It still enters the kernel once, so that every step has a system call.
        Self::new(libc::SYS_getpid, []).then(After::Already(result))
    }

    /// The result of preparing in place of a system call's.
    pub fn prepared(result: std::io::Result<i64>) -> Self {
        Self::already(result.unwrap_or_else(|error| -i64::from(error.raw_os_error().unwrap_or(libc::EIO))))
    }

    #[inline(never)]
    pub fn run(self) -> Outcome {
        let [a, b, c, d, e, f] = self.arguments;
        // SAFETY: the operations make pointers only from the actor's scratch memory, which outlives the call, with
        // lengths that fit; for deliberately bad pointers the kernel returns EFAULT.
        let ret = unsafe { libc::syscall(self.number, a, b, c, d, e, f) };
        if ret == 0 && matches!(self.after, After::Reap) {
            sys::exit_now(0);
        }
        let errno = if ret == -1 { std::io::Error::last_os_error().raw_os_error().unwrap_or(0) } else { 0 };
        Outcome { ret, errno, after: self.after }
    }
}

impl Outcome {
    /// Does what `after` says; returns the outcome that the case sees.
    pub fn settle(mut self, state: &SharedState, scratch: &mut Scratch) -> Self {
        match self.after {
            After::Already(result) => self.become_result(result),
            After::Completion if self.ret >= 0 => {
                let (result, received) = scratch.completion();
                self.become_result(result);
                self.after = received;
            }
            After::Number(at, width) if self.ret >= 0 => {
                // SAFETY: `at` points into the actor's scratch memory, with at least 8 bytes after it.
                let bytes = unsafe { std::slice::from_raw_parts(at as *const u8, usize::from(width.min(8))) };
                self.ret = bytes.iter().rev().fold(0, |number, byte| number << 8 | i64::from(*byte));
            }
            After::Message(header, _) if self.ret >= 0 => message::close_descriptors(header),
            After::Mapped { length, window } if self.ret >= 0 => {
                // SAFETY: `length` is the aligned address of a u32 in the actor's scratch memory.
                let length = unsafe { std::ptr::read(length as *const u32) };
                self.ret = length.into();
                self.after = After::Received(Buffer { at: window, room: length as usize });
            }
            After::Packet(buffer, seq) if self.ret >= 0 => {
                self.after = After::Received(buffer);
                if let (Some(slot), Some(packet)) = (seq, self.received()) {
                    state.set(slot, sequence_number(packet).into());
                }
            }
            After::Pair(at, (first, second)) if self.ret >= 0 => {
                // SAFETY: `at` is the aligned address of two ints in the actor's scratch memory.
                let pair = unsafe { std::ptr::read(at as *const [i32; 2]) };
                state.set(first, pair[0].into());
                state.set(second, pair[1].into());
            }
            After::Reap if self.ret > 0 => sys::wait_for(self.ret as i32),
            _ => {}
        }
        self
    }

    fn become_result(&mut self, result: i64) {
        (self.ret, self.errno) = if result < 0 { (-1, -result as i32) } else { (result, 0) };
    }

    /// The bytes that were received into a buffer.
    pub fn received(&self) -> Option<&[u8]> {
        let (After::Received(buffer), Ok(count)) = (&self.after, usize::try_from(self.ret)) else { return None };
        // SAFETY: the buffer is in the actor's own memory, and the kernel has just filled `count` bytes of it.
        (count <= buffer.room).then(|| unsafe { std::slice::from_raw_parts(buffer.at as *const u8, count) })
    }
}

/// Prepares an operation.
pub fn prepare(op: &Op, state: &SharedState, scratch: &mut Scratch) -> Call {
    scratch.rewind();
    match op {
        Op::Socket { domain, kind, protocol } => connection::socket(*domain, *kind, *protocol),
        Op::SocketIn { netns, domain, kind, protocol } => connection::socket_in(*netns, *domain, *kind, *protocol),
        Op::SocketPair { domain, kind, protocol, into } => {
            connection::socketpair(scratch, *domain, *kind, *protocol, *into)
        }
        Op::Bind { socket, to } => connection::bind(state, scratch, *socket, to),
        Op::Listen { socket, backlog } => connection::listen(state, *socket, *backlog),
        Op::Connect { socket, to } => connection::connect(state, scratch, *socket, to),
        Op::Accept { socket, flags } => connection::accept(state, *socket, *flags),
        Op::Close { socket } => connection::close(state, *socket),
        Op::Shutdown { socket, how } => connection::shutdown(state, *socket, *how),
        Op::Open { path, flags } => files::open(scratch, path, *flags),
        Op::Number(number) => Call::already(*number),
        Op::Send { socket, bytes, flags } => transfer::send(state, scratch, *socket, *bytes, *flags),
        Op::SendTo { socket, to, bytes, flags } => transfer::send_to(state, scratch, *socket, to, *bytes, *flags),
        Op::SendData { socket, to, data, flags } => {
            transfer::send_data(state, scratch, *socket, to.as_ref(), data, *flags)
        }
        Op::Recv { socket, bytes, flags } => transfer::recv(state, scratch, *socket, *bytes, *flags),
        Op::RecvFrom { socket, bytes, flags } => transfer::recv_from(state, scratch, *socket, *bytes, *flags),
        Op::RecvNowhere { socket, bytes, flags } => transfer::recv_nowhere(state, *socket, *bytes, *flags),
        Op::SendMsg { socket, to, pieces, control, flags } => {
            message::sendmsg(state, scratch, *socket, to.as_ref(), pieces, control, *flags)
        }
        Op::SendDescriptor { socket, bytes, fd, flags } => {
            message::send_descriptor(state, scratch, *socket, *bytes, *fd, *flags)
        }
        Op::SendMmsg { socket, bytes, count, flags } => {
            message::sendmmsg(state, scratch, *socket, *bytes, *count, *flags)
        }
        Op::RecvMsg { socket, pieces, control, flags } => {
            message::recvmsg(state, scratch, *socket, pieces, *control, *flags)
        }
        Op::RecvMmsg { socket, bytes, count, flags, timeout_ns } => {
            message::recvmmsg(state, scratch, *socket, *bytes, *count, *flags, *timeout_ns)
        }
        Op::Read { from, bytes } => files::read(state, scratch, *from, *bytes),
        Op::Readv { from, pieces } => files::readv(state, scratch, *from, pieces),
        Op::Write { to, bytes } => files::write(state, scratch, *to, *bytes),
        Op::WriteFile { path, value } => Call::prepared(std::fs::write(path, value).map(|()| 0)),
        Op::Splice { from, to, bytes, flags } => files::splice(state, *from, *to, *bytes, *flags),
        Op::Dup { fd } => files::dup(state, *fd),
        Op::Pipe { into, flags } => files::pipe(scratch, *into, *flags),
        Op::Ioctl { fd, request, argument } => files::ioctl(state, scratch, *fd, *request, *argument),
        Op::SetOwner { fd, actor } => signals::set_owner(state, *fd, *actor),
        Op::Fcntl { fd, command, argument } => files::fcntl(state, *fd, *command, *argument),
        Op::SetSockOpt { socket, level, name, value } => {
            options::setsockopt(state, scratch, *socket, *level, *name, value)
        }
        Op::GetSockOpt { socket, level, name, room, field } => {
            options::getsockopt(state, scratch, *socket, *level, *name, *room, *field)
        }
        Op::ZerocopyReceive { socket, bytes } => zerocopy::receive(state, scratch, *socket, *bytes),
        Op::Poll { fds, timeout_ns, masked } => waiting::poll(state, scratch, fds, *timeout_ns, *masked),
        Op::Select { read, write, timeout_ns, masked } => {
            waiting::select(state, scratch, read, write, *timeout_ns, *masked)
        }
        Op::EpollCreate { flags } => waiting::epoll_create(*flags),
        Op::EpollCtl { epoll, operation, fd, events } => {
            waiting::epoll_ctl(state, scratch, *epoll, *operation, *fd, *events)
        }
        Op::EpollWait { epoll, events, timeout_ns } => {
            waiting::epoll_wait(state, scratch, *epoll, *events, *timeout_ns)
        }
        Op::Uring(request) => uring::submit(state, scratch, request),
        Op::SigAction { signal, flags } => signals::sigaction(*signal, *flags),
        Op::Timer { after_ns } => signals::timer(scratch, *after_ns),
        Op::SetITimer { after_ns } => signals::setitimer(scratch, *after_ns),
        Op::Alarm { seconds } => signals::alarm(*seconds),
        Op::Kill { actor, signal } => signals::kill(state, *actor, *signal),
        Op::KillChild { child, signal } => signals::kill_child(state, *child, *signal),
        Op::Fork => Call::new(libc::SYS_fork, []).then(After::Reap),
        Op::RecvInChild { socket, bytes } => children::recv(state, scratch, *socket, *bytes),
        Op::Wait { child } => children::wait(state, scratch, *child),
        Op::Inject { via, packet } => inject::inject(state, scratch, *via, packet),
        Op::InjectBytes { via, packet } => inject::inject_bytes(state, scratch, *via, packet),
        Op::ReadPacket { from, bytes, seq, .. } => inject::read_packet(state, scratch, *from, *bytes, *seq),
        Op::Network(network) => network::set_up(network),
        Op::Fault(fault) => fault::provoke(*fault),
    }
}
