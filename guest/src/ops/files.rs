//! Operations on any descriptor: open, read, readv, write, splice, dup, pipe2, ioctl, fcntl.

use std::ffi::c_long;

use rxpath_guest::Slot;

use super::{After, Call, Scratch};
use crate::shared_state::SharedState;

pub fn open(scratch: &mut Scratch, path: &str, flags: i32) -> Call {
    let path = scratch.place(&[path.as_bytes(), &[0]].concat());
    Call::new(libc::SYS_openat, [c_long::from(libc::AT_FDCWD), path, c_long::from(flags), 0o600])
}

pub fn read(state: &SharedState, scratch: &mut Scratch, from: Slot, bytes: u32) -> Call {
    let Some(to) = scratch.incoming(bytes) else { return Call::impossible() };
    Call::new(libc::SYS_read, [state.get(from), to, c_long::from(bytes)]).receiving(to, bytes)
}

pub fn readv(state: &SharedState, scratch: &mut Scratch, from: Slot, pieces: &[u32]) -> Call {
    let bytes = pieces.iter().sum();
    let Some(to) = scratch.incoming(bytes) else { return Call::impossible() };
    let vector = scratch.pieces(to, pieces);
    Call::new(libc::SYS_readv, [state.get(from), vector, pieces.len() as c_long]).receiving(to, bytes)
}

pub fn write(state: &SharedState, scratch: &mut Scratch, to: Slot, bytes: u32) -> Call {
    let Some(from) = scratch.outgoing(bytes) else { return Call::impossible() };
    Call::new(libc::SYS_write, [state.get(to), from, c_long::from(bytes)])
}

pub fn splice(state: &SharedState, from: Slot, to: Slot, bytes: u32, flags: i32) -> Call {
    let arguments = [state.get(from), 0, state.get(to), 0, c_long::from(bytes), c_long::from(flags)];
    Call::new(libc::SYS_splice, arguments)
}

pub fn dup(state: &SharedState, fd: Slot) -> Call {
    Call::new(libc::SYS_dup, [state.get(fd)])
}

pub fn pipe(scratch: &mut Scratch, into: (Slot, Slot), flags: i32) -> Call {
    let pair = scratch.room(8);
    Call::new(libc::SYS_pipe2, [pair, c_long::from(flags)]).then(After::Pair(pair, into))
}

pub fn ioctl(state: &SharedState, scratch: &mut Scratch, fd: Slot, request: u32, argument: i32) -> Call {
    let value = scratch.place(&i64::from(argument).to_ne_bytes());
    Call::new(libc::SYS_ioctl, [state.get(fd), c_long::from(request), value]).then(After::Number(value, 4))
}

pub fn fcntl(state: &SharedState, fd: Slot, command: i32, argument: i64) -> Call {
    Call::new(libc::SYS_fcntl, [state.get(fd), c_long::from(command), argument])
}
