//! The operations, one file each. An operation is prepared (addresses, buffers, descriptors) before the clock starts or
//! the trace is marked; what is then measured is the bare system call.

mod children;
mod connection;
mod fault;
mod files;
mod hooks;
mod inject;
mod message;
pub mod network;
mod options;
mod signals;
mod transfer;
mod uring;
mod waiting;
mod zerocopy;

use std::ffi::c_long;

use rxpath_guest::{Op, Slot};

use crate::board::Board;
use crate::sys;

/// Room for what one system call points to: addresses, option values, vectors. In bytes.
const ARENA: usize = 256 * 1024;
/// Room for a transfer to begin with, in bytes. Every page of it costs a fault before the run, so it grows on demand.
const USUAL_TRANSFER: usize = 16 * 1024;
/// The longest single transfer, in bytes.
const TRANSFER: usize = 1024 * 1024;

/// An actor's memory for its system calls; its pages are touched before anything is measured.
pub struct Scratch {
    arena: Vec<u8>,
    used: usize,
    outgoing: Vec<u8>,
    incoming: Vec<u8>,
    ring: Option<uring::Ring>,
    window: Option<zerocopy::Window>,
    child: Option<children::Child>,
}

impl Scratch {
    pub fn new() -> Self {
        // Not `vec![0; …]`, whose pages would come from the kernel only when they are first written.
        Self {
            arena: vec![0xff; ARENA],
            used: 0,
            outgoing: counting(USUAL_TRANSFER),
            incoming: vec![0xff; USUAL_TRANSFER],
            ring: None,
            window: None,
            child: None,
        }
    }

    /// Puts bytes where the next system call can point to them, 16-byte aligned; gives their address.
    pub fn place(&mut self, bytes: &[u8]) -> c_long {
        let base = self.arena.as_ptr() as usize;
        let from = (base + self.used).next_multiple_of(16) - base;
        // One operation never needs more than the arena holds: `prepare` begins anew, and lists are bounded by the plan.
        let from = if from + bytes.len() > self.arena.len() { 0 } else { from };
        let length = bytes.len().min(self.arena.len());
        self.arena[from..from + length].copy_from_slice(&bytes[..length]);
        self.used = from + length;
        self.arena[from..].as_ptr() as c_long
    }

    /// Zeroed room of so many bytes, 16-byte aligned; its address.
    pub fn room(&mut self, bytes: usize) -> c_long {
        self.place(&vec![0; bytes])
    }

    /// An iovec array (readv(2)) of consecutive pieces from `start`; its address, and the pieces.
    pub fn pieces(&mut self, start: c_long, lengths: &[u32]) -> (c_long, Vec<(c_long, usize)>) {
        let mut at = start;
        let mut pieces = Vec::new();
        let mut bytes = Vec::new();
        for length in lengths {
            pieces.push((at, *length as usize));
            bytes.extend(at.to_ne_bytes());
            bytes.extend((*length as usize).to_ne_bytes());
            at += c_long::from(*length);
        }
        (self.place(&bytes), pieces)
    }

    /// The next completion of the actor's ring: its result, and where data was received.
    fn completion(&mut self) -> (i64, After) {
        self.ring.as_mut().map_or((-i64::from(libc::ENXIO), After::Nothing), uring::Ring::completion)
    }

    /// The counting pattern to send; at least `bytes` long.
    pub fn outgoing(&mut self, bytes: u32) -> Option<c_long> {
        let bytes = fitting(bytes)?;
        if bytes > self.outgoing.len() {
            self.outgoing = counting(TRANSFER);
        }
        Some(self.outgoing.as_ptr() as c_long)
    }

    /// Room to receive into; at least `bytes` long.
    pub fn incoming(&mut self, bytes: u32) -> Option<c_long> {
        let bytes = fitting(bytes)?;
        if bytes > self.incoming.len() {
            // An operation that is still under way may point to the old room: it stays, for ever.
            Vec::leak(std::mem::replace(&mut self.incoming, vec![0xff; TRANSFER]));
        }
        Some(self.incoming.as_mut_ptr() as c_long)
    }

    fn rewind(&mut self) {
        self.used = 0;
    }
}

/// The length of a transfer, if it is one that an actor has room for.
fn fitting(bytes: u32) -> Option<usize> {
    Some(bytes as usize).filter(|bytes| *bytes <= TRANSFER)
}

/// 0, 1, 2 … 255, 0, 1 …
fn counting(length: usize) -> Vec<u8> {
    (0..length).map(|at| at as u8).collect()
}

/// A system call ready to run.
pub struct Call {
    number: c_long,
    arguments: [c_long; 6],
    after: After,
}

/// What is left to do when the system call has returned and nothing is measured any more.
#[derive(Clone)]
pub enum After {
    /// Nothing.
    Nothing,
    /// The return value counts bytes that were received here, piece after piece: addresses and lengths.
    Received(Vec<(c_long, usize)>),
    /// As `Received`, of a message whose header (`struct user_msghdr`) lies here: descriptors that came along are closed.
    Message(c_long, Vec<(c_long, usize)>),
    /// The kernel wrote here, as a u32, how many bytes it mapped there.
    Mapped {
        /// Where the length is.
        length: c_long,
        /// Where the bytes are.
        window: c_long,
    },
    /// The result is the unsigned number of this many bytes that the kernel wrote here.
    Number(c_long, u8),
    /// The kernel wrote two descriptors here, as ints, for these slots.
    Pair(c_long, (Slot, Slot)),
    /// The result is that of the next completion on the actor's ring.
    Completion,
    /// The call made a child, which ends at once: wait for it.
    Reap,
    /// There was no system call: this is the result (a negative one is an errno).
    Already(i64),
}

/// How a system call ended.
pub struct Outcome {
    /// Its return value; -1 on failure.
    pub ret: i64,
    /// 0 on success.
    pub errno: i32,
    after: After,
}

impl Call {
    /// A system call that receives no data.
    pub fn new<const N: usize>(number: c_long, arguments: [c_long; N]) -> Self {
        let mut all = [0; 6];
        all[..N].copy_from_slice(&arguments);
        Self { number, arguments: all, after: After::Nothing }
    }

    /// The return value counts at most `room` bytes that were received at this address.
    pub fn receiving(self, at: c_long, room: u32) -> Self {
        self.then(After::Received(vec![(at, room as usize)]))
    }

    /// What is to be done afterwards.
    pub fn then(self, after: After) -> Self {
        Self { after, ..self }
    }

    /// A call that can only fail, with EFAULT: what it was asked for has no place in the actor's memory.
    pub fn impossible() -> Self {
        Self::already(-i64::from(libc::EFAULT))
    }

    /// No system call, but what preparing came to: a result, or a negative errno.
    pub fn already(result: i64) -> Self {
        // Whoever runs it still enters the kernel once, so that every step looks like one.
        Self::new(libc::SYS_getpid, []).then(After::Already(result))
    }

    /// No system call, but what preparing came to.
    pub fn prepared(result: std::io::Result<i64>) -> Self {
        Self::already(result.unwrap_or_else(|error| -i64::from(error.raw_os_error().unwrap_or(libc::EIO))))
    }

    /// Enters the kernel.
    #[inline(never)]
    pub fn run(self) -> Outcome {
        let [a, b, c, d, e, f] = self.arguments;
        // SAFETY: pointers among the arguments were made by the operation's own file from the actor's scratch memory,
        // which outlives the call, with lengths that fit; deliberately bad ones make the kernel answer EFAULT.
        let ret = unsafe { libc::syscall(self.number, a, b, c, d, e, f) };
        if ret == 0 && matches!(self.after, After::Reap) {
            sys::exit_now(0);
        }
        let errno = if ret == -1 { std::io::Error::last_os_error().raw_os_error().unwrap_or(0) } else { 0 };
        Outcome { ret, errno, after: self.after }
    }
}

impl Outcome {
    /// Does what is left to do; the outcome is then what the case sees.
    pub fn settle(mut self, board: &Board, scratch: &mut Scratch) -> Self {
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
            After::Message(header, pieces) => {
                if self.ret >= 0 {
                    message::close_descriptors(header);
                }
                self.after = After::Received(pieces);
            }
            After::Mapped { length, window } if self.ret >= 0 => {
                // SAFETY: `length` is the aligned place of a u32 in the actor's scratch memory.
                let length = unsafe { std::ptr::read(length as *const u32) };
                self.ret = length.into();
                self.after = After::Received(vec![(window, length as usize)]);
            }
            After::Pair(at, (first, second)) if self.ret >= 0 => {
                // SAFETY: `at` is the aligned place of two ints in the actor's scratch memory.
                let pair = unsafe { std::ptr::read(at as *const [i32; 2]) };
                board.set(first, pair[0].into());
                board.set(second, pair[1].into());
            }
            After::Reap if self.ret > 0 => sys::wait_for(self.ret as i32),
            _ => {}
        }
        self
    }

    fn become_result(&mut self, result: i64) {
        (self.ret, self.errno) = if result < 0 { (-1, -result as i32) } else { (result, 0) };
    }

    /// FNV-1a (32 bits) of the bytes received; 0 if there were none.
    pub fn data(&self) -> u32 {
        let (After::Received(pieces), Ok(mut left)) = (&self.after, usize::try_from(self.ret)) else { return 0 };
        if left == 0 {
            return 0;
        }
        let mut hash = 0x811c_9dc5_u32;
        for (at, room) in pieces {
            let count = left.min(*room);
            // SAFETY: the piece is the actor's own memory, `count` bytes of which the kernel has just filled.
            let bytes = unsafe { std::slice::from_raw_parts(*at as *const u8, count) };
            hash = bytes.iter().fold(hash, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
            left -= count;
        }
        hash
    }
}

/// Gets an operation ready to run.
pub fn prepare(op: &Op, board: &Board, scratch: &mut Scratch) -> Call {
    scratch.rewind();
    match op {
        Op::Socket { domain, kind, protocol } => connection::socket(*domain, *kind, *protocol),
        Op::SocketIn { netns, domain, kind, protocol } => connection::socket_in(*netns, *domain, *kind, *protocol),
        Op::SocketPair { domain, kind, protocol, into } => {
            connection::socketpair(scratch, *domain, *kind, *protocol, *into)
        }
        Op::Bind { socket, to } => connection::bind(board, scratch, *socket, to),
        Op::Listen { socket, backlog } => connection::listen(board, *socket, *backlog),
        Op::Connect { socket, to } => connection::connect(board, scratch, *socket, to),
        Op::Accept { socket, flags } => connection::accept(board, *socket, *flags),
        Op::Close { socket } => connection::close(board, *socket),
        Op::Shutdown { socket, how } => connection::shutdown(board, *socket, *how),
        Op::Open { path, flags } => files::open(scratch, path, *flags),
        Op::Number(number) => Call::already(*number),
        Op::Send { socket, bytes, flags } => transfer::send(board, scratch, *socket, *bytes, *flags),
        Op::SendTo { socket, to, bytes, flags } => transfer::send_to(board, scratch, *socket, to, *bytes, *flags),
        Op::SendData { socket, to, data, flags } => {
            transfer::send_data(board, scratch, *socket, to.as_ref(), data, *flags)
        }
        Op::Recv { socket, bytes, flags } => transfer::recv(board, scratch, *socket, *bytes, *flags),
        Op::RecvFrom { socket, bytes, flags } => transfer::recv_from(board, scratch, *socket, *bytes, *flags),
        Op::RecvNowhere { socket, bytes, flags } => transfer::recv_nowhere(board, *socket, *bytes, *flags),
        Op::SendMsg { socket, to, pieces, control, flags } => {
            message::sendmsg(board, scratch, *socket, to.as_ref(), pieces, control, *flags)
        }
        Op::SendDescriptor { socket, bytes, fd, flags } => {
            message::send_descriptor(board, scratch, *socket, *bytes, *fd, *flags)
        }
        Op::SendMmsg { socket, bytes, count, flags } => {
            message::sendmmsg(board, scratch, *socket, *bytes, *count, *flags)
        }
        Op::RecvMsg { socket, pieces, control, flags } => {
            message::recvmsg(board, scratch, *socket, pieces, *control, *flags)
        }
        Op::RecvMmsg { socket, bytes, count, flags, timeout_ns } => {
            message::recvmmsg(board, scratch, *socket, *bytes, *count, *flags, *timeout_ns)
        }
        Op::Read { from, bytes } => files::read(board, scratch, *from, *bytes),
        Op::Readv { from, pieces } => files::readv(board, scratch, *from, pieces),
        Op::Write { to, bytes } => files::write(board, scratch, *to, *bytes),
        Op::WriteFile { path, value } => Call::prepared(std::fs::write(path, value).map(|()| 0)),
        Op::Splice { from, to, bytes, flags } => files::splice(board, *from, *to, *bytes, *flags),
        Op::Dup { fd } => files::dup(board, *fd),
        Op::Pipe { into, flags } => files::pipe(scratch, *into, *flags),
        Op::Ioctl { fd, request, argument } => files::ioctl(board, scratch, *fd, *request, *argument),
        Op::SetOwner { fd, actor } => signals::set_owner(board, *fd, *actor),
        Op::Fcntl { fd, command, argument } => files::fcntl(board, *fd, *command, *argument),
        Op::SetSockOpt { socket, level, name, value } => {
            options::setsockopt(board, scratch, *socket, *level, *name, value)
        }
        Op::GetSockOpt { socket, level, name, room, field } => {
            options::getsockopt(board, scratch, *socket, *level, *name, *room, *field)
        }
        Op::ZerocopyReceive { socket, bytes } => zerocopy::receive(board, scratch, *socket, *bytes),
        Op::Poll { fds, timeout_ns, masked } => waiting::poll(board, scratch, fds, *timeout_ns, *masked),
        Op::Select { read, write, timeout_ns, masked } => {
            waiting::select(board, scratch, read, write, *timeout_ns, *masked)
        }
        Op::EpollCreate { flags } => waiting::epoll_create(*flags),
        Op::EpollCtl { epoll, operation, fd, events } => {
            waiting::epoll_ctl(board, scratch, *epoll, *operation, *fd, *events)
        }
        Op::EpollWait { epoll, events, timeout_ns } => {
            waiting::epoll_wait(board, scratch, *epoll, *events, *timeout_ns)
        }
        Op::Uring(request) => uring::submit(board, scratch, request),
        Op::SigAction { signal, flags } => signals::sigaction(scratch, *signal, *flags),
        Op::Timer { after_ns } => signals::timer(scratch, *after_ns),
        Op::SetITimer { after_ns } => signals::setitimer(scratch, *after_ns),
        Op::Alarm { seconds } => signals::alarm(*seconds),
        Op::Kill { actor, signal } => signals::kill(board, *actor, *signal),
        Op::KillChild { child, signal } => signals::kill_child(board, *child, *signal),
        Op::Fork => Call::new(libc::SYS_fork, []).then(After::Reap),
        Op::RecvInChild { socket, bytes } => children::recv(board, scratch, *socket, *bytes),
        Op::Wait { child } => children::wait(board, scratch, *child),
        Op::Inject { via, packet } => inject::inject(board, scratch, *via, packet),
        Op::Network(network) => network::set_up(network),
        Op::Fault(fault) => fault::provoke(*fault),
    }
}
