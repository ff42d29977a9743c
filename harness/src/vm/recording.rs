//! What QEMU's recording of a run tells of the guest's timers.
//!
//! A recording is a list of events in the order in which they happened, between them how many instructions were executed
//! (QEMU 10.0, replay/replay-internal.h, `enum ReplayEvents`; replay/replay.c, `REPLAY_VERSION`). Numbers are big endian.

/// Version and size of the whole, which QEMU writes last: 4 and 8 bytes.
const HEADER: usize = 12;
const VERSION: u32 = 0x00e0_200c;

/// So many instructions were executed since the last event: 4 bytes follow.
const INSTRUCTIONS: u8 = 0x00;
/// An interrupt or an exception was taken.
const TAKEN: [u8; 2] = [0x01, 0x02];
/// The machine is to end, for one of several reasons.
const SHUTDOWN: std::ops::RangeInclusive<u8> = 0x0a..=0x15;
/// Random numbers were made (replay/replay-random.c): what came of it, and how many bytes there are, 4 bytes each, and these follow.
const RANDOM: u8 = 0x1b;
/// A clock of the host was read: 8 bytes follow.
const CLOCKS: std::ops::RangeInclusive<u8> = 0x1c..=0x1d;
/// One of QEMU's threads got to a place of note.
const CHECKPOINTS: std::ops::RangeInclusive<u8> = 0x1e..=0x26;
/// Of these the one before a timer of guest time acts (util/qemu-timer.c, `timerlist_run_timers`).
const TIMER_DUE: u8 = 0x22;
const END: u8 = 0x27;

/// How many instructions the guest had executed each time a timer of guest time came due. While all CPUs are idle guest time
/// passes without an instruction: it goes right to the next timer, and of two that are due at that time both are after the same.
///
/// Errors: the recording is cut short, of another version, or has an event that no rxpath machine is known to cause.
pub fn timers_due(recording: &[u8]) -> Result<Vec<u64>, String> {
    let version = recording.first_chunk().map(|bytes| u32::from_be_bytes(*bytes));
    if version != Some(VERSION) {
        return Err(format!("a recording of version {VERSION:#x} was expected, found {version:#x?}"));
    }
    let (mut rest, mut executed, mut due) = (recording.get(HEADER..).unwrap_or_default(), 0, Vec::new());
    loop {
        let at = recording.len() - rest.len();
        let (kind, after) = rest.split_first().ok_or("the recording has no end")?;
        let number = |at: usize| after.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes));
        let skipped = match *kind {
            INSTRUCTIONS => {
                executed += u64::from(number(0).unwrap_or_default());
                4
            }
            RANDOM => 8 + number(4).unwrap_or_default() as usize,
            TIMER_DUE => {
                due.push(executed);
                0
            }
            END => return Ok(due),
            kind if CLOCKS.contains(&kind) => 8,
            kind if TAKEN.contains(&kind) || SHUTDOWN.contains(&kind) || CHECKPOINTS.contains(&kind) => 0,
            kind => return Err(format!("an event of kind {kind:#04x} at byte {at}, which is not known")),
        };
        rest = after.get(skipped..).ok_or_else(|| format!("the event at byte {at} is cut short"))?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// recv/tcp-large on 6.18, traced, when idle CPUs still stopped ticking: two timers came due at once, and the run was not exact.
    const TIED: &[u8] = include_bytes!("../../tests/data/recording-6.18-tied");

    #[test]
    fn two_timers_that_are_due_at_once_are_seen_at_the_same_instruction() {
        let due = timers_due(TIED).unwrap();
        assert_eq!(due.len(), 49);
        let tied: Vec<_> = due.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
        assert_eq!(tied, [36_066_140]);
    }

    #[test]
    fn random_numbers_are_passed_over() {
        let random = [RANDOM, 0, 0, 0, 0, 0, 0, 0, 2, END, TIMER_DUE];
        let with = [&TIED[..HEADER], &random, &TIED[HEADER..]].concat();
        assert_eq!(timers_due(&with), timers_due(TIED));
    }

    #[test]
    fn a_recording_that_is_cut_short_or_of_another_version_is_told() {
        for length in 0..TIED.len() {
            assert!(timers_due(&TIED[..length]).is_err(), "the first {length} bytes were read as a whole recording");
        }
        let mut other = TIED.to_vec();
        other[3] += 1;
        assert!(timers_due(&other).unwrap_err().contains("0xe0200d"));
        other.clone_from_slice(TIED);
        other[HEADER] = 0x03;
        assert!(timers_due(&other).unwrap_err().contains("0x03 at byte 12"));
    }
}
