//! Parses packets to inject.

use rxpath_guest::IpHeader;

use super::{PhraseError, integer};
use crate::case::constants;

/// A packet to inject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PacketPhrase {
    /// `raw 45 00 …`.
    Bytes(Vec<u8>),
    Built(Box<BuiltPhrase>),
}

/// A packet in which sockets and numbers still go by their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BuiltPhrase {
    pub(crate) protocol: Protocol,
    /// The source: an address, or the name of a socket.
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) ip: IpHeader,
    /// TCP's sequence number: `100`, `isn`, `isn+1`.
    pub(crate) seq: String,
    /// TCP's acknowledgement number.
    pub(crate) ack: String,
    /// TCP's flags.
    pub(crate) flags: u8,
    /// TCP's window, unscaled.
    pub(crate) window: u16,
    pub(crate) urgent: u16,
    pub(crate) options: Vec<OptionPhrase>,
    /// ICMP's type; an echo request's, if `None`.
    pub(crate) kind: Option<u8>,
    pub(crate) code: u8,
    pub(crate) mtu: Option<u32>,
    /// The packet that an ICMP error is about.
    pub(crate) about: Option<Box<BuiltPhrase>>,
    /// The length of the payload.
    pub(crate) bytes: u32,
    pub(crate) bad_checksum: bool,
    /// The offset and length of the fragment to send, in bytes.
    pub(crate) fragment: Option<(u16, u16)>,
}

/// The protocol of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Tcp,
    Udp,
    Icmp,
}

impl Protocol {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Icmp => "ICMP",
        }
    }
}

/// A TCP option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OptionPhrase {
    Bytes(Vec<u8>),
    /// The blocks' numbers.
    Sack(Vec<(String, String)>),
    /// The sender's clock, and the last one received.
    Timestamp(String, String),
}

impl OptionPhrase {
    /// Its length in the header, in bytes.
    fn length(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Sack(blocks) => 2 + 8 * blocks.len(),
            Self::Timestamp(..) => 10,
        }
    }
}

const EXAMPLE: &str = "for example `tcp client > server, seq 100, PSH ACK, 64 bytes`";
/// The most bytes of options of a TCP or IPv4 header.
const MOST_OPTIONS: usize = 40;
/// The most bytes of a packet that the agent builds.
const MOST_BYTES: u32 = 65_000;

/// Parses `tcp client > server, seq 100, PSH ACK, 64 bytes`, `udp 10.0.0.2:9 > 10.0.0.1:7, 2000 bytes, fragment 0 1480`,
/// `icmp 10.0.0.2 > 10.0.0.1, type 3, code 4, mtu 1200, about tcp server > 10.0.0.2:9000` or `raw 45 00 …`.
pub(crate) fn packet(text: &str) -> Result<PacketPhrase, PhraseError> {
    match text.trim().strip_prefix("raw ") {
        Some(digits) => Ok(PacketPhrase::Bytes(hexadecimal(digits)?)),
        None => built(text).map(|packet| PacketPhrase::Built(Box::new(packet))),
    }
}

fn built(text: &str) -> Result<BuiltPhrase, PhraseError> {
    let (text, about) = match text.split_once(", about ") {
        Some((text, about)) => (text, Some(Box::new(built(about)?))),
        None => (text, None),
    };
    let mut clauses = text.split(',').map(str::trim);
    let (protocol, from, to) = ends(clauses.next().unwrap_or_default()).ok_or_else(|| {
        let help = "a packet is `PROTOCOL FROM > TO`, with tcp, udp, icmp or echo for the protocol, or `raw HEX`";
        PhraseError {
            help: Some(help.to_owned()),
            ..PhraseError::new("", format!("`{text}` is not a packet"), EXAMPLE)
        }
    })?;
    let mut packet = BuiltPhrase {
        protocol,
        from: from.to_owned(),
        to: to.to_owned(),
        ip: IpHeader::default(),
        seq: "0".to_owned(),
        ack: "0".to_owned(),
        flags: flag("ACK").unwrap_or_default(),
        window: 512,
        urgent: 0,
        options: Vec::new(),
        kind: None,
        code: 0,
        mtu: None,
        about,
        bytes: 0,
        bad_checksum: false,
        fragment: None,
    };
    for clause in clauses {
        let words: Vec<&str> = clause.split_whitespace().collect();
        let known = match protocol {
            Protocol::Tcp => packet.tcp(&words)?,
            Protocol::Udp => false,
            Protocol::Icmp => packet.icmp(&words)?,
        };
        if !known && !packet.any(&words)? {
            return Err(unknown(clause, protocol));
        }
    }
    packet.check(text)?;
    Ok(packet)
}

/// Reads `tcp client > server`: the protocol and the two ends.
pub(super) fn ends(text: &str) -> Option<(Protocol, &str, &str)> {
    let [protocol, from, ">", to] = text.split_whitespace().collect::<Vec<_>>()[..] else { return None };
    let protocol = match protocol {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "icmp" | "echo" => Protocol::Icmp,
        _ => return None,
    };
    Some((protocol, from, to))
}

/// The number of a TCP flag.
fn flag(name: &str) -> Option<u8> {
    constants::number(constants::TCP_FLAGS, name).map(|flag| flag as u8)
}

/// The flags of a clause such as `PSH ACK`; `None` if it is not made of flags.
pub(super) fn flags(words: &[&str]) -> Option<u8> {
    if words == ["no", "flags"] {
        return Some(0);
    }
    let each: Option<Vec<u8>> = words.iter().map(|name| flag(name)).collect();
    each.filter(|flags| !flags.is_empty()).map(|flags| flags.iter().fold(0, |all, one| all | one))
}

/// A number that fits its field.
fn number<T: TryFrom<i64>>(word: &str) -> Result<T, PhraseError> {
    let invalid = || {
        let most = match size_of::<T>() {
            1 => u32::from(u8::MAX),
            2 => u32::from(u16::MAX),
            _ => u32::MAX,
        };
        PhraseError::new(word, format!("invalid number `{word}`"), format!("expected 0 to {most}"))
    };
    integer(word).and_then(|number| T::try_from(number).ok()).ok_or_else(invalid)
}

fn hexadecimal(digits: &str) -> Result<Vec<u8>, PhraseError> {
    let joined: String = digits.split_whitespace().collect();
    hex::decode(&joined).map_err(|error| {
        PhraseError::new(
            digits.trim(),
            format!("`{}` is not hexadecimal: {error}", digits.trim()),
            "for example `01 00 0a`",
        )
    })
}

fn unknown(clause: &str, protocol: Protocol) -> PhraseError {
    let own = match protocol {
        Protocol::Tcp => {
            "`seq N`, `ack N`, flags such as `PSH ACK`, `window N`, `urgent N`, `mss N`, `wscale N`, `sackOK`, `timestamp N \
             N`, `sack FROM TO`, `nop`, `option HEX`, "
        }
        Protocol::Udp => "",
        Protocol::Icmp => "`type N`, `code N`, `mtu N`, `about PACKET`, ",
    };
    let all = "`N bytes`, `ttl N`, `tos N`, `df`, `ip-option HEX`, `hop-by-hop HEX`, `routing HEX`, `destination HEX`, \
               `fragment OFFSET LENGTH`, `bad checksum`";
    let help = Some(format!("valid here: {own}{all}"));
    PhraseError { help, ..PhraseError::new(clause, format!("unknown property of a packet: `{clause}`"), EXAMPLE) }
}

impl BuiltPhrase {
    /// Takes a clause that any packet can have; `false` if it is a different one.
    fn any(&mut self, words: &[&str]) -> Result<bool, PhraseError> {
        match words {
            [count, "bytes" | "byte"] => {
                self.bytes = number(count)?;
                if self.bytes > MOST_BYTES {
                    let message = format!("a packet of {count} bytes is too long");
                    return Err(PhraseError::new(count, message, format!("expected 0 to {MOST_BYTES}")));
                }
            }
            ["bad", "checksum"] => self.bad_checksum = true,
            ["ttl", ttl] => self.ip.ttl = number(ttl)?,
            ["tos", tos] => self.ip.tos = number(tos)?,
            ["df"] => self.ip.dont_fragment = true,
            ["ip-option", digits @ ..] => self.ip.options.extend(hexadecimal(&digits.join(" "))?),
            [kind @ ("hop-by-hop" | "routing" | "destination"), digits @ ..] => {
                let kind = match *kind {
                    "hop-by-hop" => libc::IPPROTO_HOPOPTS,
                    "routing" => libc::IPPROTO_ROUTING,
                    _ => libc::IPPROTO_DSTOPTS,
                };
                self.ip.extensions.push((kind as u8, hexadecimal(&digits.join(" "))?));
            }
            ["fragment", offset, length] => {
                let offset: u16 = number(offset)?;
                if !offset.is_multiple_of(8) {
                    let message = format!("invalid offset of a fragment: `{offset}`");
                    return Err(PhraseError::new(&offset.to_string(), message, "expected a multiple of 8"));
                }
                self.fragment = Some((offset, number(length)?));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn tcp(&mut self, words: &[&str]) -> Result<bool, PhraseError> {
        match words {
            ["seq", number @ ..] if !number.is_empty() => self.seq = number.concat(),
            ["ack", number @ ..] if !number.is_empty() => self.ack = number.concat(),
            ["window", window] => self.window = number(window)?,
            ["urgent", pointer] => self.urgent = number(pointer)?,
            ["mss", mss] => self.option([&[2, 4][..], &number::<u16>(mss)?.to_be_bytes()].concat()),
            ["wscale", shift] => self.option(vec![3, 3, number(shift)?]),
            ["sackOK"] => self.option(vec![4, 2]),
            ["nop"] => self.option(vec![1]),
            ["option", digits @ ..] if !digits.is_empty() => self.option(hexadecimal(&digits.join(" "))?),
            ["timestamp", value, echo] => {
                self.options.push(OptionPhrase::Timestamp((*value).to_owned(), (*echo).to_owned()));
            }
            ["sack", numbers @ ..] if !numbers.is_empty() && numbers.len().is_multiple_of(2) => {
                let blocks = numbers.chunks(2).map(|pair| (pair[0].to_owned(), pair[1].to_owned()));
                self.options.push(OptionPhrase::Sack(blocks.collect()));
            }
            words => match flags(words) {
                Some(flags) => self.flags = flags,
                None => return Ok(false),
            },
        }
        Ok(true)
    }

    fn option(&mut self, bytes: Vec<u8>) {
        self.options.push(OptionPhrase::Bytes(bytes));
    }

    fn icmp(&mut self, words: &[&str]) -> Result<bool, PhraseError> {
        match words {
            ["type", kind] => self.kind = Some(number(kind)?),
            ["code", code] => self.code = number(code)?,
            ["mtu", mtu] => self.mtu = Some(number(mtu)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Checks what no clause shows alone.
    fn check(&self, text: &str) -> Result<(), PhraseError> {
        let error = |part: &str, message: &str, expected: String| Err(PhraseError::new(part, message, expected));
        let most = format!("expected at most {MOST_OPTIONS} bytes");
        if self.options.iter().map(OptionPhrase::length).sum::<usize>() > MOST_OPTIONS {
            return error("", "the options do not fit into a TCP header", most);
        }
        if self.ip.options.len() > MOST_OPTIONS {
            return error("ip-option", "the options do not fit into an IP header", most);
        }
        if self.protocol != Protocol::Icmp && self.about.is_some() {
            return error(
                "about",
                "only an ICMP packet is about a different one",
                "expected `icmp …, about …`".to_owned(),
            );
        }
        if text.trim_start().starts_with("icmp") && self.kind.is_none() {
            return error("icmp", "this ICMP packet has no type", "for example `icmp …, type 3, code 4`".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet_of(text: &str) -> BuiltPhrase {
        match packet(text).unwrap_or_else(|error| panic!("{text}: {error:?}")) {
            PacketPhrase::Built(packet) => *packet,
            PacketPhrase::Bytes(bytes) => panic!("{text}: {bytes:?}"),
        }
    }

    #[test]
    fn a_tcp_packet_has_numbers_flags_and_options() {
        let text = "tcp 10.0.0.2:9 > server, seq isn + 1, ack -64, SYN ECE, window 0, urgent 5, mss 1460, sackOK, \
                    timestamp 100 0, nop, wscale 7, sack 1 2 3 4, option 22 02, ttl 1, tos 0x3, df";
        let found = packet_of(text);
        assert_eq!((found.from.as_str(), found.to.as_str()), ("10.0.0.2:9", "server"));
        assert_eq!((found.seq.as_str(), found.ack.as_str()), ("isn+1", "-64"));
        assert_eq!((found.flags, found.window, found.urgent), (0x42, 0, 5));
        assert_eq!((found.ip.ttl, found.ip.tos, found.ip.dont_fragment), (1, 3, true));
        let lengths: Vec<_> = found.options.iter().map(OptionPhrase::length).collect();
        assert_eq!(lengths, [4, 2, 10, 1, 3, 18, 2], "40 bytes");
        assert_eq!(found.options[0], OptionPhrase::Bytes(vec![2, 4, 5, 0xb4]));
        assert_eq!(packet_of("tcp a > b, no flags").flags, 0);
    }

    #[test]
    fn an_icmp_error_is_about_a_packet() {
        let text = "icmp 10.0.0.2 > 10.0.0.1, type 3, code 4, mtu 1200, about tcp server > 10.0.0.2:9000, seq -64";
        let found = packet_of(text);
        assert_eq!((found.protocol, found.kind, found.code, found.mtu), (Protocol::Icmp, Some(3), 4, Some(1200)));
        assert_eq!(found.about.unwrap().seq, "-64");
        assert_eq!(packet_of("echo [fd00::2]:0 > [fd00::1]:0, 8 bytes").kind, None);
    }

    #[test]
    fn headers_of_ip_and_whole_packets_are_hexadecimal() {
        let found = packet_of("udp a > b, hop-by-hop 05 02 00 00, destination, ip-option 94 04 0000, fragment 8 16");
        assert_eq!(found.ip.extensions, [(0, vec![5, 2, 0, 0]), (60, vec![])]);
        assert_eq!((found.ip.options, found.fragment), (vec![0x94, 4, 0, 0], Some((8, 16))));
        assert_eq!(packet("raw 45 00"), Ok(PacketPhrase::Bytes(vec![0x45, 0])));
    }

    #[test]
    fn wrong_forms_are_refused_at_their_place() {
        for (text, part) in [
            ("tcp client server", ""),
            ("sctp a > b", ""),
            ("raw 4", "4"),
            ("tcp a > b, window 65536", "65536"),
            ("tcp a > b, ttl 256", "256"),
            ("tcp a > b, SYN FNI", "SYN FNI"),
            ("tcp a > b, seq", "seq"),
            ("tcp a > b, sack 1", "sack 1"),
            ("tcp a > b, type 3", "type 3"),
            ("udp a > b, seq 1", "seq 1"),
            ("udp a > b, fragment 4 8", "4"),
            ("udp a > b, 70000 bytes", "70000"),
            ("udp a > b, hop-by-hop 0", "0"),
            ("udp a > b, about udp b > a", "about"),
            ("icmp a > b, code 4", "icmp"),
            ("icmp a > b, type 3, about nothing", ""),
            ("tcp a > b, sack 1 2 3 4 5 6 7 8, timestamp 1 2", ""),
        ] {
            let error = packet(text).unwrap_err();
            assert_eq!(error.part, part, "{text}: {error:?}");
            assert!(!error.message.is_empty() && !error.expected.is_empty(), "{text}");
        }
    }
}
