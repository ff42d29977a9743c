//! Judges what the passes recorded: observation, expectations, timings, costs, and the verdict.

pub(crate) mod costs;
mod expectations;
mod faults;
mod hung;
mod milestone_times;
pub(crate) mod observe;
pub(crate) mod snapshot_check;
pub(crate) mod timings;
pub(crate) mod verdict;

pub(crate) use faults::{BOOT, verdict_of_test_bed};
