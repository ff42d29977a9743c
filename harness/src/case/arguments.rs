//! The types of the arguments of operations: how each is written, checked, and converted to its wire form.

mod socket_options;

use std::collections::HashSet;
use std::net::SocketAddr;

use indexmap::IndexMap;
use rxpath_guest::{ActorIndex, Address, Packet, Slot, Transport};
use schemars::JsonSchema;
use serde::Deserialize;

use super::constants::{self, Table};
use super::findings::{Findings, Underline};
use super::key_path::KeyPath;
use super::phrases;
use super::yaml_types::{OneOrMany, Text};
use crate::nearest::suggestion;

pub(crate) use socket_options::{OptionName, OptionValue};

/// The names that arguments can refer to, and the errors in them.
pub(crate) struct Scope<'a> {
    pub(crate) findings: &'a mut Findings,
    /// The slots of named results, in their order.
    pub(crate) slots: &'a IndexMap<String, Slot>,
    pub(crate) actors: &'a [String],
    /// Names that no earlier step of the actor has defined.
    pub(crate) not_yet: &'a HashSet<String>,
    /// The place of the preset that the arguments are in, if any.
    pub(crate) preset: Option<&'a KeyPath>,
}

impl Scope<'_> {
    /// Reports an error at its place in the file; within a preset, at the preset's name.
    pub(crate) fn report(
        &mut self,
        at: &KeyPath,
        underline: Underline<'_>,
        message: String,
        label: &str,
        help: Option<String>,
    ) {
        self.findings.add(self.preset.unwrap_or(at), underline, message, label, help);
    }

    /// The slot of a named result; 0, with an error, if there is none.
    pub(crate) fn slot(&mut self, name: &str, at: &KeyPath) -> Slot {
        match self.slots.get(name) {
            Some(slot) if !self.not_yet.contains(name) => *slot,
            Some(slot) => {
                let message = format!("`{name}` is used before the step that defines it");
                self.report(
                    at,
                    Underline::Part(name),
                    message,
                    "not defined yet",
                    Some("move the step that defines it before this one".into()),
                );
                *slot
            }
            None => {
                if !self.findings.was_dropped(name) {
                    let known = self.slots.keys().map(String::as_str).filter(|name| !name.starts_with('_'));
                    let help = suggestion(name, known).unwrap_or_else(|| {
                        "give the result of a step this name with `as:`, or use a preset in `setup:`".into()
                    });
                    self.report(
                        at,
                        Underline::Part(name),
                        format!("nothing is named `{name}`"),
                        "undefined name",
                        Some(help),
                    );
                }
                0
            }
        }
    }
}

/// An argument as a case writes it.
pub(crate) trait Argument {
    /// Its wire form.
    type Wire;

    /// The name that it gives to a result, if any.
    fn made_name(&self) -> Option<&str> {
        None
    }

    /// Converts the argument to its wire form. Errors are recorded in `scope`, and a placeholder is returned.
    fn resolve(&self, scope: &mut Scope<'_>, at: &KeyPath) -> Self::Wire;
}

/// A descriptor, by the name of the result that defined it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub(crate) struct Descriptor(String);

impl Argument for Descriptor {
    type Wire = Slot;

    fn resolve(&self, scope: &mut Scope<'_>, at: &KeyPath) -> Slot {
        scope.slot(&self.0, at)
    }
}

/// An integer; `DEFAULT`, if left out.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub(crate) struct Or<const DEFAULT: i32>(i32);

impl<const DEFAULT: i32> Default for Or<DEFAULT> {
    fn default() -> Self {
        Self(DEFAULT)
    }
}

impl<const DEFAULT: i32> Argument for Or<DEFAULT> {
    type Wire = i32;

    fn resolve(&self, _: &mut Scope<'_>, _: &KeyPath) -> i32 {
        self.0
    }
}

/// A number of bytes: `64`, `4K`, `1M`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub(crate) struct Size(Text);

impl Argument for Size {
    type Wire = u32;

    fn resolve(&self, scope: &mut Scope<'_>, at: &KeyPath) -> u32 {
        let size = phrases::size(&self.0.0).and_then(|bytes| u32::try_from(bytes).ok());
        size.unwrap_or_else(|| {
            let message = format!("`{}` is not a number of bytes", self.0.0);
            scope.report(at, Underline::Value, message, "expected a size such as 64, 4K or 1M", None);
            1
        })
    }
}

/// An address and port, a Unix path, or the name of a socket for that socket's address.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub(crate) struct Endpoint(String);

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
        ["packet", interface] => Some(Address::Packet((*interface).to_owned(), libc::ETH_P_ALL as u16)),
        ["netlink", port] => Some(Address::Netlink(port.parse().ok()?, 0)),
        ["netlink", port, groups] => Some(Address::Netlink(port.parse().ok()?, groups.parse().ok()?)),
        _ => None,
    }
}

/// The number of a constant, or of several joined with `|`. Each is a name from the table, or a number.
fn constant(text: &str, table: Table, what: &str, scope: &mut Scope<'_>, at: &KeyPath) -> i32 {
    let mut number = 0;
    for name in text.split('|').map(str::trim) {
        match constants::number(table, name).or_else(|| phrases::integer(name)) {
            Some(one) => number |= one,
            None => {
                let help = suggestion(name, table.iter().map(|(name, _)| *name));
                scope.report(at, Underline::Part(name), format!("unknown {what} `{name}`"), "unknown name", help);
            }
        }
    }
    // The wire carries the 32 bits; a flag in the top bit (EPOLLET) makes them negative.
    number as u32 as i32
}

/// Describes an argument to editors by its JSON types and by names that they can complete.
macro_rules! schema_with_examples {
    ($name:ident: $types:tt, $names:expr) => {
        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": $types, "examples": $names.collect::<Vec<_>>() })
            }
        }
    };
}

use schema_with_examples;

macro_rules! constants {
    ($($(#[$about:meta])* $name:ident of $table:ident, $what:literal $(, default $default:literal)?;)*) => {
        $(
            $(#[$about])*
            #[derive(Clone, Debug, Deserialize)]
            #[serde(transparent)]
            pub(crate) struct $name(Text);

            $(
                impl Default for $name {
                    fn default() -> Self {
                        Self(Text($default.to_owned()))
                    }
                }
            )?

            impl Argument for $name {
                type Wire = i32;

                fn resolve(&self, scope: &mut Scope<'_>, at: &KeyPath) -> i32 {
                    constant(&self.0.0, constants::$table, $what, scope, at)
                }
            }

            schema_with_examples! {
                $name: ["string", "integer"],
                constants::$table.iter().map(|(name, _)| *name)
            }
        )*
    };
}

constants! {
    /// An address family: AF_….
    Family of FAMILIES, "address family";
    /// A socket type: SOCK_…, optionally with `|SOCK_NONBLOCK` or `|SOCK_CLOEXEC`.
    SocketType of SOCKET_TYPES, "socket type";
    /// A protocol: IPPROTO_…; 0, if left out.
    Protocol of PROTOCOLS, "protocol", default "0";
    /// Flags: SOCK_NONBLOCK, SOCK_CLOEXEC.
    AcceptFlags of SOCKET_TYPES, "flag", default "0";
    /// Message flags: MSG_…, joined with `|`.
    MessageFlags of MESSAGE_FLAGS, "message flag", default "0";
    /// The direction to shut down: SHUT_….
    ShutdownWay of SHUTDOWNS, "way to shut down";
    /// The level of a socket option: SOL_…, IPPROTO_….
    Level of LEVELS, "level of socket options";
    /// Flags of splice(2): SPLICE_F_….
    SpliceFlags of SPLICE_FLAGS, "flag of splice", default "0";
    /// File flags: O_…, FD_CLOEXEC.
    FileFlags of FILE_FLAGS, "file flag", default "0";
    /// A request of ioctl(2): FIONREAD, SIOCATMARK, ….
    IoctlRequest of IOCTLS, "request of ioctl";
    /// A command of fcntl(2): F_….
    FcntlCommand of FCNTLS, "command of fcntl";
    /// Events: POLL…, joined with `|`; POLLIN, if left out.
    PollEvents of POLL_EVENTS, "event of poll", default "POLLIN";
    /// An operation of epoll_ctl(2): EPOLL_CTL_….
    EpollOperation of EPOLL_OPERATIONS, "operation of epoll_ctl";
    /// Events: EPOLL…, joined with `|`; EPOLLIN, if left out.
    EpollEvents of EPOLL_EVENTS, "event of epoll", default "EPOLLIN";
    /// A signal: SIG….
    Signal of SIGNALS, "signal";
    /// Flags of sigaction(2): SA_….
    SignalFlags of SIGNAL_FLAGS, "flag of sigaction", default "0";
}

/// Implements [`Argument`] for types whose wire form is always their value.
macro_rules! plain_arguments {
    ($($name:ident => $wire:ty, |$argument:ident| $value:expr;)*) => {
        $(
            impl Argument for $name {
                type Wire = $wire;

                fn resolve(&self, _: &mut Scope<'_>, _: &KeyPath) -> $wire {
                    let $argument = self;
                    $value
                }
            }
        )*
    };
}

plain_arguments! {
    Count => u32, |count| count.0;
    Flag => bool, |flag| flag.0;
    Buffer => Self, |buffer| *buffer;
    Path => String, |path| path.0.clone();
    FileText => String, |text| text.0.0.clone();
}

impl<A: Argument> Argument for Option<A> {
    type Wire = Option<A::Wire>;

    fn made_name(&self) -> Option<&str> {
        self.as_ref().and_then(A::made_name)
    }

    fn resolve(&self, scope: &mut Scope<'_>, at: &KeyPath) -> Option<A::Wire> {
        self.as_ref().map(|argument| argument.resolve(scope, at))
    }
}

/// A name for a result of the operation.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub(crate) struct NewName(String);

impl Argument for NewName {
    type Wire = Slot;

    fn made_name(&self) -> Option<&str> {
        Some(&self.0)
    }

    fn resolve(&self, scope: &mut Scope<'_>, _: &KeyPath) -> Slot {
        scope.slots.get(&self.0).copied().unwrap_or_default()
    }
}

/// A descriptor by its name, or all descriptors whose names begin in the same way: `server-*`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub(crate) struct Descriptors(String);

impl Argument for Descriptors {
    type Wire = Vec<Slot>;

    fn resolve(&self, scope: &mut Scope<'_>, at: &KeyPath) -> Vec<Slot> {
        let Some(prefix) = self.0.strip_suffix('*') else { return vec![scope.slot(&self.0, at)] };
        let slots: Vec<Slot> =
            scope.slots.iter().filter(|(name, _)| name.starts_with(prefix)).map(|(_, slot)| *slot).collect();
        if slots.is_empty() {
            let message = format!("no name begins with `{prefix}`");
            scope.report(at, Underline::Value, message, "undefined name", None);
        }
        slots
    }
}

/// Combines each descriptor with the events to poll it for.
pub(crate) fn each_with(fds: Vec<Vec<Slot>>, events: i32) -> Vec<(Slot, i16)> {
    fds.concat().into_iter().map(|fd| (fd, events as i16)).collect()
}

/// A number, at least 1.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub(crate) struct Count(#[schemars(range(min = 1, max = 1024))] u32);

/// The name of a network device.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub(crate) struct DeviceName(String);

impl Argument for DeviceName {
    type Wire = String;

    fn resolve(&self, scope: &mut Scope<'_>, at: &KeyPath) -> String {
        // netdevice(7): IFNAMSIZ is 16, with the NUL.
        if self.0.is_empty() || self.0.len() > 15 {
            let message = format!("`{}` is not the name of a network device", self.0);
            scope.report(at, Underline::Value, message, "expected a name such as lo or eth0, at most 15 bytes", None);
        }
        self.0.clone()
    }
}

/// `true` or `false`; `false`, if left out.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub(crate) struct Flag(bool);

/// A valid buffer, or an invalid one.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum Buffer {
    /// The actor's own memory.
    #[default]
    Good,
    /// An address where nothing is mapped.
    Bad,
}

/// The path of a file in the guest.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub(crate) struct Path(String);

/// The text to write to a file.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub(crate) struct FileText(Text);

/// A duration: `200 ms`, `5 s`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub(crate) struct Duration(Text);

impl Argument for Duration {
    type Wire = u64;

    fn resolve(&self, scope: &mut Scope<'_>, at: &KeyPath) -> u64 {
        phrases::duration_ns(&self.0.0).unwrap_or_else(|| {
            let message = format!("`{}` is not a duration", self.0.0);
            scope.report(at, Underline::Value, message, "for example `200 ms` or `5 s`", None);
            0
        })
    }
}

/// Bytes in hexadecimal: `01 00 0a`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub(crate) struct Hex(Text);

impl Argument for Hex {
    type Wire = Vec<u8>;

    fn resolve(&self, scope: &mut Scope<'_>, at: &KeyPath) -> Vec<u8> {
        let digits: String = self.0.0.split_whitespace().collect();
        hex::decode(digits).unwrap_or_else(|error| {
            let message = format!("`{}` is not hexadecimal: {error}", self.0.0);
            scope.report(at, Underline::Value, message, "for example `01 00 0a`", None);
            Vec::new()
        })
    }
}

/// The name of an actor.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub(crate) struct ActorName(String);

impl Argument for ActorName {
    type Wire = ActorIndex;

    fn resolve(&self, scope: &mut Scope<'_>, at: &KeyPath) -> ActorIndex {
        let index = scope.actors.iter().position(|actor| *actor == self.0);
        if index.is_none() && !scope.findings.was_dropped(&self.0) {
            let help = suggestion(&self.0, scope.actors.iter().map(String::as_str));
            scope.report(at, Underline::Value, format!("no actor is named `{}`", self.0), "unknown actor", help);
        }
        index.unwrap_or(0) as ActorIndex
    }
}

/// The size of the buffer for `struct tcp_info`, in bytes: more than any kernel fills.
pub(crate) const TCP_INFO_ROOM: u32 = 512;

/// A field of `struct tcp_info`.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct TcpInfoField(String);

impl Argument for TcpInfoField {
    type Wire = (u16, u8);

    fn resolve(&self, scope: &mut Scope<'_>, at: &KeyPath) -> (u16, u8) {
        let found = constants::tcp_info_fields().find(|(name, ..)| *name == self.0);
        found.map(|(_, offset, width)| (offset, width)).unwrap_or_else(|| {
            let help = suggestion(&self.0, constants::tcp_info_fields().map(|(name, ..)| name));
            scope.report(at, Underline::Value, format!("TCP_INFO has no field `{}`", self.0), "unknown field", help);
            (0, 1)
        })
    }
}

schema_with_examples! { TcpInfoField: "string", constants::tcp_info_fields().map(|(name, ..)| name) }

/// The control message of UDP_SEGMENT (udp(7)): its length, the level SOL_UDP, its type, and the size of a segment.
pub(crate) fn segment_control(size: u32) -> Vec<u8> {
    let (level, kind) = (libc::SOL_UDP.to_le_bytes(), libc::UDP_SEGMENT.to_le_bytes());
    let mut out = [&18_u64.to_le_bytes()[..], &level, &kind].concat();
    out.extend((size as u16).to_le_bytes());
    out.resize(24, 0);
    out
}

/// A packet: `tcp client > server, seq 100, PSH ACK, 64 bytes`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub(crate) struct PacketText(Text);

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

impl<A: Argument> Argument for OneOrMany<A> {
    type Wire = Vec<A::Wire>;

    fn resolve(&self, scope: &mut Scope<'_>, at: &KeyPath) -> Vec<A::Wire> {
        self.0.iter().enumerate().map(|(nth, one)| one.resolve(scope, &at.index(nth))).collect()
    }
}
