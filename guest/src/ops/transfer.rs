//! send and recv.

use std::ffi::c_long;

use rxpath_guest::Slot;

use super::{Call, Scratch};
use crate::board::Board;

pub fn send(board: &Board, scratch: &Scratch, socket: Slot, bytes: u32, flags: i32) -> Call {
    let Some(from) = scratch.outgoing(bytes) else {
        return Call::impossible();
    };
    Call::new(libc::SYS_sendto, [board.get(socket), from, c_long::from(bytes), c_long::from(flags), 0, 0])
}

pub fn recv(board: &Board, scratch: &mut Scratch, socket: Slot, bytes: u32, flags: i32) -> Call {
    let Some(to) = scratch.incoming(bytes) else {
        return Call::impossible();
    };
    let call = Call::new(libc::SYS_recvfrom, [board.get(socket), to, c_long::from(bytes), c_long::from(flags), 0, 0]);
    // With MSG_TRUNC, TCP discards: nothing is stored, though the return value counts it.
    if flags & libc::MSG_TRUNC == 0 { call.receiving(to) } else { call }
}
