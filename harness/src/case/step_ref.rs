//! How a step of a case is referred to.

use rxpath_guest::{ActorIndex, StepIndex};

/// A step of an actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct StepRef {
    pub(crate) actor: ActorIndex,
    pub(crate) step: StepIndex,
}
