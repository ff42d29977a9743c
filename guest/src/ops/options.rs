//! setsockopt.

use std::ffi::c_long;

use rxpath_guest::Slot;

use super::{Call, Scratch};
use crate::board::Board;

pub fn setsockopt(board: &Board, scratch: &mut Scratch, socket: Slot, level: i32, name: i32, value: &[u8]) -> Call {
    let at = scratch.place(value);
    Call::new(
        libc::SYS_setsockopt,
        [board.get(socket), c_long::from(level), c_long::from(name), at, value.len() as c_long],
    )
}
