//! Socket options by their names, and their values as the bytes that setsockopt(2) takes.

use std::net::{IpAddr, Ipv4Addr};

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Argument, Scope, schema_with_examples};
use crate::case::constants;
use crate::case::findings::Underline;
use crate::case::key_path::KeyPath;
use crate::case::phrases;
use crate::case::yaml_types::Text;
use crate::nearest::suggestion;

/// A socket option, by its name or number.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct OptionName(Text);

/// How the value of a socket option is written.
#[derive(Clone, Copy, Debug)]
enum OptionKind {
    /// An `int`.
    Number,
    /// A `struct timeval`, written as a duration (`200 ms`).
    Time,
    /// A `struct linger`, written as its seconds; `off` turns it off.
    Linger,
    /// Bytes of text, without a terminating zero.
    Text,
    /// A `struct sock_fprog` of one instruction, written as the number that it returns: how many bytes of the packet to
    /// keep (0 drops it), or for a group of SO_REUSEPORT the socket's position in it.
    Filter,
    /// A `struct in_addr` or `struct in6_addr`.
    Address,
    /// A group and the interface to join it on, by that one's address (`struct ip_mreq`, ip(7)) or for IPv6 by its index
    /// (`struct ipv6_mreq`, ipv6(7)).
    Membership,
}

impl OptionKind {
    fn of(option: &str) -> Self {
        match option {
            "SO_RCVTIMEO" | "SO_SNDTIMEO" => Self::Time,
            "SO_LINGER" => Self::Linger,
            "SO_BINDTODEVICE" | "TCP_CONGESTION" | "TCP_ULP" => Self::Text,
            "SO_ATTACH_FILTER" | "SO_ATTACH_REUSEPORT_CBPF" => Self::Filter,
            "IP_MULTICAST_IF" => Self::Address,
            "IP_ADD_MEMBERSHIP" | "IP_DROP_MEMBERSHIP" | "IPV6_ADD_MEMBERSHIP" | "IPV6_DROP_MEMBERSHIP" => {
                Self::Membership
            }
            _ => Self::Number,
        }
    }
}

/// What the name of a socket option says about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NamedOption {
    level: i32,
    number: i32,
    kind: OptionKind,
}

impl NamedOption {
    /// Level and number of the option; an explicit level takes precedence.
    pub(crate) fn at(self, level: Option<i32>) -> (i32, i32) {
        (level.unwrap_or(self.level), self.number)
    }
}

schema_with_examples! { OptionName: ["string", "integer"], constants::socket_options() }

impl Argument for OptionName {
    type Wire = NamedOption;

    fn resolve(&self, scope: &mut Scope<'_>, at: &KeyPath) -> NamedOption {
        let text = self.0.0.as_str();
        if let Some((level, number)) = constants::socket_option(text) {
            return NamedOption { level, number, kind: OptionKind::of(text) };
        }
        let number = phrases::integer(text).and_then(|number| i32::try_from(number).ok());
        if number.is_none() {
            let help = suggestion(text, constants::socket_options());
            let message = format!("unknown socket option `{text}`");
            scope.report(at, Underline::Value, message, "if the option is new, give its number and `level:`", help);
        }
        NamedOption { level: libc::SOL_SOCKET, number: number.unwrap_or(0), kind: OptionKind::Number }
    }
}

/// The value of a socket option: a number, a duration (`200 ms`), an address, a group (`239.1.2.3 on 127.0.0.1`) or a
/// text, depending on the option; or `hex 01 02`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub(crate) struct OptionValue(Text);

/// The value of an option before the option's kind is known.
pub(crate) struct RawValue(String);

impl Argument for OptionValue {
    type Wire = RawValue;

    fn resolve(&self, _: &mut Scope<'_>, _: &KeyPath) -> RawValue {
        RawValue(self.0.0.clone())
    }
}

impl RawValue {
    /// The bytes that setsockopt(2) takes on x86-64; `at` is the place of the step's arguments.
    pub(crate) fn bytes(&self, scope: &mut Scope<'_>, at: &KeyPath, option: NamedOption) -> Vec<u8> {
        let text = self.0.trim();
        if let Some(digits) = text.strip_prefix("hex ") {
            let digits: String = digits.split_whitespace().collect();
            return hex::decode(digits).unwrap_or_else(|error| {
                let message = format!("`{text}` is not hexadecimal: {error}");
                scope.report(&at.key("value"), Underline::Value, message, "for example `hex 01 00 0a`", None);
                Vec::new()
            });
        }
        let (bytes, expected) = match option.kind {
            OptionKind::Number => (self.number(), "a number, a constant, or `hex …`"),
            OptionKind::Time => (phrases::duration_ns(text).map(timeval), "a duration such as `200 ms`"),
            OptionKind::Linger => (linger(text), "a number of seconds, or `off`"),
            OptionKind::Text => (Some(text.as_bytes().to_vec()), "a text"),
            OptionKind::Filter => (phrases::integer(text).map(returning), "the number that the filter returns"),
            OptionKind::Address => (address(text), "an address such as `127.0.0.1`"),
            OptionKind::Membership => {
                (membership(text), "a group and an interface, such as `239.1.2.3 on 127.0.0.1` or `ff02::123 on 1`")
            }
        };
        bytes.unwrap_or_else(|| {
            let message = format!("`{text}` is not a value of this socket option");
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

/// A socket filter of one instruction (`struct sock_filter`): BPF_RET|BPF_K, no jumps, the number to return.
fn returning(number: i64) -> Vec<u8> {
    [&[0x06, 0, 0, 0][..], &(number as u32).to_le_bytes()].concat()
}

fn address(text: &str) -> Option<Vec<u8>> {
    Some(match text.parse().ok()? {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    })
}

fn membership(text: &str) -> Option<Vec<u8>> {
    let (group, interface) = text.split_once(" on ")?;
    let interface = match group.trim().parse().ok()? {
        IpAddr::V4(_) => interface.trim().parse::<Ipv4Addr>().ok()?.octets(),
        IpAddr::V6(_) => interface.trim().parse::<u32>().ok()?.to_le_bytes(),
    };
    Some([address(group.trim())?, interface.to_vec()].concat())
}

/// `struct timeval` on x86-64: seconds and microseconds, 64 bits each.
fn timeval(ns: u64) -> Vec<u8> {
    [(ns / 1_000_000_000).to_le_bytes(), (ns % 1_000_000_000 / 1_000).to_le_bytes()].concat()
}

/// `struct linger`: whether it is on, and for how many seconds.
fn linger(text: &str) -> Option<Vec<u8>> {
    let (on, seconds) = match text {
        "off" => (0i32, 0i32),
        seconds => (1, seconds.parse().ok()?),
    };
    Some([on.to_le_bytes(), seconds.to_le_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_have_an_interface() {
        assert_eq!(membership("239.1.2.3 on 127.0.0.1"), Some(vec![239, 1, 2, 3, 127, 0, 0, 1]));
        let v6 = membership("ff02::123 on 2").unwrap();
        assert_eq!((v6.len(), &v6[14..]), (20, &[1, 0x23, 2, 0, 0, 0][..]));
        for text in ["239.1.2.3", "239.1.2.3 on lo", "ff02::1 on 127.0.0.1", "x on 127.0.0.1"] {
            assert_eq!(membership(text), None, "{text}");
        }
    }
}
