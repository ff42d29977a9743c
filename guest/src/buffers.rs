//! Memory for a run's report, with every page already written: a page fault during the run is some 400 blocks of the
//! kernel's code, which the QEMU that restores the machine would have to translate.

use rxpath_guest::OpResult;

/// More operations than most runs record.
const RESULTS: usize = 512;
/// Longer than most encoded reports, in bytes.
const REPORT: usize = 32 * 1024;

/// Empty vectors with reserved memory. They grow as usual when that is not enough.
pub struct Buffers {
    pub results: Vec<OpResult>,
    /// For the encoded report.
    pub report: Vec<u8>,
}

impl Buffers {
    /// Reserves the memory, and grows the calling thread's stack as well.
    pub fn new() -> Self {
        use_stack();
        Self { results: written(RESULTS, OpResult { errno: 1, ..OpResult::default() }), report: written(REPORT, 1) }
    }
}

/// Uses more of the stack than the deepest calls of a run do.
#[inline(never)]
fn use_stack() {
    std::hint::black_box([1_u8; 64 * 1024]);
}

/// Zeroed memory would be mapped lazily and fault on first use, so every element is written with a value that is not
/// zero.
fn written<T: Clone>(count: usize, value: T) -> Vec<T> {
    let mut room = vec![value; count];
    std::hint::black_box(&mut room).clear();
    room
}
