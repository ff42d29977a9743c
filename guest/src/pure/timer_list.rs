//! When each CPU ticks, from the text of /proc/timer_list.

/// Names of the function of a CPU's tick, since Linux 6.9 and before.
pub const TICK_FUNCTIONS: [&str; 2] = ["tick_nohz_handler", "tick_sched_timer"];

/// When the tick of each CPU is due modulo `tick_ns`, in nanoseconds of CLOCK_MONOTONIC, by CPU. Empty if the text
/// lists no tick. A timer's line is followed by one with its expiry (kernel/time/timer_list.c, `print_timer`), and the
/// CPUs are in order.
pub fn tick_phases_ns(text: &str, tick_ns: u64) -> Vec<u64> {
    let lines = text.lines().zip(text.lines().skip(1));
    let ticks = lines.filter(|(timer, _)| TICK_FUNCTIONS.iter().any(|tick| timer.contains(tick)));
    ticks.filter_map(|(_, times)| expiry_ns(times)).map(|ns| ns % tick_ns).collect()
}

fn expiry_ns(times: &str) -> Option<u64> {
    times.split_once("expires at ")?.1.split_once('-')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_CPUS: &str = "\
cpu: 0
 clock 0:
  .base:       0
active timers:
 #0: <0>, tick_sched_timer, S:01
 # expires at 2004000000-2004000000 nsecs [in 1000 to 1000 nsecs]
 #1: <0>, hrtimer_wakeup, S:01
 # expires at 2004123456-2004173456 nsecs [in 2000 to 2000 nsecs]
cpu: 1
active timers:
 #0: <0>, tick_sched_timer, S:01
 # expires at 2006500000-2006500000 nsecs [in 1000 to 1000 nsecs]
";

    #[test]
    fn each_cpu_has_the_phase_of_its_tick() {
        assert_eq!(tick_phases_ns(TWO_CPUS, 4_000_000), [0, 2_500_000]);
        let newer = TWO_CPUS.replace("tick_sched_timer", "tick_nohz_handler");
        assert_eq!(tick_phases_ns(&newer, 4_000_000), [0, 2_500_000]);
    }

    #[test]
    fn a_text_without_ticks_has_no_phases() {
        for text in
            ["", "tick_sched_timer", &TWO_CPUS.replace("tick_sched_timer", "other"), &TWO_CPUS.replace("at ", "")]
        {
            assert_eq!(tick_phases_ns(text, 4_000_000), [], "{text}");
        }
    }
}
