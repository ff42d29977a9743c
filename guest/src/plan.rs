//! What the host asks the agent to do: a case, lowered until nothing is left to decide in the guest.

use serde::{Deserialize, Serialize};

/// The name of the fw_cfg file that holds an [`Order`], postcard-encoded (QEMU docs/specs/fw_cfg.rst: user items live
/// under `opt/`).
pub const ORDER_FW_CFG_NAME: &str = "opt/rxpath/order";

/// What the host wants of a guest that has been restored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// Run this plan.
    Run(Plan),
    /// Send what is true of the kernel as a whole: formats, symbols, traceable functions.
    Facts,
}

/// Where in the guest's root the [`Setup`]s lie that are gone through before the machine is saved: a postcard-encoded list.
pub const SETUPS_FILE: &str = "setups";

/// Steps that many runs would begin with, gone through once, before the machine is saved.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Setup {
    /// Number of [`Slot`]s that the steps name, from 0.
    pub slots: u16,
    /// What is done; nothing of it is recorded.
    pub steps: Vec<Step>,
}

/// Index of an actor in [`Plan::actors`].
pub type ActorIndex = u16;
/// Index of a step in [`Actor::steps`].
pub type StepIndex = u16;
/// A named result of the case (most often a file descriptor), numbered by the host.
pub type Slot = u16;

/// Everything one run of the guest does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What is recorded while the iterations run.
    pub pass: Pass,
    /// How often every actor goes through its steps.
    pub iterations: u32,
    /// Iterations run first and thrown away: they warm caches, page tables and lazily bound state.
    pub warmup: u32,
    /// The CPU right after whose tick every iteration begins.
    pub tick_of: u16,
    /// `(path under /proc/sys with dots or slashes, value)`, written before `setup`.
    pub sysctls: Vec<(String, String)>,
    /// `(absolute path in the guest, value)`, written after `sysctls` (for example a queue's `rps_cpus`).
    pub files: Vec<(String, String)>,
    /// Number of [`Slot`]s that the steps name.
    pub slots: u16,
    /// Which of the [`Setup`]s gone through before the machine was saved this run begins with: its slots are this plan's
    /// first ones.
    pub begun: Option<u16>,
    /// Steps run once, by the agent itself, before any actor starts; nothing of them is recorded.
    pub setup: Vec<Step>,
    /// Who acts.
    pub actors: Vec<Actor>,
    /// Guest time, in nanoseconds since boot of the run's start, after which the agent gives up on its actors.
    pub deadline_ns: u64,
}

impl Plan {
    /// A plan that does nothing but its pass: no actors, no iterations.
    pub fn of_nobody(pass: Pass) -> Self {
        Self {
            pass,
            iterations: 0,
            warmup: 0,
            tick_of: 0,
            sysctls: Vec::new(),
            files: Vec::new(),
            slots: 0,
            begun: None,
            setup: Vec::new(),
            actors: Vec::new(),
            deadline_ns: 1_000_000_000,
        }
    }
}

/// What a run is for: call sequences and timings never come from the same one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pass {
    /// function_graph records every function of every CPU, with scheduler and interrupt events beside it.
    Trace,
    /// Nothing is traced; then, if there are any, only the milestones are, with function_graph.
    Timing {
        /// Kernel functions whose durations are wanted, in iterations of their own.
        milestones: Option<Milestones>,
    },
    /// Another recorder is started and does the tracing: what it writes is sent, and nothing of the agent's own.
    Foreign {
        /// A program in the guest and its arguments. It must switch tracing on by itself, record what is marked in the trace
        /// meanwhile, end on SIGINT, and have written `output` by then.
        command: Vec<String>,
        /// The file that it writes: an absolute path in the guest.
        output: String,
    },
}

/// Functions to trace alone, each by its position in the kernel's `available_filter_functions`, from 1: the kernel finds a
/// position at once and a name by comparing it with every function's (Documentation/trace/ftrace.rst, "set_ftrace_filter").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Milestones {
    /// `__x64_sys_sched_get_priority_max`, which does next to nothing: what tracing a call costs is measured by it.
    pub calibration: u32,
    /// The milestones.
    pub functions: Vec<u32>,
}

/// One actor: a thread or process with a CPU and a list of steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The role's name, also the task's `comm` (so at most 15 bytes).
    pub name: String,
    /// Thread of the agent, or a forked process.
    pub kind: ActorKind,
    /// The CPU it is bound to.
    pub cpu: u16,
    /// Its scheduling policy.
    pub policy: Policy,
    /// The network namespace it lives in: 0 is the guest's first, 1 the one the second NIC was moved to.
    pub netns: u8,
    /// What it does, in order, in every iteration.
    pub steps: Vec<Step>,
}

/// What kind of task an actor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ActorKind {
    /// Shares memory and file descriptors with the other threads.
    Thread,
    /// Has its own; inherits the descriptors that `setup` made.
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

/// One step: wait until all conditions hold, then do the operation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Step {
    /// All must hold before the operation starts. They are judged by the agent's controller, outside the trace.
    pub when: Vec<Condition>,
    /// What to do.
    pub op: Op,
    /// Where the return value goes, if it is not negative.
    pub into: Option<Slot>,
    /// Whether the operation is marked in the trace and timed. Unmarked steps only prepare or clean up.
    pub recorded: bool,
}

/// What a step can wait for. All are states, never times.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Condition {
    /// The actor sleeps (task state S or D) inside this step (any recorded step if `None`) of the current iteration.
    Sleeps {
        /// Who.
        actor: ActorIndex,
        /// Where.
        step: Option<StepIndex>,
    },
    /// The actor has ended this step of the current iteration.
    After {
        /// Who.
        actor: ActorIndex,
        /// Which step.
        step: StepIndex,
    },
    /// At least this many bytes (datagram sockets: a datagram) wait in the socket's receive queue (FIONREAD).
    QueueIn {
        /// The socket.
        socket: Slot,
        /// In bytes.
        bytes: u32,
    },
    /// At most this many bytes are left unacknowledged in the socket's send queue (TIOCOUTQ).
    QueueOut {
        /// The socket.
        socket: Slot,
        /// In bytes.
        bytes: u32,
    },
    /// poll(2) finds one of these events: data or a connection waits (POLLIN), the peer has shut down (POLLRDHUP), an error
    /// waits (POLLERR).
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

/// An IP endpoint, or none of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Address {
    /// IPv4 address and port (0: the kernel chooses).
    V4([u8; 4], u16),
    /// IPv6 address and port.
    V6([u8; 16], u16),
    /// A Unix socket's path; a leading `@` means the abstract namespace.
    Unix(String),
    /// The address the socket in this slot is bound to (getsockname), with the loopback address if it is a wildcard.
    OfSocket(Slot),
    /// A vsock's context id and port (vsock(7)).
    Vsock(u32, u32),
    /// A network interface and an EtherType in host byte order (packet(7)).
    Packet(String, u16),
    /// A netlink port and its multicast groups (netlink(7)).
    Netlink(u32, u32),
}

/// The operations: real system calls, one file each in guest/src/ops/.
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
        /// Where to.
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
        /// Whom to.
        to: Address,
    },
    /// accept4(2).
    Accept {
        /// The listening socket.
        socket: Slot,
        /// SOCK_NONBLOCK, SOCK_CLOEXEC.
        flags: i32,
    },
    /// send(2), that is sendto(2) without an address. The bytes are a counting pattern.
    Send {
        /// The socket.
        socket: Slot,
        /// How many bytes.
        bytes: u32,
        /// MSG_….
        flags: i32,
    },
    /// recv(2), that is recvfrom(2) without an address.
    Recv {
        /// The socket.
        socket: Slot,
        /// Room for this many bytes.
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
        /// Where the two sockets go.
        into: (Slot, Slot),
    },
    /// open(2).
    Open {
        /// The file.
        path: String,
        /// O_….
        flags: i32,
    },
    /// No system call: a descriptor number that may not be open.
    Number(i64),
    /// sendto(2) of the counting pattern.
    SendTo {
        /// The socket.
        socket: Slot,
        /// Whom to.
        to: Address,
        /// How many bytes.
        bytes: u32,
        /// MSG_….
        flags: i32,
    },
    /// sendto(2) of these bytes.
    SendData {
        /// The socket.
        socket: Slot,
        /// Whom to, if the socket is not connected.
        to: Option<Address>,
        /// The bytes.
        data: Vec<u8>,
        /// MSG_….
        flags: i32,
    },
    /// sendmsg(2) of the counting pattern, gathered from pieces.
    SendMsg {
        /// The socket.
        socket: Slot,
        /// Whom to, if the socket is not connected.
        to: Option<Address>,
        /// Bytes of each piece.
        pieces: Vec<u32>,
        /// Control messages, as the kernel wants them (cmsg(3)).
        control: Vec<u8>,
        /// MSG_….
        flags: i32,
    },
    /// sendmsg(2) of the counting pattern with a descriptor for the receiver (unix(7), SCM_RIGHTS).
    SendDescriptor {
        /// The socket.
        socket: Slot,
        /// How many bytes.
        bytes: u32,
        /// What is passed.
        fd: Slot,
        /// MSG_….
        flags: i32,
    },
    /// sendmmsg(2) of equal messages.
    SendMmsg {
        /// The socket.
        socket: Slot,
        /// Bytes of each message.
        bytes: u32,
        /// How many messages.
        count: u32,
        /// MSG_….
        flags: i32,
    },
    /// recv(2) into memory that is not there.
    RecvNowhere {
        /// The socket.
        socket: Slot,
        /// Room claimed, in bytes.
        bytes: u32,
        /// MSG_….
        flags: i32,
    },
    /// recvfrom(2) with room for the sender's address.
    RecvFrom {
        /// The socket.
        socket: Slot,
        /// Room for this many bytes.
        bytes: u32,
        /// MSG_….
        flags: i32,
    },
    /// recvmsg(2), scattered over pieces.
    RecvMsg {
        /// The socket.
        socket: Slot,
        /// Room of each piece, in bytes.
        pieces: Vec<u32>,
        /// Room for control messages, in bytes.
        control: u32,
        /// MSG_….
        flags: i32,
    },
    /// recvmmsg(2); the return value counts messages.
    RecvMmsg {
        /// The socket.
        socket: Slot,
        /// Room of each message, in bytes.
        bytes: u32,
        /// At most so many messages.
        count: u32,
        /// MSG_….
        flags: i32,
        /// How long to wait, in nanoseconds; for ever if `None`.
        timeout_ns: Option<u64>,
    },
    /// read(2).
    Read {
        /// The descriptor.
        from: Slot,
        /// Room for this many bytes.
        bytes: u32,
    },
    /// readv(2).
    Readv {
        /// The descriptor.
        from: Slot,
        /// Room of each piece, in bytes.
        pieces: Vec<u32>,
    },
    /// write(2) of the counting pattern.
    Write {
        /// The descriptor.
        to: Slot,
        /// How many bytes.
        bytes: u32,
    },
    /// Writes a file of /proc or /sys while the operation is prepared, as a setting is made.
    WriteFile {
        /// An absolute path in the guest.
        path: String,
        /// What it is to say.
        value: String,
    },
    /// splice(2), without offsets.
    Splice {
        /// From this descriptor.
        from: Slot,
        /// To that one; one of them is a pipe.
        to: Slot,
        /// At most so many bytes.
        bytes: u32,
        /// SPLICE_F_….
        flags: i32,
    },
    /// getsockopt(2); the result's `ret` is the value, or the field of it.
    GetSockOpt {
        /// The socket.
        socket: Slot,
        /// SOL_… or IPPROTO_….
        level: i32,
        /// The option.
        name: i32,
        /// Room for the value, in bytes.
        room: u32,
        /// Offset and width (1, 2, 4 or 8), in bytes, of the unsigned number that is wanted.
        field: (u16, u8),
    },
    /// getsockopt(2) of TCP_ZEROCOPY_RECEIVE, with part of the socket mapped (mmap(2)) to receive into; the result's `ret` is
    /// how many bytes were mapped there.
    ZerocopyReceive {
        /// The socket.
        socket: Slot,
        /// Length of the mapping, in bytes: whole pages.
        bytes: u32,
    },
    /// ioctl(2) that fills an int; the result's `ret` is that int.
    Ioctl {
        /// The descriptor.
        fd: Slot,
        /// FIONREAD, SIOCATMARK, ….
        request: u32,
        /// What the int holds before.
        argument: i32,
    },
    /// fcntl(2), F_SETOWN: an actor's task is who gets the descriptor's signals, SIGIO and SIGURG.
    SetOwner {
        /// The descriptor.
        fd: Slot,
        /// Who.
        actor: ActorIndex,
    },
    /// fcntl(2).
    Fcntl {
        /// The descriptor.
        fd: Slot,
        /// F_….
        command: i32,
        /// Its argument.
        argument: i64,
    },
    /// poll(2), or ppoll(2) with an empty signal mask.
    Poll {
        /// Descriptors and POLL….
        fds: Vec<(Slot, i16)>,
        /// In nanoseconds; for ever if `None`.
        timeout_ns: Option<u64>,
        /// Whether it is ppoll.
        masked: bool,
    },
    /// select(2), or pselect6(2) with an empty signal mask.
    Select {
        /// Those to read from.
        read: Vec<Slot>,
        /// Those to write to.
        write: Vec<Slot>,
        /// In nanoseconds; for ever if `None`.
        timeout_ns: Option<u64>,
        /// Whether it is pselect6.
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
        /// The descriptor it is about.
        fd: Slot,
        /// EPOLL….
        events: u32,
    },
    /// epoll_wait(2).
    EpollWait {
        /// The epoll descriptor.
        epoll: Slot,
        /// At most so many events.
        events: u32,
        /// In nanoseconds, rounded up to milliseconds; for ever if `None`.
        timeout_ns: Option<u64>,
    },
    /// io_uring_enter(2) that submits one request and waits for its completion, on the actor's own ring. The result's `ret`
    /// is the completion's `res`.
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
        /// After this many nanoseconds.
        after_ns: u64,
    },
    /// setitimer(2), ITIMER_REAL, once; 0 disarms it.
    SetITimer {
        /// After this many nanoseconds.
        after_ns: u64,
    },
    /// alarm(2).
    Alarm {
        /// After this many seconds.
        seconds: u32,
    },
    /// tgkill(2) of an actor's task.
    Kill {
        /// Whom.
        actor: ActorIndex,
        /// SIG….
        signal: i32,
    },
    /// kill(2) of a child.
    KillChild {
        /// Its pid.
        child: Slot,
        /// SIG….
        signal: i32,
    },
    /// fork(2); the child ends at once and is reaped.
    Fork,
    /// Makes a child (clone(2), with the caller's memory and descriptors) while the operation is prepared: a process whose task
    /// is named `child`, does recv(2) and then ends. The result is its pid. An actor has one child at a time.
    RecvInChild {
        /// The socket.
        socket: Slot,
        /// Room for this many bytes.
        bytes: u32,
    },
    /// wait4(2) for a child; the result's `ret` is the child's wait status (wait(2)): the signal that killed it, or 256 times
    /// what it ended with.
    Wait {
        /// Its pid.
        child: Slot,
    },
    /// dup(2).
    Dup {
        /// The descriptor.
        fd: Slot,
    },
    /// pipe2(2).
    Pipe {
        /// Where the reading and the writing end go.
        into: (Slot, Slot),
        /// O_….
        flags: i32,
    },
    /// write(2) or sendto(2) of a packet made by hand.
    Inject {
        /// A TUN device, or a raw socket with IP_HDRINCL.
        via: Slot,
        /// The packet.
        packet: Packet,
    },
    /// Makes the second network namespace and what joins it to the first, or a TUN device, whose descriptor it returns; or puts
    /// something into a device's way in.
    Network(Network),
    /// Provokes a fault in the guest; only the tests of the supervision ask for it.
    Fault(Fault),
}

/// Faults that the supervision must recognise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Fault {
    /// `c` to /proc/sysrq-trigger: the kernel panics.
    Panic,
    /// A kernel warning (`------------[ cut here ]------------` on the console).
    Warn,
    /// Spins for ever in user mode.
    Spin,
    /// The agent dies by its own signal.
    Die,
}

/// The longest [`Order`] on the wire, in bytes: the agent reads it byte by byte, before the run's start.
pub const MAX_ORDER: usize = 256 * 1024;

/// A request to io_uring (io_uring_enter(2)).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum UringRequest {
    /// IORING_OP_RECV.
    Recv {
        /// The socket.
        socket: Slot,
        /// Room for this many bytes.
        bytes: u32,
        /// MSG_….
        flags: i32,
    },
    /// IORING_OP_RECV with IORING_RECV_MULTISHOT and provided buffers: submitted once, then only waited for.
    RecvMultishot {
        /// The socket.
        socket: Slot,
        /// Room of each buffer, in bytes.
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

/// How the guest's network goes beyond `lo`. The first namespace has 10.0.0.1/24, the other end 10.0.0.2/24.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Network {
    /// A veth pair `veth0`, `veth1`, the second one in namespace 1.
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
    /// An ingress queueing discipline on a device of the first namespace, with a filter that matches and keeps every packet.
    TcIngress {
        /// The device's name.
        device: String,
    },
}

/// A packet made by hand: an IP header, a transport header and the counting pattern.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Packet {
    /// Source.
    pub from: Address,
    /// Destination; of the same family.
    pub to: Address,
    /// What is above IP.
    pub transport: Transport,
    /// Length of the payload.
    pub bytes: u32,
    /// Whether the transport's checksum is wrong.
    pub bad_checksum: bool,
    /// IPv4 only: send only this part of the datagram (offset and length of the IP payload, multiples of 8 but for the last).
    pub fragment: Option<(u16, u16)>,
}

/// A transport header.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Transport {
    /// UDP.
    Udp,
    /// ICMP or ICMPv6 echo request.
    Echo,
    /// TCP.
    Tcp {
        /// The local socket that receives it: sequence numbers count from what it expects next, acknowledgements from what
        /// it sends next. Without one, both count from 0.
        receiver: Option<Slot>,
        /// Sequence number.
        seq: i32,
        /// Acknowledgement number.
        ack: i32,
        /// FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32 (RFC 9293).
        flags: u8,
        /// Window, unscaled.
        window: u16,
    },
}
