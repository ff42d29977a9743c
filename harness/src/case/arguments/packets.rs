//! Addresses, and the packets that are built from them.

use std::net::SocketAddr;

use rxpath_guest::{Address, Packet, Transport};

use super::{Argument, Endpoint, PacketText, Scope};
use crate::case::findings::Underline;
use crate::case::key_path::KeyPath;
use crate::case::phrases;

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

impl Argument for PacketText {
    type Wire = Packet;

    fn resolve(&self, scope: &mut Scope<'_>, at: &KeyPath) -> Packet {
        let phrase = phrases::packet(&self.0.0).unwrap_or_else(|error| {
            let underline = if error.part.is_empty() { Underline::Value } else { Underline::Part(&error.part) };
            scope.report(at, underline, error.message.clone(), &error.expected, error.help.clone());
            phrases::PacketPhrase::default()
        });
        if phrase.from.is_empty() {
            // The error has been reported.
            let nowhere = Address::V4([127, 0, 0, 1], 0);
            return Packet {
                from: nowhere.clone(),
                to: nowhere,
                transport: Transport::Udp,
                bytes: 0,
                bad_checksum: false,
                fragment: None,
            };
        }
        let from = Endpoint(phrase.from).resolve(scope, at);
        let to = Endpoint(phrase.to).resolve(scope, at);
        let has_mixed = matches!((&from, &to), (Address::V4(..), Address::V6(..)) | (Address::V6(..), Address::V4(..)));
        let is_other = |end: &Address| !matches!(end, Address::V4(..) | Address::V6(..) | Address::OfSocket(_));
        if has_mixed || is_other(&from) || is_other(&to) {
            let message = "the packet needs two addresses of one family".to_owned();
            let label = "expected two IPv4 addresses, or two IPv6 addresses, or sockets with such addresses";
            scope.report(at, Underline::Value, message, label, None);
        }
        let transport = match phrase.transport.as_str() {
            "tcp" => {
                let receiver = if let Address::OfSocket(slot) = to { Some(slot) } else { None };
                let (seq, ack, flags, window) = (phrase.seq, phrase.ack, phrase.flags, phrase.window);
                Transport::Tcp { receiver, seq, ack, flags, window }
            }
            "udp" => Transport::Udp,
            _ => Transport::Echo,
        };
        let (bytes, bad_checksum, fragment) = (phrase.bytes, phrase.bad_checksum, phrase.fragment);
        Packet { from, to, transport, bytes, bad_checksum, fragment }
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
