//! What the host asks the agent to do: a case, lowered until the guest has nothing left to decide.

use serde::{Deserialize, Serialize};

/// What the host asks of a guest that has booted or was restored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// Run this plan.
    Run(Plan),
    /// Send what describes the kernel as a whole: formats, symbols, traceable functions.
    Facts,
    /// Send where modules were loaded, which differs between the images of a machine.
    Modules,
    /// Do this, and let the machine be saved.
    Prepare(Preparation),
    /// Switch function_graph on, and let the machine be saved.
    EnableTracing,
}

/// What the agent does before the machine is saved: after the boot, or in a machine that was saved before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preparation {
    /// Kernel modules to load, in order.
    pub modules: Vec<Module>,
    /// Setups to perform after that. They are numbered after those of earlier preparations.
    pub setups: Vec<Setup>,
}

/// A kernel module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Module {
    /// Without `.ko`.
    pub name: String,
    /// The object file.
    pub bytes: Vec<u8>,
}

/// Steps that many runs start with, performed once, before the machine is saved.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Setup {
    /// Number of [`Slot`]s that the steps name, from 0.
    pub slots: u16,
    /// The steps; none is recorded.
    pub steps: Vec<Step>,
}

/// Index of an actor in [`Plan::actors`].
pub type ActorIndex = u16;
/// Index of a step in [`Actor::steps`].
pub type StepIndex = u16;
/// A named result of the case, numbered by the host; usually a file descriptor.
pub type Slot = u16;

/// Everything one run of the guest does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What is recorded while the iterations run.
    pub pass: Pass,
    /// How often every actor performs its steps.
    pub iterations: u32,
    /// Iterations that run first and are not recorded: they warm caches, page tables and lazily initialised state.
    pub warmup: u32,
    /// The CPU whose tick every iteration waits for: the iteration starts right after it.
    pub sync_cpu: u16,
    /// Number of [`Slot`]s that the steps name.
    pub slots: u16,
    /// The completed setup that this run continues: an index into the [`Setup`]s performed before the machine was
    /// saved, of all its preparations. The setup's slots are this plan's first ones.
    pub completed_setup: Option<u16>,
    /// Settings of the machine, made by the agent before the run's start: some make the kernel wait for every CPU.
    pub settings: Vec<Step>,
    /// Steps that the agent performs once, after the run's start and before any actor; none is recorded.
    pub setup: Vec<Step>,
    /// The actors.
    pub actors: Vec<Actor>,
    /// Guest time after which the agent gives up on its actors, in nanoseconds from the start of the actors.
    pub deadline_ns: u64,
    /// Whether hard interrupts are left out of the trace, and all that happens in a round before its first recorded step:
    /// otherwise the ticks of a long round fill the ring buffers.
    pub skip_interrupts: bool,
}

impl Plan {
    /// A plan without actors, iterations and steps.
    pub fn empty(pass: Pass) -> Self {
        Self {
            pass,
            iterations: 0,
            warmup: 0,
            sync_cpu: 0,
            slots: 0,
            completed_setup: None,
            settings: Vec::new(),
            setup: Vec::new(),
            actors: Vec::new(),
            deadline_ns: 1_000_000_000,
            skip_interrupts: false,
        }
    }
}

/// What a run measures: call sequences and timings never come from the same run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pass {
    /// function_graph records every function on every CPU, together with scheduler and interrupt events.
    Trace,
    /// Operations are timed without tracing; then, if there are milestones, function_graph traces only those.
    Timing {
        /// Kernel functions to measure, in additional iterations.
        milestones: Option<Milestones>,
    },
    /// A different recorder does the tracing. The agent starts it and sends the file that it writes, and no records of
    /// its own.
    Foreign {
        /// A program in the guest and its arguments. It must switch tracing on itself, record trace markers, and end on
        /// SIGINT with `output` written.
        command: Vec<String>,
        /// The file that it writes, as an absolute path in the guest.
        output: String,
    },
}

/// Functions to trace alone, by their positions in the kernel's `available_filter_functions`, from 1. The kernel finds
/// a position at once, but a name only by comparing it with every function's (Documentation/trace/ftrace.rst,
/// "set_ftrace_filter").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Milestones {
    /// `__x64_sys_sched_get_priority_max`, which does almost nothing, so that its duration shows the cost of tracing a
    /// call.
    pub calibration: u32,
    /// The milestones.
    pub functions: Vec<u32>,
}

/// One actor: a thread or process with a CPU and a list of steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The role's name, also the task's `comm` and so at most 15 bytes.
    pub name: String,
    /// Whether it is a thread of the agent or a forked process.
    pub kind: ActorKind,
    /// The CPU it is bound to.
    pub cpu: u16,
    /// Its scheduling policy.
    pub policy: Policy,
    /// Its network namespace: 0 is the guest's first, 1 has the far end of the machine's network.
    pub netns: u8,
    /// What it does in every iteration, in order.
    pub steps: Vec<Step>,
}

/// The kinds of task that an actor can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ActorKind {
    /// Shares memory and file descriptors with the agent and its other threads.
    Thread,
    /// Has its own memory and file descriptors, and inherits the descriptors that `setup` made.
    Process,
}

/// Scheduling policies (sched(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Policy {
    /// SCHED_OTHER.
    Other,
    /// SCHED_FIFO with this priority.
    Fifo(u8),
    /// SCHED_BATCH.
    Batch,
    /// SCHED_IDLE.
    Idle,
}

/// One step: waits until all conditions hold, then performs the operation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Step {
    /// Must all hold before the operation starts. The agent's controller checks them, outside the trace.
    pub when: Vec<Condition>,
    /// The operation.
    pub op: Op,
    /// The slot that receives the return value, unless that is negative.
    pub into: Option<Slot>,
    /// Whether the operation is marked in the trace and timed. Other steps only prepare or clean up.
    pub recorded: bool,
}

/// What a step can wait for: always a state, never a time.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Condition {
    /// The actor sleeps (task state S or D) inside this step (any recorded step if `None`) of the current iteration.
    Sleeps {
        /// The actor.
        actor: ActorIndex,
        /// The step.
        step: Option<StepIndex>,
    },
    /// The actor has ended this step of the current iteration.
    After {
        /// The actor.
        actor: ActorIndex,
        /// The step.
        step: StepIndex,
    },
    /// At least this many bytes wait in the socket's receive queue (FIONREAD, which counts only the next datagram of a
    /// datagram socket).
    QueueIn {
        /// The socket.
        socket: Slot,
        /// In bytes.
        bytes: u32,
    },
    /// At most this many unacknowledged bytes are in the socket's send queue (TIOCOUTQ).
    QueueOut {
        /// The socket.
        socket: Slot,
        /// In bytes.
        bytes: u32,
    },
    /// poll(2) reports one of these events: data or a connection is waiting (POLLIN), the peer has shut down
    /// (POLLRDHUP), an error is pending (POLLERR).
    Ready {
        /// The descriptor.
        socket: Slot,
        /// POLL….
        events: i16,
    },
    /// The TCP socket is in this state (TCP_INFO's `tcpi_state`).
    TcpState {
        /// The socket.
        socket: Slot,
        /// TCP_ESTABLISHED and so on, `net/tcp_states.h`.
        state: u8,
    },
}

/// A socket address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Address {
    /// IPv4 address and port; for port 0 the kernel chooses one.
    V4([u8; 4], u16),
    /// IPv6 address and port.
    V6([u8; 16], u16),
    /// A Unix socket's path, or with a leading `@` a name in the abstract namespace (unix(7)).
    Unix(String),
    /// The address that the socket in this slot is bound to (getsockname(2)), with the loopback address for a wildcard.
    OfSocket(Slot),
    /// A vsock's context id and port (vsock(7)).
    Vsock(u32, u32),
    /// A network interface and an EtherType in host byte order (packet(7)); 0 is that of the socket.
    Packet(String, u16),
    /// A netlink port and its multicast groups (netlink(7)).
    Netlink(u32, u32),
}

/// The operations: real system calls, implemented in guest/src/ops/.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Op {
    /// socket(2). `kind` carries SOCK_NONBLOCK and SOCK_CLOEXEC too.
    Socket {
        /// AF_….
        domain: i32,
        /// SOCK_….
        kind: i32,
        /// IPPROTO_….
        protocol: i32,
    },
    /// bind(2).
    Bind {
        /// The socket.
        socket: Slot,
        /// The address.
        to: Address,
    },
    /// listen(2).
    Listen {
        /// The socket.
        socket: Slot,
        /// The length of the accept queue.
        backlog: i32,
    },
    /// connect(2).
    Connect {
        /// The socket.
        socket: Slot,
        /// The destination.
        to: Address,
    },
    /// accept4(2).
    Accept {
        /// The listening socket.
        socket: Slot,
        /// SOCK_NONBLOCK, SOCK_CLOEXEC.
        flags: i32,
    },
    /// send(2), that is sendto(2) without an address. Its bytes, as those of all sends without data, are its own
    /// ([`Origin`](crate::Origin)).
    Send {
        /// The socket.
        socket: Slot,
        /// Length in bytes.
        bytes: u32,
        /// MSG_….
        flags: i32,
    },
    /// recv(2), that is recvfrom(2) without an address.
    Recv {
        /// The socket.
        socket: Slot,
        /// Length of the buffer, in bytes.
        bytes: u32,
        /// MSG_….
        flags: i32,
    },
    /// close(2) of what the slot holds.
    Close {
        /// The descriptor.
        socket: Slot,
    },
    /// shutdown(2).
    Shutdown {
        /// The socket.
        socket: Slot,
        /// SHUT_RD, SHUT_WR or SHUT_RDWR.
        how: i32,
    },
    /// setsockopt(2).
    SetSockOpt {
        /// The socket.
        socket: Slot,
        /// SOL_… or IPPROTO_….
        level: i32,
        /// The option.
        name: i32,
        /// The value's bytes.
        value: Vec<u8>,
    },
    /// socket(2) in a network namespace other than the caller's.
    SocketIn {
        /// 0 or 1.
        netns: u8,
        /// AF_….
        domain: i32,
        /// SOCK_….
        kind: i32,
        /// IPPROTO_….
        protocol: i32,
    },
    /// socketpair(2).
    SocketPair {
        /// AF_….
        domain: i32,
        /// SOCK_….
        kind: i32,
        /// IPPROTO_….
        protocol: i32,
        /// The slots that receive the two sockets.
        into: (Slot, Slot),
    },
    /// open(2).
    Open {
        /// The file.
        path: String,
        /// O_….
        flags: i32,
    },
    /// A number in place of a descriptor, which need not be open; makes no system call.
    Number(i64),
    /// sendto(2).
    SendTo {
        /// The socket.
        socket: Slot,
        /// The destination.
        to: Address,
        /// Length in bytes.
        bytes: u32,
        /// MSG_….
        flags: i32,
    },
    /// sendto(2) of these bytes.
    SendData {
        /// The socket.
        socket: Slot,
        /// The destination, if the socket is not connected.
        to: Option<Address>,
        /// The bytes.
        data: Vec<u8>,
        /// MSG_….
        flags: i32,
    },
    /// sendmsg(2), gathered from pieces.
    SendMsg {
        /// The socket.
        socket: Slot,
        /// The destination, if the socket is not connected.
        to: Option<Address>,
        /// Length of each piece, in bytes.
        pieces: Vec<u32>,
        /// Control messages in the kernel's format (cmsg(3)).
        control: Vec<u8>,
        /// MSG_….
        flags: i32,
    },
    /// sendmsg(2) that passes a descriptor to the receiver (unix(7), SCM_RIGHTS).
    SendDescriptor {
        /// The socket.
        socket: Slot,
        /// Length in bytes.
        bytes: u32,
        /// The descriptor to pass.
        fd: Slot,
        /// MSG_….
        flags: i32,
    },
    /// sendmmsg(2) of messages of the same length.
    SendMmsg {
        /// The socket.
        socket: Slot,
        /// Length of each message, in bytes.
        bytes: u32,
        /// Number of messages.
        count: u32,
        /// MSG_….
        flags: i32,
    },
    /// recv(2) into an address that is not mapped.
    RecvNowhere {
        /// The socket.
        socket: Slot,
        /// Length of the claimed buffer, in bytes.
        bytes: u32,
        /// MSG_….
        flags: i32,
    },
    /// recvfrom(2) that asks for the sender's address.
    RecvFrom {
        /// The socket.
        socket: Slot,
        /// Length of the buffer, in bytes.
        bytes: u32,
        /// MSG_….
        flags: i32,
    },
    /// recvmsg(2), scattered over pieces.
    RecvMsg {
        /// The socket.
        socket: Slot,
        /// Length of each piece, in bytes.
        pieces: Vec<u32>,
        /// Length of the buffer for control messages, in bytes.
        control: u32,
        /// MSG_….
        flags: i32,
    },
    /// recvmmsg(2); the return value counts messages.
    RecvMmsg {
        /// The socket.
        socket: Slot,
        /// Length of the buffer for each message, in bytes.
        bytes: u32,
        /// The largest number of messages.
        count: u32,
        /// MSG_….
        flags: i32,
        /// Timeout in nanoseconds; `None` waits for ever.
        timeout_ns: Option<u64>,
    },
    /// read(2).
    Read {
        /// The descriptor.
        from: Slot,
        /// Length of the buffer, in bytes.
        bytes: u32,
    },
    /// readv(2).
    Readv {
        /// The descriptor.
        from: Slot,
        /// Length of each piece, in bytes.
        pieces: Vec<u32>,
    },
    /// write(2).
    Write {
        /// The descriptor.
        to: Slot,
        /// Length in bytes.
        bytes: u32,
    },
    /// Writes a file of /proc or /sys while the operation is prepared: a setting.
    WriteFile {
        /// An absolute path in the guest.
        path: String,
        /// The new content.
        value: String,
    },
    /// splice(2), without offsets.
    Splice {
        /// The descriptor to read from.
        from: Slot,
        /// The descriptor to write to; one of the two is a pipe.
        to: Slot,
        /// The largest number of bytes.
        bytes: u32,
        /// SPLICE_F_….
        flags: i32,
    },
    /// getsockopt(2); the result's `ret` is the chosen field of the value.
    GetSockOpt {
        /// The socket.
        socket: Slot,
        /// SOL_… or IPPROTO_….
        level: i32,
        /// The option.
        name: i32,
        /// Length of the buffer for the value, in bytes.
        room: u32,
        /// The field, an unsigned number: its offset and width (1, 2, 4 or 8), in bytes.
        field: (u16, u8),
    },
    /// getsockopt(2) of TCP_ZEROCOPY_RECEIVE into a mapping of the socket (mmap(2)); the result's `ret` is the number
    /// of bytes that were mapped.
    ZerocopyReceive {
        /// The socket.
        socket: Slot,
        /// Length of the mapping, in bytes; a multiple of the page size.
        bytes: u32,
    },
    /// ioctl(2) that fills an int; the result's `ret` is that int.
    Ioctl {
        /// The descriptor.
        fd: Slot,
        /// FIONREAD, SIOCATMARK and so on.
        request: u32,
        /// The int's value before the call.
        argument: i32,
    },
    /// fcntl(2), F_SETOWN: an actor's task gets the descriptor's signals, SIGIO and SIGURG.
    SetOwner {
        /// The descriptor.
        fd: Slot,
        /// The actor.
        actor: ActorIndex,
    },
    /// fcntl(2).
    Fcntl {
        /// The descriptor.
        fd: Slot,
        /// F_….
        command: i32,
        /// The command's argument.
        argument: i64,
    },
    /// poll(2), or ppoll(2) with an empty signal mask.
    Poll {
        /// Descriptors, each with its POLL….
        fds: Vec<(Slot, i16)>,
        /// Timeout in nanoseconds; `None` waits for ever.
        timeout_ns: Option<u64>,
        /// Whether to call ppoll.
        masked: bool,
    },
    /// select(2), or pselect6(2) with an empty signal mask.
    Select {
        /// Descriptors to wait for until they are readable.
        read: Vec<Slot>,
        /// Descriptors to wait for until they are writable.
        write: Vec<Slot>,
        /// Timeout in nanoseconds; `None` waits for ever.
        timeout_ns: Option<u64>,
        /// Whether to call pselect6.
        masked: bool,
    },
    /// epoll_create1(2).
    EpollCreate {
        /// EPOLL_CLOEXEC.
        flags: i32,
    },
    /// epoll_ctl(2).
    EpollCtl {
        /// The epoll descriptor.
        epoll: Slot,
        /// EPOLL_CTL_….
        operation: i32,
        /// The descriptor to add, change or remove.
        fd: Slot,
        /// EPOLL….
        events: u32,
    },
    /// epoll_wait(2).
    EpollWait {
        /// The epoll descriptor.
        epoll: Slot,
        /// The largest number of events.
        events: u32,
        /// Timeout in nanoseconds, rounded up to milliseconds; `None` waits for ever.
        timeout_ns: Option<u64>,
    },
    /// io_uring_enter(2) that submits one request and waits for its completion, on the actor's own ring. The result's
    /// `ret` is the completion's `res`.
    Uring(UringRequest),
    /// rt_sigaction(2) with a handler that does nothing.
    SigAction {
        /// SIG….
        signal: i32,
        /// SA_….
        flags: i32,
    },
    /// A timer of the calling thread (timer_create(2) with SIGEV_THREAD_ID) that sends SIGALRM once.
    Timer {
        /// Time to the signal, in nanoseconds.
        after_ns: u64,
    },
    /// setitimer(2), ITIMER_REAL, once; 0 disarms it.
    SetITimer {
        /// Time to the signal, in nanoseconds.
        after_ns: u64,
    },
    /// alarm(2).
    Alarm {
        /// Time to the signal, in seconds.
        seconds: u32,
    },
    /// tkill(2) of an actor's task.
    Kill {
        /// The actor.
        actor: ActorIndex,
        /// SIG….
        signal: i32,
    },
    /// kill(2) of a child.
    KillChild {
        /// The slot with the child's pid.
        child: Slot,
        /// SIG….
        signal: i32,
    },
    /// fork(2); the child exits at once and is reaped.
    Fork,
    /// Starts a child (clone(2), sharing the caller's memory and descriptors) while the operation is prepared: a
    /// process with the task name `child` that calls recv(2) and then exits. The result is its pid. An actor has one
    /// child at a time.
    RecvInChild {
        /// The socket.
        socket: Slot,
        /// Length of the buffer, in bytes.
        bytes: u32,
    },
    /// wait4(2) for a child; the result's `ret` is the child's wait status (wait(2)): the signal that killed it, or 256
    /// times its exit code.
    Wait {
        /// The slot with the child's pid.
        child: Slot,
    },
    /// dup(2).
    Dup {
        /// The descriptor.
        fd: Slot,
    },
    /// pipe2(2).
    Pipe {
        /// The slots that receive the read end and the write end.
        into: (Slot, Slot),
        /// O_….
        flags: i32,
    },
    /// write(2) or sendto(2) of a packet that the agent builds.
    Inject {
        /// A TUN device, or a raw socket with IP_HDRINCL.
        via: Slot,
        /// The packet.
        packet: Packet,
    },
    /// write(2) of a packet, byte by byte.
    InjectBytes {
        /// A TUN device.
        via: Slot,
        /// The packet.
        packet: Vec<u8>,
    },
    /// read(2) of a packet that the kernel sends. The traced pass reports its first bytes in a [`SentPacket`](crate::SentPacket).
    ReadPacket {
        /// A TUN device.
        from: Slot,
        /// Length of the buffer, in bytes.
        bytes: u32,
        /// The slot that receives the TCP sequence number.
        seq: Option<Slot>,
        /// Numbers to report with the packet, as they are after the call.
        numbers: Vec<Known>,
    },
    /// Sets up part of the guest's network while the operation is prepared. The result is a TUN device's descriptor,
    /// and otherwise 0.
    Network(Network),
    /// Provokes a fault in the guest, for the tests of the supervision.
    Fault(Fault),
}

impl Op {
    /// Whether it sends bytes of its own ([`Origin`](crate::Origin)).
    pub fn has_bytes_of_its_own(&self) -> bool {
        matches!(
            self,
            Self::Send { .. }
                | Self::SendTo { .. }
                | Self::SendMsg { .. }
                | Self::SendDescriptor { .. }
                | Self::SendMmsg { .. }
                | Self::Write { .. }
        )
    }
}

/// Faults that the host's supervision must recognise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Fault {
    /// `c` to /proc/sysrq-trigger: the kernel panics.
    Panic,
    /// A kernel warning (`------------[ cut here ]------------` on the console).
    Warn,
    /// Spins for ever in user mode.
    Spin,
    /// The agent exits, and as PID 1 takes the kernel with it.
    Die,
}

/// A request to io_uring (io_uring_enter(2)).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum UringRequest {
    /// IORING_OP_RECV.
    Recv {
        /// The socket.
        socket: Slot,
        /// Length of the buffer, in bytes.
        bytes: u32,
        /// MSG_….
        flags: i32,
    },
    /// IORING_OP_RECV with IORING_RECV_MULTISHOT and provided buffers: submitted once; later requests only wait.
    RecvMultishot {
        /// The socket.
        socket: Slot,
        /// Length of each buffer, in bytes.
        bytes: u32,
    },
    /// IORING_OP_POLL_ADD.
    Poll {
        /// The descriptor.
        fd: Slot,
        /// POLL….
        events: i16,
    },
}

/// What the guest's network has besides `lo`. The near end is 10.0.0.1/24 in the first namespace, the far end
/// 10.0.0.2/24 in namespace 1.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Network {
    /// A veth pair, `veth0` and `veth1`, the second one in namespace 1.
    Veth,
    /// The machine's `eth0`, and its `eth1` moved to namespace 1.
    Virtio,
    /// A TUN device `tun0` in the first namespace.
    Tun {
        /// IFF_NAPI: packets written go through NAPI and GRO.
        napi: bool,
    },
    /// A generic XDP program on a device of the first namespace that passes every packet.
    Xdp {
        /// The device's name.
        device: String,
    },
    /// A rule of nf_tables that drops IPv4 packets to a UDP or TCP port of this machine.
    NetfilterDrop {
        /// The port.
        port: u16,
    },
    /// An ingress queueing discipline on a device of the first namespace, with a filter that matches and keeps every
    /// packet.
    TcIngress {
        /// The device's name.
        device: String,
    },
}

/// A packet that the agent builds: an IP header, a transport header and the counting pattern.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Packet {
    /// The source.
    pub from: Address,
    /// The destination, of the same address family.
    pub to: Address,
    /// What the IP header says beyond addresses and lengths.
    pub ip: IpHeader,
    /// The transport header.
    pub transport: Transport,
    /// Length of the payload, in bytes.
    pub bytes: u32,
    /// Whether the transport's checksum is wrong.
    pub bad_checksum: bool,
    /// The only part of the datagram to send: offset and length in the IP payload, in bytes, both multiples of 8 except
    /// for the last fragment's length.
    pub fragment: Option<(u16, u16)>,
}

/// The parts of an IP header that a packet can choose.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct IpHeader {
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// Type of service, or traffic class.
    pub tos: u8,
    /// Whether IPv4 may not fragment it.
    pub dont_fragment: bool,
    /// Options of an IPv4 header (RFC 791); padded with zeros to a multiple of 4 bytes.
    pub options: Vec<u8>,
    /// Extension headers of IPv6 (RFC 8200), in order: the protocol number, and what follows the header's length, which
    /// is padded to a multiple of 8 bytes.
    pub extensions: Vec<(u8, Vec<u8>)>,
}

impl Default for IpHeader {
    fn default() -> Self {
        Self { ttl: 64, tos: 0, dont_fragment: false, options: Vec::new(), extensions: Vec::new() }
    }
}

/// A transport header.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Transport {
    /// UDP.
    Udp,
    /// ICMP or ICMPv6.
    Icmp {
        /// The type.
        kind: u8,
        /// The code.
        code: u8,
        /// The rest of the header: identifier and sequence number of an echo, the MTU of "packet too big".
        rest: [u8; 4],
        /// The packet that an error is about: its IP header and the first 8 bytes after it follow.
        about: Option<Box<Packet>>,
    },
    /// TCP.
    Tcp {
        /// Sequence number.
        seq: Number,
        /// Acknowledgement number.
        ack: Number,
        /// FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE 64, CWR 128 (RFC 9293).
        flags: u8,
        /// Window, unscaled.
        window: u16,
        /// Urgent pointer.
        urgent: u16,
        /// Options; padded with zeros to a multiple of 4 bytes.
        options: Vec<TcpOption>,
    },
}

/// An option of a TCP header.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TcpOption {
    /// The option's bytes.
    Bytes(Vec<u8>),
    /// Blocks that were received out of order, from the first sequence number to that after the last (RFC 2018).
    Sack(Vec<(Number, Number)>),
    /// The sender's clock, and the last one received from the peer (RFC 7323).
    Timestamp(Number, Number),
}

/// A 32-bit number of a packet, as a distance from one that is known only in the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Number {
    /// What it counts from; `None`: 0.
    pub from: Option<Known>,
    /// The distance; the sum wraps around at 32 bits.
    pub plus: i64,
}

/// A number that is known only in the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Known {
    /// The sequence number that this TCP socket expects next.
    Expected(Slot),
    /// The sequence number that this TCP socket sends next.
    Next(Slot),
    /// The port that this socket is bound to.
    Port(Slot),
    /// What this slot holds.
    Value(Slot),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses() -> [Address; 7] {
        [
            Address::V4([127, 0, 0, 1], 4242),
            Address::V6([0xfd; 16], 0),
            Address::Unix("@name".to_owned()),
            Address::OfSocket(3),
            Address::Vsock(1, u32::MAX),
            Address::Packet("eth0".to_owned(), 0x0800),
            Address::Netlink(0, 1 << 31),
        ]
    }

    fn conditions() -> Vec<Condition> {
        vec![
            Condition::Sleeps { actor: 1, step: None },
            Condition::Sleeps { actor: 1, step: Some(2) },
            Condition::After { actor: 0, step: u16::MAX },
            Condition::QueueIn { socket: 1, bytes: 2 },
            Condition::QueueOut { socket: 1, bytes: 0 },
            Condition::Ready { socket: 1, events: -1 },
            Condition::TcpState { socket: 1, state: 10 },
        ]
    }

    fn packet(transport: Transport, fragment: Option<(u16, u16)>) -> Packet {
        let [from, to, ..] = addresses();
        let ip = IpHeader { options: vec![0x94, 4, 0, 0], extensions: vec![(60, vec![1])], ..IpHeader::default() };
        Packet { from, to, ip, transport, bytes: 1400, bad_checksum: fragment.is_none(), fragment }
    }

    /// The operations, at least one of each variant; see [`variant`].
    fn operations() -> Vec<Op> {
        let [v4, v6, ..] = addresses();
        let number = |from, plus| Number { from, plus };
        let known = [Known::Expected(1), Known::Next(1), Known::Port(1), Known::Value(1)];
        let (seq, ack) = (number(Some(Known::Expected(1)), -1), number(None, i64::MAX));
        let options = vec![
            TcpOption::Bytes(vec![2, 4, 5, 0xb4]),
            TcpOption::Sack(vec![(seq, ack)]),
            TcpOption::Timestamp(ack, number(Some(Known::Value(1)), 1)),
        ];
        let tcp = Transport::Tcp { seq, ack, flags: 0x18, window: u16::MAX, urgent: 1, options };
        let about = Some(Box::new(packet(Transport::Udp, None)));
        let mut all = vec![
            Op::Socket { domain: 2, kind: 1 | 0o4000, protocol: 0 },
            Op::Listen { socket: 1, backlog: -1 },
            Op::Connect { socket: 1, to: v4.clone() },
            Op::Accept { socket: 1, flags: 0o4000 },
            Op::Send { socket: 1, bytes: u32::MAX, flags: 0x40 },
            Op::Recv { socket: 1, bytes: 0, flags: i32::MIN },
            Op::Close { socket: 1 },
            Op::Shutdown { socket: 1, how: 2 },
            Op::SetSockOpt { socket: 1, level: 6, name: 1, value: vec![1, 0, 0, 0] },
            Op::SocketIn { netns: 1, domain: 2, kind: 2, protocol: 17 },
            Op::SocketPair { domain: 1, kind: 5, protocol: 0, into: (4, 5) },
            Op::Open { path: "/dev/null".to_owned(), flags: 2 },
            Op::Number(-1),
            Op::SendTo { socket: 1, to: v6.clone(), bytes: 2, flags: 3 },
            Op::SendData { socket: 1, to: None, data: vec![0xff; 300], flags: 0 },
            Op::SendMsg { socket: 1, to: Some(v6), pieces: vec![1, 2], control: vec![3; 24], flags: 0 },
            Op::SendDescriptor { socket: 1, bytes: 1, fd: 2, flags: 0 },
            Op::SendMmsg { socket: 1, bytes: 2, count: 3, flags: 4 },
            Op::RecvNowhere { socket: 1, bytes: 2, flags: 3 },
            Op::RecvFrom { socket: 1, bytes: 2, flags: 3 },
            Op::RecvMsg { socket: 1, pieces: vec![], control: 2, flags: 3 },
            Op::RecvMmsg { socket: 1, bytes: 2, count: 3, flags: 4, timeout_ns: Some(u64::MAX) },
            Op::Read { from: 1, bytes: 2 },
            Op::Readv { from: 1, pieces: vec![2, 3] },
            Op::Write { to: 1, bytes: 2 },
            Op::WriteFile { path: "/proc/sys/net/core/dev_weight".to_owned(), value: "1".to_owned() },
            Op::Splice { from: 1, to: 2, bytes: 3, flags: 4 },
            Op::GetSockOpt { socket: 1, level: 2, name: 3, room: 4, field: (5, 8) },
            Op::ZerocopyReceive { socket: 1, bytes: 4096 },
            Op::Ioctl { fd: 1, request: 0x541b, argument: -3 },
            Op::SetOwner { fd: 1, actor: 2 },
            Op::Fcntl { fd: 1, command: 2, argument: i64::MIN },
            Op::Poll { fds: vec![(1, 1), (2, -1)], timeout_ns: None, masked: true },
            Op::Select { read: vec![1], write: vec![], timeout_ns: Some(0), masked: false },
            Op::EpollCreate { flags: 1 },
            Op::EpollCtl { epoll: 1, operation: 2, fd: 3, events: 1 << 31 },
            Op::EpollWait { epoll: 1, events: 2, timeout_ns: None },
            Op::Uring(UringRequest::Recv { socket: 1, bytes: 2, flags: 3 }),
            Op::Uring(UringRequest::RecvMultishot { socket: 1, bytes: 2 }),
            Op::Uring(UringRequest::Poll { fd: 1, events: 2 }),
            Op::SigAction { signal: 14, flags: 0x1000_0000 },
            Op::Timer { after_ns: 1 },
            Op::SetITimer { after_ns: 2 },
            Op::Alarm { seconds: 3 },
            Op::Kill { actor: 1, signal: 2 },
            Op::KillChild { child: 1, signal: 9 },
            Op::Fork,
            Op::RecvInChild { socket: 1, bytes: 2 },
            Op::Wait { child: 1 },
            Op::Dup { fd: 1 },
            Op::Pipe { into: (1, 2), flags: 3 },
            Op::Inject { via: 1, packet: packet(Transport::Udp, Some((8, 16))) },
            Op::Inject {
                via: 1,
                packet: packet(Transport::Icmp { kind: 3, code: 4, rest: [0, 0, 5, 0], about }, None),
            },
            Op::Inject { via: 1, packet: packet(tcp, None) },
            Op::InjectBytes { via: 1, packet: vec![0x45] },
            Op::ReadPacket { from: 1, bytes: 2048, seq: Some(2), numbers: known.to_vec() },
            Op::Network(Network::Veth),
            Op::Network(Network::Virtio),
            Op::Network(Network::Tun { napi: true }),
            Op::Network(Network::Xdp { device: "veth0".to_owned() }),
            Op::Network(Network::NetfilterDrop { port: 7000 }),
            Op::Network(Network::TcIngress { device: "veth0".to_owned() }),
        ];
        all.extend(addresses().map(|to| Op::Bind { socket: 1, to }));
        all.extend([Fault::Panic, Fault::Warn, Fault::Spin, Fault::Die].map(Op::Fault));
        all
    }

    /// The number of a variant on the wire: postcard writes it first, in one byte below 128.
    fn variant(op: &Op) -> u8 {
        postcard::to_stdvec(op).unwrap()[0]
    }

    #[test]
    fn every_operation_survives_the_wire() {
        for op in operations() {
            let bytes = postcard::to_stdvec(&op).unwrap();
            assert_eq!(postcard::from_bytes(&bytes), Ok(op));
        }
    }

    #[test]
    fn the_operations_above_are_all_there_are() {
        let mut numbers: Vec<u8> = operations().iter().map(variant).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let last = variant(&Op::Fault(Fault::Die));
        assert_eq!(numbers, (0..=last).collect::<Vec<u8>>());
        assert!(postcard::from_bytes::<Op>(&[last + 1; 16]).is_err(), "an operation after the last one");
    }

    #[test]
    fn a_whole_plan_survives_the_wire() {
        let steps = |recorded| -> Vec<Step> {
            let into = |at: usize| at.is_multiple_of(2).then_some(at as Slot);
            let step = |(at, op)| Step { when: conditions(), op, into: into(at), recorded };
            operations().into_iter().enumerate().map(step).collect()
        };
        let policies = [Policy::Other, Policy::Fifo(99), Policy::Batch, Policy::Idle];
        let actors = policies.map(|policy| Actor {
            name: "actor".to_owned(),
            kind: if policy == Policy::Idle { ActorKind::Process } else { ActorKind::Thread },
            cpu: 1,
            policy,
            netns: 1,
            steps: steps(true),
        });
        let milestones = Milestones { calibration: 1, functions: vec![2, u32::MAX] };
        let passes = [
            Pass::Trace,
            Pass::Timing { milestones: None },
            Pass::Timing { milestones: Some(milestones) },
            Pass::Foreign { command: vec!["/bin/recorder".to_owned(), "-o".to_owned()], output: "/tmp/out".to_owned() },
        ];
        for pass in passes {
            let plan = Plan {
                pass,
                iterations: 20,
                warmup: 3,
                sync_cpu: 1,
                slots: 70,
                completed_setup: Some(2),
                settings: steps(false),
                setup: steps(false),
                actors: actors.to_vec(),
                deadline_ns: u64::MAX,
                skip_interrupts: true,
            };
            let order = Order::Run(plan);
            let bytes = postcard::to_stdvec(&order).unwrap();
            assert_eq!(postcard::from_bytes(&bytes), Ok(order));
            assert!(postcard::from_bytes::<Order>(&bytes[..bytes.len() - 1]).is_err(), "truncated");
        }
    }

    #[test]
    fn the_small_orders_survive_the_wire() {
        for order in [Order::Facts, Order::Run(Plan::empty(Pass::Trace))] {
            let bytes = postcard::to_stdvec(&order).unwrap();
            assert_eq!(postcard::from_bytes(&bytes), Ok(order));
        }
        let setups = vec![Setup { slots: 0, steps: Vec::new() }];
        let bytes = postcard::to_stdvec(&setups).unwrap();
        assert_eq!(postcard::from_bytes(&bytes), Ok(setups));
    }
}
