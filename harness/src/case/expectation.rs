//! What a case expects, by operation and context.

use rxpath_guest::{ActorIndex, Address, Slot, StepIndex};

use super::control::ExpectedControl;
use super::diagnostic::Location;
use super::gate::{Gate, Gated};
use super::phrases::{Bound, CallPhrase, CostPhrase, Outcomes};
use super::sent_packet::SentPattern;
use super::step_ref::StepRef;
use crate::kernel::Series;

/// The part of a run that an expectation is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Context {
    /// An actor's operation.
    Operation { actor: ActorIndex, step: StepIndex },
    /// One of several operations, in each iteration any of them.
    OneOf(Vec<StepRef>),
    /// A softirq on top of this task: an actor, or a class of other tasks (`ksoftirqd`, `idle`, …). `None`: any task.
    Softirq { on: Option<String> },
    /// A hard interrupt.
    Hardirq,
    /// A task that is not an actor, by its class (`napi`, `kworker`, …; see [`crate::path::ContextRules::class_of`]).
    Task { class: String },
}

impl Context {
    /// Whether an expectation of this context applies to what ran in `other`.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Softirq { on: None }, Self::Softirq { .. }) => true,
            _ => self == other,
        }
    }
}

/// The bytes that an operation receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ExpectedData {
    /// Whatever was sent in whichever iteration.
    Any,
    /// All of each part, and some or all of the last one.
    Parts(Vec<DataPart>),
}

/// What a step sends, from an offset in bytes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DataPart {
    pub(crate) step: StepRef,
    pub(crate) from: u32,
}

/// The events of a descriptor: POLL… or EPOLL….
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ExpectedEvents {
    pub(crate) socket: Slot,
    pub(crate) events: u32,
}

/// What must hold in one context. In a softirq, a hard interrupt or another task, all of it but `never` must hold in
/// one and the same call tree.
#[derive(Clone, Debug)]
pub(crate) struct Expectation {
    pub(crate) context: Context,
    pub(crate) gate: Gate,
    pub(crate) at: Location,
    /// The return value, or the errno.
    pub(crate) returns: Vec<Gated<Outcomes>>,
    /// The number that it read (ioctl, getsockopt).
    pub(crate) value: Vec<Gated<Bound>>,
    /// The errno that the operation fails with.
    pub(crate) fails: Vec<Gated<Outcomes>>,
    pub(crate) data: Vec<Gated<ExpectedData>>,
    /// `msg_flags`.
    pub(crate) flags: Vec<Gated<u32>>,
    /// The sender's address; `None` if there must be none.
    pub(crate) from: Vec<Gated<Option<Address>>>,
    /// All control messages; `None` stands for no further one.
    pub(crate) control: Vec<Gated<Option<ExpectedControl>>>,
    /// The length of each message.
    pub(crate) lengths: Vec<Gated<Bound>>,
    /// All events; `None` stands for no further one.
    pub(crate) events: Vec<Gated<Option<ExpectedEvents>>>,
    /// The packet that the kernel sent.
    pub(crate) sends: Vec<Gated<SentPattern>>,
    /// Functions called, in this order (in the call tree's preorder).
    pub(crate) calls: Vec<Gated<CallPhrase>>,
    /// Functions not called.
    pub(crate) never: Vec<Gated<CallPhrase>>,
    /// Tasks that are woken: actors, or classes of other tasks.
    pub(crate) wakes: Vec<Gated<String>>,
    /// The number of wake-ups, whichever task is woken.
    pub(crate) wake_ups: Vec<Gated<Bound>>,
    /// How often the task sleeps.
    pub(crate) sleeps: Vec<Gated<Bound>>,
    /// How often the CPU is switched away from the task, asleep or preempted.
    pub(crate) switches: Vec<Gated<Bound>>,
    /// The number of softirqs in an iteration.
    pub(crate) softirqs: Vec<Gated<Bound>>,
    /// Bounds on the cost.
    pub(crate) costs: Vec<Gated<CostPhrase>>,
}

impl Expectation {
    /// Whether it expects anything that an operation returns beside its value.
    pub(crate) fn has_details(&self) -> bool {
        let Self { data, flags, from, control, lengths, events, .. } = self;
        !data.is_empty()
            || !flags.is_empty()
            || !from.is_empty()
            || !control.is_empty()
            || !lengths.is_empty()
            || !events.is_empty()
    }

    /// The part of it that holds on kernels of this series; `None` if it does not apply to them.
    pub(crate) fn on(&self, series: Series) -> Option<Self> {
        fn admitted<T: Clone>(all: &[Gated<T>], series: Series) -> Vec<Gated<T>> {
            all.iter().filter(|one| one.gate.admits(series)).cloned().collect()
        }
        self.gate.admits(series).then(|| Self {
            context: self.context.clone(),
            gate: self.gate.clone(),
            at: self.at.clone(),
            returns: admitted(&self.returns, series),
            value: admitted(&self.value, series),
            fails: admitted(&self.fails, series),
            data: admitted(&self.data, series),
            flags: admitted(&self.flags, series),
            from: admitted(&self.from, series),
            control: admitted(&self.control, series),
            lengths: admitted(&self.lengths, series),
            events: admitted(&self.events, series),
            sends: admitted(&self.sends, series),
            calls: admitted(&self.calls, series),
            never: admitted(&self.never, series),
            wakes: admitted(&self.wakes, series),
            wake_ups: admitted(&self.wake_ups, series),
            sleeps: admitted(&self.sleeps, series),
            switches: admitted(&self.switches, series),
            softirqs: admitted(&self.softirqs, series),
            costs: admitted(&self.costs, series),
        })
    }
}

/// An expectation that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Where it was expected: `receiver.recv`, `softirq`.
    pub(crate) context: String,
    /// Where the case expects it.
    pub(crate) at: Location,
    /// What was expected and what was found.
    pub(crate) message: String,
    /// Whether the expectation holds in no iteration.
    pub(crate) in_all_iterations: bool,
}
