//! The operations, one file each. An operation is prepared (addresses, buffers, descriptors) before the clock starts or
//! the trace is marked; what is then measured is the bare system call.

mod connection;
mod fault;
mod options;
mod transfer;

use std::ffi::c_long;

use rxpath_guest::Op;

use crate::board::Board;

/// Room for what one system call points to: addresses, option values, vectors. In bytes.
const ARENA: usize = 64 * 1024;
/// The longest single transfer, in bytes.
const TRANSFER: usize = 1024 * 1024;

/// An actor's memory for its system calls; its pages are touched before anything is measured.
pub struct Scratch {
    arena: Vec<u8>,
    used: usize,
    outgoing: Vec<u8>,
    incoming: Vec<u8>,
}

impl Scratch {
    pub fn new() -> Self {
        let outgoing = (0..TRANSFER).map(|at| at as u8).collect();
        // Not `vec![0; …]`, whose pages would come from the kernel only when they are first written.
        Self { arena: vec![0xff; ARENA], used: 0, outgoing, incoming: vec![0xff; TRANSFER] }
    }

    /// Puts bytes where the next system call can point to them, 16-byte aligned; gives their address.
    pub fn place(&mut self, bytes: &[u8]) -> c_long {
        let from = self.used.next_multiple_of(16);
        let from = if from + bytes.len() > self.arena.len() { 0 } else { from };
        self.arena[from..from + bytes.len()].copy_from_slice(bytes);
        self.used = from + bytes.len();
        self.arena[from..].as_ptr() as c_long
    }

    /// The counting pattern to send; at least `bytes` long.
    pub fn outgoing(&self, bytes: u32) -> Option<c_long> {
        (bytes as usize <= TRANSFER).then_some(self.outgoing.as_ptr() as c_long)
    }

    /// Room to receive into; at least `bytes` long.
    pub fn incoming(&mut self, bytes: u32) -> Option<c_long> {
        (bytes as usize <= TRANSFER).then_some(self.incoming.as_mut_ptr() as c_long)
    }

    fn rewind(&mut self) {
        self.used = 0;
    }
}

/// A system call ready to run.
pub struct Call {
    number: c_long,
    arguments: [c_long; 6],
    /// Address of what is received, if anything is.
    received: Option<c_long>,
}

/// How a system call ended.
pub struct Outcome {
    /// Its return value; -1 on failure.
    pub ret: i64,
    /// 0 on success.
    pub errno: i32,
    received: Option<c_long>,
}

impl Call {
    /// A system call that receives no data.
    pub fn new<const N: usize>(number: c_long, arguments: [c_long; N]) -> Self {
        let mut all = [0; 6];
        all[..N].copy_from_slice(&arguments);
        Self { number, arguments: all, received: None }
    }

    /// The return value counts bytes that were received at this address.
    pub fn receiving(self, at: c_long) -> Self {
        Self { received: Some(at), ..self }
    }

    /// A call that can only fail, with EFAULT: what it was asked for has no place in the actor's memory.
    pub fn impossible() -> Self {
        Self::new(libc::SYS_read, [-1, 0, 0])
    }

    /// Enters the kernel.
    #[inline(never)]
    pub fn run(&self) -> Outcome {
        let [a, b, c, d, e, f] = self.arguments;
        // SAFETY: pointers among the arguments were made by the operation's own file from the actor's scratch memory,
        // which outlives the call, with lengths that fit; deliberately bad ones make the kernel answer EFAULT.
        let ret = unsafe { libc::syscall(self.number, a, b, c, d, e, f) };
        let errno = if ret == -1 { std::io::Error::last_os_error().raw_os_error().unwrap_or(0) } else { 0 };
        Outcome { ret, errno, received: self.received }
    }
}

impl Outcome {
    /// FNV-1a (32 bits) of the bytes received; 0 if there were none.
    pub fn data(&self) -> u32 {
        let (Some(at), Ok(count)) = (self.received, usize::try_from(self.ret)) else {
            return 0;
        };
        if count == 0 || count > TRANSFER {
            return 0;
        }
        // SAFETY: `received` is the scratch memory's room, `count` bytes of which the kernel has just filled.
        let bytes = unsafe { std::slice::from_raw_parts(at as *const u8, count) };
        bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
    }
}

/// Gets an operation ready to run.
pub fn prepare(op: &Op, board: &Board, scratch: &mut Scratch) -> Call {
    scratch.rewind();
    match op {
        Op::Socket { domain, kind, protocol } => connection::socket(*domain, *kind, *protocol),
        Op::Bind { socket, to } => connection::bind(board, scratch, *socket, to),
        Op::Listen { socket, backlog } => connection::listen(board, *socket, *backlog),
        Op::Connect { socket, to } => connection::connect(board, scratch, *socket, to),
        Op::Accept { socket, flags } => connection::accept(board, *socket, *flags),
        Op::Close { socket } => connection::close(board, *socket),
        Op::Shutdown { socket, how } => connection::shutdown(board, *socket, *how),
        Op::Send { socket, bytes, flags } => transfer::send(board, scratch, *socket, *bytes, *flags),
        Op::Recv { socket, bytes, flags } => transfer::recv(board, scratch, *socket, *bytes, *flags),
        Op::SetSockOpt { socket, level, name, value } => {
            options::setsockopt(board, scratch, *socket, *level, *name, value)
        }
        Op::Fault(fault) => fault::provoke(*fault),
    }
}
