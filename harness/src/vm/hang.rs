//! Decides when a guest has hung.
//!
//! What bounds a guest is guest time: the agent gives up on its actors at the plan's deadline, and the machine's watchdog, which
//! counts guest time, stops a run whose agent never gets that far. On a slow or busy host the same guest time takes longer, so
//! elapsed time never ends a guest. The harness ends QEMU in two cases only:
//!
//! - It has used no CPU time for a while. Even an idle guest uses some for its ticks, so this one executes nothing: QEMU hangs, or
//!   the watchdog has stopped the machine. CPU time is the only progress that is visible from outside: a question to the monitor
//!   would wake QEMU's main loop, and the run would no longer be exact.
//! - It has used far more CPU time than its guest time can need. This is for what the watchdog does not cover: boots, long plans,
//!   and code that is so slow to execute that its time is hours away. CPU time, because a busy host, a process that was stopped
//!   or a suspended machine does not use it.

use std::time::{Duration, Instant};

use crate::child::cpu_time;

use super::error::Hang;

/// How often QEMU's CPU time is read.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);

/// The most that one sample adds to the time without progress. More than that has passed only if the harness itself did not run:
/// it was stopped, and QEMU perhaps with it.
const MOST_BETWEEN_SAMPLES: Duration = Duration::from_secs(2);

/// When a QEMU process counts as hung.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// The longest time without any use of CPU time.
    pub stalled: Duration,
    /// The most CPU time of all its threads.
    pub cpu: Duration,
}

impl Patience {
    const STALLED: Duration = Duration::from_secs(60);

    /// For a boot, which takes 5 to 20 s of CPU time, or several times as much with a sanitizer.
    pub(super) const BOOT: Self = Self { stalled: Self::STALLED, cpu: Duration::from_secs(1_800) };

    /// For a run whose agent gives up after this much guest time.
    ///
    /// The slowest code known is a loop of PAUSE, each of which leaves QEMU's execution loop under icount: 420 s of CPU time for
    /// 1 s of guest time. Ten times that leaves room for slower hosts. The constant part is for what comes before and after the
    /// deadline: setup, and writing the capture.
    pub(super) fn for_run(guest_deadline: Duration) -> Self {
        const CPU_PER_GUEST_TIME: u32 = 4_000;
        let cpu = Duration::from_secs(600).saturating_add(guest_deadline.saturating_mul(CPU_PER_GUEST_TIME));
        Self { stalled: Self::STALLED, cpu }
    }
}

/// Watches the CPU time of one process.
pub(super) struct HangDetector {
    pid: u32,
    patience: Patience,
    sampled: Instant,
    cpu: Duration,
    without_progress: Duration,
}

impl HangDetector {
    pub(super) fn new(pid: u32, patience: Patience) -> Self {
        Self { pid, patience, sampled: Instant::now(), cpu: Duration::ZERO, without_progress: Duration::ZERO }
    }

    /// Reads the CPU time if it is due again. To be called more often than once a second.
    pub(super) fn check(&mut self) -> Option<Hang> {
        let elapsed = self.sampled.elapsed();
        if elapsed < SAMPLE_INTERVAL {
            return None;
        }
        self.sampled = Instant::now();
        // A time that cannot be read is not progress.
        self.note(elapsed, cpu_time::of_process(self.pid).unwrap_or(self.cpu))
    }

    fn note(&mut self, elapsed: Duration, cpu: Duration) -> Option<Hang> {
        let Patience { stalled, cpu: most } = self.patience;
        if cpu > self.cpu {
            self.without_progress = Duration::ZERO;
        } else {
            self.without_progress += elapsed.min(MOST_BETWEEN_SAMPLES);
        }
        self.cpu = cpu;
        if self.without_progress >= stalled {
            return Some(Hang::Stalled(stalled));
        }
        (cpu >= most).then_some(Hang::Endless(most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn detector() -> HangDetector {
        HangDetector::new(std::process::id(), Patience { stalled: 10 * SECOND, cpu: 100 * SECOND })
    }

    #[test]
    fn a_process_that_uses_cpu_time_is_not_stalled_however_little_it_is() {
        let mut detector = detector();
        let hangs = (1..1_000).filter_map(|second| detector.note(SECOND, Duration::from_millis(10 * (second / 9))));
        assert_eq!(hangs.count(), 0);
    }

    #[test]
    fn a_process_without_cpu_time_stalls() {
        let mut detector = detector();
        assert_eq!(detector.note(SECOND, 3 * SECOND), None);
        let hang = (1..).find_map(|seconds| Some((seconds, detector.note(SECOND, 3 * SECOND)?)));
        assert_eq!(hang, Some((10, Hang::Stalled(10 * SECOND))));
    }

    #[test]
    fn time_in_which_the_harness_was_stopped_does_not_count() {
        let mut detector = detector();
        assert_eq!(detector.note(3_600 * SECOND, Duration::ZERO), None);
    }

    #[test]
    fn a_process_is_endless_by_its_cpu_time_and_not_by_elapsed_time() {
        let mut detector = detector();
        assert_eq!(detector.note(1_000_000 * SECOND, 99 * SECOND), None);
        assert_eq!(detector.note(SECOND, 100 * SECOND), Some(Hang::Endless(100 * SECOND)));
    }

    #[test]
    fn the_cpu_time_of_this_process_grows_with_its_work() {
        let before = cpu_time::of_process(std::process::id()).unwrap();
        let mut rounds = 0_u64;
        while cpu_time::of_process(std::process::id()).unwrap() <= before {
            rounds += 1;
        }
        assert!(rounds > 0, "a tick is 10 ms of work");
    }
}
