//! sendmsg, recvmsg, sendmmsg and recvmmsg.

use std::ffi::c_long;

use rxpath_guest::{Address, Slot};

use super::connection::place_address;
use super::{After, Buffer, Call, Scratch};
use crate::shared_state::SharedState;

/// Size of `struct mmsghdr` on x86-64: a msghdr (56) and its length, padded.
pub const MMSGHDR: usize = 64;
/// Size of `struct cmsghdr`, in bytes.
const CMSGHDR: usize = 16;
/// Room for any address, in bytes.
const ADDRESS_ROOM: usize = 128;

pub fn sendmsg(
    state: &SharedState,
    scratch: &mut Scratch,
    socket: Slot,
    to: Option<&Address>,
    pieces: &[u32],
    control: &[u8],
    flags: i32,
) -> Call {
    let Some(from) = scratch.outgoing(pieces.iter().sum()) else { return Call::impossible() };
    let vector = scratch.pieces(from, pieces);
    let to = to.map_or((0, 0), |to| place_address(state, scratch, to));
    let control = if control.is_empty() { (0, 0) } else { (scratch.place(control), control.len() as c_long) };
    let header = scratch.place(&header(to, (vector, pieces.len() as c_long), control));
    Call::new(libc::SYS_sendmsg, [state.get(socket), header, c_long::from(flags)])
}

pub fn send_descriptor(
    state: &SharedState,
    scratch: &mut Scratch,
    socket: Slot,
    bytes: u32,
    fd: Slot,
    flags: i32,
) -> Call {
    // struct cmsghdr: length, level, type; then the descriptors as ints, padded to 8 bytes.
    let length = CMSGHDR as u64 + 4;
    let kind = [libc::SOL_SOCKET.to_ne_bytes(), libc::SCM_RIGHTS.to_ne_bytes()].concat();
    let control = [&length.to_ne_bytes()[..], &kind, &(state.get(fd) as i32).to_ne_bytes(), &[0; 4]].concat();
    sendmsg(state, scratch, socket, None, &[bytes], &control, flags)
}

/// Closes the descriptors that came with a message, because nothing else would.
pub fn close_descriptors(header: c_long) {
    // SAFETY: `header` is the address of a msghdr in the actor's scratch memory, whose control part the kernel has
    // filled.
    let (control, length) = unsafe {
        let words = std::ptr::read(header as *const [usize; 7]);
        (words[4], words[5])
    };
    if control == 0 {
        return;
    }
    // SAFETY: as above; the kernel has written the length of the filled part.
    let mut left = unsafe { std::slice::from_raw_parts(control as *const u8, length) };
    while let Some((head, _)) = left.split_first_chunk::<CMSGHDR>() {
        let word = |at: usize| i32::from_ne_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let length = (word(0) as usize).clamp(CMSGHDR, left.len());
        if (word(8), word(12)) == (libc::SOL_SOCKET, libc::SCM_RIGHTS) {
            for fd in left[CMSGHDR..length].chunks_exact(4) {
                // SAFETY: takes no pointers; the kernel has just installed this descriptor, and nothing else uses it.
                unsafe { libc::close(i32::from_ne_bytes([fd[0], fd[1], fd[2], fd[3]])) };
            }
        }
        left = left.get(length.next_multiple_of(8)..).unwrap_or_default();
    }
}

pub fn recvmsg(
    state: &SharedState,
    scratch: &mut Scratch,
    socket: Slot,
    pieces: &[u32],
    control: u32,
    flags: i32,
) -> Call {
    let bytes = pieces.iter().sum();
    let Some(to) = scratch.incoming_with(bytes, flags) else { return Call::impossible() };
    let vector = scratch.pieces(to, pieces);
    let address = (scratch.room(ADDRESS_ROOM), ADDRESS_ROOM as c_long);
    let control = if control == 0 { (0, 0) } else { (scratch.room(control as usize), c_long::from(control)) };
    let header = scratch.place(&header(address, (vector, pieces.len() as c_long), control));
    let buffer = Buffer { at: to, room: bytes as usize };
    Call::new(libc::SYS_recvmsg, [state.get(socket), header, c_long::from(flags)]).then(After::Message(header, buffer))
}

pub fn sendmmsg(state: &SharedState, scratch: &mut Scratch, socket: Slot, bytes: u32, count: u32, flags: i32) -> Call {
    let Some(from) = bytes.checked_mul(count).and_then(|all| scratch.outgoing(all)) else { return Call::impossible() };
    let headers = headers(scratch, from, bytes, count);
    Call::new(libc::SYS_sendmmsg, [state.get(socket), headers, c_long::from(count), c_long::from(flags)])
}

pub fn recvmmsg(
    state: &SharedState,
    scratch: &mut Scratch,
    socket: Slot,
    bytes: u32,
    count: u32,
    flags: i32,
    timeout_ns: Option<u64>,
) -> Call {
    let Some(to) = bytes.checked_mul(count).and_then(|all| scratch.incoming(all)) else { return Call::impossible() };
    let headers = headers(scratch, to, bytes, count);
    let timeout = scratch.timespec(timeout_ns);
    let arguments = [state.get(socket), headers, c_long::from(count), c_long::from(flags), timeout];
    let first = Buffer { at: to, room: bytes as usize };
    Call::new(libc::SYS_recvmmsg, arguments).then(After::Messages { headers, first })
}

/// Places mmsghdrs for messages of `bytes` bytes each, one after the other from `start` on.
fn headers(scratch: &mut Scratch, start: c_long, bytes: u32, count: u32) -> c_long {
    let mut all = Vec::new();
    for nth in 0..c_long::from(count) {
        let vector = scratch.pieces(start + nth * c_long::from(bytes), &[bytes]);
        all.extend(header((0, 0), (vector, 1), (0, 0)));
        all.resize(all.len().next_multiple_of(MMSGHDR), 0);
    }
    scratch.place(&all)
}

/// `struct user_msghdr` (`linux/socket.h`): name, iovec and control, each an address and a length; flags.
fn header(name: (c_long, c_long), vector: (c_long, c_long), control: (c_long, c_long)) -> Vec<u8> {
    let words = [name.0, name.1, vector.0, vector.1, control.0, control.1, 0];
    words.into_iter().flat_map(c_long::to_ne_bytes).collect()
}
