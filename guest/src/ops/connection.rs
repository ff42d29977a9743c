//! Sockets and connections: socket, bind, listen, connect, accept4, shutdown, close.

use std::ffi::c_long;

use rxpath_guest::{Address, Slot};

use super::{Call, Scratch};
use crate::board::Board;

pub fn socket(domain: i32, kind: i32, protocol: i32) -> Call {
    Call::new(libc::SYS_socket, [c_long::from(domain), c_long::from(kind), c_long::from(protocol)])
}

pub fn bind(board: &Board, scratch: &mut Scratch, socket: Slot, to: &Address) -> Call {
    let (at, length) = place_address(board, scratch, to);
    Call::new(libc::SYS_bind, [board.get(socket), at, length])
}

pub fn listen(board: &Board, socket: Slot, backlog: i32) -> Call {
    Call::new(libc::SYS_listen, [board.get(socket), c_long::from(backlog)])
}

pub fn connect(board: &Board, scratch: &mut Scratch, socket: Slot, to: &Address) -> Call {
    let (at, length) = place_address(board, scratch, to);
    Call::new(libc::SYS_connect, [board.get(socket), at, length])
}

pub fn accept(board: &Board, socket: Slot, flags: i32) -> Call {
    Call::new(libc::SYS_accept4, [board.get(socket), 0, 0, c_long::from(flags)])
}

pub fn shutdown(board: &Board, socket: Slot, how: i32) -> Call {
    Call::new(libc::SYS_shutdown, [board.get(socket), c_long::from(how)])
}

pub fn close(board: &Board, socket: Slot) -> Call {
    Call::new(libc::SYS_close, [board.get(socket)])
}

/// Writes a sockaddr (ip(7), ipv6(7), unix(7)) into the scratch memory; gives its address and length.
pub fn place_address(board: &Board, scratch: &mut Scratch, address: &Address) -> (c_long, c_long) {
    let bytes = match address {
        Address::V4(ip, port) => sockaddr_in(*ip, *port),
        Address::V6(ip, port) => sockaddr_in6(*ip, *port),
        Address::Unix(path) => sockaddr_un(path),
        Address::OfSocket(slot) => own_address(board.get(*slot) as i32),
    };
    (scratch.place(&bytes), bytes.len() as c_long)
}

fn sockaddr_in(ip: [u8; 4], port: u16) -> Vec<u8> {
    let mut out = Vec::with_capacity(16);
    out.extend((libc::AF_INET as u16).to_ne_bytes());
    out.extend(port.to_be_bytes());
    out.extend(ip);
    out.extend([0; 8]);
    out
}

fn sockaddr_in6(ip: [u8; 16], port: u16) -> Vec<u8> {
    let mut out = Vec::with_capacity(28);
    out.extend((libc::AF_INET6 as u16).to_ne_bytes());
    out.extend(port.to_be_bytes());
    out.extend([0; 4]);
    out.extend(ip);
    out.extend([0; 4]);
    out
}

fn sockaddr_un(path: &str) -> Vec<u8> {
    let mut out = (libc::AF_UNIX as u16).to_ne_bytes().to_vec();
    match path.strip_prefix('@') {
        Some(name) => {
            out.push(0);
            out.extend(name.bytes());
        }
        None => {
            out.extend(path.bytes());
            out.push(0);
        }
    }
    out
}

/// What getsockname(2) says, with the loopback address in place of a wildcard.
fn own_address(fd: i32) -> Vec<u8> {
    let mut out = vec![0_u8; 128];
    let mut length = out.len() as libc::socklen_t;
    // SAFETY: `out` has room for `length` bytes, which the kernel does not exceed.
    let ret = unsafe { libc::getsockname(fd, out.as_mut_ptr().cast(), &mut length) };
    if ret != 0 {
        return sockaddr_in([127, 0, 0, 1], 0);
    }
    out.truncate(length as usize);
    match i32::from(u16::from_ne_bytes([out[0], out[1]])) {
        libc::AF_INET if out[4..8] == [0; 4] => out[4..8].copy_from_slice(&[127, 0, 0, 1]),
        libc::AF_INET6 if out[8..24] == [0; 16] => out[23] = 1,
        _ => {}
    }
    out
}
