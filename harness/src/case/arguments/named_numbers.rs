//! Arguments that are the kernel's constants, by their names or numbers.

use serde::Deserialize;

use super::{Argument, Scope};
use crate::case::constants::{self, Table};
use crate::case::findings::Underline;
use crate::case::key_path::KeyPath;
use crate::case::phrases;
use crate::case::yaml_types::Text;
use crate::nearest::suggestion;

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

pub(super) use schema_with_examples;

/// Defines arguments that are constants of a table.
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
