//! What a record says: the fields that every record begins with, and the event.

/// Flags of `enum trace_flag_type` (`include/linux/trace_events.h`).
const FLAG_HARDIRQ: u8 = 0x08;
const FLAG_SOFTIRQ: u8 = 0x10;
const FLAG_NMI: u8 = 0x40;

/// The fields that every record begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Common {
    pub id: u16,
    /// `enum trace_flag_type` of `include/linux/trace_events.h`.
    pub flags: u8,
    /// The current task.
    pub pid: i32,
}

impl Common {
    /// Which kinds of interrupt the flags say were being served.
    #[inline]
    pub fn interrupted(&self) -> super::Interrupted {
        super::Interrupted {
            hardirq: self.flags & FLAG_HARDIRQ != 0,
            softirq: self.flags & FLAG_SOFTIRQ != 0,
            nmi: self.flags & FLAG_NMI != 0,
        }
    }
}

/// A function was entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The function's address; a few bytes past its start if it begins with a landing instruction (`endbr64`).
    pub func: u64,
    /// Depth on the task's shadow stack; negative where the kernel marks a function of `set_graph_notrace`.
    pub depth: i64,
    /// The caller's address (option `funcgraph-retaddr`).
    pub retaddr: Option<u64>,
    /// The raw argument registers, machine words in the traced machine's byte order (option `funcgraph-args`).
    pub args: &'a [u8],
}

/// A function returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// The function's address, as at its entry.
    pub func: u64,
    /// Depth on the task's shadow stack, as at its entry.
    pub depth: i64,
    /// How many calls of this task were not recorded so far because its shadow stack was full.
    pub overrun: u64,
}

/// `sched:sched_switch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switch<'a> {
    pub prev_pid: i32,
    /// Padded with zeroes.
    pub prev_comm: &'a [u8],
    /// The state it left in, as the kernel's letter.
    pub prev_state: char,
    pub next_pid: i32,
    /// Padded with zeroes.
    pub next_comm: &'a [u8],
}

/// What a record reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// `ftrace:funcgraph_entry` or `ftrace:fgraph_retaddr_entry`.
    Entry(Entry<'a>),
    /// `ftrace:funcgraph_exit`.
    Exit(Exit),
    /// `sched:sched_switch`.
    Switch(Switch<'a>),
    /// `sched:sched_waking`.
    Waking {
        pid: i32,
        /// Padded with zeroes.
        comm: &'a [u8],
    },
    /// `sched:sched_wakeup`, `sched:sched_wakeup_new`.
    Woken {
        pid: i32,
        /// Padded with zeroes.
        comm: &'a [u8],
    },
    /// `irq:irq_handler_entry` and similar events.
    Irq {
        event: &'static str,
        /// The vector of a softirq, the line of an interrupt.
        number: i64,
    },
    /// `ftrace:raw_data`: what was written to `trace_marker_raw`.
    Marker {
        /// Id and payload. The kernel does not record the payload's length: up to three bytes of padding follow it.
        bytes: &'a [u8],
    },
    /// An event that rxpath does not use.
    Other { id: u16 },
}
