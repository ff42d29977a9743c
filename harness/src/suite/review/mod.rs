//! Pending snapshots, what changed in them, and the decisions to take.

pub(crate) mod decisions;
pub(crate) mod explained;
pub(crate) mod pending;
