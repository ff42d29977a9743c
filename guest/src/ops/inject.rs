//! Sends packets that the agent builds, through a TUN device or a raw socket.

use std::ffi::c_long;

use rxpath_guest::pure::packet::{self, Endpoint, Segment, Shape};
use rxpath_guest::{Address, Packet, Slot, Transport};

use super::connection::place_address;
use super::{Call, Scratch};
use crate::shared_state::SharedState;

/// TCP_REPAIR_ON, TCP_REPAIR_OFF_NO_WP (leaves without sending a window probe), TCP_RECV_QUEUE, TCP_SEND_QUEUE
/// (`linux/tcp.h`).
const REPAIR_ON: i32 = 1;
const REPAIR_OFF_NO_PROBE: i32 = -1;
const RECV_QUEUE: i32 = 1;
const SEND_QUEUE: i32 = 2;
/// What getsockopt(2) of SO_TYPE gives for a raw socket; it fails for a TUN device.
const SOCK_RAW: i32 = 3;

pub fn inject(state: &SharedState, scratch: &mut Scratch, via: Slot, packet: &Packet) -> Call {
    let Some(bytes) = build(state, scratch, packet) else { return Call::already(-i64::from(libc::EINVAL)) };
    let fd = state.get(via);
    let at = scratch.place(&bytes);
    let length = bytes.len() as c_long;
    if option(fd as i32, libc::SOL_SOCKET, libc::SO_TYPE) == Some(SOCK_RAW) {
        let (to, to_length) = place_address(state, scratch, &packet.to);
        Call::new(libc::SYS_sendto, [fd, at, length, 0, to, to_length])
    } else {
        Call::new(libc::SYS_write, [fd, at, length])
    }
}

/// The packet's bytes; `None` if its addresses are not IP addresses of the same family.
fn build(state: &SharedState, scratch: &mut Scratch, packet: &Packet) -> Option<Vec<u8>> {
    let from = endpoint(state, scratch, &packet.from)?;
    let to = endpoint(state, scratch, &packet.to)?;
    let segment = match packet.transport {
        Transport::Udp => Segment::Udp,
        Transport::Echo => Segment::Echo,
        Transport::Tcp { receiver, seq, ack, flags, window } => {
            let (expected, next) = receiver.and_then(|slot| sequence(state.get(slot) as i32)).unwrap_or((0, 0));
            Segment::Tcp { seq: expected.wrapping_add_signed(seq), ack: next.wrapping_add_signed(ack), flags, window }
        }
    };
    let shape = Shape { payload: packet.bytes, bad_checksum: packet.bad_checksum, fragment: packet.fragment };
    packet::build(&from, &to, &segment, &shape)
}

fn endpoint(state: &SharedState, scratch: &mut Scratch, address: &Address) -> Option<Endpoint> {
    let (at, length) = place_address(state, scratch, address);
    // SAFETY: place_address has just written `length` bytes to the actor's scratch memory.
    let bytes = unsafe { std::slice::from_raw_parts(at as *const u8, length as usize) };
    let port = [*bytes.get(2)?, *bytes.get(3)?];
    match i32::from(u16::from_ne_bytes([bytes[0], bytes[1]])) {
        libc::AF_INET => Some(Endpoint { ip: bytes.get(4..8)?.to_vec(), port }),
        libc::AF_INET6 => Some(Endpoint { ip: bytes.get(8..24)?.to_vec(), port }),
        _ => None,
    }
}

/// The sequence numbers that a connected TCP socket expects next and sends next (TCP_REPAIR and TCP_QUEUE_SEQ,
/// net/ipv4/tcp.c; the options are made for CRIU).
fn sequence(fd: i32) -> Option<(u32, u32)> {
    set_option(fd, libc::TCP_REPAIR, REPAIR_ON)?;
    let of = |queue| {
        set_option(fd, libc::TCP_REPAIR_QUEUE, queue)?;
        option(fd, libc::IPPROTO_TCP, libc::TCP_QUEUE_SEQ).map(|seq| seq as u32)
    };
    let both = of(RECV_QUEUE).zip(of(SEND_QUEUE));
    set_option(fd, libc::TCP_REPAIR, REPAIR_OFF_NO_PROBE);
    both
}

fn set_option(fd: i32, name: i32, value: i32) -> Option<()> {
    // SAFETY: `value` is an int that outlives the call.
    let ret =
        unsafe { libc::setsockopt(fd, libc::IPPROTO_TCP, name, (&raw const value).cast(), size_of::<i32>() as u32) };
    (ret == 0).then_some(())
}

fn option(fd: i32, level: i32, name: i32) -> Option<i32> {
    let mut value: i32 = 0;
    let mut length = size_of::<i32>() as libc::socklen_t;
    // SAFETY: `value` is an int that the kernel fills.
    let ret = unsafe { libc::getsockopt(fd, level, name, (&raw mut value).cast(), &mut length) };
    (ret == 0).then_some(value)
}
