//! The kernel's ticks, waited for: whatever begins right after one has a whole one ahead of it, so that no timer
//! interrupt falls into it unless it is that long. Where ticks fall in a round would otherwise hang on everything that the
//! agent did before, and a long operation would have one in some rounds and none in others.

use std::fs;

use crate::sys;

/// One tick of a kernel with HZ=250, as Debian's are, in nanoseconds; every fourth of one with HZ=1000.
const TICK_NS: u64 = 4_000_000;
/// From a tick to what begins after it: the tick's own work is over by then.
const AFTER_NS: u64 = 50_000;

const TIMERS: &str = "/proc/timer_list";
/// The function of a CPU's tick since Linux 6.9, and before.
const TICKS: [&str; 2] = ["tick_nohz_handler", "tick_sched_timer"];

/// When each CPU ticks, counted from a whole number of ticks, in nanoseconds of CLOCK_MONOTONIC: not at the same time (see
/// `skew_tick` on the kernel's command line), and always then (`nohz=off`).
pub struct Metronome(Vec<u64>);

impl Metronome {
    /// As the kernel's timers stand. It must have settled on its clock: before, ticks come by another timer.
    pub fn new() -> Result<Self, String> {
        let text = fs::read_to_string(TIMERS).map_err(|why| format!("reading {TIMERS}: {why}"))?;
        match phases_ns(&text) {
            phases if phases.is_empty() => Err(format!(
                "{TIMERS} has no timer {} with `expires at N-N nsecs` on its next line: when CPUs tick is unknown",
                TICKS.join(" or ")
            )),
            phases => Ok(Self(phases)),
        }
    }

    /// Returns right after a tick of this CPU, and not before a whole one has passed. The timer is the calling thread's own: a
    /// timeout in ticks would do, but it runs out within a tick, behind whatever else does.
    pub fn wait_for_tick(&self, cpu: u16) {
        let phase_ns = self.0.get(usize::from(cpu)).or(self.0.last()).copied().unwrap_or_default();
        let earliest_ns = sys::clock_ns(libc::CLOCK_MONOTONIC) + TICK_NS;
        let since_ns = (earliest_ns - phase_ns) % TICK_NS;
        sys::sleep_until(earliest_ns - since_ns + TICK_NS + AFTER_NS);
    }
}

/// When the tick of each CPU is due, less whole ticks: its timer's line in the list is followed by one with its time
/// (kernel/time/timer_list.c, `print_timer`), and the CPUs are in order.
fn phases_ns(text: &str) -> Vec<u64> {
    let lines = text.lines().zip(text.lines().skip(1));
    let ticks = lines.filter(|(timer, _)| TICKS.iter().any(|tick| timer.contains(tick)));
    ticks.filter_map(|(_, times)| expiry_ns(times)).map(|ns| ns % TICK_NS).collect()
}

fn expiry_ns(times: &str) -> Option<u64> {
    times.split_once("expires at ")?.1.split_once('-')?.0.parse().ok()
}
