//! Judges what was recorded: observation, expectations, timings, milestones, and the verdict.

pub(crate) mod downgrade;
pub(crate) mod expectations;
pub(crate) mod milestones;
pub(crate) mod observe;
pub(crate) mod timings;
