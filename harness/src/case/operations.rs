//! The operations a step can name: one line each.
//!
//! An operation is its name, its arguments (those after the semicolon may be left out), and what it becomes on the wire.
//! From that line come the reading of files, the JSON Schema, the checks and their errors. `name(argument: Type)` takes its
//! only argument directly: `close: server`.

use rxpath_guest::Op;
use schemars::JsonSchema;
use serde::Deserialize;

use super::arguments::*;
use super::model::{OneOrMany, Text};
use super::place::Place;

/// What a step's arguments can do: become the wire's operation, telling the scope what is wrong with them.
pub trait Operate {
    /// The operation, with `at` the place of its arguments. Wrong arguments are told to the scope and filled in.
    fn resolve(&self, scope: &mut Scope<'_>, at: &Place) -> Op;
}

macro_rules! operations {
    // The names of the scope and the place are given by the caller so that its expressions may use them.
    (($scope:ident, $at:ident) $(
        $(#[$about:meta])*
        $name:ident
        $({ $($required:ident: $required_type:ty),* $(; $($optional:ident: $optional_type:ty),*)? })?
        $(($single:ident: $single_type:ty))?
        => $op:expr;
    )*) => {
        /// The arguments of each operation.
        #[expect(non_camel_case_types, reason = "they bear the names of their system calls")]
        mod arguments_of {
            use super::*;

            $(
                $(
                    #[derive(Debug, Deserialize, JsonSchema)]
                    #[serde(deny_unknown_fields)]
                    #[schemars(extend("x-what" = concat!("`", stringify!($name), "`")))]
                    pub struct $name {
                        $(pub $required: $required_type,)*
                        $($(#[serde(default)] pub $optional: $optional_type,)*)?
                    }
                )?
                $(
                    #[derive(Debug, Deserialize, JsonSchema)]
                    #[serde(transparent)]
                    pub struct $name(pub $single_type);
                )?
            )*
        }

        $(
            impl Operate for arguments_of::$name {
                fn resolve(&self, $scope: &mut Scope<'_>, $at: &Place) -> Op {
                    $(
                        $(let $required = self.$required.resolve($scope, &$at.key(stringify!($required)));)*
                        $($(let $optional = self.$optional.resolve($scope, &$at.key(stringify!($optional)));)*)?
                    )?
                    $(let $single = self.0.resolve($scope, $at);)?
                    $op
                }
            }
        )*

        /// A step: one operation, and when it happens.
        #[derive(Debug, Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        #[schemars(extend("x-what" = "a step"), extend("x-keys" = "operation or key"))]
        pub struct StepFile {
            /// The step's name, by which others refer to it; the operation's, if nothing is said.
            pub name: Option<String>,
            /// The name that the result (most often a descriptor) goes by from here on.
            #[serde(rename = "as")]
            pub into: Option<String>,
            /// States that must hold before it begins: `receiver sleeps`, `queue of server holds 64`.
            pub when: OneOrMany<Text>,
            /// Steps of others that must have ended before it begins: `sender.send`, or `sender.2` for its second step.
            pub after: OneOrMany<Text>,
            /// Whether it is traced and timed; `false` for what only prepares or cleans up.
            pub record: Option<bool>,
            $($(#[$about])* pub $name: Option<arguments_of::$name>,)*
        }

        impl StepFile {
            /// The operations it names, by name: a right step has one.
            pub fn operations(&self) -> Vec<(&'static str, &dyn Operate)> {
                let mut named: Vec<(&'static str, &dyn Operate)> = Vec::new();
                $(if let Some(arguments) = &self.$name { named.push((stringify!($name), arguments)); })*
                named
            }
        }

        /// The names of all operations.
        pub const OPERATIONS: &[&str] = &[$(stringify!($name)),*];
    };
}

operations! {
    (scope, at)
    /// socket(2): a new socket.
    socket { family: Family, r#type: SocketType; protocol: Protocol } => Op::Socket { domain: family, kind: r#type, protocol };
    /// bind(2).
    bind { socket: Descriptor, to: Endpoint } => Op::Bind { socket, to };
    /// listen(2).
    listen { socket: Descriptor; backlog: Or<128> } => Op::Listen { socket, backlog };
    /// connect(2).
    connect { socket: Descriptor, to: Endpoint } => Op::Connect { socket, to };
    /// accept4(2): the next connection of a listening socket.
    accept4 { socket: Descriptor; flags: AcceptFlags } => Op::Accept { socket, flags };
    /// send(2) of a counting pattern.
    send { socket: Descriptor, bytes: Size; flags: MessageFlags } => Op::Send { socket, bytes, flags };
    /// recv(2) into a buffer of so many bytes.
    recv { socket: Descriptor, bytes: Size; flags: MessageFlags } => Op::Recv { socket, bytes, flags };
    /// close(2).
    close(socket: Descriptor) => Op::Close { socket };
    /// shutdown(2).
    shutdown { socket: Descriptor, how: ShutdownWay } => Op::Shutdown { socket, how };
    /// setsockopt(2), by the option's symbolic name; `level` is needed only where the option is a number.
    setsockopt { socket: Descriptor, option: OptionName, value: OptionValue; level: Level }
        => { let (level, name) = option.at(level); Op::SetSockOpt { socket, level, name, value: value.bytes(scope, at, option) } };
}
