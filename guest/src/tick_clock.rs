//! Waits for the kernel's ticks. What starts right after a tick has a whole tick period before the next one, so no
//! timer interrupt falls into it unless it takes that long. Otherwise the position of ticks in a round would depend on
//! everything that the agent did before, and a long operation would contain a tick in some rounds and not in others.

use std::fs;

use rxpath_guest::pure::timer_list::{TICK_FUNCTIONS, tick_phases_ns};

use crate::sys;

/// One tick of a kernel with HZ=250, such as Debian's, in nanoseconds; four ticks of a kernel with HZ=1000.
const TICK_NS: u64 = 4_000_000;
/// How long after a tick an iteration starts, in nanoseconds: the work of the tick itself is over by then.
const AFTER_NS: u64 = 50_000;

const TIMERS: &str = "/proc/timer_list";

/// The phase of each CPU's tick, in nanoseconds of CLOCK_MONOTONIC modulo [`TICK_NS`]. CPUs tick at different times
/// (`skew_tick` on the kernel's command line), and idle ones too (`nohz=off`).
pub struct TickClock(Vec<u64>);

impl TickClock {
    /// Reads the phases from the kernel's timers. The kernel must have settled on its clock source, because before that
    /// a different timer makes the ticks.
    pub fn new() -> Result<Self, String> {
        let text = fs::read_to_string(TIMERS).map_err(|error| format!("reading {TIMERS}: {error}"))?;
        match tick_phases_ns(&text, TICK_NS) {
            phases if phases.is_empty() => Err(format!(
                "cannot determine when CPUs tick: expected {TIMERS} to have a timer {} and `expires at N-N` on its next line",
                TICK_FUNCTIONS.join(" or ")
            )),
            phases => Ok(Self(phases)),
        }
    }

    /// Returns right after a tick of this CPU, at least `1 + more` whole tick periods from now. It uses a
    /// high-resolution timer of the calling thread: a timeout counted in ticks would expire inside the tick's own work,
    /// after all other timeouts.
    pub fn wait_for_tick(&self, cpu: u16, more: u64) {
        let phase_ns = self.0.get(usize::from(cpu)).or(self.0.last()).copied().unwrap_or_default();
        let earliest_ns = sys::clock_ns(libc::CLOCK_MONOTONIC) + TICK_NS * (1 + more);
        let since_ns = (earliest_ns - phase_ns) % TICK_NS;
        sys::sleep_until(earliest_ns - since_ns + TICK_NS + AFTER_NS);
    }
}
