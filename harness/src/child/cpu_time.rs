//! CPU times of processes: user and system time of all threads, with a resolution of 10 ms.

use std::fs;
use std::time::Duration;

/// The unit of CPU times in /proc, `USER_HZ` (asm-generic/param.h), a second.
const TICKS_PER_SECOND: u64 = 100;

/// That of a process; `None` if it has ended.
pub(crate) fn of_process(pid: u32) -> Option<Duration> {
    two_fields(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?, 14)
}

/// That of all children of this process that have ended, and of their children.
pub(crate) fn of_ended_children() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    two_fields(&stat, 16).unwrap_or_default()
}

/// The sum of two times, by the number of the first field (proc_pid_stat(5)). The third field follows the name, which may contain
/// anything.
fn two_fields(stat: &str, first: usize) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: Option<Vec<u64>> =
        fields.split_whitespace().skip(first - 3).take(2).map(|field| field.parse().ok()).collect();
    Some(Duration::from_millis(ticks?.iter().sum::<u64>() * 1_000 / TICKS_PER_SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_after_a_name_with_spaces_and_brackets() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194304 1 2 3 4 150 50 1000 234 20 0 1 0 9";
        assert_eq!(two_fields(stat, 14), Some(Duration::from_secs(2)));
        assert_eq!(two_fields(stat, 16), Some(Duration::from_millis(12_340)));
        assert_eq!(two_fields("7 (a b", 14), None);
    }
}
