//! Memory for what a run says at its end, in which every page has been written: a run's first page fault is some 400 blocks of
//! the kernel's code that each restored machine's QEMU would have to translate.

use rxpath_guest::OpResult;

/// Operations of most runs, at most.
const RESULTS: usize = 512;
/// Bytes that most reports come to, at most.
const BYTES: usize = 32 * 1024;

/// Empty vectors with room in them. What needs more than there is grows as any other.
pub struct Room {
    /// For the operations' results.
    pub results: Vec<OpResult>,
    /// For the encoded report.
    pub bytes: Vec<u8>,
}

impl Room {
    /// Makes room, on the calling thread's stack too.
    pub fn new() -> Self {
        use_stack();
        Self { results: written(RESULTS, OpResult { data: 1, ..OpResult::default() }), bytes: written(BYTES, 1) }
    }
}

/// Uses as much of the stack as the deepest calls of a run do, and more.
#[inline(never)]
fn use_stack() {
    std::hint::black_box([1_u8; 64 * 1024]);
}

/// Values of nought would be memory that nobody has written.
fn written<T: Clone>(count: usize, value: T) -> Vec<T> {
    let mut room = vec![value; count];
    std::hint::black_box(&mut room).clear();
    room
}
