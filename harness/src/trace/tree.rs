//! Call trees: what one task did, as calls within calls, with the marks that fell between them.

use std::collections::BTreeMap;

/// The address of a traced function: the key into [`crate::trace::Symbols`].
pub type FuncAddr = u64;

/// Whose stack a forest belongs to: a task, or a CPU's idle task (every CPU's has pid 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TaskKey {
    /// A task by its pid (the kernel's `common_pid`: a thread's own id).
    Task(i32),
    /// The idle task of this CPU.
    Idle(u16),
}

/// What the ring buffer's `common_flags` (trace_events.h, `enum trace_flag_type`) said when a call was entered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Interrupted {
    /// Serving a hard interrupt (TRACE_FLAG_HARDIRQ).
    pub hardirq: bool,
    /// Serving a softirq (TRACE_FLAG_SOFTIRQ; merely disabling bottom halves does not count).
    pub softirq: bool,
    /// In a non-maskable interrupt (TRACE_FLAG_NMI).
    pub nmi: bool,
}

/// Everything one task (or one CPU's idle task) did while tracing was on, in order.
///
/// `nodes` is in preorder: a node's children follow it with a `depth` one greater. Depth 0 is a call that was not called
/// by any other traced function of the same stack.
#[derive(Clone, Debug, PartialEq)]
pub struct Forest {
    /// Whose stack.
    pub task: TaskKey,
    /// Calls and marks in preorder.
    pub nodes: Vec<Node>,
}

/// A call, or a mark between calls.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Number of calls this one is nested in, within its forest.
    pub depth: u32,
    /// The CPU it was recorded on.
    pub cpu: u16,
    /// The trace clock at entry (or at the mark), in nanoseconds.
    pub start: u64,
    /// In which kind of interrupt the CPU was at that moment.
    pub interrupted: Interrupted,
    /// What it is.
    pub what: NodeKind,
}

/// What a [`Node`] is.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeKind {
    /// A function ran.
    Call {
        /// Which.
        func: FuncAddr,
        /// The trace clock at exit, in nanoseconds; `None` if it had not returned when the recording ended.
        end: Option<u64>,
    },
    /// `sched:sched_waking`: this task (or interrupt) began to wake that one.
    Waking {
        /// The pid that is being woken.
        pid: i32,
    },
    /// `sched:sched_wakeup`: that task is runnable again.
    Woken {
        /// The pid that was woken.
        pid: i32,
    },
    /// `sched:sched_switch` away from this task.
    SwitchOut {
        /// The state it left in, as the kernel's letter (`R` still runnable, `S` interruptible sleep, `D` uninterruptible, …).
        state: char,
        /// Who runs next.
        next: i32,
    },
    /// This task runs again (`sched:sched_switch` to it).
    SwitchIn {
        /// Who ran before.
        previous: i32,
    },
    /// An `irq:*` event (`irq_handler_entry`, `softirq_raise`, …): its name and the vector or line.
    Irq {
        /// The event's name.
        event: &'static str,
        /// Vector (softirq) or line (irq).
        number: i64,
    },
    /// A record written to `trace_marker_raw`: id and payload.
    Marker {
        /// The bytes, id included.
        bytes: Vec<u8>,
    },
}

/// All forests of a capture, and what was lost on the way.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallForests {
    /// By task.
    pub by_task: BTreeMap<TaskKey, Forest>,
    /// `comm` of the pids that scheduler events named.
    pub comms: BTreeMap<i32, String>,
    /// What makes this capture incomplete, in words, with the CPU; empty if nothing was lost.
    pub losses: Vec<String>,
    /// Where calls are missing because they were nested too deep. Not in `losses`: whether one matters depends on what is
    /// looked at (see [`crate::trace::shadow_stack_losses`] for words).
    pub too_deep: Vec<TooDeep>,
    /// By CPU, the trace clock when a page of its ring buffer was begun, in nanoseconds, oldest first: that of the page's first
    /// record. Finding the page took some time right before.
    pub page_starts: BTreeMap<u16, Vec<u64>>,
}

/// Calls that were not recorded because a task's shadow stack was full (up to 6.10: 50 calls deep).
///
/// Unlike other losses this one has a place: everything outside the call that returned at [`TooDeep::time`] is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TooDeep {
    /// Whose stack was full.
    pub task: TaskKey,
    /// The trace clock, in nanoseconds, when the first call returned after the loss: they were made beneath that one.
    pub time: u64,
    /// The function that returned then.
    pub func: FuncAddr,
    /// How many calls are missing, as far as the kernel counts: those made by a call that is missing are not counted.
    pub calls: u64,
}
