//! What changed in a run; pending snapshots, and the decisions about them.

pub(crate) mod decisions;
pub(crate) mod explained;
pub(crate) mod pending;
pub(crate) mod pending_review;
pub(crate) mod pending_timings;
pub(crate) mod refresh;
pub(crate) mod run_changes;
