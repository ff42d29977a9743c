//! The operations that a step can name, one entry each.
//!
//! An entry has the operation's name, its arguments (those after the semicolon are optional), and the wire operation
//! that it becomes. Reading, the JSON Schema, checks and error messages are all generated from it.
//! `name(argument: Type)` takes its only argument directly: `close: server`.

use rxpath_guest::{Network, Op, UringRequest};
use schemars::JsonSchema;
use serde::Deserialize;

use super::arguments::*;
use super::findings::Underline;
use super::key_path::KeyPath;
use super::yaml_types::{OneOrMany, Repeated, Text};

/// The arguments of a step's operation.
pub(crate) trait Operate {
    /// The names that the arguments give to results, such as the ends of a pipe.
    fn made_names(&self) -> Vec<&str>;

    /// Converts them to the wire operation; `at` is their place. Errors are recorded in `scope`, and placeholders are
    /// used.
    fn resolve(&self, scope: &mut Scope<'_>, at: &KeyPath) -> Op;
}

macro_rules! operations {
    // The caller names the scope and the place so that its expressions can use them.
    (($scope:ident, $at:ident) $(
        $(#[$about:meta])*
        $name:ident
        $({ $($required:ident: $required_type:ty),* $(; $($optional:ident: $optional_type:ty),*)? })?
        $(($single:ident: $single_type:ty))?
        => $op:expr;
    )*) => {
        #[expect(non_camel_case_types, reason = "they have the names of their system calls")]
        mod arguments_of {
            use super::*;

            $(
                $(
                    #[derive(Clone, Debug, Deserialize, JsonSchema)]
                    #[serde(deny_unknown_fields)]
                    #[schemars(extend("x-what" = concat!("`", stringify!($name), "`")))]
                    pub(crate) struct $name {
                        $(pub(crate) $required: $required_type,)*
                        $($(#[serde(default)] pub(crate) $optional: $optional_type,)*)?
                    }
                )?
                $(
                    #[derive(Clone, Debug, Deserialize, JsonSchema)]
                    #[serde(transparent)]
                    pub(crate) struct $name(pub(crate) $single_type);
                )?
            )*
        }

        $(
            impl Operate for arguments_of::$name {
                fn made_names(&self) -> Vec<&str> {
                    let none: [Option<&str>; 0] = [];
                    none.into_iter()
                        $(
                            $(.chain([self.$required.made_name()]))*
                            $($(.chain([self.$optional.made_name()]))*)?
                        )?
                        $(.chain([<$single_type as Argument>::made_name(&self.0)]))?
                        .flatten()
                        .collect()
                }

                fn resolve(&self, $scope: &mut Scope<'_>, $at: &KeyPath) -> Op {
                    $(
                        $(let $required = self.$required.resolve($scope, &$at.key(stringify!($required)));)*
                        $($(let $optional = self.$optional.resolve($scope, &$at.key(stringify!($optional)));)*)?
                    )?
                    $(let $single = self.0.resolve($scope, $at);)?
                    // An operation without arguments uses neither.
                    let _ = (&$scope, $at);
                    $op
                }
            }
        )*

        /// The names of all operations, which steps without a name of their own have too.
        pub(crate) const OPERATIONS: &[&str] = &[$(stringify!($name)),*];

        /// A step: one operation, and what it waits for.
        // The arguments are boxed: of seventy operations, a step has one.
        #[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        #[schemars(extend("x-what" = "a step"), extend("x-keys" = "operation or key"))]
        pub(crate) struct StepFile {
            /// The step's name, for references to it; the operation's name, if left out.
            pub(crate) name: Option<String>,
            /// The name of the result (usually a descriptor) for later steps.
            #[serde(rename = "as")]
            pub(crate) into: Option<String>,
            /// Conditions that must hold before it begins: `receiver sleeps`, `receiver sleeps in recv`,
            /// `queue of server holds 64`, `everything of client is acknowledged`, `server is readable`,
            /// `server has hung up`, `server has an error`, `client is in TCP_CLOSE_WAIT`.
            pub(crate) when: OneOrMany<Text>,
            /// Steps of other actors that must have ended before it begins: `sender.send`, or `sender.2` for the second
            /// step.
            pub(crate) after: OneOrMany<Text>,
            /// Whether it is traced and timed; `false` for steps that only prepare or clean up.
            pub(crate) record: Option<bool>,
            /// In setup, the name of a preset in place of an operation. With `repeat`, the names that it makes end in
            /// the number.
            pub(crate) preset: Option<String>,
            /// How often the step is repeated; `#` in it is replaced by 1, 2, 3 and so on.
            pub(crate) repeat: Option<Text>,
            /// In place of an operation: steps that are repeated together, as often as `repeat` says, one round after the other.
            pub(crate) steps: Option<Repeated<StepFile>>,
            $($(#[$about])* pub(crate) $name: Option<Box<arguments_of::$name>>,)*
        }

        impl StepFile {
            /// The operations that it names, with their names; a valid step has one.
            pub(crate) fn operations(&self) -> Vec<(&'static str, &dyn Operate)> {
                let mut named: Vec<(&'static str, &dyn Operate)> = Vec::new();
                $(if let Some(arguments) = &self.$name { named.push((stringify!($name), &**arguments)); })*
                named
            }
        }
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
    /// bind(2): binds a socket to an address.
    bind { socket: Descriptor, to: Endpoint } => Op::Bind { socket, to };
    /// listen(2): makes a socket accept connections.
    listen { socket: Descriptor; backlog: Or<128> } => Op::Listen { socket, backlog };
    /// connect(2): connects a socket to an address, or to the address of another socket.
    connect { socket: Descriptor, to: Endpoint } => Op::Connect { socket, to };
    /// accept4(2): the next connection of a listening socket.
    accept4 { socket: Descriptor; flags: AcceptFlags } => Op::Accept { socket, flags };
    /// send(2). Its bytes, as those of all sends without `data`, are its own: they say which step sent them in which
    /// iteration.
    send { socket: Descriptor, bytes: Size; flags: MessageFlags } => Op::Send { socket, bytes, flags };
    /// sendto(2), of bytes of its own or of `data`.
    sendto { socket: Descriptor; to: Option<Endpoint>, bytes: Option<Size>, data: Option<Hex>, flags: MessageFlags }
        => match (to, data) {
            (to, Some(data)) => Op::SendData { socket, to, data, flags },
            (Some(to), None) => Op::SendTo { socket, to, bytes: bytes.unwrap_or(0), flags },
            (None, None) => Op::Send { socket, bytes: bytes.unwrap_or(0), flags },
        };
    /// sendmsg(2) gathered from pieces; `segment` is UDP_SEGMENT's size.
    sendmsg { socket: Descriptor, bytes: OneOrMany<Size>; to: Option<Endpoint>, segment: Option<Size>, flags: MessageFlags }
        => Op::SendMsg { socket, to, pieces: bytes, control: segment.map_or_else(Vec::new, segment_control), flags };
    /// sendmsg(2) with a descriptor for the receiver (SCM_RIGHTS); recvmsg with room for
    /// `control` closes it again.
    send_descriptor { socket: Descriptor, bytes: Size, fd: Descriptor; flags: MessageFlags }
        => Op::SendDescriptor { socket, bytes, fd, flags };
    /// sendmmsg(2) of messages of the same length.
    sendmmsg { socket: Descriptor, bytes: Size, count: Count; flags: MessageFlags }
        => Op::SendMmsg { socket, bytes, count, flags };
    /// recv(2) into a buffer of `bytes` bytes; `buffer: bad` passes an address where nothing is mapped.
    recv { socket: Descriptor, bytes: Size; flags: MessageFlags, buffer: Buffer } => match buffer {
        Buffer::Good => Op::Recv { socket, bytes, flags },
        Buffer::Bad => Op::RecvNowhere { socket, bytes, flags },
    };
    /// recvfrom(2) with room for the sender's address.
    recvfrom { socket: Descriptor, bytes: Size; flags: MessageFlags } => Op::RecvFrom { socket, bytes, flags };
    /// recvmsg(2) scattered over pieces, with room for `control` bytes of control messages.
    recvmsg { socket: Descriptor, bytes: OneOrMany<Size>; control: Option<Size>, flags: MessageFlags }
        => Op::RecvMsg { socket, pieces: bytes, control: control.unwrap_or(0), flags };
    /// recvmmsg(2) of at most `count` messages.
    recvmmsg { socket: Descriptor, bytes: Size, count: Count; flags: MessageFlags, timeout: Option<Duration> }
        => Op::RecvMmsg { socket, bytes, count, flags, timeout_ns: timeout };
    /// read(2): reads from a descriptor. From a TUN device it reads a packet that the kernel sends, which `sends` can expect;
    /// `seq` names its TCP sequence number, for later packets: `ack isn+1`.
    read { from: Descriptor, bytes: Size; seq: Option<NewName> } => match seq {
        Some(_) => Op::ReadPacket { from, bytes, seq, numbers: Vec::new() },
        None => Op::Read { from, bytes },
    };
    /// readv(2) into pieces.
    readv { from: Descriptor, bytes: OneOrMany<Size> } => Op::Readv { from, pieces: bytes };
    /// write(2).
    write { to: Descriptor, bytes: Size } => Op::Write { to, bytes };
    /// splice(2) between a socket and a pipe.
    splice { from: Descriptor, to: Descriptor, bytes: Size; flags: SpliceFlags } => Op::Splice { from, to, bytes, flags };
    /// open(2): opens a file of the guest.
    open { path: Path; flags: FileFlags } => Op::Open { path, flags };
    /// No system call: names a descriptor number, which need not be open.
    pretend(number: Or<0>) => Op::Number(number.into());
    /// No system call of its own: writes a file of /proc or /sys that exists only after setup, such as a device's.
    /// Files that always exist belong under the machine's `files`.
    write_file { path: Path, value: FileText } => Op::WriteFile { path, value };
    /// dup(2): duplicates a descriptor.
    dup(fd: Descriptor) => Op::Dup { fd };
    /// pipe2(2): `read` and `write` name its ends.
    pipe { read: NewName, write: NewName; flags: FileFlags } => Op::Pipe { into: (read, write), flags };
    /// close(2): closes a descriptor.
    close(socket: Descriptor) => Op::Close { socket };
    /// shutdown(2): shuts down one or both directions of a connection.
    shutdown { socket: Descriptor, how: ShutdownWay } => Op::Shutdown { socket, how };
    /// setsockopt(2), with the option's symbolic name; `level` is needed only if the option is a number.
    setsockopt { socket: Descriptor, option: OptionName, value: OptionValue; level: Option<Level> } => {
        let (level, name) = option.at(level);
        Op::SetSockOpt { socket, level, name, value: value.bytes(scope, at, option) }
    };
    /// getsockopt(2); returns the value, or for TCP_INFO one field (`tcpi_rcv_space`).
    getsockopt { socket: Descriptor, option: OptionName; field: Option<TcpInfoField>, level: Option<Level> } => {
        let (level, name) = option.at(level);
        let room = if field.is_some() { TCP_INFO_ROOM } else { 4 };
        Op::GetSockOpt { socket, level, name, room, field: field.unwrap_or((0, 4)) }
    };
    /// getsockopt(2) of TCP_ZEROCOPY_RECEIVE into a mapping of the socket of `bytes` bytes; returns how many were
    /// mapped.
    zerocopy_receive { socket: Descriptor, bytes: Size } => Op::ZerocopyReceive { socket, bytes };
    /// ioctl(2) that reads a number; returns that number.
    ioctl { fd: Descriptor, request: IoctlRequest; argument: Or<0> }
        => Op::Ioctl { fd, request: request as u32, argument };
    /// fcntl(2) with F_SETOWN: the actor's task receives the socket's SIGURG and SIGIO.
    set_owner { socket: Descriptor, actor: ActorName } => Op::SetOwner { fd: socket, actor };
    /// fcntl(2) with a number as its argument.
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
    /// epoll_create1(2): a new epoll instance.
    epoll_create1 { ; flags: FileFlags } => Op::EpollCreate { flags };
    /// epoll_ctl(2); EPOLLET makes it edge-triggered.
    epoll_ctl { epoll: Descriptor, operation: EpollOperation, fd: Descriptor; events: EpollEvents }
        => Op::EpollCtl { epoll, operation, fd, events: events as u32 };
    /// epoll_wait(2) for at most `events` events.
    epoll_wait { epoll: Descriptor; events: Or<16>, timeout: Option<Duration> }
        => Op::EpollWait { epoll, events: events.max(1) as u32, timeout_ns: timeout };
    /// io_uring: submits a recv, waits for its completion and returns its result. If nothing is queued, the kernel arms
    /// a poll.
    uring_recv { socket: Descriptor, bytes: Size; flags: MessageFlags }
        => Op::Uring(UringRequest::Recv { socket, bytes, flags });
    /// io_uring: a multishot recv, submitted the first time only; then it only waits for the next completion.
    uring_recv_multishot { socket: Descriptor, bytes: Size }
        => Op::Uring(UringRequest::RecvMultishot { socket, bytes });
    /// io_uring: submits a poll and waits for it.
    uring_poll { fd: Descriptor; events: PollEvents } => Op::Uring(UringRequest::Poll { fd, events: events as i16 });
    /// sigaction(2) with a handler that does nothing.
    sigaction { signal: Signal; flags: SignalFlags } => Op::SigAction { signal, flags };
    /// alarm(2): SIGALRM after `seconds` seconds.
    alarm { seconds: Count } => Op::Alarm { seconds };
    /// setitimer(2) with ITIMER_REAL: SIGALRM once, after this time.
    setitimer { after: Duration } => Op::SetITimer { after_ns: after };
    /// A timer that sends SIGALRM once, to the task of this actor.
    timer { after: Duration } => Op::Timer { after_ns: after };
    /// tkill(2): sends a signal to an actor's task.
    kill { actor: ActorName, signal: Signal } => {
        if [libc::SIGKILL, libc::SIGSTOP].contains(&signal) {
            let help = "use recv_in_child and kill_child: a child may die".to_owned();
            let message = "an actor cannot be killed or stopped: it would not take part in the next iteration".to_owned();
            scope.report(&at.key("signal"), Underline::Value, message, "not for actors", Some(help));
        }
        Op::Kill { actor, signal }
    };
    /// kill(2): sends a signal to a child.
    kill_child { child: Descriptor, signal: Signal } => Op::KillChild { child, signal };
    /// fork(2) of a child that exits at once.
    fork {} => Op::Fork;
    /// No system call of its own: starts a process with the actor's memory and descriptors that calls recv(2) and then
    /// exits; returns its pid. The process is not an actor: expectations of it are written under `task child`. It has
    /// the actor's CPU and policy; with `fifo` it does not run before the actor sleeps. `wait` for it before the next
    /// one.
    recv_in_child { socket: Descriptor, bytes: Size } => Op::RecvInChild { socket, bytes };
    /// wait4(2) for a child; returns the wait status: the number of the signal that killed it, or 256 times its exit
    /// code.
    wait(child: Descriptor) => Op::Wait { child };
    /// A TUN device (10.0.0.1/24); returns its descriptor. The kernel receives the packets that are written to it, with
    /// `napi: true` through NAPI and GRO.
    tun { ; napi: Flag } => Op::Network(Network::Tun { napi });
    /// A generic XDP program that passes every packet, on a device of the first network namespace (`lo`, `eth0`,
    /// `veth0`, `tun0`).
    xdp(device: DeviceName) => Op::Network(Network::Xdp { device });
    /// An nf_tables rule in the input hook that drops IPv4 packets to this port, of UDP and of TCP. Needs
    /// `modules: nf_tables`.
    netfilter_drop { port: Port } => Op::Network(Network::NetfilterDrop { port });
    /// tc's ingress hook with a filter that matches and passes every packet, on a device of the first network
    /// namespace.
    tc_ingress(device: DeviceName) => Op::Network(Network::TcIngress { device });
    /// A hand-made packet that is written to a TUN device or sent through a raw socket:
    /// `tcp 10.0.0.2:9000 > server, seq 100, PSH ACK, 64 bytes`, `udp 10.0.0.2:9 > 10.0.0.1:7, 8 bytes, bad checksum`,
    /// `icmp 10.0.0.2 > 10.0.0.1, type 3, code 4, mtu 1200, about tcp server > 10.0.0.2:9000`, `raw 45 00 …`.
    /// CONTRIBUTING.md says what a packet can consist of.
    inject { via: Descriptor, packet: PacketText } => packet.inject(via);
}
