//! Packets built byte by byte: IP header, transport header, counting pattern.

use crate::{IpHeader, counting_pattern};

/// Protocol numbers (IANA, "Assigned Internet Protocol Numbers").
pub const PROTO_ICMP: u8 = 1;
/// TCP.
pub const PROTO_TCP: u8 = 6;
/// UDP.
pub const PROTO_UDP: u8 = 17;
/// The fragment header of IPv6.
const PROTO_FRAGMENT: u8 = 44;
/// ICMPv6.
pub const PROTO_ICMPV6: u8 = 58;
/// The header of IPv6 whose content has no options to pad with (RFC 8200, 4.4).
const PROTO_ROUTING: u8 = 43;

/// All fragments of a datagram carry the same identification, and so may all datagrams.
const IDENTIFICATION: u16 = 0x1234;

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
    /// ICMP or ICMPv6.
    Icmp {
        /// The type.
        kind: u8,
        /// The code.
        code: u8,
        /// The rest of the header.
        rest: [u8; 4],
        /// The whole packet that an error is about.
        about: Option<Vec<u8>>,
    },
    /// TCP.
    Tcp {
        /// Sequence number.
        seq: u32,
        /// Acknowledgement number.
        ack: u32,
        /// The flags' byte (RFC 9293).
        flags: u8,
        /// Window, unscaled.
        window: u16,
        /// Urgent pointer.
        urgent: u16,
        /// Options; at most 40 bytes.
        options: Vec<u8>,
    },
}

/// What of a packet differs from a plain, correct, whole one.
pub struct Shape<'a> {
    /// The IP header's choices.
    pub ip: &'a IpHeader,
    /// Length of the payload, in bytes.
    pub payload: u32,
    /// Whether the transport's checksum is wrong.
    pub bad_checksum: bool,
    /// The only part of the packet to build: offset and length in the IP payload, in bytes.
    pub fragment: Option<(u16, u16)>,
}

/// The packet's bytes; `None` if the two addresses are not of the same family.
pub fn build(from: &Endpoint, to: &Endpoint, segment: &Segment, shape: &Shape) -> Option<Vec<u8>> {
    if from.ip.len() != to.ip.len() {
        return None;
    }
    let payload = counting_pattern(shape.payload as usize);
    let v6 = from.ip.len() == 16;
    let ports = [from.port, to.port].concat();
    let (protocol, header, checksum_at) = match segment {
        Segment::Udp => {
            let length = (8 + payload.len()) as u16;
            (PROTO_UDP, [&ports[..], &length.to_be_bytes(), &[0, 0]].concat(), 6)
        }
        Segment::Icmp { kind, code, rest, about } => {
            let about = about.as_deref().map_or(&[][..], quoted);
            let protocol = if v6 { PROTO_ICMPV6 } else { PROTO_ICMP };
            (protocol, [&[*kind, *code, 0, 0][..], rest, about].concat(), 2)
        }
        Segment::Tcp { seq, ack, flags, window, urgent, options } => {
            let options = padded(options, 4);
            let words = (5 + options.len() / 4) as u8;
            let numbers = [seq.to_be_bytes(), ack.to_be_bytes()].concat();
            let rest = [&window.to_be_bytes()[..], &[0, 0], &urgent.to_be_bytes(), &options].concat();
            (PROTO_TCP, [&ports[..], &numbers, &[words << 4, *flags], &rest].concat(), 16)
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
    let ends = [&from.ip[..], &to.ip].concat();
    Some(if v6 { ipv6(&ends, protocol, &segment, shape) } else { ipv4(&ends, protocol, &segment, shape) })
}

/// The part of a packet that an ICMP error carries: the IP header and 8 bytes (RFC 792), and of IPv6 all that fits into
/// the smallest MTU (RFC 4443).
fn quoted(packet: &[u8]) -> &[u8] {
    let most = match packet.first() {
        Some(first) if first >> 4 == 4 => usize::from(first & 15) * 4 + 8,
        _ => 1280 - 48,
    };
    &packet[..most.min(packet.len())]
}

/// The bytes and as many zeros as make their number a multiple of `of`.
fn padded(bytes: &[u8], of: usize) -> Vec<u8> {
    let mut out = bytes.to_vec();
    out.resize(out.len().next_multiple_of(of), 0);
    out
}

/// The part of a segment that a fragment carries, and whether more follows.
fn part_of(segment: &[u8], (offset, length): (u16, u16)) -> (&[u8], bool) {
    let begin = usize::from(offset).min(segment.len());
    let end = (begin + usize::from(length)).min(segment.len());
    (&segment[begin..end], end < segment.len())
}

fn ipv4(ends: &[u8], protocol: u8, segment: &[u8], shape: &Shape) -> Vec<u8> {
    let (part, more) = shape.fragment.map_or((segment, false), |fragment| part_of(segment, fragment));
    let options = padded(&shape.ip.options, 4);
    let words = (5 + options.len() / 4) as u8;
    let length = (20 + options.len() + part.len()) as u16;
    let flags = if more { 0x2000 } else { 0 } | if shape.ip.dont_fragment { 0x4000 } else { 0 };
    let place = shape.fragment.map_or(0, |(offset, _)| offset / 8) | flags;
    let numbers = [length, IDENTIFICATION, place].map(u16::to_be_bytes).concat();
    let first = [0x40 | words, shape.ip.tos];
    let mut header = [&first[..], &numbers, &[shape.ip.ttl, protocol, 0, 0], ends, &options].concat();
    let sum = internet_checksum(&header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    header.extend(part);
    header
}

fn ipv6(ends: &[u8], protocol: u8, segment: &[u8], shape: &Shape) -> Vec<u8> {
    let mut headers = shape.ip.extensions.clone();
    let mut part = segment;
    if let Some(fragment) = shape.fragment {
        let (of_it, more) = part_of(segment, fragment);
        part = of_it;
        // What follows the reserved byte in the place of the length: the offset and the flag, and the identification.
        let place = (fragment.0 & !7 | u16::from(more)).to_be_bytes();
        headers.push((PROTO_FRAGMENT, [&place[..], &u32::from(IDENTIFICATION).to_be_bytes()].concat()));
    }
    let mut payload = Vec::new();
    for (nth, (kind, content)) in headers.iter().enumerate() {
        let next = headers.get(nth + 1).map_or(protocol, |(kind, _)| *kind);
        payload.extend(extension(next, *kind, content));
    }
    payload.extend(part);
    let first = headers.first().map_or(protocol, |(kind, _)| *kind);
    let class = [0x60 | shape.ip.tos >> 4, shape.ip.tos << 4, 0, 0];
    [&class[..], &(payload.len() as u16).to_be_bytes(), &[first, shape.ip.ttl], ends, &payload].concat()
}

/// An extension header: the next header, its length in units of 8 bytes beyond the first, and its content, filled up with
/// the options Pad1 and PadN (RFC 8200, 4.2).
fn extension(next: u8, kind: u8, content: &[u8]) -> Vec<u8> {
    let mut content = content.to_vec();
    let missing = (content.len() + 2).next_multiple_of(8) - (content.len() + 2);
    match missing {
        _ if kind == PROTO_ROUTING => content.resize(content.len() + missing, 0),
        0 => {}
        1 => content.push(0),
        more => {
            content.extend([1, (more - 2) as u8]);
            content.resize(content.len() + more - 2, 0);
        }
    }
    let units = if kind == PROTO_FRAGMENT { 0 } else { (content.len() + 2) / 8 - 1 };
    [&[next, units as u8][..], &content].concat()
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

    static PLAIN: IpHeader =
        IpHeader { ttl: 64, tos: 0, dont_fragment: false, options: Vec::new(), extensions: Vec::new() };
    const WHOLE: Shape = Shape { ip: &PLAIN, payload: 0, bad_checksum: false, fragment: None };
    const ECHO: Segment = Segment::Icmp { kind: 8, code: 0, rest: [0, 1, 0, 1], about: None };

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

    fn tcp(options: Vec<u8>) -> Segment {
        Segment::Tcp { seq: 0x0102_0304, ack: 0x0506_0708, flags: 0x18, window: 512, urgent: 0, options }
    }

    #[test]
    fn options_lengthen_their_headers_and_are_padded() {
        let ip = IpHeader { ttl: 1, tos: 3, dont_fragment: true, options: vec![0x94, 4, 0, 0, 1], ..PLAIN.clone() };
        let packet = from_v4(tcp(vec![2, 4, 5, 0xb4, 1]), Shape { ip: &ip, payload: 1, ..WHOLE });
        assert_eq!(packet[..4], [0x47, 3, 0, 28 + 28 + 1], "7 words of IP header, 7 of TCP header, 1 byte");
        assert_eq!((packet[6], packet[8]), (0x40, 1), "DF and TTL");
        assert_eq!(packet[20..28], [0x94, 4, 0, 0, 1, 0, 0, 0]);
        assert_eq!(internet_checksum(&packet[..28]), 0);
        assert_eq!((packet[40], &packet[48..]), (7 << 4, &[2, 4, 5, 0xb4, 1, 0, 0, 0, 0][..]));
        assert_eq!(left_over(&pseudo_header(&[10, 0, 0, 2], &[10, 0, 0, 1], 6, 29), &packet[28..]), 0);
    }

    #[test]
    fn extension_headers_form_a_chain_and_are_padded() {
        let extensions = vec![(0, vec![5, 2, 0, 0]), (60, vec![1, 0, 0]), (43, vec![4, 0, 0, 0, 0])];
        let ip = IpHeader { extensions, ..PLAIN.clone() };
        let shape = Shape { ip: &ip, payload: 16, fragment: Some((8, 8)), ..WHOLE };
        let packet = build(&v6(2, 1), &v6(1, 2), &Segment::Udp, &shape).unwrap();
        assert_eq!((packet[5], packet[6]), (40, 0), "length, hop-by-hop options first");
        assert_eq!(packet[40..48], [60, 0, 5, 2, 0, 0, 1, 0], "padded by PadN of nothing");
        assert_eq!(packet[48..56], [43, 0, 1, 0, 0, 1, 1, 0], "by PadN of one byte");
        assert_eq!(packet[56..64], [44, 0, 4, 0, 0, 0, 0, 0], "by a zero");
        assert_eq!(packet[64..72], [17, 0, 0, 9, 0, 0, 0x12, 0x34], "offset 8, and more to come");
        assert_eq!(packet[72..], [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(extension(6, 0, &[1, 2, 3, 4, 5]), [6, 0, 1, 2, 3, 4, 5, 0], "one byte by Pad1");
    }

    #[test]
    fn an_icmp_error_quotes_a_header_and_8_bytes() {
        let original = from_v4(Segment::Udp, Shape { payload: 100, ..WHOLE });
        let about = Some(original.clone());
        let error = from_v4(Segment::Icmp { kind: 3, code: 4, rest: [0, 0, 5, 0], about }, WHOLE);
        assert_eq!((error.len(), &error[28..]), (56, &original[..28]));
        assert_eq!((&error[20..22], &error[24..28]), (&[3, 4][..], &[0, 0, 5, 0][..]));
        assert_eq!(left_over(&[], &error[20..]), 0);
        assert_eq!(quoted(&[]), [0; 0]);
        assert_eq!(quoted(&[0x6f; 2000]).len(), 1232, "IPv6: all that fits");
    }

    #[test]
    fn a_tcp_segment() {
        let segment = tcp(Vec::new());
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
        let packet = from_v4(ECHO, Shape { payload: 4, ..WHOLE });
        assert_eq!((packet[9], &packet[20..22]), (1, &[8, 0][..]));
        assert_eq!(left_over(&[], &packet[20..]), 0, "ICMP has no pseudo header");

        let v6_echo = Segment::Icmp { kind: 128, code: 0, rest: [0, 1, 0, 1], about: None };
        let packet = build(&v6(2, 0), &v6(1, 0), &v6_echo, &Shape { payload: 4, ..WHOLE }).unwrap();
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
