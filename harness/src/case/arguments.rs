//! The types of the arguments of operations: how each is written, checked, and converted to its wire form.

mod named_numbers;
mod packets;
mod scope;
mod socket_options;

use rxpath_guest::{ActorIndex, Slot};
use schemars::JsonSchema;
use serde::Deserialize;

use super::constants;
use super::findings::Underline;
use super::key_path::KeyPath;
use super::phrases;
use super::yaml_types::{OneOrMany, Text};
use crate::nearest::suggestion;

use named_numbers::schema_with_examples;
pub(crate) use named_numbers::*;
pub(crate) use packets::{counted_from, packet_end};
pub(crate) use scope::Scope;
pub(crate) use socket_options::{OptionName, OptionValue};

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

/// Defines arguments that the file writes as one value.
macro_rules! one_value {
    ($($(#[$about:meta])* $name:ident($(#[$field:meta])? $type:ty);)*) => {
        $(
            $(#[$about])*
            #[derive(Clone, Debug, Deserialize, JsonSchema)]
            #[serde(transparent)]
            #[schemars(inline)]
            pub(crate) struct $name($(#[$field])? $type);
        )*
    };
}

one_value! {
    /// A descriptor, by the name of the result that defined it.
    Descriptor(String);
    /// A number of bytes: `64`, `4K`, `1M`.
    #[derive(Default)]
    Size(Text);
    /// A name for a result of the operation.
    NewName(String);
    /// A descriptor by its name, or all descriptors whose names begin in the same way: `server-*`.
    Descriptors(String);
    /// A number, at least 1.
    Count(#[schemars(range(min = 1, max = 1024))] u32);
    /// A port of UDP or TCP.
    Port(#[schemars(range(min = 1))] u16);
    /// The name of a network device.
    DeviceName(String);
    /// `true` or `false`; `false`, if left out.
    #[derive(Default)]
    Flag(bool);
    /// The path of a file in the guest.
    Path(String);
    /// The text to write to a file.
    FileText(Text);
    /// A duration: `200 ms`, `5 s`.
    Duration(Text);
    /// Bytes in hexadecimal: `01 00 0a`.
    Hex(Text);
    /// The name of an actor.
    ActorName(String);
    /// An address and port, a Unix path, or the name of a socket for that socket's address.
    Endpoint(String);
    /// A packet: `tcp`, `udp` or `echo`, its source, ` > `, its destination (each an address with a port, or a socket for
    /// that socket's address), and after commas what differs from an empty packet: `64 bytes`, `bad checksum`, and for IPv4
    /// `fragment OFFSET LENGTH` to send only that part; for TCP also flags (`PSH ACK`; `ACK`, if left out), `window 512`,
    /// `seq N` and `ack N`. If the destination is a connected TCP socket, `seq` counts from the byte that it expects next,
    /// and `ack` from the byte after the last one that was written to it; otherwise both count from 0. Either may be
    /// negative.
    PacketText(Text);
}

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
    Port => u16, |port| port.0;
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

impl Argument for NewName {
    type Wire = Slot;

    fn made_name(&self) -> Option<&str> {
        Some(&self.0)
    }

    fn resolve(&self, scope: &mut Scope<'_>, _: &KeyPath) -> Slot {
        scope.slots.get(&self.0).copied().unwrap_or_default()
    }
}

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
        let found = constants::TCP_INFO.iter().find(|(name, ..)| *name == self.0);
        found.map(|(_, offset, width)| (*offset, *width)).unwrap_or_else(|| {
            let help = suggestion(&self.0, constants::TCP_INFO.iter().map(|(name, ..)| *name));
            scope.report(at, Underline::Value, format!("TCP_INFO has no field `{}`", self.0), "unknown field", help);
            (0, 1)
        })
    }
}

schema_with_examples! { TcpInfoField: "string", constants::TCP_INFO.iter().map(|(name, ..)| *name) }

/// The control message of UDP_SEGMENT (udp(7)): its length, the level SOL_UDP, its type, and the size of a segment.
pub(crate) fn segment_control(size: u32) -> Vec<u8> {
    let (level, kind) = (libc::SOL_UDP.to_le_bytes(), libc::UDP_SEGMENT.to_le_bytes());
    let mut out = [&18_u64.to_le_bytes()[..], &level, &kind].concat();
    out.extend((size as u16).to_le_bytes());
    out.resize(24, 0);
    out
}

impl<A: Argument> Argument for OneOrMany<A> {
    type Wire = Vec<A::Wire>;

    fn resolve(&self, scope: &mut Scope<'_>, at: &KeyPath) -> Vec<A::Wire> {
        self.0.iter().enumerate().map(|(nth, one)| one.resolve(scope, &at.index(nth))).collect()
    }
}
