//! Requests to rtnetlink(7).

use std::ffi::CString;
use std::io::{Error, Result};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use rxpath_guest::pure::netlink;

use crate::sys;

/// The index of an interface in the calling thread's namespace.
pub fn index_of(name: &str) -> Result<u32> {
    let name = CString::new(name)?;
    // SAFETY: the name is NUL-terminated.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(Error::last_os_error()),
        index => Ok(index),
    }
}

/// Sends a request and waits for its acknowledgement.
pub fn request(kind: u16, flags: u16, body: &[u8]) -> Result<()> {
    let flags = flags | (libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16;
    exchange(libc::NETLINK_ROUTE, &netlink::message(kind, flags, body))
}

/// Sends messages of a netlink protocol, of which one asks for an acknowledgement, and reads the answer.
pub fn exchange(protocol: i32, messages: &[u8]) -> Result<()> {
    // SAFETY: takes no pointers.
    let socket = unsafe { libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, protocol) };
    sys::check(socket)?;
    // SAFETY: the descriptor was just opened and has no other owner.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    let fd = socket.as_raw_fd();
    // SAFETY: `messages` outlives the call.
    sys::check(unsafe { libc::send(fd, messages.as_ptr().cast(), messages.len(), 0) } as i64)?;
    let mut answer = [0_u8; 512];
    // SAFETY: `answer` has room for as many bytes as are asked for.
    let count = sys::check(unsafe { libc::recv(fd, answer.as_mut_ptr().cast(), answer.len(), 0) } as i64)?;
    match netlink::acknowledged_errno(&answer[..count as usize]) {
        Some(0) => Ok(()),
        Some(errno) => Err(Error::from_raw_os_error(errno)),
        None => Err(Error::from_raw_os_error(libc::EIO)),
    }
}
