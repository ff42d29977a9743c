//! Milestones: a few functions traced alone, and what tracing a call costs, so that it can be taken off.

use rxpath_guest::{Milestones, RunReport};

use crate::run::median;
use crate::sys;
use crate::tracing::Tracing;

/// Calls of each kind that the tracer's cost is the median of. The first ones of a kind fault memory in.
const CALIBRATION_CALLS: u32 = 33;

/// Switches the tracer on for the milestones, and measures what it costs. The calls that were traced for it stand in the
/// ring buffer, under the agent's pid; the agent is hidden only then.
pub fn arm(milestones: &Milestones, tracing: &Tracing, report: &mut RunReport) -> Result<(), String> {
    report.bare_call_ns = smallest_calls();
    let positions: Vec<u32> =
        [milestones.calibration].into_iter().chain(milestones.functions.iter().copied()).collect();
    tracing.arm_only(&positions)?;
    tracing.hide_nobody()?;
    tracing.record(true)?;
    report.traced_call_ns = smallest_calls();
    tracing.record(false)?;
    tracing.hide_agent()
}

fn smallest_calls() -> u64 {
    let one = |_| {
        let before = sys::clock_ns(libc::CLOCK_MONOTONIC_RAW);
        sys::smallest_call();
        sys::clock_ns(libc::CLOCK_MONOTONIC_RAW) - before
    };
    median((0..CALIBRATION_CALLS).map(one).collect())
}
