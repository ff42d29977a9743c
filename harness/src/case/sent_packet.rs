//! What a packet that the kernel sends must be like, and what it lacks.

use std::net::IpAddr;

use rxpath_guest::pure::packet_headers::{self, Headers, Segment};
use rxpath_guest::{Address, Known, Number, Op, SentPacket, Slot, Step};

use super::arguments::{Scope, counted_from, packet_end};
use super::constants;
use super::expectation::{Context, Expectation};
use super::key_path::KeyPath;
use super::phrases::{Bound, Field, Protocol, SentClause, SentPhrase};
use super::step_ref::StepRef;

/// Kinds of TCP options (IANA, "TCP Option Kind Numbers").
const MSS: u8 = 2;
const WINDOW_SCALE: u8 = 3;
const SACK: u8 = 5;

/// What a packet that the kernel sends must be like.
#[derive(Clone, Debug)]
pub(crate) struct SentPattern {
    protocol: Protocol,
    from: End,
    to: End,
    /// What the numbers of the packet count from in messages.
    counted_from: (Option<Known>, Option<Known>),
    /// Each with its text.
    clauses: Vec<(String, Clause)>,
}

/// One end of a packet.
#[derive(Clone, Debug)]
enum End {
    Any,
    Address(IpAddr, u16),
    /// The port of a socket.
    PortOf(Slot),
}

/// Something that a packet must be like, with its numbers resolved.
#[derive(Clone, Debug)]
enum Clause {
    Flags(u8),
    Seq(Number),
    Ack(Number),
    Sack(Vec<(Number, Number)>),
    Field(Field, Bound),
    Has(u8, bool),
    DontFragment,
}

impl SentPattern {
    /// Resolves the names in a phrase. Errors are recorded in `scope`.
    pub(crate) fn new(phrase: SentPhrase, scope: &mut Scope<'_>, at: &KeyPath) -> Self {
        let address = |text: &str, scope: &mut Scope<'_>| match text {
            "*" => None,
            text => Some(packet_end(text, phrase.protocol, scope, at)),
        };
        let (from, to) = (address(&phrase.from, scope), address(&phrase.to, scope));
        // Not a socket, so that nothing counts from it.
        let nowhere = Address::Netlink(0, 0);
        let counted_from = counted_from(from.as_ref().unwrap_or(&nowhere), to.as_ref().unwrap_or(&nowhere));
        let (seq_from, ack_from) = counted_from;
        let clauses = phrase.clauses.into_iter().map(|(text, clause)| {
            let clause = match clause {
                SentClause::Flags(flags) => Clause::Flags(flags),
                SentClause::Seq(number) => Clause::Seq(scope.number(&number, seq_from, at)),
                SentClause::Ack(number) => Clause::Ack(scope.number(&number, ack_from, at)),
                SentClause::Sack(blocks) => {
                    let mut number = |text: &str| scope.number(text, ack_from, at);
                    Clause::Sack(blocks.iter().map(|(one, other)| (number(one), number(other))).collect())
                }
                SentClause::Field(field, bound) => Clause::Field(field, bound),
                SentClause::Has(kind, whether) => Clause::Has(kind, whether),
                SentClause::DontFragment => Clause::DontFragment,
            };
            (text, clause)
        });
        let clauses = clauses.collect();
        Self { protocol: phrase.protocol, from: End::of(from), to: End::of(to), counted_from, clauses }
    }

    /// The numbers that only the guest knows.
    fn known(&self) -> impl Iterator<Item = Known> {
        let ends = [&self.from, &self.to].into_iter().filter_map(|end| match end {
            End::PortOf(socket) => Some(Known::Port(*socket)),
            _ => None,
        });
        let counted = [self.counted_from.0, self.counted_from.1].into_iter().flatten();
        let numbers = self.clauses.iter().flat_map(|(_, clause)| match clause {
            Clause::Seq(number) | Clause::Ack(number) => vec![number.from],
            Clause::Sack(blocks) => blocks.iter().flat_map(|(one, other)| [one.from, other.from]).collect(),
            _ => Vec::new(),
        });
        ends.chain(counted).chain(numbers.flatten())
    }

    /// What the packet lacks, in words; `None` if nothing.
    pub(crate) fn failure(&self, packet: &SentPacket) -> Option<String> {
        let Some(headers) = packet_headers::read(&packet.bytes) else {
            return Some("what the kernel sent is not a packet of IP".to_owned());
        };
        let seen = Seen { packet, headers: &headers };
        let lacking = seen.wrong_end(self).or_else(|| {
            let wrong = self.clauses.iter().find(|(_, clause)| !seen.fits(clause));
            wrong.map(|(text, _)| format!("`{text}`"))
        })?;
        let found = seen.describe(self.counted_from);
        Some(format!("expected the kernel to send {lacking}, but it sent `{found}`"))
    }
}

impl End {
    fn of(address: Option<Address>) -> Self {
        match address {
            Some(Address::V4(ip, port)) => Self::Address(ip.into(), port),
            Some(Address::V6(ip, port)) => Self::Address(ip.into(), port),
            Some(Address::OfSocket(socket)) => Self::PortOf(socket),
            _ => Self::Any,
        }
    }
}

/// The step, made to report the packet that it reads if something is expected of that packet.
pub(super) fn reporting(step: Step, at: StepRef, expectations: &[Expectation]) -> Step {
    let own = Context::Operation { actor: at.actor, step: at.step };
    let patterns = expectations.iter().filter(|one| one.context == own).flat_map(|one| &one.sends);
    let mut patterns = patterns.peekable();
    if patterns.peek().is_none() {
        return step;
    }
    let mut numbers: Vec<Known> = Vec::new();
    for known in patterns.flat_map(|pattern| pattern.value.known()) {
        if !numbers.contains(&known) {
            numbers.push(known);
        }
    }
    let op = match step.op {
        Op::Read { from, bytes } => Op::ReadPacket { from, bytes, seq: None, numbers },
        Op::ReadPacket { from, bytes, seq, .. } => Op::ReadPacket { from, bytes, seq, numbers },
        op => op,
    };
    Step { op, ..step }
}

/// A packet that the kernel sent.
struct Seen<'a> {
    packet: &'a SentPacket,
    headers: &'a Headers<'a>,
}

impl Seen<'_> {
    /// The value of a number that only the guest knew; 0 if it did not report it.
    fn known(&self, known: Option<Known>) -> u32 {
        let reported = self.packet.numbers.iter().find(|(name, _)| Some(*name) == known);
        reported.map_or(0, |(_, value)| *value)
    }

    fn is(&self, found: u32, expected: Number) -> bool {
        found == self.known(expected.from).wrapping_add(expected.plus as u32)
    }

    fn ports(&self) -> (u16, u16) {
        match self.headers.transport {
            Segment::Udp { ports } | Segment::Tcp { ports, .. } => ports,
            _ => (0, 0),
        }
    }

    /// Describes what is wrong with the protocol or with an end.
    fn wrong_end(&self, pattern: &SentPattern) -> Option<String> {
        let protocol = match self.headers.transport {
            Segment::Tcp { .. } => Some(Protocol::Tcp),
            Segment::Udp { .. } => Some(Protocol::Udp),
            Segment::Icmp { .. } => Some(Protocol::Icmp),
            Segment::Other { .. } => None,
        };
        if protocol != Some(pattern.protocol) {
            return Some(format!("a packet of {}", pattern.protocol.name()));
        }
        let (from_port, to_port) = self.ports();
        for (end, ip, port, word) in
            [(&pattern.from, self.headers.from, from_port, "from"), (&pattern.to, self.headers.to, to_port, "to")]
        {
            match end {
                End::Any => {}
                End::PortOf(socket) if self.known(Some(Known::Port(*socket))) == u32::from(port) => {}
                End::PortOf(socket) => {
                    return Some(format!("it {word} port {}", self.known(Some(Known::Port(*socket)))));
                }
                End::Address(address, expected) => {
                    if address_of(ip) != Some(*address) || *expected != port {
                        return Some(format!("it {word} {}", end_text(Some(*address), *expected)));
                    }
                }
            }
        }
        None
    }

    fn fits(&self, clause: &Clause) -> bool {
        let tcp = match &self.headers.transport {
            Segment::Tcp { seq, ack, flags, options, .. } => Some((*seq, *ack, *flags, options)),
            _ => None,
        };
        match (clause, tcp) {
            (Clause::Field(field, bound), _) => self.field(*field).is_some_and(|found| bound.holds(found)),
            (Clause::DontFragment, _) => self.headers.dont_fragment,
            (Clause::Flags(expected), Some((_, _, flags, _))) => flags == *expected,
            (Clause::Seq(expected), Some((seq, ..))) => self.is(seq, *expected),
            (Clause::Ack(expected), Some((_, ack, ..))) => self.is(ack, *expected),
            (Clause::Has(kind, whether), Some((_, _, _, options))) => {
                options.iter().any(|(found, _)| found == kind) == *whether
            }
            (Clause::Sack(expected), Some((_, _, _, options))) => {
                let found = sack_blocks(options);
                found.len() == expected.len()
                    && found
                        .iter()
                        .zip(expected)
                        .all(|(found, (one, other))| self.is(found.0, *one) && self.is(found.1, *other))
            }
            (_, None) => false,
        }
    }

    fn field(&self, field: Field) -> Option<i64> {
        let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | i64::from(*byte));
        match (field, &self.headers.transport) {
            (Field::Bytes, _) => i64::try_from(self.headers.payload).ok(),
            (Field::Ttl, _) => Some(self.headers.ttl.into()),
            (Field::Tos, _) => Some(self.headers.tos.into()),
            (Field::Window, Segment::Tcp { window, .. }) => Some((*window).into()),
            (Field::Urgent, Segment::Tcp { urgent, .. }) => Some((*urgent).into()),
            (Field::Mss | Field::WindowScale, Segment::Tcp { options, .. }) => {
                let kind = if field == Field::Mss { MSS } else { WINDOW_SCALE };
                options.iter().find(|(found, _)| *found == kind).map(|(_, bytes)| number(bytes))
            }
            (Field::Type, Segment::Icmp { kind, .. }) => Some((*kind).into()),
            (Field::Code, Segment::Icmp { code, .. }) => Some((*code).into()),
            (Field::Mtu, Segment::Icmp { rest, .. }) => Some((*rest).into()),
            _ => None,
        }
    }

    /// The packet in the words of a case.
    fn describe(&self, (seq_from, ack_from): (Option<Known>, Option<Known>)) -> String {
        let headers = self.headers;
        let (from_port, to_port) = self.ports();
        let (from, to) = (end_text(address_of(headers.from), from_port), end_text(address_of(headers.to), to_port));
        let relative = |number: u32, from: Option<Known>| match from {
            Some(_) => i64::from(number.wrapping_sub(self.known(from)) as i32),
            None => i64::from(number),
        };
        let text = match &headers.transport {
            Segment::Udp { .. } => format!("udp {from} > {to}"),
            Segment::Icmp { kind, code, rest } => format!("icmp {from} > {to}, type {kind}, code {code}, mtu {rest}"),
            Segment::Other { protocol } => format!("protocol {protocol} {from} > {to}"),
            Segment::Tcp { seq, ack, flags, window, urgent, options, .. } => {
                let names = constants::TCP_FLAGS.iter().filter(|(_, flag)| *flag & i64::from(*flags) != 0);
                let names: Vec<&str> = names.map(|(name, _)| *name).collect();
                let flags = if names.is_empty() { "no flags".to_owned() } else { names.join(" ") };
                let (seq, ack) = (relative(*seq, seq_from), relative(*ack, ack_from));
                let options: String = options.iter().map(|option| self.option_text(option)).collect();
                let urgent = if *urgent == 0 { String::new() } else { format!(", urgent {urgent}") };
                let blocks = sack_blocks(options_of(headers));
                let sack: String = blocks
                    .iter()
                    .map(|(one, other)| format!(" {} {}", relative(*one, ack_from), relative(*other, ack_from)))
                    .collect();
                let sack = if sack.is_empty() { sack } else { format!(", sack{sack}") };
                format!("tcp {from} > {to}, {flags}, seq {seq}, ack {ack}, window {window}{urgent}{options}{sack}")
            }
        };
        format!("{text}, {} bytes, ttl {}, tos {}", headers.payload, headers.ttl, headers.tos)
    }

    fn option_text(&self, (kind, bytes): &(u8, &[u8])) -> String {
        let number = bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        match *kind {
            MSS => format!(", mss {number}"),
            WINDOW_SCALE => format!(", wscale {number}"),
            4 => ", sackOK".to_owned(),
            SACK => String::new(),
            8 => format!(", timestamp {} {}", number >> 32, number & 0xffff_ffff),
            kind => format!(", option {kind:02x} {:02x} {}", bytes.len() + 2, hex::encode(bytes)),
        }
    }
}

type TcpOptions<'a> = [(u8, &'a [u8])];

fn options_of<'a>(headers: &'a Headers<'a>) -> &'a TcpOptions<'a> {
    match &headers.transport {
        Segment::Tcp { options, .. } => options,
        _ => &[],
    }
}

/// The blocks of the SACK option (RFC 2018).
fn sack_blocks(options: &TcpOptions<'_>) -> Vec<(u32, u32)> {
    let bytes = options.iter().find(|(kind, _)| *kind == SACK).map_or(&[][..], |(_, bytes)| bytes);
    let word = |at: usize| Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?));
    (0..bytes.len() / 8).filter_map(|nth| Some((word(nth * 8)?, word(nth * 8 + 4)?))).collect()
}

fn address_of(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        _ => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
    }
}

fn end_text(address: Option<IpAddr>, port: u16) -> String {
    match (address, port) {
        (None, _) => "?".to_owned(),
        (Some(address), 0) => address.to_string(),
        (Some(address), port) => std::net::SocketAddr::new(address, port).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use rxpath_guest::IpHeader;
    use rxpath_guest::pure::packet::{self, Endpoint, Shape};

    use super::*;
    use crate::case::diagnostic::Source;
    use crate::case::load;

    /// A case that expects this packet, with a socket `server` and a result `isn`.
    fn case(sends: &str) -> Result<crate::case::Case, String> {
        let text = format!(
            "rxpath: 1\ntitle: t\nabout: t\nmachine: {{nic: tun}}\nsetup:\n  - tun: {{}}\n    as: wire\n  - socket: \
             {{family: AF_INET, type: SOCK_STREAM}}\n    as: server\nactors:\n  peer:\n    steps:\n      - read: {{from: wire, \
             bytes: 2048, seq: isn}}\n      - read: {{from: wire, bytes: 2048}}\n        name: answer\nexpect:\n  \
             peer.answer: {{sends: \"{sends}\"}}\n"
        );
        let source = Source { path: PathBuf::from("sends.yaml"), text };
        load::parse("sends", source).map(|mut cases| cases.remove(0)).map_err(|error| error.to_string())
    }

    fn failure(sends: &str) -> Option<String> {
        let case = case(sends).unwrap_or_else(|error| panic!("{error}"));
        let lowered = case.lower("6.12".parse().unwrap(), crate::case::PassKind::Trace);
        let Op::ReadPacket { numbers, .. } = &lowered.plan.actors[0].steps[1].op else { panic!("not reported") };
        let value = |known: &Known| match known {
            Known::Next(_) => 2_001,
            Known::Expected(_) => 1_064,
            Known::Port(_) => 7_000,
            Known::Value(_) => 2_000,
        };
        let end = |last, port: u16| Endpoint { ip: vec![10, 0, 0, last], port: port.to_be_bytes() };
        let options = vec![2, 4, 5, 0xb4, 5, 10, 0, 0, 4, 0x6e, 0, 0, 4, 0x78];
        let tcp = packet::Segment::Tcp { seq: 2_001, ack: 1_064, flags: 0x10, window: 500, urgent: 0, options };
        let shape = Shape { ip: &IpHeader::default(), payload: 3, bad_checksum: false, fragment: None };
        let bytes = packet::build(&end(1, 7000), &end(2, 9000), &tcp, &shape).unwrap();
        let numbers = numbers.iter().map(|known| (*known, value(known))).collect();
        let packet = SentPacket { actor: 0, step: 1, iteration: 0, numbers, bytes };
        lowered.expectations[0].sends[0].value.failure(&packet)
    }

    #[test]
    fn a_packet_fits_or_lacks_something() {
        for fits in [
            "tcp server > 10.0.0.2:9000, ACK, seq 0, ack 0, window at least 1, 3 bytes, mss 1460",
            "tcp 10.0.0.1:7000 > *, ack 1064, seq isn+1, sack 1134 1144, sack, no timestamp, ttl 64",
            "tcp server > *, sack 70 80, window 100 to 500, urgent 0, tos 0",
        ] {
            assert_eq!(failure(fits), None, "{fits}");
        }
        let sent = "tcp 10.0.0.1:7000 > 10.0.0.2:9000, ACK, seq 0, ack 0, window 500, mss 1460, sack 70 80, 3 bytes, ttl 64, tos 0";
        for (lacks, what) in [
            ("tcp server > *, window at most 499", "`window at most 499`"),
            ("tcp server > *, SYN ACK", "`SYN ACK`"),
            ("tcp server > *, seq -1", "`seq -1`"),
            ("tcp server > *, ack isn", "`ack isn`"),
            ("tcp server > *, sack 70 81", "`sack 70 81`"),
            ("tcp server > *, no mss", "`no mss`"),
            ("tcp server > *, wscale 7", "`wscale 7`"),
            ("tcp server > *, df", "`df`"),
            ("tcp server > 10.0.0.3:9000", "it to 10.0.0.3:9000"),
            ("tcp server > 10.0.0.2:9001", "it to 10.0.0.2:9001"),
            ("udp server > *", "a packet of UDP"),
        ] {
            let message = failure(lacks).unwrap_or_else(|| panic!("{lacks} fits"));
            let from = if lacks.starts_with("udp") { "tcp 10.0.0.1" } else { sent };
            assert!(message.starts_with(&format!("expected the kernel to send {what}, but it sent `")), "{message}");
            assert!(message.contains(from), "{message}");
        }
    }

    #[test]
    fn only_a_step_that_reads_sees_what_the_kernel_sends() {
        let error = case("tcp absent > *").unwrap_err();
        assert!(error.contains("nothing is named `absent`"), "{error}");
        let error = case("tcp server > *, seq iss+1").unwrap_err();
        assert!(error.contains("nothing is named `iss`"), "{error}");
        let text =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/cases/recv/tcp-blocking.yaml")).unwrap();
        let text = text.replace("  receiver.recv:", "  receiver.recv:\n    sends: tcp server > *");
        let error = load::parse("x/y", Source { path: PathBuf::from("y.yaml"), text }).unwrap_err().to_string();
        assert!(error.contains("only `read` sees what the kernel sends"), "{error}");
    }
}
