//! Call trees: each task's calls, nested, and the events between them.

use std::collections::BTreeMap;

/// The address of a traced function: a key for [`crate::trace::Symbols`].
pub type FuncAddr = u64;

/// The owner of a stack: a task, or a CPU's idle task (all idle tasks have pid 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TaskKey {
    /// A task by its pid (`common_pid`: the thread's own id).
    Task(i32),
    /// The idle task of this CPU.
    Idle(u16),
}

/// What `common_flags` said when a record was made (`enum trace_flag_type` in `include/linux/trace_events.h`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Interrupted {
    /// Serving a hard interrupt (`TRACE_FLAG_HARDIRQ`).
    pub hardirq: bool,
    /// Serving a softirq (`TRACE_FLAG_SOFTIRQ`; disabled bottom halves alone do not count).
    pub softirq: bool,
    /// In a non-maskable interrupt (`TRACE_FLAG_NMI`).
    pub nmi: bool,
}

/// Everything that one task (or one CPU's idle task) did while tracing was on, in order.
///
/// `nodes` is in preorder: a node's children follow it, with a `depth` greater by one. No traced function of the same
/// stack called a node of depth 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Forest {
    pub task: TaskKey,
    pub nodes: Vec<Node>,
}

/// A call, or an event between calls.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The number of calls around this one, within its forest.
    pub depth: u32,
    pub cpu: u16,
    /// The trace clock at the call's entry or at the event, in nanoseconds.
    pub start: u64,
    /// The kinds of interrupt that the CPU was serving at that moment.
    pub interrupted: Interrupted,
    pub kind: NodeKind,
}

#[derive(Clone, Debug, PartialEq)]
pub enum NodeKind {
    /// A function call.
    Call {
        func: FuncAddr,
        /// The trace clock at exit, in nanoseconds; `None` if the call did not return while it was recorded.
        end: Option<u64>,
    },
    /// `sched:sched_waking`: this task (or interrupt) starts to wake task `pid`.
    Waking { pid: i32 },
    /// `sched:sched_wakeup`: task `pid` is runnable again.
    Woken { pid: i32 },
    /// `sched:sched_switch` away from this task.
    SwitchOut {
        /// The kernel's letter for the state it left in (`R` runnable, `S` interruptible sleep, `D` uninterruptible,
        /// …).
        state: char,
        /// The pid that runs next.
        next: i32,
    },
    /// This task runs again (`sched:sched_switch` to it).
    SwitchIn {
        /// The pid that ran before.
        previous: i32,
    },
    /// An `irq:*` event, such as `irq_handler_entry` or `softirq_raise`.
    Irq {
        event: &'static str,
        /// The vector of a softirq, the line of an interrupt.
        number: i64,
    },
    /// A record written to `trace_marker_raw`: its id, then its payload.
    Marker { bytes: Vec<u8> },
}

/// All forests of a capture, and what the capture lacks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallForests {
    pub by_task: BTreeMap<TaskKey, Forest>,
    /// The `comm` of every pid that scheduler events named.
    pub comms: BTreeMap<i32, String>,
    /// Sentences about what was lost, each with its CPU; empty if nothing was.
    pub losses: Vec<String>,
    /// Where calls are missing because they were nested too deep. Separate from `losses`, because whether these matter
    /// depends on which calls a caller needs ([`crate::trace::shadow_stack_losses`] describes them).
    pub too_deep: Vec<TooDeep>,
    /// By CPU, when each page of its ring buffer was started, oldest first: the trace clock at the page's first record,
    /// in nanoseconds. The kernel spends some time right before it to get the page.
    pub page_starts: BTreeMap<u16, Vec<u64>>,
}

/// Calls that were not recorded because a task's shadow stack was full (up to 6.10: 50 calls deep).
///
/// Unlike other losses these have a place: everything outside the call that returned at [`TooDeep::time`] is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TooDeep {
    pub task: TaskKey,
    /// The trace clock, in nanoseconds, when the first call returned after the loss. The missing calls were made
    /// beneath that one.
    pub time: u64,
    pub func: FuncAddr,
    /// How many calls are missing. The kernel does not count the calls made by a missing call.
    pub calls: u64,
}
