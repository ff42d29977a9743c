//! Milestones: traces a few functions alone, and measures what tracing a call costs, so that the host can subtract it.

use rxpath_guest::pure::median::median;
use rxpath_guest::{Milestones, RunReport};

use crate::sys;
use crate::tracing::Tracing;

/// The number of calls whose median is the cost of a call. The first ones fault memory in.
const CALIBRATION_CALLS: u32 = 33;

/// Switches the tracer on for the milestones and measures its cost. The calls traced for that measurement are in the
/// ring buffer under the agent's pid, so the agent is hidden only after them.
pub fn arm(milestones: &Milestones, tracing: &Tracing, report: &mut RunReport) -> Result<(), String> {
    report.bare_call_ns = smallest_calls();
    let positions: Vec<u32> =
        [milestones.calibration].into_iter().chain(milestones.functions.iter().copied()).collect();
    tracing.arm_only(&positions)?;
    tracing.hide_no_task()?;
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
