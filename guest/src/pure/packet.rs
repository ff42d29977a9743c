//! Packets built byte by byte: IP header, transport header, counting pattern.

use crate::counting_pattern;

const PROTO_ICMP: u8 = 1;
const PROTO_TCP: u8 = 6;
const PROTO_UDP: u8 = 17;
const PROTO_ICMPV6: u8 = 58;

/// An address with its port, as bytes in network order.
pub struct Endpoint {
    /// 4 bytes for IPv4, 16 for IPv6.
    pub ip: Vec<u8>,
    /// The port; unused for ICMP.
    pub port: [u8; 2],
}

/// A transport header with all its numbers known.
pub enum Segment {
    /// UDP.
    Udp,
    /// ICMP or ICMPv6 echo request.
    Echo,
    /// TCP without options.
    Tcp {
        /// Sequence number.
        seq: u32,
        /// Acknowledgement number.
        ack: u32,
        /// The flags' byte (RFC 9293).
        flags: u8,
        /// Window, unscaled.
        window: u16,
    },
}

/// What of a packet differs from a correct, whole one with this payload.
pub struct Shape {
    /// Length of the payload, in bytes.
    pub payload: u32,
    /// Whether the transport's checksum is wrong.
    pub bad_checksum: bool,
    /// The only part of an IPv4 packet to build: offset and length in the IP payload, in bytes.
    pub fragment: Option<(u16, u16)>,
}

/// The packet's bytes; `None` if the two addresses are not of the same family.
pub fn build(from: &Endpoint, to: &Endpoint, segment: &Segment, shape: &Shape) -> Option<Vec<u8>> {
    if from.ip.len() != to.ip.len() {
        return None;
    }
    let payload = counting_pattern(shape.payload as usize);
    let v6 = from.ip.len() == 16;
    let (protocol, header, checksum_at) = match segment {
        Segment::Udp => {
            let length = (8 + payload.len()) as u16;
            (PROTO_UDP, [&from.port[..], &to.port, &length.to_be_bytes(), &[0, 0]].concat(), 6)
        }
        Segment::Echo => {
            let kind = if v6 { 128 } else { 8 };
            (if v6 { PROTO_ICMPV6 } else { PROTO_ICMP }, vec![kind, 0, 0, 0, 0, 1, 0, 1], 2)
        }
        Segment::Tcp { seq, ack, flags, window } => {
            let numbers = [seq.to_be_bytes(), ack.to_be_bytes()].concat();
            let header =
                [&from.port[..], &to.port, &numbers, &[5 << 4, *flags], &window.to_be_bytes(), &[0; 4]].concat();
            (PROTO_TCP, header, 16)
        }
    };
    let mut segment = header;
    segment.extend(&payload);
    // ICMP's checksum covers no pseudo header; all others do (RFC 768, 4443, 9293).
    let pseudo =
        if protocol == PROTO_ICMP { Vec::new() } else { pseudo_header(&from.ip, &to.ip, protocol, segment.len()) };
    let mut sum = internet_checksum(&[&pseudo[..], &segment].concat());
    if shape.bad_checksum {
        sum ^= 0x5555;
    }
    // In UDP, 0 means "no checksum", so a sum of 0 is sent as its other representation (RFC 768).
    if protocol == PROTO_UDP && sum == 0 {
        sum = 0xffff;
    }
    segment[checksum_at..checksum_at + 2].copy_from_slice(&sum.to_be_bytes());
    Some(if v6 {
        ipv6(&from.ip, &to.ip, protocol, &segment)
    } else {
        ipv4(&from.ip, &to.ip, protocol, &segment, shape.fragment)
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
    let sum = internet_checksum(&header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    header.extend(part);
    header
}

fn ipv6(from: &[u8], to: &[u8], protocol: u8, segment: &[u8]) -> Vec<u8> {
    [&[0x60, 0, 0, 0][..], &(segment.len() as u16).to_be_bytes(), &[protocol, 64], from, to, segment].concat()
}

fn pseudo_header(from: &[u8], to: &[u8], protocol: u8, length: usize) -> Vec<u8> {
    // The length has 16 bits for IPv4 and 32 for IPv6, but zeros do not change the sum.
    [from, to, &(length as u32).to_be_bytes(), &[0, 0, 0, protocol]].concat()
}

/// The Internet checksum (RFC 1071).
fn internet_checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | pair.get(1).copied().map_or(0, u32::from));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: Shape = Shape { payload: 0, bad_checksum: false, fragment: None };

    fn v4(last: u8, port: u16) -> Endpoint {
        Endpoint { ip: vec![10, 0, 0, last], port: port.to_be_bytes() }
    }

    fn v6(last: u8, port: u16) -> Endpoint {
        let mut ip = vec![0; 16];
        (ip[0], ip[15]) = (0xfd, last);
        Endpoint { ip, port: port.to_be_bytes() }
    }

    fn from_v4(segment: Segment, shape: Shape) -> Vec<u8> {
        build(&v4(2, 1000), &v4(1, 2000), &segment, &shape).unwrap()
    }

    /// What a receiver computes: 0 if the checksum is right.
    fn left_over(pseudo: &[u8], segment: &[u8]) -> u16 {
        internet_checksum(&[pseudo, segment].concat())
    }

    #[test]
    fn internet_checksums() {
        for (bytes, expected) in [
            (&[][..], 0xffff),
            // RFC 1071, section 3: the sum is 0xddf2.
            (&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7], !0xddf2),
            (&[0xab], !0xab00),
            (&[0xff, 0xff], 0),
            // A widely used example of an IPv4 header, its checksum field zero.
            (&[0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 0, 0, 0xc0, 0xa8, 0, 0x01, 0xc0, 0xa8, 0, 0xc7], 0xb861),
        ] {
            assert_eq!(internet_checksum(bytes), expected, "{bytes:x?}");
        }
    }

    #[test]
    fn a_udp_datagram() {
        assert_eq!(
            from_v4(Segment::Udp, Shape { payload: 3, ..WHOLE }),
            [
                0x45, 0, 0, 31, 0x12, 0x34, 0, 0, 64, 17, 0x54, 0x98, 10, 0, 0, 2, 10, 0, 0, 1, // IPv4
                0x03, 0xe8, 0x07, 0xd0, 0, 11, 0xde, 0x1c, // UDP
                0, 1, 2,
            ]
        );
    }

    #[test]
    fn a_tcp_segment() {
        let segment = Segment::Tcp { seq: 0x0102_0304, ack: 0x0506_0708, flags: 0x18, window: 512 };
        let packet = from_v4(segment, Shape { payload: 2, ..WHOLE });
        assert_eq!(packet[2..4], [0, 42], "total length");
        assert_eq!(packet[9], 6, "protocol");
        assert_eq!(
            packet[20..36],
            [0x03, 0xe8, 0x07, 0xd0, 1, 2, 3, 4, 5, 6, 7, 8, 0x50, 0x18, 0x02, 0x00],
            "ports, numbers, length and flags, window"
        );
        assert_eq!(packet[38..], [0, 0, 0, 1], "urgent pointer and payload");
        assert_eq!(left_over(&pseudo_header(&[10, 0, 0, 2], &[10, 0, 0, 1], 6, 22), &packet[20..]), 0);
    }

    #[test]
    fn echo_requests() {
        let packet = from_v4(Segment::Echo, Shape { payload: 4, ..WHOLE });
        assert_eq!((packet[9], &packet[20..22]), (1, &[8, 0][..]));
        assert_eq!(left_over(&[], &packet[20..]), 0, "ICMP has no pseudo header");

        let packet = build(&v6(2, 0), &v6(1, 0), &Segment::Echo, &Shape { payload: 4, ..WHOLE }).unwrap();
        assert_eq!((packet[6], &packet[40..42]), (58, &[128, 0][..]));
        assert_eq!(left_over(&pseudo_header(&v6(2, 0).ip, &v6(1, 0).ip, 58, 12), &packet[40..]), 0);
    }

    #[test]
    fn an_ipv6_header() {
        let packet = build(&v6(2, 1), &v6(1, 2), &Segment::Udp, &Shape { payload: 5, ..WHOLE }).unwrap();
        assert_eq!(packet[..8], [0x60, 0, 0, 0, 0, 13, 17, 64]);
        assert_eq!((&packet[8..24], &packet[24..40]), (&v6(2, 0).ip[..], &v6(1, 0).ip[..]));
        assert_eq!(left_over(&pseudo_header(&v6(2, 0).ip, &v6(1, 0).ip, 17, 13), &packet[40..]), 0);
    }

    #[test]
    fn a_bad_checksum_is_wrong_and_everything_else_right() {
        let shape = |bad_checksum| Shape { payload: 3, bad_checksum, ..WHOLE };
        let (good, bad) = (from_v4(Segment::Udp, shape(false)), from_v4(Segment::Udp, shape(true)));
        assert_eq!((&bad[..26], &bad[28..]), (&good[..26], &good[28..]));
        assert_eq!(bad[26..28], [0xde ^ 0x55, 0x1c ^ 0x55]);
    }

    #[test]
    fn udp_sends_a_sum_of_zero_as_all_ones() {
        // The port that makes the sum zero is the checksum of the same datagram with port 0.
        let datagram = |port| build(&v4(2, port), &v4(1, 0), &Segment::Udp, &WHOLE).unwrap();
        let port = u16::from_be_bytes([datagram(0)[26], datagram(0)[27]]);
        assert_eq!(datagram(port)[26..28], [0xff, 0xff]);
    }

    #[test]
    fn fragments_share_an_identification_and_cover_the_segment() {
        let fragment = |fragment| from_v4(Segment::Udp, Shape { payload: 16, fragment, ..WHOLE });
        let whole = fragment(None);
        let (first, last, past) = (fragment(Some((0, 16))), fragment(Some((16, 8))), fragment(Some((64, 8))));
        assert_eq!([&first[20..], &last[20..]].concat(), whole[20..]);
        assert_eq!((&first[4..8], &last[4..8]), (&[0x12, 0x34, 0x20, 0][..], &[0x12, 0x34, 0, 2][..]));
        assert_eq!((first[3], last[3]), (36, 28));
        assert_eq!((past.len(), &past[6..8]), (20, &[0, 8][..]), "nothing is left past the end");
        for packet in [&first, &last, &past] {
            assert_eq!(internet_checksum(&packet[..20]), 0);
        }
    }

    #[test]
    fn addresses_of_two_families_make_no_packet() {
        assert_eq!(build(&v4(2, 1), &v6(1, 2), &Segment::Udp, &WHOLE), None);
    }
}
