//! Packets made by hand: IP header, transport header, counting pattern.

use std::ffi::c_long;

use rxpath_guest::{Address, Packet, Slot, Transport};

use super::connection::place_address;
use super::{Call, Scratch};
use crate::board::Board;

const PROTO_ICMP: u8 = 1;
const PROTO_TCP: u8 = 6;
const PROTO_UDP: u8 = 17;
const PROTO_ICMPV6: u8 = 58;
/// TCP_REPAIR_ON, TCP_REPAIR_OFF_NO_WP (leaves without sending a window probe), TCP_RECV_QUEUE, TCP_SEND_QUEUE
/// (`linux/tcp.h`).
const REPAIR_ON: i32 = 1;
const REPAIR_OFF_NO_PROBE: i32 = -1;
const RECV_QUEUE: i32 = 1;
const SEND_QUEUE: i32 = 2;
/// SOL_RAW sockets and packet-less descriptors alike answer getsockopt(SO_TYPE); a TUN device does not.
const SOCK_RAW: i32 = 3;

pub fn inject(board: &Board, scratch: &mut Scratch, via: Slot, packet: &Packet) -> Call {
    let Some(bytes) = build(board, scratch, packet) else { return Call::already(-i64::from(libc::EINVAL)) };
    let fd = board.get(via);
    let at = scratch.place(&bytes);
    let length = bytes.len() as c_long;
    if option(fd as i32, libc::SOL_SOCKET, libc::SO_TYPE) == Some(SOCK_RAW) {
        let (to, to_length) = place_address(board, scratch, &packet.to);
        Call::new(libc::SYS_sendto, [fd, at, length, 0, to, to_length])
    } else {
        Call::new(libc::SYS_write, [fd, at, length])
    }
}

/// An address with its port, as bytes in network order.
struct End {
    ip: Vec<u8>,
    port: [u8; 2],
}

/// The packet's bytes; `None` if its two addresses are not of one family.
fn build(board: &Board, scratch: &mut Scratch, packet: &Packet) -> Option<Vec<u8>> {
    let from = end(board, scratch, &packet.from)?;
    let to = end(board, scratch, &packet.to)?;
    if from.ip.len() != to.ip.len() {
        return None;
    }
    let payload: Vec<u8> = (0..packet.bytes).map(|at| at as u8).collect();
    let v6 = from.ip.len() == 16;
    let (protocol, mut segment, checksum_at) = match &packet.transport {
        Transport::Udp => {
            let length = (8 + payload.len()) as u16;
            let header = [&from.port[..], &to.port, &length.to_be_bytes(), &[0, 0]].concat();
            (PROTO_UDP, header, 6)
        }
        Transport::Echo => {
            let kind = if v6 { 128 } else { 8 };
            (if v6 { PROTO_ICMPV6 } else { PROTO_ICMP }, vec![kind, 0, 0, 0, 0, 1, 0, 1], 2)
        }
        Transport::Tcp { receiver, seq, ack, flags, window } => {
            let (expected, next) = receiver.and_then(|slot| sequence(board.get(slot) as i32)).unwrap_or((0, 0));
            let seq = expected.wrapping_add_signed(*seq).to_be_bytes();
            let ack = next.wrapping_add_signed(*ack).to_be_bytes();
            let header =
                [&from.port[..], &to.port, &seq, &ack, &[5 << 4, *flags], &window.to_be_bytes(), &[0; 4]].concat();
            (PROTO_TCP, header, 16)
        }
    };
    segment.extend(&payload);
    // ICMP's checksum covers no pseudo header; everyone else's does (RFC 768, 4443, 9293).
    let pseudo =
        if protocol == PROTO_ICMP { Vec::new() } else { pseudo_header(&from.ip, &to.ip, protocol, segment.len()) };
    let mut sum = checksum(&[pseudo, segment.clone()].concat());
    if packet.bad_checksum {
        sum ^= 0x5555;
    }
    // UDP says "no checksum" with 0, so a computed 0 is sent as its twin (RFC 768).
    if protocol == PROTO_UDP && sum == 0 {
        sum = 0xffff;
    }
    segment[checksum_at..checksum_at + 2].copy_from_slice(&sum.to_be_bytes());
    Some(if v6 {
        ipv6(&from.ip, &to.ip, protocol, &segment)
    } else {
        ipv4(&from.ip, &to.ip, protocol, &segment, packet.fragment)
    })
}

fn ipv4(from: &[u8], to: &[u8], protocol: u8, segment: &[u8], fragment: Option<(u16, u16)>) -> Vec<u8> {
    let (offset, part, more) = match fragment {
        None => (0, segment, false),
        Some((offset, length)) => {
            let begin = usize::from(offset).min(segment.len());
            let end = (begin + usize::from(length)).min(segment.len());
            (offset, &segment[begin..end], end < segment.len())
        }
    };
    let length = (20 + part.len()) as u16;
    let place = (offset / 8) | if more { 0x2000 } else { 0 };
    // All fragments of a datagram carry the same identification.
    let mut header =
        [&[0x45, 0][..], &length.to_be_bytes(), &[0x12, 0x34], &place.to_be_bytes(), &[64, protocol, 0, 0], from, to]
            .concat();
    let sum = checksum(&header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    header.extend(part);
    header
}

fn ipv6(from: &[u8], to: &[u8], protocol: u8, segment: &[u8]) -> Vec<u8> {
    [&[0x60, 0, 0, 0][..], &(segment.len() as u16).to_be_bytes(), &[protocol, 64], from, to, segment].concat()
}

fn pseudo_header(from: &[u8], to: &[u8], protocol: u8, length: usize) -> Vec<u8> {
    // For IPv4 the length has 16 bits and for IPv6 32, but zeros add nothing to the sum.
    [from, to, &(length as u32).to_be_bytes(), &[0, 0, 0, protocol]].concat()
}

/// The Internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | pair.get(1).copied().map_or(0, u32::from));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

fn end(board: &Board, scratch: &mut Scratch, address: &Address) -> Option<End> {
    let (at, length) = place_address(board, scratch, address);
    // SAFETY: place_address has just put `length` bytes into the actor's scratch memory.
    let bytes = unsafe { std::slice::from_raw_parts(at as *const u8, length as usize) };
    let port = [*bytes.get(2)?, *bytes.get(3)?];
    match i32::from(u16::from_ne_bytes([bytes[0], bytes[1]])) {
        libc::AF_INET => Some(End { ip: bytes.get(4..8)?.to_vec(), port }),
        libc::AF_INET6 => Some(End { ip: bytes.get(8..24)?.to_vec(), port }),
        _ => None,
    }
}

/// What a connected TCP socket expects next and sends next (TCP_REPAIR, TCP_QUEUE_SEQ; `Documentation` of CRIU, tcp(7)).
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
