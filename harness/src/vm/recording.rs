//! Reads from QEMU's recording of a run when the guest's timers were due.
//!
//! A recording is a list of events in the order in which they happened, with the number of instructions between them (QEMU 10.0, replay/replay-internal.h, `enum ReplayEvents`; replay/replay.c, `REPLAY_VERSION`). Numbers are big endian.

/// The version and the recording's size, 4 and 8 bytes, which QEMU writes last.
const HEADER: usize = 12;
const VERSION: u32 = 0x00e0_200c;

/// The number of instructions since the last event follows, in 4 bytes.
const INSTRUCTIONS: u8 = 0x00;
/// The guest took an interrupt or an exception.
const TAKEN: [u8; 2] = [0x01, 0x02];
/// The machine will end, for one of several reasons.
const SHUTDOWN: std::ops::RangeInclusive<u8> = 0x0a..=0x15;
/// Random numbers were made (replay/replay-random.c). The result and the number of bytes follow, 4 bytes each, then the bytes.
const RANDOM: u8 = 0x1b;
/// A host clock was read; 8 bytes follow.
const CLOCKS: std::ops::RangeInclusive<u8> = 0x1c..=0x1d;
/// One of QEMU's threads reached a checkpoint.
const CHECKPOINTS: std::ops::RangeInclusive<u8> = 0x1e..=0x26;
/// The checkpoint before a timer in guest time acts (util/qemu-timer.c, `timerlist_run_timers`).
const TIMER_DUE: u8 = 0x22;
const END: u8 = 0x27;

/// Why a recording cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordingError {
    #[error("expected a recording of version {VERSION:#x}, found {0:#x?}")]
    Version(Option<u32>),
    #[error("the recording has no end")]
    NoEnd,
    #[error("unknown event {kind:#04x} at byte {at}")]
    UnknownEvent { kind: u8, at: usize },
    #[error("the event at byte {0} is cut short")]
    CutShort(usize),
}

/// Counts how many instructions the guest had executed each time a timer in guest time was due. While all CPUs are idle, guest time
/// moves on to the next timer without an instruction, so two timers that are due at the same time have the same count.
/// Fails when the recording is cut short, has a different version, or has an event that no rxpath machine is known to cause.
pub fn timers_due(recording: &[u8]) -> Result<Vec<u64>, RecordingError> {
    let version = recording.first_chunk().map(|bytes| u32::from_be_bytes(*bytes));
    if version != Some(VERSION) {
        return Err(RecordingError::Version(version));
    }
    let (mut rest, mut executed, mut due) = (recording.get(HEADER..).unwrap_or_default(), 0, Vec::new());
    loop {
        let at = recording.len() - rest.len();
        let (kind, after) = rest.split_first().ok_or(RecordingError::NoEnd)?;
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
            kind => return Err(RecordingError::UnknownEvent { kind, at }),
        };
        rest = after.get(skipped..).ok_or(RecordingError::CutShort(at))?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// recv/tcp-large on 6.18, traced, when idle CPUs still stopped ticking: two timers were due at once, and the run was not exact.
    const TIED: &[u8] = include_bytes!("../../tests/data/recording-6.18-tied");

    #[test]
    fn two_timers_that_are_due_at_once_have_the_same_count() {
        let due = timers_due(TIED).unwrap();
        assert_eq!(due.len(), 49);
        let tied: Vec<_> = due.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
        assert_eq!(tied, [36_066_140]);
    }

    #[test]
    fn random_numbers_are_skipped() {
        let random = [RANDOM, 0, 0, 0, 0, 0, 0, 0, 2, END, TIMER_DUE];
        let with = [&TIED[..HEADER], &random, &TIED[HEADER..]].concat();
        assert_eq!(timers_due(&with), timers_due(TIED));
    }

    #[test]
    fn a_recording_that_is_cut_short_or_has_a_different_version_is_an_error() {
        for length in 0..TIED.len() {
            assert!(timers_due(&TIED[..length]).is_err(), "the first {length} bytes were read as a whole recording");
        }
        let mut other = TIED.to_vec();
        other[3] += 1;
        assert_eq!(timers_due(&other), Err(RecordingError::Version(Some(0x00e0_200d))));
        other.clone_from_slice(TIED);
        other[HEADER] = 0x03;
        assert_eq!(timers_due(&other), Err(RecordingError::UnknownEvent { kind: 3, at: 12 }));
    }
}
