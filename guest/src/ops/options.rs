//! setsockopt and getsockopt.

use std::ffi::c_long;

use rxpath_guest::Slot;

use super::{After, Call, Scratch};
use crate::shared_state::SharedState;

/// Length of an instruction of a socket filter (`struct sock_filter`), in bytes.
const FILTER_INSTRUCTION: usize = 8;
/// `asm-generic/socket.h`.
const SO_ATTACH_REUSEPORT_CBPF: i32 = 51;

pub fn setsockopt(
    state: &SharedState,
    scratch: &mut Scratch,
    socket: Slot,
    level: i32,
    name: i32,
    value: &[u8],
) -> Call {
    let mut at = scratch.place(value);
    let mut length = value.len();
    if level == libc::SOL_SOCKET && [libc::SO_ATTACH_FILTER, SO_ATTACH_REUSEPORT_CBPF].contains(&name) {
        // The kernel takes a struct sock_fprog: the number of instructions, and their address.
        let count = (value.len() / FILTER_INSTRUCTION) as u64;
        at = scratch.place(&[count.to_ne_bytes(), at.to_ne_bytes()].concat());
        length = 16;
    }
    Call::new(libc::SYS_setsockopt, [state.get(socket), c_long::from(level), c_long::from(name), at, length as c_long])
}

pub fn getsockopt(
    state: &SharedState,
    scratch: &mut Scratch,
    socket: Slot,
    level: i32,
    name: i32,
    room: u32,
    (offset, width): (u16, u8),
) -> Call {
    // Fields are up to 8 bytes wide, so the last one needs that much memory after its offset.
    let value = scratch.room(room as usize + usize::from(offset) + 8);
    let length = scratch.place(&room.to_ne_bytes());
    let arguments = [state.get(socket), c_long::from(level), c_long::from(name), value, length];
    Call::new(libc::SYS_getsockopt, arguments).then(After::Number(value + c_long::from(offset), width))
}
