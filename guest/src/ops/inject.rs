//! Sends packets that the agent builds, through a TUN device or a raw socket, and reads those that the kernel sends.

use std::ffi::c_long;

use rxpath_guest::pure::packet::{self, Endpoint, Segment, Shape};
use rxpath_guest::{Address, Known, Marker, Number, Op, Packet, SentPacket, Slot, TcpOption, Transport};

use super::connection::{own_address, place_address};
use super::{After, Buffer, Call, Outcome, Scratch};
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
    if option(fd as i32, libc::SOL_SOCKET, libc::SO_TYPE) == Some(SOCK_RAW) {
        let at = scratch.place(&bytes);
        let to = endpoint(state, scratch, &packet.to).and_then(without_port);
        let (to, to_length) = to.map_or((0, 0), |to| place_address(state, scratch, &to));
        Call::new(libc::SYS_sendto, [fd, at, bytes.len() as c_long, 0, to, to_length])
    } else {
        inject_bytes(state, scratch, via, &bytes)
    }
}

pub fn inject_bytes(state: &SharedState, scratch: &mut Scratch, via: Slot, packet: &[u8]) -> Call {
    let at = scratch.place(packet);
    Call::new(libc::SYS_write, [state.get(via), at, packet.len() as c_long])
}

/// read(2) of a packet, whose TCP sequence number goes to a slot.
pub fn read_packet(state: &SharedState, scratch: &mut Scratch, from: Slot, bytes: u32, seq: Option<Slot>) -> Call {
    let Some(to) = scratch.incoming(bytes) else { return Call::impossible() };
    Call::new(libc::SYS_read, [state.get(from), to, c_long::from(bytes)])
        .then(After::Packet(Buffer { at: to, room: bytes as usize }, seq))
}

/// A packet that a step has read, with the numbers that the step asked for.
pub fn sent_packet(state: &SharedState, step: Marker, op: &Op, outcome: &Outcome) -> Option<SentPacket> {
    let Op::ReadPacket { numbers, .. } = op else { return None };
    let Marker { actor, step, iteration, .. } = step;
    let numbers = numbers.iter().map(|number| (*number, known(state, *number))).collect();
    let bytes = outcome.received()?;
    let bytes = bytes[..bytes.len().min(SentPacket::MOST_BYTES)].to_vec();
    Some(SentPacket { actor, step, iteration, numbers, bytes })
}

/// The packet's bytes; `None` if its addresses are not IP addresses of the same family.
fn build(state: &SharedState, scratch: &mut Scratch, packet: &Packet) -> Option<Vec<u8>> {
    let from = endpoint(state, scratch, &packet.from)?;
    let to = endpoint(state, scratch, &packet.to)?;
    let segment = match &packet.transport {
        Transport::Udp => Segment::Udp,
        Transport::Icmp { kind, code, rest, about } => {
            let about = match about {
                Some(packet) => Some(build(state, scratch, packet)?),
                None => None,
            };
            Segment::Icmp { kind: *kind, code: *code, rest: *rest, about }
        }
        Transport::Tcp { seq, ack, flags, window, urgent, options } => Segment::Tcp {
            seq: number(state, *seq),
            ack: number(state, *ack),
            flags: *flags,
            window: *window,
            urgent: *urgent,
            options: options.iter().flat_map(|option| tcp_option(state, option)).collect(),
        },
    };
    let Packet { ip, bytes, bad_checksum, fragment, .. } = packet;
    let shape = Shape { ip, payload: *bytes, bad_checksum: *bad_checksum, fragment: *fragment };
    packet::build(&from, &to, &segment, &shape)
}

fn tcp_option(state: &SharedState, option: &TcpOption) -> Vec<u8> {
    let pair = |(one, other): &(Number, Number)| {
        [number(state, *one).to_be_bytes(), number(state, *other).to_be_bytes()].concat()
    };
    match option {
        TcpOption::Bytes(bytes) => bytes.clone(),
        TcpOption::Sack(blocks) => {
            let length = 2 + 8 * blocks.len() as u8;
            [&[5, length][..], &blocks.iter().flat_map(pair).collect::<Vec<u8>>()].concat()
        }
        TcpOption::Timestamp(value, echo) => [&[8, 10][..], &pair(&(*value, *echo))].concat(),
    }
}

fn number(state: &SharedState, number: Number) -> u32 {
    let from = number.from.map_or(0, |from| known(state, from));
    // The numbers of TCP wrap around.
    from.wrapping_add(number.plus as u32)
}

/// 0 for a socket that has no such number.
fn known(state: &SharedState, known: Known) -> u32 {
    let fd = |slot| state.get(slot) as i32;
    match known {
        Known::Expected(socket) => sequence(fd(socket)).map_or(0, |(expected, _)| expected),
        Known::Next(socket) => sequence(fd(socket)).map_or(0, |(_, next)| next),
        Known::Port(socket) => port(fd(socket)).into(),
        Known::Value(slot) => state.get(slot) as u32,
    }
}

/// The port that a socket is bound to; 0 if it is not an IP socket.
fn port(fd: i32) -> u16 {
    let address = own_address(fd);
    match address.get(2..4) {
        Some(port) if address.len() >= 16 => u16::from_be_bytes([port[0], port[1]]),
        _ => 0,
    }
}

/// The address alone: for a raw socket of IPv6, the port is a protocol (net/ipv6/raw.c, `rawv6_sendmsg`).
fn without_port(end: Endpoint) -> Option<Address> {
    match end.ip.len() {
        4 => end.ip.try_into().ok().map(|ip| Address::V4(ip, 0)),
        _ => end.ip.try_into().ok().map(|ip| Address::V6(ip, 0)),
    }
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
