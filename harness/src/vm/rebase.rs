//! Keeps a saved machine's guest time when its instructions change their length, and resets its count of instructions.
//!
//! Under icount, guest time is `(instructions << shift) + bias`. A boot has a larger shift than a run (see
//! [`super::qemu_arguments`]), so the time of a restored machine would jump back, and everything in the guest that waits for a time
//! would wait for it again. Moving the whole time into the saved bias keeps it. Both numbers are in the subsection `timer/icount`
//! of QEMU's state (QEMU system/cpu-timers.c, `icount_vmstate_timers`: qemu_icount_bias, then qemu_icount, both 64 bits, big
//! endian).
//!
//! The count starts at zero because a QEMU that records counts in 32 bits with a sign, from the restored count on (QEMU
//! replay/replay-internal.c, `replay_advance_current_icount`). It aborts at an image that took 2³¹ instructions to make, and some
//! come close.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::error::VmError;

/// A subsection's mark (QEMU_VM_SUBSECTION), the length of its name, the name, and its version (1).
const SUBSECTION: &[u8] = b"\x05\x0ctimer/icount\x00\x00\x00\x01";
/// The most bytes of device state, which is at the file's end, after the memory.
const TAIL: u64 = 16 * 1024 * 1024;

/// Rewrites both numbers so that the image, restored with any shift, continues at the guest time at which it was saved with
/// `shift`.
pub(super) fn keep_time(image: &Path, shift: u8) -> Result<(), VmError> {
    let io = || VmError::io("setting the clock of", image);
    let file = File::options().read(true).write(true).open(image).map_err(io())?;
    let length = file.metadata().map_err(io())?.len();
    let from = length.saturating_sub(TAIL);
    let mut tail = vec![0; (length - from) as usize];
    file.read_exact_at(&mut tail, from).map_err(io())?;
    let unknown = || VmError::ImageFormat {
        path: image.to_owned(),
        expected: "a timer/icount subsection of version 1".to_owned(),
    };
    let at =
        tail.windows(SUBSECTION.len()).rposition(|window| window == SUBSECTION).ok_or_else(unknown)? + SUBSECTION.len();
    let number = |at: usize| tail.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map(i64::from_be_bytes);
    let (bias, instructions) = number(at).zip(number(at + 8)).ok_or_else(unknown)?;
    let time = bias + (instructions << shift);
    let rewritten = [time.to_be_bytes(), 0_i64.to_be_bytes()].concat();
    file.write_all_at(&rewritten, from + at as u64).map_err(io())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_stays_and_the_count_starts_at_zero() {
        let state = |bias: i64, instructions: i64| {
            let numbers = [bias.to_be_bytes(), instructions.to_be_bytes()].concat();
            [b"RAM, devices", SUBSECTION, &numbers, b"more devices"].concat()
        };
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("image");
        std::fs::write(&image, state(1_000, 3 << 30)).unwrap();
        keep_time(&image, 4).unwrap();
        assert_eq!(std::fs::read(&image).unwrap(), state(1_000 + (3 << 34), 0));
    }

    #[test]
    fn a_state_without_the_numbers_is_an_error_and_stays_as_it_is() {
        for state in [b"nothing like it".to_vec(), [SUBSECTION, b"too short"].concat()] {
            let folder = tempfile::tempdir().unwrap();
            let image = folder.path().join("image");
            std::fs::write(&image, &state).unwrap();
            assert!(keep_time(&image, 4).unwrap_err().to_string().contains("timer/icount"));
            assert_eq!(std::fs::read(&image).unwrap(), state);
        }
    }
}
