//! Reads the headers of a packet that the kernel sent.

use super::packet::{PROTO_ICMP, PROTO_ICMPV6, PROTO_TCP, PROTO_UDP};

/// The headers of a packet. Numbers are in host byte order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Headers<'a> {
    /// The source: 4 or 16 bytes.
    pub from: &'a [u8],
    /// The destination.
    pub to: &'a [u8],
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// Type of service, or traffic class.
    pub tos: u8,
    /// Whether IPv4 may not fragment it.
    pub dont_fragment: bool,
    /// The transport header.
    pub transport: Segment<'a>,
    /// Length of the payload, in bytes, by what the headers say: the packet may be truncated.
    pub payload: usize,
}

/// A transport header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment<'a> {
    /// UDP.
    Udp {
        /// The source port and the destination port.
        ports: (u16, u16),
    },
    /// ICMP or ICMPv6.
    Icmp {
        /// The type.
        kind: u8,
        /// The code.
        code: u8,
        /// The rest of the header.
        rest: u32,
    },
    /// TCP.
    Tcp {
        /// The source port and the destination port.
        ports: (u16, u16),
        /// Sequence number.
        seq: u32,
        /// Acknowledgement number.
        ack: u32,
        /// The flags' byte.
        flags: u8,
        /// Window, unscaled.
        window: u16,
        /// Urgent pointer.
        urgent: u16,
        /// The options: kind, and the bytes after the length. Padding is left out.
        options: Vec<(u8, &'a [u8])>,
    },
    /// A different protocol, or a fragment without the transport header.
    Other {
        /// Its number.
        protocol: u8,
    },
}

/// Reads the headers; `None` if the bytes are not a packet or end before its headers do.
pub fn read(packet: &[u8]) -> Option<Headers<'_>> {
    let byte = |at: usize| packet.get(at).copied();
    let half = |at: usize| Some(u16::from_be_bytes(*packet.get(at..)?.first_chunk()?));
    let word = |at: usize| Some(u32::from_be_bytes(*packet.get(at..)?.first_chunk()?));
    let (ends, address, ttl, tos, dont_fragment, protocol, start, end) = match byte(0)? >> 4 {
        4 => {
            let start = usize::from(byte(0)? & 15) * 4;
            let (place, end) = (half(6)?, usize::from(half(2)?));
            // Only the first fragment has a transport header.
            let protocol = if place & 0x1fff == 0 { byte(9)? } else { u8::MAX };
            (packet.get(12..20)?, 4, byte(8)?, byte(1)?, place & 0x4000 != 0, protocol, start, end)
        }
        6 => {
            let tos = byte(0)? << 4 | byte(1)? >> 4;
            let end = 40 + usize::from(half(4)?);
            let (mut protocol, mut start) = (byte(6)?, 40);
            // Hop-by-hop options, routing, destination options (RFC 8200).
            while [0, 43, 60].contains(&protocol) {
                (protocol, start) = (byte(start)?, start + 8 + 8 * usize::from(byte(start + 1)?));
            }
            (packet.get(8..40)?, 16, byte(7)?, tos, false, protocol, start, end)
        }
        _ => return None,
    };
    let ports = || Some((half(start)?, half(start + 2)?));
    let (transport, header) = match protocol {
        PROTO_UDP => (Segment::Udp { ports: ports()? }, 8),
        PROTO_ICMP | PROTO_ICMPV6 => {
            (Segment::Icmp { kind: byte(start)?, code: byte(start + 1)?, rest: word(start + 4)? }, 8)
        }
        PROTO_TCP => {
            let header = usize::from(byte(start + 12)? >> 4) * 4;
            let options = packet.get(start + 20..start + header)?;
            let tcp = Segment::Tcp {
                ports: ports()?,
                seq: word(start + 4)?,
                ack: word(start + 8)?,
                flags: byte(start + 13)?,
                window: half(start + 14)?,
                urgent: half(start + 18)?,
                options: tcp_options(options)?,
            };
            (tcp, header)
        }
        protocol => (Segment::Other { protocol }, 0),
    };
    let payload = end.saturating_sub(start + header);
    Some(Headers { from: &ends[..address], to: &ends[address..], ttl, tos, dont_fragment, transport, payload })
}

/// The sequence number of a TCP segment; 0 for any other packet.
pub fn sequence_number(packet: &[u8]) -> u32 {
    match read(packet) {
        Some(Headers { transport: Segment::Tcp { seq, .. }, .. }) => seq,
        _ => 0,
    }
}

/// Splits TCP options (RFC 9293, 3.2); `None` if a length is wrong.
fn tcp_options(mut bytes: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut out = Vec::new();
    while let Some((kind, rest)) = bytes.split_first() {
        bytes = match kind {
            0 => break,
            1 => rest,
            kind => {
                let length = usize::from(*rest.first()?);
                out.push((*kind, bytes.get(2..length)?));
                bytes.get(length..)?
            }
        };
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::super::packet::{self, Endpoint, Shape};
    use super::*;
    use crate::IpHeader;

    fn tcp(options: Vec<u8>) -> packet::Segment {
        packet::Segment::Tcp { seq: 7, ack: 8, flags: 0x12, window: 9, urgent: 10, options }
    }

    fn built(v6: bool, segment: packet::Segment, extensions: Vec<(u8, Vec<u8>)>) -> Vec<u8> {
        let end = |last: u8, port: u16| {
            let ip = if v6 { vec![0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last] } else { vec![10, 0, 0, last] };
            Endpoint { ip, port: port.to_be_bytes() }
        };
        let ip = IpHeader { ttl: 3, tos: 0x12, dont_fragment: true, options: Vec::new(), extensions };
        let shape = Shape { ip: &ip, payload: 5, bad_checksum: false, fragment: None };
        packet::build(&end(2, 1000), &end(1, 2000), &segment, &shape).unwrap()
    }

    #[test]
    fn what_was_built_is_read() {
        let segment = || tcp(vec![2, 4, 5, 0xb4, 1, 3, 3, 7, 4, 2]);
        for packet in
            [built(false, segment(), vec![]), built(true, segment(), vec![(0, vec![5, 2, 0, 0]), (60, vec![])])]
        {
            let headers = read(&packet).unwrap();
            assert_eq!((headers.ttl, headers.tos, headers.payload), (3, 0x12, 5));
            assert_eq!((headers.from.last(), headers.to.last()), (Some(&2), Some(&1)));
            assert_eq!(headers.dont_fragment, packet[0] >> 4 == 4);
            let options = vec![(2, &[5, 0xb4][..]), (3, &[7]), (4, &[])];
            let (ports, flags) = ((1000, 2000), 0x12);
            let tcp = Segment::Tcp { ports, seq: 7, ack: 8, flags, window: 9, urgent: 10, options };
            assert_eq!(headers.transport, tcp);
            assert_eq!(sequence_number(&packet), 7);
        }
        let icmp = packet::Segment::Icmp { kind: 3, code: 4, rest: [0, 0, 5, 0], about: None };
        let packet = built(false, icmp, vec![]);
        assert_eq!(read(&packet).unwrap().transport, Segment::Icmp { kind: 3, code: 4, rest: 0x500 });
        assert_eq!(
            read(&built(true, packet::Segment::Udp, vec![])).unwrap().transport,
            Segment::Udp { ports: (1000, 2000) }
        );
    }

    #[test]
    fn what_is_cut_or_wrong_is_refused() {
        let whole = built(true, tcp(vec![2, 4, 5, 0xb4]), vec![(60, vec![])]);
        let headers = whole.len() - 5;
        for length in 0..headers {
            assert_eq!(read(&whole[..length]), None, "{length} bytes");
        }
        assert_eq!(read(&whole[..headers]).unwrap().payload, 5, "truncated data");
        assert_eq!(read(&built(false, tcp(vec![2, 0, 0, 0]), vec![])), None, "an option of no length");
        assert_eq!(read(&built(false, tcp(vec![2, 9, 0, 0]), vec![])), None, "an option longer than the header");
        let mut fragment = built(false, tcp(vec![]), vec![]);
        fragment[7] = 1;
        assert_eq!(read(&fragment).unwrap().transport, Segment::Other { protocol: u8::MAX });
    }
}
