//! Control messages (cmsg(3)): their names, and what is in them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rxpath_guest::Message;

use super::constants;
use super::phrases::{self, Bound, PhraseError};
use super::step_ref::StepRef;
use crate::nearest::suggestion;

/// How the content of a control message is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A number of 1, 4 or 8 bytes.
    Number,
    /// `struct in_pktinfo`, `struct in6_pktinfo`: the address that the packet was sent to.
    PacketInfo,
    /// `struct timespec` or `struct timeval`, or several, of which the first that is set counts.
    Time,
    /// `struct sock_extended_err`: its errno.
    Error,
    /// File descriptors: their number.
    Descriptors,
    /// Anything else: only its presence.
    Opaque,
}

/// The control messages that a case can name: name, level, type, kind.
const KINDS: [(&str, i32, i32, Kind); 27] = [
    ("SCM_RIGHTS", libc::SOL_SOCKET, 1, Kind::Descriptors),
    ("SCM_CREDENTIALS", libc::SOL_SOCKET, 2, Kind::Opaque),
    ("SCM_SECURITY", libc::SOL_SOCKET, 3, Kind::Opaque),
    ("SCM_PIDFD", libc::SOL_SOCKET, 4, Kind::Opaque),
    ("SO_TIMESTAMP", libc::SOL_SOCKET, 29, Kind::Time),
    ("SO_TIMESTAMPNS", libc::SOL_SOCKET, 35, Kind::Time),
    ("SO_TIMESTAMPING", libc::SOL_SOCKET, 37, Kind::Time),
    ("SO_TIMESTAMP_NEW", libc::SOL_SOCKET, 63, Kind::Time),
    ("SO_TIMESTAMPNS_NEW", libc::SOL_SOCKET, 64, Kind::Time),
    ("SO_TIMESTAMPING_NEW", libc::SOL_SOCKET, 65, Kind::Time),
    ("SO_MARK", libc::SOL_SOCKET, 36, Kind::Number),
    ("SO_RXQ_OVFL", libc::SOL_SOCKET, 40, Kind::Number),
    ("SO_PRIORITY", libc::SOL_SOCKET, 12, Kind::Number),
    ("SCM_INQ", libc::SOL_SOCKET, 84, Kind::Number),
    ("IP_TOS", libc::SOL_IP, 1, Kind::Number),
    ("IP_TTL", libc::SOL_IP, 2, Kind::Number),
    ("IP_PKTINFO", libc::SOL_IP, 8, Kind::PacketInfo),
    ("IP_RECVERR", libc::SOL_IP, 11, Kind::Error),
    ("IP_RECVFRAGSIZE", libc::SOL_IP, 25, Kind::Number),
    ("IPV6_RECVERR", libc::SOL_IPV6, 25, Kind::Error),
    ("IPV6_PKTINFO", libc::SOL_IPV6, 50, Kind::PacketInfo),
    ("IPV6_HOPLIMIT", libc::SOL_IPV6, 52, Kind::Number),
    ("IPV6_TCLASS", libc::SOL_IPV6, 67, Kind::Number),
    ("TCP_INQ", libc::SOL_TCP, 36, Kind::Number),
    ("UDP_GRO", libc::SOL_UDP, 104, Kind::Number),
    ("PACKET_AUXDATA", libc::SOL_PACKET, 8, Kind::Opaque),
    ("TLS_GET_RECORD_TYPE", 282, 2, Kind::Number),
];

/// A control message that an operation must return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExpectedControl {
    name: &'static str,
    pub(super) content: Content,
    /// How the case writes it.
    text: String,
}

/// What must be in a control message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// Anything.
    Any,
    Number(Bound),
    Address(IpAddr),
    Errno(i32),
    /// A time later than that of the same control message of this operation.
    After(StepRef),
}

impl fmt::Display for ExpectedControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Parses `IP_TTL 64`, `IP_PKTINFO 127.0.0.1`, `SO_TIMESTAMP`, `SO_TIMESTAMP after receiver.first`. `step` finds a step
/// by its name; its `None` means that an error has been reported.
pub(super) fn expected(
    text: &str,
    step: impl FnOnce(&str) -> Option<StepRef>,
) -> Result<Option<ExpectedControl>, PhraseError> {
    let (name, content) = text.split_once(' ').map_or((text, ""), |(name, content)| (name, content.trim()));
    let Some((name, _, _, kind)) = KINDS.into_iter().find(|(known, ..)| *known == name) else {
        let mut error = PhraseError::new(
            name,
            format!("no control message is named `{name}`"),
            "expected a name such as IP_PKTINFO, with its content, or `none`",
        );
        error.help = suggestion(name, KINDS.iter().map(|(name, ..)| *name));
        return Err(error);
    };
    let wrong =
        |expected: &str| PhraseError::new(content, format!("`{content}` is not the content of {name}"), expected);
    let content = match (kind, content) {
        (_, "") => Content::Any,
        (Kind::Number | Kind::Descriptors, number) => Content::Number(phrases::bound(number)?),
        (Kind::PacketInfo, address) => {
            let address = address.parse().map_err(|_| wrong("expected the address that the packet was sent to"))?;
            Content::Address(address)
        }
        (Kind::Error, errno) => {
            let number = constants::number(constants::ERRNOS, errno);
            Content::Errno(number.ok_or_else(|| wrong("expected the name of an error, such as ECONNREFUSED"))? as i32)
        }
        (Kind::Time, time) => match time.strip_prefix("after ") {
            Some(name) => match step(name.trim()) {
                Some(step) => Content::After(step),
                None => return Ok(None),
            },
            None => return Err(wrong("expected nothing, or `after STEP` for a time later than that step's")),
        },
        (Kind::Opaque, _) => return Err(wrong("expected only the name")),
    };
    Ok(Some(ExpectedControl { name, content, text: text.to_owned() }))
}

/// A control message that was received.
#[derive(Clone, Copy, Debug)]
pub(super) struct ControlMessage<'a> {
    level: i32,
    number: i32,
    data: &'a [u8],
}

/// The control messages of a message (`struct cmsghdr` on x86-64: length, 8 bytes; level, 4; type, 4; data, padded to 8).
pub(super) fn messages(message: &Message) -> Vec<ControlMessage<'_>> {
    const HEADER: usize = 16;
    let mut out = Vec::new();
    let mut left = &message.control[..];
    while let Some((head, _)) = left.split_first_chunk::<HEADER>() {
        let word = |at: usize| i32::from_ne_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let length = (word(0).max(0) as usize).clamp(HEADER, left.len());
        out.push(ControlMessage { level: word(8), number: word(12), data: &left[HEADER..length] });
        left = left.get(length.next_multiple_of(8)..).unwrap_or_default();
    }
    out
}

impl ControlMessage<'_> {
    fn kind(&self) -> Option<(&'static str, Kind)> {
        let known = KINDS.into_iter().find(|(_, level, number, _)| (*level, *number) == (self.level, self.number));
        known.map(|(name, _, _, kind)| (name, kind))
    }

    pub(super) fn is_kind(&self, expected: &ExpectedControl) -> bool {
        self.kind().is_some_and(|(name, _)| name == expected.name)
    }

    /// Whether it has this content; [`Content::After`] depends on more than one message.
    pub(super) fn has(&self, content: &Content) -> bool {
        match content {
            Content::Any => self.kind().is_none_or(|(_, kind)| kind != Kind::Time || self.time().is_some()),
            Content::Number(bound) => self.number().is_some_and(|number| bound.holds(number)),
            Content::Address(address) => self.address() == Some(*address),
            Content::Errno(errno) => self.word(0) == Some(*errno),
            Content::After(_) => false,
        }
    }

    fn word(&self, at: usize) -> Option<i32> {
        self.data.get(at..)?.first_chunk().map(|word| i32::from_ne_bytes(*word))
    }

    fn number(&self) -> Option<i64> {
        if matches!(self.kind(), Some((_, Kind::Descriptors))) {
            return Some(self.data.len() as i64 / 4);
        }
        match self.data {
            [byte] => Some((*byte).into()),
            [_, _, _, _] => self.word(0).map(i64::from),
            data => data.first_chunk().map(|bytes| i64::from_ne_bytes(*bytes)),
        }
    }

    fn address(&self) -> Option<IpAddr> {
        if self.level == libc::SOL_IPV6 {
            return self.data.first_chunk::<16>().map(|ip| Ipv6Addr::from(*ip).into());
        }
        // struct in_pktinfo: interface, local address, destination.
        self.data.get(8..)?.first_chunk::<4>().map(|ip| Ipv4Addr::from(*ip).into())
    }

    /// The first of its times that is set, in a unit of its own; only for comparison with others of its kind.
    pub(super) fn time(&self) -> Option<i128> {
        if !matches!(self.kind(), Some((_, Kind::Time))) {
            return None;
        }
        let number = |bytes: &[u8]| bytes.first_chunk().map_or(0, |bytes| i128::from(i64::from_ne_bytes(*bytes)));
        let times = self.data.chunks_exact(16).map(|time| number(time) * 1_000_000_000 + number(&time[8..]));
        times.into_iter().find(|time| *time != 0)
    }

    /// The message as a case would write it.
    pub(super) fn describe(&self) -> String {
        let Some((name, kind)) = self.kind() else { return format!("level {} type {}", self.level, self.number) };
        let content = match kind {
            Kind::Number | Kind::Descriptors => self.number().map(|number| number.to_string()),
            Kind::PacketInfo => self.address().map(|address| address.to_string()),
            Kind::Error => {
                self.word(0).and_then(|errno| constants::name(constants::ERRNOS, errno.into())).map(str::to_owned)
            }
            Kind::Time => self.time().is_none().then(|| "without a time".to_owned()),
            Kind::Opaque => None,
        };
        content.map_or_else(|| name.to_owned(), |content| format!("{name} {content}"))
    }
}
