//! The operations a step can name: one line each.
//!
//! An operation is its name, its arguments (those after the semicolon may be left out), and what it becomes on the wire.
//! From that line come the reading of files, the JSON Schema, the checks and their errors. `name(argument: Type)` takes its
//! only argument directly: `close: server`.

use rxpath_guest::{Network, Op, UringRequest};
use schemars::JsonSchema;
use serde::Deserialize;

use super::arguments::*;
use super::model::{OneOrMany, Text};
use super::place::Place;

/// What a step's arguments can do: become the wire's operation, telling the scope what is wrong with them.
pub trait Operate {
    /// Names that the arguments themselves give to results: the ends of a pipe.
    fn makes(&self) -> Vec<&str>;

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
                    #[derive(Clone, Debug, Deserialize, JsonSchema)]
                    #[serde(deny_unknown_fields)]
                    #[schemars(extend("x-what" = concat!("`", stringify!($name), "`")))]
                    pub struct $name {
                        $(pub $required: $required_type,)*
                        $($(#[serde(default)] pub $optional: $optional_type,)*)?
                    }
                )?
                $(
                    #[derive(Clone, Debug, Deserialize, JsonSchema)]
                    #[serde(transparent)]
                    pub struct $name(pub $single_type);
                )?
            )*
        }

        $(
            impl Operate for arguments_of::$name {
                fn makes(&self) -> Vec<&str> {
                    let none: [Option<&str>; 0] = [];
                    none.into_iter()
                        $(
                            $(.chain([self.$required.makes()]))*
                            $($(.chain([self.$optional.makes()]))*)?
                        )?
                        $(.chain([<$single_type as Argument>::makes(&self.0)]))?
                        .flatten()
                        .collect()
                }

                fn resolve(&self, $scope: &mut Scope<'_>, $at: &Place) -> Op {
                    $(
                        $(let $required = self.$required.resolve($scope, &$at.key(stringify!($required)));)*
                        $($(let $optional = self.$optional.resolve($scope, &$at.key(stringify!($optional)));)*)?
                    )?
                    $(let $single = self.0.resolve($scope, $at);)?
                    // An operation without arguments needs neither.
                    let _ = (&$scope, $at);
                    $op
                }
            }
        )*

        /// A step: one operation, and when it happens.
        #[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
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
            /// In setup, instead of an operation: the name of a preset, whose names then end in the number of `repeat`.
            pub preset: Option<String>,
            /// The step is there so many times; `#` in it stands for 1, 2, 3 and so on.
            pub repeat: Option<Text>,
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
    /// socket(2): a new socket, in the first network namespace or, with `netns: 1`, in the second.
    socket { family: Family, r#type: SocketType; protocol: Protocol, netns: Or<0> } => match netns {
        0 => Op::Socket { domain: family, kind: r#type, protocol },
        _ => Op::SocketIn { netns: 1, domain: family, kind: r#type, protocol },
    };
    /// socketpair(2): two sockets connected to each other.
    socketpair { family: Family, r#type: SocketType, first: NewName, second: NewName; protocol: Protocol }
        => Op::SocketPair { domain: family, kind: r#type, protocol, into: (first, second) };
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
    /// sendto(2) of a counting pattern, or of `data`.
    sendto { socket: Descriptor; to: Option<Endpoint>, bytes: Option<Size>, data: Option<Hex>, flags: MessageFlags }
        => match (to, data) {
            (to, Some(data)) => Op::SendData { socket, to, data, flags },
            (Some(to), None) => Op::SendTo { socket, to, bytes: bytes.unwrap_or(0), flags },
            (None, None) => Op::Send { socket, bytes: bytes.unwrap_or(0), flags },
        };
    /// sendmsg(2) of a counting pattern gathered from pieces; `segment` is UDP_SEGMENT's size.
    sendmsg { socket: Descriptor, bytes: OneOrMany<Size>; to: Option<Endpoint>, segment: Option<Size>, flags: MessageFlags }
        => Op::SendMsg { socket, to, pieces: bytes, control: segment.map_or_else(Vec::new, segment_control), flags };
    /// sendmsg(2) of a counting pattern with a descriptor for the receiver (SCM_RIGHTS); recvmsg with room for `control`
    /// closes it again.
    send_descriptor { socket: Descriptor, bytes: Size, fd: Descriptor; flags: MessageFlags }
        => Op::SendDescriptor { socket, bytes, fd, flags };
    /// sendmmsg(2) of equal messages.
    sendmmsg { socket: Descriptor, bytes: Size, count: Count; flags: MessageFlags }
        => Op::SendMmsg { socket, bytes, count, flags };
    /// recv(2) into a buffer of so many bytes; `buffer: bad` gives it memory that is not there.
    recv { socket: Descriptor, bytes: Size; flags: MessageFlags, buffer: Buffer } => match buffer {
        Buffer::Good => Op::Recv { socket, bytes, flags },
        Buffer::Bad => Op::RecvNowhere { socket, bytes, flags },
    };
    /// recvfrom(2) with room for the sender's address.
    recvfrom { socket: Descriptor, bytes: Size; flags: MessageFlags } => Op::RecvFrom { socket, bytes, flags };
    /// recvmsg(2) scattered over pieces, with room for so many bytes of control messages.
    recvmsg { socket: Descriptor, bytes: OneOrMany<Size>; control: Option<Size>, flags: MessageFlags }
        => Op::RecvMsg { socket, pieces: bytes, control: control.unwrap_or(0), flags };
    /// recvmmsg(2) of at most `count` messages.
    recvmmsg { socket: Descriptor, bytes: Size, count: Count; flags: MessageFlags, timeout: Option<Duration> }
        => Op::RecvMmsg { socket, bytes, count, flags, timeout_ns: timeout };
    /// read(2).
    read { from: Descriptor, bytes: Size } => Op::Read { from, bytes };
    /// readv(2) into pieces.
    readv { from: Descriptor, bytes: OneOrMany<Size> } => Op::Readv { from, pieces: bytes };
    /// write(2) of a counting pattern.
    write { to: Descriptor, bytes: Size } => Op::Write { to, bytes };
    /// splice(2) between a socket and a pipe.
    splice { from: Descriptor, to: Descriptor, bytes: Size; flags: SpliceFlags } => Op::Splice { from, to, bytes, flags };
    /// open(2).
    open { path: Path; flags: FileFlags } => Op::Open { path, flags };
    /// No system call: a descriptor number that need not be open.
    pretend(number: Or<0>) => Op::Number(number.into());
    /// No system call of its own: writes a file of /proc or /sys that setup has made, such as a device's. What is there from
    /// the beginning belongs under the machine's `files`.
    write_file { path: Path, value: FileText } => Op::WriteFile { path, value };
    /// dup(2).
    dup(fd: Descriptor) => Op::Dup { fd };
    /// pipe2(2): `read` and `write` name its ends.
    pipe { read: NewName, write: NewName; flags: FileFlags } => Op::Pipe { into: (read, write), flags };
    /// close(2).
    close(socket: Descriptor) => Op::Close { socket };
    /// shutdown(2).
    shutdown { socket: Descriptor, how: ShutdownWay } => Op::Shutdown { socket, how };
    /// setsockopt(2), by the option's symbolic name; `level` is needed only where the option is a number.
    setsockopt { socket: Descriptor, option: OptionName, value: OptionValue; level: Option<Level> } => {
        let (level, name) = option.at(level);
        Op::SetSockOpt { socket, level, name, value: value.bytes(scope, at, option) }
    };
    /// getsockopt(2); it returns the value, or for TCP_INFO the field (`tcpi_rcv_space`).
    getsockopt { socket: Descriptor, option: OptionName; field: Option<TcpInfoField>, level: Option<Level> } => {
        let (level, name) = option.at(level);
        let room = if field.is_some() { TCP_INFO_ROOM } else { 4 };
        Op::GetSockOpt { socket, level, name, room, field: field.unwrap_or((0, 4)) }
    };
    /// getsockopt(2) of TCP_ZEROCOPY_RECEIVE into a mapping of the socket of so many bytes; it returns how many were mapped.
    zerocopy_receive { socket: Descriptor, bytes: Size } => Op::ZerocopyReceive { socket, bytes };
    /// ioctl(2) that fills a number, which it returns.
    ioctl { fd: Descriptor, request: IoctlRequest; argument: Or<0> }
        => Op::Ioctl { fd, request: request as u32, argument };
    /// fcntl(2) with F_SETOWN: the actor's task gets the socket's SIGURG, and its SIGIO.
    set_owner { socket: Descriptor, actor: ActorName } => Op::SetOwner { fd: socket, actor };
    /// fcntl(2).
    fcntl { fd: Descriptor, command: FcntlCommand; argument: FileFlags }
        => Op::Fcntl { fd, command, argument: argument.into() };
    /// poll(2) of descriptors (`server`, a list, or `server-*`) for events.
    poll { fds: OneOrMany<Descriptors>; events: PollEvents, timeout: Option<Duration> }
        => Op::Poll { fds: each_with(fds, events), timeout_ns: timeout, masked: false };
    /// ppoll(2), like poll.
    ppoll { fds: OneOrMany<Descriptors>; events: PollEvents, timeout: Option<Duration> }
        => Op::Poll { fds: each_with(fds, events), timeout_ns: timeout, masked: true };
    /// select(2) of descriptors to read from and to write to.
    select { read: OneOrMany<Descriptors>; write: OneOrMany<Descriptors>, timeout: Option<Duration> }
        => Op::Select { read: read.concat(), write: write.concat(), timeout_ns: timeout, masked: false };
    /// pselect6(2), like select.
    pselect { read: OneOrMany<Descriptors>; write: OneOrMany<Descriptors>, timeout: Option<Duration> }
        => Op::Select { read: read.concat(), write: write.concat(), timeout_ns: timeout, masked: true };
    /// epoll_create1(2).
    epoll_create1 { ; flags: FileFlags } => Op::EpollCreate { flags };
    /// epoll_ctl(2); EPOLLET makes it edge-triggered.
    epoll_ctl { epoll: Descriptor, operation: EpollOperation, fd: Descriptor; events: EpollEvents }
        => Op::EpollCtl { epoll, operation, fd, events: events as u32 };
    /// epoll_wait(2) for at most so many events.
    epoll_wait { epoll: Descriptor; events: Or<16>, timeout: Option<Duration> }
        => Op::EpollWait { epoll, events: events.max(1) as u32, timeout_ns: timeout };
    /// io_uring: submits a recv and waits for its completion, whose result it returns. With nothing queued, it arms a poll.
    uring_recv { socket: Descriptor, bytes: Size; flags: MessageFlags }
        => Op::Uring(UringRequest::Recv { socket, bytes, flags });
    /// io_uring: a multishot recv, submitted once and then only waited for.
    uring_recv_multishot { socket: Descriptor, bytes: Size }
        => Op::Uring(UringRequest::RecvMultishot { socket, bytes });
    /// io_uring: submits a poll and waits for it.
    uring_poll { fd: Descriptor; events: PollEvents } => Op::Uring(UringRequest::Poll { fd, events: events as i16 });
    /// sigaction(2) with a handler that does nothing.
    sigaction { signal: Signal; flags: SignalFlags } => Op::SigAction { signal, flags };
    /// alarm(2).
    alarm { seconds: Count } => Op::Alarm { seconds };
    /// setitimer(2), ITIMER_REAL, once.
    setitimer { after: Duration } => Op::SetITimer { after_ns: after };
    /// A timer of this actor's own task, which it sends SIGALRM once.
    timer { after: Duration } => Op::Timer { after_ns: after };
    /// A signal to an actor's task (tkill(2)).
    kill { actor: ActorName, signal: Signal } => Op::Kill { actor, signal };
    /// A signal to a child (kill(2)).
    kill_child { child: Descriptor, signal: Signal } => Op::KillChild { child, signal };
    /// fork(2); the child ends at once.
    fork {} => Op::Fork;
    /// No system call of its own: makes a process with the actor's memory and descriptors that does recv(2) and then ends, and
    /// returns its pid. It is no actor: what it does is expected under `task child`. It has the actor's CPU and policy; with
    /// `fifo` it does not run before the actor sleeps. `wait` for it before the next one.
    recv_in_child { socket: Descriptor, bytes: Size } => Op::RecvInChild { socket, bytes };
    /// wait4(2) for a child; it returns the wait status: the number of the signal that killed it, or 256 times its exit code.
    wait(child: Descriptor) => Op::Wait { child };
    /// A TUN device (10.0.0.1/24) whose descriptor it returns; packets written to it are received. `napi` sends them
    /// through NAPI and GRO.
    tun { ; napi: Flag } => Op::Network(Network::Tun { napi });
    /// A generic XDP program on a device of the first network namespace (`lo`, `eth0`, `veth0`, `tun0`) that passes every packet.
    xdp(device: DeviceName) => Op::Network(Network::Xdp { device });
    /// tc's ingress hook on such a device, with a filter that matches every packet and keeps it.
    tc_ingress(device: DeviceName) => Op::Network(Network::TcIngress { device });
    /// A packet made by hand, written to a TUN device or sent through a raw socket:
    /// `tcp client > server, seq 100, PSH ACK, 64 bytes`, `udp 10.0.0.2:9 > 10.0.0.1:7, 8 bytes, bad checksum`.
    inject { via: Descriptor, packet: PacketText } => Op::Inject { via, packet };
}
