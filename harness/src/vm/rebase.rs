//! Gives a saved machine the clock it had, under another length of instruction.
//!
//! Under icount, guest time is `instructions << shift + bias`. A boot runs with a larger shift than a run (see
//! [`super::machine`]), so a restored machine's time would jump back by most of what the boot took, and everything in the
//! guest that waits for a time would wait for it again. Moving the difference into the saved bias keeps guest time
//! continuous. Both numbers lie in the subsection `timer/icount` of QEMU's state (QEMU system/cpu-timers.c,
//! `icount_vmstate_timers`: qemu_icount_bias, then qemu_icount, both 64 bits, big endian).

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::error::VmError;

/// A subsection's mark (QEMU_VM_SUBSECTION), the length of its name, the name, and its version (1).
const SUBSECTION: &[u8] = b"\x05\x0ctimer/icount\x00\x00\x00\x01";
/// How much of the file's end may hold device state; RAM lies before it.
const TAIL: u64 = 16 * 1024 * 1024;

/// Rewrites the bias so that the image, restored with shift 0, goes on at the guest time at which it was saved with
/// `shift`.
pub(super) fn keep_time(image: &Path, shift: u8) -> Result<(), VmError> {
    let io = || VmError::io("rebasing the clock of", image);
    let file = File::options().read(true).write(true).open(image).map_err(io())?;
    let length = file.metadata().map_err(io())?.len();
    let from = length.saturating_sub(TAIL);
    let mut tail = vec![0; (length - from) as usize];
    file.read_exact_at(&mut tail, from).map_err(io())?;
    let unknown = || VmError::Monitor {
        doing: "reading what it saved",
        why: "the state has no timer/icount subsection of version 1; this QEMU is not one that rxpath knows".to_owned(),
    };
    let at =
        tail.windows(SUBSECTION.len()).rposition(|window| window == SUBSECTION).ok_or_else(unknown)? + SUBSECTION.len();
    let number = |at: usize| tail.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map(i64::from_be_bytes);
    let (bias, instructions) = number(at).zip(number(at + 8)).ok_or_else(unknown)?;
    let moved = bias + (instructions << shift) - instructions;
    file.write_all_at(&moved.to_be_bytes(), from + at as u64).map_err(io())
}
