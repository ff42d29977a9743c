//! What a case expects, by operation and context.

use rxpath_guest::{ActorIndex, StepIndex};

use super::diagnostic::Location;
use super::gate::{Gate, Gated};
use super::phrases::{Bound, CallPhrase, CostPhrase};
use super::sent_packet::SentPattern;
use super::step_ref::StepRef;
use crate::kernel::Series;

/// The part of a run that an expectation is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Context {
    /// An actor's operation.
    Operation { actor: ActorIndex, step: StepIndex },
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

/// What must hold in one context. In a softirq, a hard interrupt or another task, all of it but `never` must hold in
/// one and the same call tree.
#[derive(Clone, Debug)]
pub(crate) struct Expectation {
    pub(crate) context: Context,
    pub(crate) gate: Gate,
    pub(crate) at: Location,
    /// The return value.
    pub(crate) returns: Vec<Gated<Bound>>,
    /// The number that it read (ioctl, getsockopt).
    pub(crate) value: Vec<Gated<Bound>>,
    /// The errno that the operation fails with.
    pub(crate) fails: Vec<Gated<i32>>,
    /// The step whose bytes are received.
    pub(crate) data: Vec<Gated<StepRef>>,
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
