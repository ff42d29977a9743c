//! send and recv, with and without addresses.

use std::ffi::c_long;

use rxpath_guest::{Address, Slot};

use super::connection::place_address;
use super::{After, Buffer, Call, Scratch};
use crate::shared_state::SharedState;

/// Room for any address (`struct sockaddr_storage`), in bytes.
const ADDRESS_ROOM: usize = 128;

pub fn send(state: &SharedState, scratch: &mut Scratch, socket: Slot, bytes: u32, flags: i32) -> Call {
    let Some(from) = scratch.outgoing(bytes) else {
        return Call::impossible();
    };
    Call::new(libc::SYS_sendto, [state.get(socket), from, c_long::from(bytes), c_long::from(flags), 0, 0])
}

pub fn send_to(state: &SharedState, scratch: &mut Scratch, socket: Slot, to: &Address, bytes: u32, flags: i32) -> Call {
    let Some(from) = scratch.outgoing(bytes) else { return Call::impossible() };
    let (to, length) = place_address(state, scratch, to);
    Call::new(libc::SYS_sendto, [state.get(socket), from, c_long::from(bytes), c_long::from(flags), to, length])
}

pub fn send_data(
    state: &SharedState,
    scratch: &mut Scratch,
    socket: Slot,
    to: Option<&Address>,
    data: &[u8],
    flags: i32,
) -> Call {
    let from = scratch.place(data);
    let (to, length) = to.map_or((0, 0), |to| place_address(state, scratch, to));
    Call::new(libc::SYS_sendto, [state.get(socket), from, data.len() as c_long, c_long::from(flags), to, length])
}

pub fn recv(state: &SharedState, scratch: &mut Scratch, socket: Slot, bytes: u32, flags: i32) -> Call {
    let Some(to) = scratch.incoming_with(bytes, flags) else {
        return Call::impossible();
    };
    let call = Call::new(libc::SYS_recvfrom, [state.get(socket), to, c_long::from(bytes), c_long::from(flags), 0, 0]);
    call.receiving(to, bytes)
}

pub fn recv_from(state: &SharedState, scratch: &mut Scratch, socket: Slot, bytes: u32, flags: i32) -> Call {
    let Some(to) = scratch.incoming_with(bytes, flags) else { return Call::impossible() };
    let address = scratch.room(ADDRESS_ROOM);
    let length = scratch.place(&(ADDRESS_ROOM as u32).to_ne_bytes());
    let arguments = [state.get(socket), to, c_long::from(bytes), c_long::from(flags), address, length];
    let buffer = Buffer { at: to, room: bytes as usize };
    Call::new(libc::SYS_recvfrom, arguments).then(After::ReceivedFrom { buffer, address, length })
}

pub fn recv_nowhere(state: &SharedState, socket: Slot, bytes: u32, flags: i32) -> Call {
    // The first page is never mapped (vm.mmap_min_addr).
    Call::new(libc::SYS_recvfrom, [state.get(socket), 16, c_long::from(bytes), c_long::from(flags), 0, 0])
}
