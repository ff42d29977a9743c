//! Pending snapshots, their changes, and the decisions about them.

pub(crate) mod decisions;
pub(crate) mod explained;
pub(crate) mod moved_timings;
pub(crate) mod pending;
pub(crate) mod pending_review;
pub(crate) mod refresh;
