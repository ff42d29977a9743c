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
    /// `(path under /proc/sys with dots or slashes, value)`, written before `setup`.
    pub sysctls: Vec<(String, String)>,
    /// `(absolute path in the guest, value)`, written after `sysctls` (for example a queue's `rps_cpus`).
    pub files: Vec<(String, String)>,
    /// Number of [`Slot`]s that the steps name.
    pub slots: u16,
    /// Steps run once, by the agent itself, before any actor starts; nothing of them is recorded.
    pub setup: Vec<Step>,
    /// Who acts.
    pub actors: Vec<Actor>,
    /// Guest time, in nanoseconds since boot of the run's start, after which the agent gives up on its actors.
    pub deadline_ns: u64,
}

/// The two passes of a run: call sequences and timings never come from the same one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pass {
    /// function_graph records every function of every CPU, with scheduler and interrupt events beside it.
    Trace,
    /// Nothing is traced; then, if any are named, only `milestones` are, with function_graph.
    Timing {
        /// Kernel functions whose durations are wanted.
        milestones: Vec<String>,
    },
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// An IP endpoint, or none of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Address {
    /// IPv4 address and port (0: the kernel chooses).
    V4([u8; 4], u16),
    /// IPv6 address and port.
    V6([u8; 16], u16),
    /// A Unix socket's path; a leading `@` means the abstract namespace.
    Unix(String),
    /// The address the socket in this slot is bound to (getsockname), with the loopback address if it is a wildcard.
    OfSocket(Slot),
}

/// The operations: real system calls, one file each in guest/src/ops/.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Provokes a fault in the guest; only the tests of the supervision ask for it.
    Fault(Fault),
}

/// Faults that the supervision must recognise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
