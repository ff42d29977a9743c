//! Addresses, and the packets that are built from them.

use std::net::{IpAddr, SocketAddr};

use rxpath_guest::{Address, Known, Op, Packet, Slot, TcpOption, Transport};

use super::{Argument, Endpoint, PacketText, Scope};
use crate::case::findings::Underline;
use crate::case::key_path::KeyPath;
use crate::case::phrases::{self, BuiltPhrase, OptionPhrase, PacketPhrase, Protocol};

impl Endpoint {
    pub(crate) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl Argument for Endpoint {
    type Wire = Address;

    fn resolve(&self, scope: &mut Scope<'_>, at: &KeyPath) -> Address {
        let text = self.0.as_str();
        if let Ok(address) = text.parse::<SocketAddr>() {
            return match address {
                SocketAddr::V4(v4) => Address::V4(v4.ip().octets(), v4.port()),
                SocketAddr::V6(v6) => Address::V6(v6.ip().octets(), v6.port()),
            };
        }
        if let Some(address) = special_address(text) {
            return address;
        }
        if text.starts_with(['/', '@']) {
            return Address::Unix(text.to_owned());
        }
        if text.contains([':', '.', '[']) {
            let message = format!("`{text}` is not an address");
            let label =
                "for example 127.0.0.1:80, [::1]:80, @name, vsock:1:80, packet:lo, netlink:0, or the name of a socket";
            scope.report(at, Underline::Value, message, label, None);
            return Address::V4([127, 0, 0, 1], 0);
        }
        Address::OfSocket(scope.slot(text, at))
    }
}

/// Parses `vsock:CID:PORT`, `packet:INTERFACE`, `netlink:PORT` and `netlink:PORT:GROUPS`.
fn special_address(text: &str) -> Option<Address> {
    match text.split(':').collect::<Vec<_>>().as_slice() {
        ["vsock", cid, port] => Some(Address::Vsock(cid.parse().ok()?, port.parse().ok()?)),
        // Without a protocol, the socket keeps its own (net/packet/af_packet.c, `packet_bind`).
        ["packet", interface] => Some(Address::Packet((*interface).to_owned(), 0)),
        ["netlink", port] => Some(Address::Netlink(port.parse().ok()?, 0)),
        ["netlink", port, groups] => Some(Address::Netlink(port.parse().ok()?, groups.parse().ok()?)),
        _ => None,
    }
}

/// A packet, built by the agent or written byte by byte.
pub(crate) enum AnyPacket {
    Bytes(Vec<u8>),
    Built(Packet),
}

impl AnyPacket {
    /// The operation that injects it.
    pub(crate) fn inject(self, via: Slot) -> Op {
        match self {
            Self::Bytes(packet) => Op::InjectBytes { via, packet },
            Self::Built(packet) => Op::Inject { via, packet },
        }
    }
}

impl Argument for PacketText {
    type Wire = AnyPacket;

    fn resolve(&self, scope: &mut Scope<'_>, at: &KeyPath) -> AnyPacket {
        match phrases::packet(&self.0.0) {
            Ok(PacketPhrase::Built(packet)) => AnyPacket::Built(built(*packet, scope, at)),
            Ok(PacketPhrase::Bytes(bytes)) => AnyPacket::Bytes(bytes),
            Err(error) => {
                let underline = if error.part.is_empty() { Underline::Value } else { Underline::Part(&error.part) };
                scope.report(at, underline, error.message.clone(), &error.expected, error.help.clone());
                AnyPacket::Bytes(Vec::new())
            }
        }
    }
}

fn built(phrase: BuiltPhrase, scope: &mut Scope<'_>, at: &KeyPath) -> Packet {
    let [from, to] = [&phrase.from, &phrase.to].map(|end| packet_end(end, phrase.protocol, scope, at));
    let is_v6 = [&from, &to].iter().any(|end| matches!(end, Address::V6(..)));
    let is_v4 = [&from, &to].iter().any(|end| matches!(end, Address::V4(..)));
    let is_other = |end: &Address| !matches!(end, Address::V4(..) | Address::V6(..) | Address::OfSocket(_));
    if is_v4 && is_v6 || is_other(&from) || is_other(&to) {
        let message = "the packet needs two addresses of one family".to_owned();
        let label = "expected two IPv4 addresses, or two IPv6 addresses, or sockets with such addresses";
        scope.report(at, Underline::Value, message, label, None);
    }
    if is_v6 && (!phrase.ip.options.is_empty() || phrase.ip.dont_fragment) {
        let message = "`ip-option` and `df` belong to IPv4";
        scope.report(at, Underline::Value, message.to_owned(), "this packet is IPv6", None);
    }
    if is_v4 && !phrase.ip.extensions.is_empty() {
        let message = "`hop-by-hop`, `routing` and `destination` belong to IPv6";
        scope.report(at, Underline::Value, message.to_owned(), "this packet is IPv4", None);
    }
    let transport = match phrase.protocol {
        Protocol::Tcp => {
            let (seq_from, ack_from) = counted_from(&from, &to);
            let mut number = |text: &str, from| scope.number(text, from, at);
            let options = phrase.options.into_iter().map(|option| match option {
                OptionPhrase::Bytes(bytes) => TcpOption::Bytes(bytes),
                OptionPhrase::Timestamp(value, echo) => TcpOption::Timestamp(number(&value, None), number(&echo, None)),
                OptionPhrase::Sack(blocks) => {
                    let block = |(one, other): (String, String)| (number(&one, ack_from), number(&other, ack_from));
                    TcpOption::Sack(blocks.into_iter().map(block).collect())
                }
            });
            let options = options.collect();
            let (seq, ack) = (scope.number(&phrase.seq, seq_from, at), scope.number(&phrase.ack, ack_from, at));
            Transport::Tcp { seq, ack, flags: phrase.flags, window: phrase.window, urgent: phrase.urgent, options }
        }
        Protocol::Udp => Transport::Udp,
        Protocol::Icmp => Transport::Icmp {
            kind: phrase.kind.unwrap_or(if is_v6 { ECHO_V6 } else { ECHO }),
            code: phrase.code,
            rest: match (phrase.mtu, phrase.kind) {
                (Some(mtu), _) => mtu.to_be_bytes(),
                // The identifier and the sequence number of an echo request.
                (None, None) => [0, 1, 0, 1],
                (None, Some(_)) => [0; 4],
            },
            about: phrase.about.map(|about| Box::new(built(*about, scope, at))),
        },
    };
    let (bytes, bad_checksum, fragment) = (phrase.bytes, phrase.bad_checksum, phrase.fragment);
    Packet { from, to, ip: phrase.ip, transport, bytes, bad_checksum, fragment }
}

/// The types of echo requests (RFC 792, RFC 4443).
const ECHO: u8 = 8;
const ECHO_V6: u8 = 128;

/// One end of a packet. Those of ICMP need no port.
pub(crate) fn packet_end(text: &str, protocol: Protocol, scope: &mut Scope<'_>, at: &KeyPath) -> Address {
    let text = match (protocol, text.parse::<IpAddr>()) {
        (Protocol::Icmp, Ok(address)) => SocketAddr::new(address, 0).to_string(),
        _ => text.to_owned(),
    };
    Endpoint(text).resolve(scope, at)
}

/// What the sequence numbers and the acknowledgement numbers of a packet count from: those of the socket that receives it,
/// or else of the one that sends it.
pub(crate) fn counted_from(from: &Address, to: &Address) -> (Option<Known>, Option<Known>) {
    match (from, to) {
        (_, Address::OfSocket(receiver)) => (Some(Known::Expected(*receiver)), Some(Known::Next(*receiver))),
        (Address::OfSocket(sender), _) => (Some(Known::Next(*sender)), Some(Known::Expected(*sender))),
        _ => (None, None),
    }
}

#[cfg(test)]
mod tests {
    use rxpath_guest::Op;

    use super::*;
    use crate::case::diagnostic::Source;
    use crate::case::load;

    /// The operations of an actor that makes these steps, or the errors in them.
    fn operations(steps: &str) -> Result<Vec<Op>, String> {
        let text = format!(
            "rxpath: 1\ntitle: t\nabout: t\nmachine: {{nic: tun}}\nsetup: []\nactors: {{a: {{steps: [{steps}]}}}}\n"
        );
        let cases = load::parse("a/b", Source { path: "b.yaml".into(), text }).map_err(|error| error.to_string())?;
        Ok(cases[0].actors[0].steps.iter().map(|step| step.step.op.clone()).collect())
    }

    #[test]
    fn a_packet_has_two_addresses_of_one_family() {
        let inject =
            |packet: &str| operations(&format!("{{tun: {{}}, as: via}}, inject: {{via: via, packet: {packet:?}}}"));
        for packet in ["udp 10.0.0.2:9 > 10.0.0.1:7, 2 bytes", "tcp [fd00::2]:9 > [fd00::1]:7", "echo 10.0.0.2:0 > via"]
        {
            assert!(inject(packet).is_ok(), "{packet}: {:?}", inject(packet));
        }
        for packet in [
            "udp [fd00::2]:9 > 10.0.0.1:7",
            "udp 10.0.0.2:9 > [fd00::1]:7",
            "udp packet:lo > 10.0.0.1:7",
            "udp @a > @b",
        ] {
            let error = inject(packet).unwrap_err();
            assert!(error.contains("two addresses of one family") && error.contains("b.yaml:6:"), "{packet}: {error}");
        }
    }

    #[test]
    fn a_packet_socket_that_is_bound_to_an_interface_keeps_its_protocol() {
        let socket = "{socket: {family: AF_PACKET, type: SOCK_RAW, protocol: ETH_P_IP}, as: tap}";
        let made = operations(&format!("{socket}, bind: {{socket: tap, to: 'packet:lo'}}")).unwrap();
        assert_eq!(made[1], Op::Bind { socket: 0, to: Address::Packet("lo".to_owned(), 0) });
    }
}
