//! The kinds of arguments that operations take: how each is written, checked and turned into what the wire carries.

use std::net::SocketAddr;

use indexmap::IndexMap;
use rxpath_guest::{Address, Slot};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::constants::{self, OptionKind, Table};
use super::model::{OneOrMany, Text};
use super::nearest::suggestion;
use super::phrases;
use super::place::{Findings, Place, Underline};

/// What arguments are resolved against: the case's names, and where errors go.
pub struct Scope<'a> {
    /// Errors.
    pub findings: &'a mut Findings,
    /// Named results, in the order of their slots.
    pub slots: &'a IndexMap<String, Slot>,
    /// The actor whose step it is, `None` in setup; and which of its names are not yet there at this step.
    pub not_yet: &'a [String],
    /// The place everything inside a preset is reported at.
    pub preset: Option<&'a Place>,
}

impl Scope<'_> {
    /// An error at a place of the file, or at the preset's name for what a preset does.
    pub fn report(&mut self, at: &Place, underline: Underline<'_>, message: String, label: &str, help: Option<String>) {
        self.findings.add(self.preset.unwrap_or(at), underline, message, label, help);
    }

    /// The slot of a named result.
    pub fn slot(&mut self, name: &str, at: &Place) -> Slot {
        match self.slots.get(name) {
            Some(slot) if !self.not_yet.iter().any(|later| later == name) => *slot,
            Some(slot) => {
                let message = format!("`{name}` is used before the step that makes it");
                self.report(
                    at,
                    Underline::Part(name),
                    message,
                    "not there yet",
                    Some("put the step that makes it first".into()),
                );
                *slot
            }
            None => {
                if !self.findings.was_dropped(name) {
                    let known = self.slots.keys().map(String::as_str).filter(|name| !name.starts_with('_'));
                    let help = suggestion(name, known).unwrap_or_else(|| {
                        "give a step's result this name with `as:`, or use a preset in `setup:`".into()
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

/// Something written in a case that becomes something on the wire.
pub trait Argument {
    /// What the wire carries.
    type Wire;

    /// Turns it into that. What is wrong is told to the scope, and something harmless stands in for it.
    fn resolve(&self, scope: &mut Scope<'_>, at: &Place) -> Self::Wire;
}

/// A descriptor by the name of the step result that made it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Descriptor(String);

impl Argument for Descriptor {
    type Wire = Slot;

    fn resolve(&self, scope: &mut Scope<'_>, at: &Place) -> Slot {
        scope.slot(&self.0, at)
    }
}

/// An integer that is `DEFAULT` where it is left out.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Or<const DEFAULT: i32>(i32);

impl<const DEFAULT: i32> Default for Or<DEFAULT> {
    fn default() -> Self {
        Self(DEFAULT)
    }
}

impl<const DEFAULT: i32> Argument for Or<DEFAULT> {
    type Wire = i32;

    fn resolve(&self, _: &mut Scope<'_>, _: &Place) -> i32 {
        self.0
    }
}

/// A number of bytes: `64`, `4K`, `1M`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Size(Text);

impl Argument for Size {
    type Wire = u32;

    fn resolve(&self, scope: &mut Scope<'_>, at: &Place) -> u32 {
        let size = phrases::size(&self.0.0).and_then(|bytes| u32::try_from(bytes).ok());
        size.unwrap_or_else(|| {
            let message = format!("`{}` is not a number of bytes", self.0.0);
            scope.report(at, Underline::Value, message, "expected a size like 64, 4K or 1M", None);
            1
        })
    }
}

/// Where to bind or connect: an address and port, a Unix path, or the name of a socket whose address is meant.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Endpoint(String);

impl Argument for Endpoint {
    type Wire = Address;

    fn resolve(&self, scope: &mut Scope<'_>, at: &Place) -> Address {
        let text = self.0.as_str();
        if let Ok(address) = text.parse::<SocketAddr>() {
            return match address {
                SocketAddr::V4(v4) => Address::V4(v4.ip().octets(), v4.port()),
                SocketAddr::V6(v6) => Address::V6(v6.ip().octets(), v6.port()),
            };
        }
        if text.starts_with(['/', '@']) {
            return Address::Unix(text.to_owned());
        }
        if text.contains([':', '.', '[']) {
            let message = format!("`{text}` is not an address");
            let label = "expected like 127.0.0.1:80, [::1]:80, @name, or a socket's name";
            scope.report(at, Underline::Value, message, label, None);
            return Address::V4([127, 0, 0, 1], 0);
        }
        Address::OfSocket(scope.slot(text, at))
    }
}

/// The number of a constant, or of several or-ed together, from a table; numbers may stand for themselves.
fn constant(text: &str, table: Table, what: &str, scope: &mut Scope<'_>, at: &Place) -> i32 {
    let mut number = 0;
    for name in text.split('|').map(str::trim) {
        match constants::number(table, name).or_else(|| phrases::integer(name)) {
            Some(one) => number |= one,
            None => {
                let help = suggestion(name, table.iter().map(|(name, _)| *name));
                scope.report(at, Underline::Part(name), format!("unknown {what} `{name}`"), "not one of them", help);
            }
        }
    }
    // Flags in the top bit (EPOLLET) are the same 32 bits either way.
    number as u32 as i32
}

macro_rules! constants {
    ($($(#[$about:meta])* $name:ident of $table:ident, $what:literal $(, default $default:literal)?;)*) => {
        $(
            $(#[$about])*
            #[derive(Debug, Deserialize)]
            #[serde(transparent)]
            pub struct $name(Text);

            $(
                impl Default for $name {
                    fn default() -> Self {
                        Self(Text($default.to_owned()))
                    }
                }
            )?

            impl Argument for $name {
                type Wire = i32;

                fn resolve(&self, scope: &mut Scope<'_>, at: &Place) -> i32 {
                    constant(&self.0.0, constants::$table, $what, scope, at)
                }
            }

            impl JsonSchema for $name {
                fn inline_schema() -> bool {
                    true
                }

                fn schema_name() -> std::borrow::Cow<'static, str> {
                    stringify!($name).into()
                }

                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    let names: Vec<_> = constants::$table.iter().map(|(name, _)| *name).collect();
                    json_schema!({ "type": ["string", "integer"], "examples": names })
                }
            }
        )*
    };
}

constants! {
    /// AF_….
    Family of FAMILIES, "address family";
    /// SOCK_…, perhaps with `|SOCK_NONBLOCK`.
    SocketType of SOCKET_TYPES, "socket type";
    /// IPPROTO_….
    Protocol of PROTOCOLS, "protocol", default "0";
    /// SOCK_NONBLOCK, SOCK_CLOEXEC.
    AcceptFlags of SOCKET_TYPES, "flag", default "0";
    /// MSG_…, or-ed with `|`.
    MessageFlags of MESSAGE_FLAGS, "message flag", default "0";
    /// SHUT_….
    ShutdownWay of SHUTDOWNS, "way to shut down";
}

/// The level of a socket option given by its number.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Level(Option<Text>);

impl Argument for Level {
    type Wire = Option<i32>;

    fn resolve(&self, scope: &mut Scope<'_>, at: &Place) -> Option<i32> {
        self.0.as_ref().map(|level| constant(&level.0, constants::LEVELS, "level of socket options", scope, at))
    }
}

/// A socket option, by name or number.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub struct OptionName(Text);

/// A socket option as far as its name tells.
#[derive(Clone, Copy, Debug)]
pub struct NamedOption {
    level: i32,
    number: i32,
    kind: OptionKind,
}

impl NamedOption {
    /// Level and number, with the level that was given explicitly, if one was.
    pub fn at(self, level: Option<i32>) -> (i32, i32) {
        (level.unwrap_or(self.level), self.number)
    }
}

impl JsonSchema for OptionName {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "OptionName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<_> = constants::SOCKET_OPTIONS.iter().map(|option| option.name).collect();
        json_schema!({ "type": ["string", "integer"], "examples": names })
    }
}

impl Argument for OptionName {
    type Wire = NamedOption;

    fn resolve(&self, scope: &mut Scope<'_>, at: &Place) -> NamedOption {
        let text = self.0.0.as_str();
        if let Some(option) = constants::socket_option(text) {
            return NamedOption { level: option.level, number: option.number, kind: option.kind };
        }
        let number = phrases::integer(text).and_then(|number| i32::try_from(number).ok());
        if number.is_none() {
            let help = suggestion(text, constants::SOCKET_OPTIONS.iter().map(|option| option.name));
            let message = format!("unknown socket option `{text}`");
            scope.report(at, Underline::Value, message, "give its number and `level:` if it is new", help);
        }
        // SOL_SOCKET, the level of SO_….
        NamedOption { level: 1, number: number.unwrap_or(0), kind: OptionKind::Number }
    }
}

/// The value of a socket option: a number, a duration (`200 ms`), a text, `hex 01 02`, as the option wants it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct OptionValue(Text);

/// An option's value that waits for the option's kind.
pub struct RawValue(String);

impl Argument for OptionValue {
    type Wire = RawValue;

    fn resolve(&self, _: &mut Scope<'_>, _: &Place) -> RawValue {
        RawValue(self.0.0.clone())
    }
}

impl RawValue {
    /// The bytes that setsockopt(2) is given on x86-64; `at` is the place of the step's arguments.
    pub fn bytes(&self, scope: &mut Scope<'_>, at: &Place, option: NamedOption) -> Vec<u8> {
        let text = self.0.trim();
        if let Some(digits) = text.strip_prefix("hex ") {
            let digits: String = digits.split_whitespace().collect();
            return hex::decode(digits).unwrap_or_else(|error| {
                let message = format!("`{text}` is not hexadecimal: {error}");
                scope.report(&at.key("value"), Underline::Value, message, "expected like `hex 01 00 0a`", None);
                Vec::new()
            });
        }
        let (bytes, expected) = match option.kind {
            OptionKind::Number => (self.number(), "a number, a constant, or `hex …`"),
            OptionKind::Time => (phrases::duration_ns(text).map(timeval), "a duration like `200 ms`"),
            OptionKind::Linger => (linger(text), "a number of seconds, or `off`"),
            OptionKind::Text => (Some(text.as_bytes().to_vec()), "a text"),
            OptionKind::Filter => {
                (phrases::integer(text).map(|keep| keep.to_le_bytes().to_vec()), "how many bytes to keep")
            }
        };
        bytes.unwrap_or_else(|| {
            let message = format!("`{text}` is no value of this socket option");
            scope.report(&at.key("value"), Underline::Value, message, &format!("expected {expected}"), None);
            Vec::new()
        })
    }

    fn number(&self) -> Option<Vec<u8>> {
        let one = |name: &str| {
            constants::number(constants::OPTION_VALUES, name.trim()).or_else(|| phrases::integer(name.trim()))
        };
        let number = self.0.split('|').map(one).try_fold(0, |all, one| one.map(|one| all | one))?;
        let fits = i32::try_from(number).is_ok() || u32::try_from(number).is_ok();
        fits.then(|| (number as u32).to_le_bytes().to_vec())
    }
}

/// `struct timeval` on x86-64: seconds and microseconds, 64 bits each.
fn timeval(ns: u64) -> Vec<u8> {
    [(ns / 1_000_000_000).to_le_bytes(), (ns % 1_000_000_000 / 1_000).to_le_bytes()].concat()
}

/// `struct linger`: on, and for how many seconds.
fn linger(text: &str) -> Option<Vec<u8>> {
    let (on, seconds) = match text {
        "off" => (0i32, 0i32),
        seconds => (1, seconds.parse().ok()?),
    };
    Some([on.to_le_bytes(), seconds.to_le_bytes()].concat())
}

/// A list of arguments.
impl<A: Argument> Argument for OneOrMany<A> {
    type Wire = Vec<A::Wire>;

    fn resolve(&self, scope: &mut Scope<'_>, at: &Place) -> Vec<A::Wire> {
        self.0.iter().enumerate().map(|(nth, one)| one.resolve(scope, &at.index(nth))).collect()
    }
}
