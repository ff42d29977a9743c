//! Sockets and connections: socket, bind, listen, connect, accept4, shutdown, close.

use std::ffi::{CString, c_long};

use rxpath_guest::{Address, Slot};

use super::{After, Call, Scratch, network};
use crate::shared_state::SharedState;
use crate::sys;

pub fn socket(domain: i32, kind: i32, protocol: i32) -> Call {
    Call::new(libc::SYS_socket, [c_long::from(domain), c_long::from(kind), c_long::from(protocol)])
}

pub fn socket_in(netns: u8, domain: i32, kind: i32, protocol: i32) -> Call {
    Call::prepared(network::within(netns, || {
        // SAFETY: takes no pointers.
        sys::check(unsafe { libc::socket(domain, kind, protocol) })
    }))
}

pub fn socketpair(scratch: &mut Scratch, domain: i32, kind: i32, protocol: i32, into: (Slot, Slot)) -> Call {
    let pair = scratch.room(8);
    let arguments = [c_long::from(domain), c_long::from(kind), c_long::from(protocol), pair];
    Call::new(libc::SYS_socketpair, arguments).then(After::Pair(pair, into))
}

pub fn bind(state: &SharedState, scratch: &mut Scratch, socket: Slot, to: &Address) -> Call {
    let (at, length) = place_address(state, scratch, to);
    Call::new(libc::SYS_bind, [state.get(socket), at, length])
}

pub fn listen(state: &SharedState, socket: Slot, backlog: i32) -> Call {
    Call::new(libc::SYS_listen, [state.get(socket), c_long::from(backlog)])
}

pub fn connect(state: &SharedState, scratch: &mut Scratch, socket: Slot, to: &Address) -> Call {
    let (at, length) = place_address(state, scratch, to);
    Call::new(libc::SYS_connect, [state.get(socket), at, length])
}

pub fn accept(state: &SharedState, socket: Slot, flags: i32) -> Call {
    Call::new(libc::SYS_accept4, [state.get(socket), 0, 0, c_long::from(flags)])
}

pub fn shutdown(state: &SharedState, socket: Slot, how: i32) -> Call {
    Call::new(libc::SYS_shutdown, [state.get(socket), c_long::from(how)])
}

pub fn close(state: &SharedState, socket: Slot) -> Call {
    Call::new(libc::SYS_close, [state.get(socket)])
}

/// Places a sockaddr in the scratch memory (ip(7), ipv6(7), unix(7)); returns its address and length.
pub fn place_address(state: &SharedState, scratch: &mut Scratch, address: &Address) -> (c_long, c_long) {
    let bytes = match address {
        Address::V4(ip, port) => sockaddr_in(*ip, *port),
        Address::V6(ip, port) => sockaddr_in6(*ip, *port),
        Address::Unix(path) => sockaddr_un(path),
        Address::OfSocket(slot) => own_address(state.get(*slot) as i32),
        Address::Vsock(cid, port) => sockaddr_vm(*cid, *port),
        Address::Packet(interface, protocol) => sockaddr_ll(interface, *protocol),
        Address::Netlink(port, groups) => sockaddr_nl(*port, *groups),
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

/// vsock(7): family, reserved, port, context id, flags.
fn sockaddr_vm(cid: u32, port: u32) -> Vec<u8> {
    [&(libc::AF_VSOCK as u16).to_ne_bytes()[..], &[0; 2], &port.to_ne_bytes(), &cid.to_ne_bytes(), &[0; 4]].concat()
}

/// packet(7): family, protocol in network order, interface, and an empty hardware address.
fn sockaddr_ll(interface: &str, protocol: u16) -> Vec<u8> {
    let name = CString::new(interface).unwrap_or_default();
    // SAFETY: the name is NUL-terminated. An unknown interface gives 0, which means every interface.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    let family = (libc::AF_PACKET as u16).to_ne_bytes();
    [&family[..], &protocol.to_be_bytes(), &index.to_ne_bytes(), &[0; 12]].concat()
}

/// netlink(7): family, padding, port, groups.
fn sockaddr_nl(port: u32, groups: u32) -> Vec<u8> {
    [&(libc::AF_NETLINK as u16).to_ne_bytes()[..], &[0; 2], &port.to_ne_bytes(), &groups.to_ne_bytes()].concat()
}

/// The result of getsockname(2); `None` for what is not a socket.
pub fn address_of(fd: i32) -> Option<Vec<u8>> {
    let mut out = vec![0_u8; 128];
    let mut length = out.len() as libc::socklen_t;
    // SAFETY: `out` has room for `length` bytes, and the kernel writes no more.
    let ret = unsafe { libc::getsockname(fd, out.as_mut_ptr().cast(), &mut length) };
    out.truncate(length as usize);
    (ret == 0).then_some(out)
}

/// The result of getsockname(2), with the loopback address in place of a wildcard.
pub fn own_address(fd: i32) -> Vec<u8> {
    let Some(mut out) = address_of(fd) else { return sockaddr_in([127, 0, 0, 1], 0) };
    match i32::from(u16::from_ne_bytes([out[0], out[1]])) {
        libc::AF_INET if out[4..8] == [0; 4] => out[4..8].copy_from_slice(&[127, 0, 0, 1]),
        libc::AF_INET6 if out[8..24] == [0; 16] => out[23] = 1,
        _ => {}
    }
    out
}
