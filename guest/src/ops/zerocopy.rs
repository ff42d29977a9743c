//! TCP_ZEROCOPY_RECEIVE: maps pages of the receive queue instead of copying them (`linux/tcp.h`, net/ipv4/tcp.c).

use std::ffi::c_long;
use std::io::{Error, Result};

use rxpath_guest::Slot;

use super::{After, Call, Scratch};
use crate::shared_state::SharedState;

/// The option, at level IPPROTO_TCP.
const TCP_ZEROCOPY_RECEIVE: c_long = 35;
/// Size of `struct tcp_zerocopy_receive` in the newest kernels, in bytes; older ones use only the first fields.
const ZEROCOPY: usize = 64;

/// A socket's mapping.
pub struct Window {
    fd: c_long,
    bytes: u32,
    at: c_long,
}

pub fn receive(state: &SharedState, scratch: &mut Scratch, socket: Slot, bytes: u32) -> Call {
    let fd = state.get(socket);
    let window = match window(scratch, fd, bytes) {
        Ok(window) => window,
        Err(error) => return Call::prepared(Err(error)),
    };
    // The address and the length to map; the kernel overwrites the length with the mapped one.
    let mut value = [&window.to_ne_bytes()[..], &bytes.to_ne_bytes()].concat();
    value.resize(ZEROCOPY, 0);
    let value = scratch.place(&value);
    let length = scratch.place(&(ZEROCOPY as u32).to_ne_bytes());
    let arguments = [fd, c_long::from(libc::IPPROTO_TCP), TCP_ZEROCOPY_RECEIVE, value, length];
    Call::new(libc::SYS_getsockopt, arguments).then(After::Mapped { length: value + 8, window })
}

/// The address of the socket's mapping, which is made again only for a different socket or length.
fn window(scratch: &mut Scratch, fd: c_long, bytes: u32) -> Result<c_long> {
    match &scratch.window {
        Some(window) if (window.fd, window.bytes) == (fd, bytes) => Ok(window.at),
        _ => {
            // SAFETY: a fresh mapping of the socket, which the kernel fills and the agent only reads.
            let at = unsafe {
                let length = bytes as usize;
                libc::mmap(std::ptr::null_mut(), length, libc::PROT_READ, libc::MAP_SHARED, fd as i32, 0)
            };
            if at == libc::MAP_FAILED {
                return Err(Error::last_os_error());
            }
            scratch.window = Some(Window { fd, bytes, at: at as c_long });
            Ok(at as c_long)
        }
    }
}
