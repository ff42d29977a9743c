//! Setting up: steps that the agent goes through itself, at the beginning of a run or before the machine is saved. What
//! most cases begin with is made before: the handshake of a TCP connection alone is thousands of blocks of the kernel's code
//! that each restored machine's QEMU would have to translate anew.

use std::fs;
use std::path::Path;

use rxpath_guest::{SETUPS_FILE, Setup, Slot, Step};

use crate::board::{Board, SharedMemory};
use crate::ops::{self, Scratch};

/// A setup that has been gone through, and has not been used.
pub struct Begun(Vec<i64>);

impl Begun {
    /// Gives what its steps made to the first slots of a run's board.
    pub fn hand_over(&self, board: Board) {
        for (slot, made) in self.0.iter().enumerate() {
            board.set(slot as Slot, *made);
        }
    }
}

/// Goes through all the setups that lie in the guest's root.
pub fn begin_all(memory: &mut SharedMemory, scratch: &mut Scratch) -> Result<Vec<Begun>, String> {
    let path = Path::new("/").join(SETUPS_FILE);
    let bytes = fs::read(&path).map_err(|why| format!("reading {}: {why}", path.display()))?;
    let setups: Vec<Setup> =
        postcard::from_bytes(&bytes).map_err(|why| format!("{} is no list of setups: {why}", path.display()))?;
    setups.iter().map(|setup| begin(setup, memory, scratch)).collect()
}

fn begin(setup: &Setup, memory: &mut SharedMemory, scratch: &mut Scratch) -> Result<Begun, String> {
    let board = Board::new(memory, 0, usize::from(setup.slots), true)?;
    go_through(&setup.steps, board, scratch)?;
    Ok(Begun((0..setup.slots).map(|slot| board.get(slot)).collect()))
}

/// Does the steps one after another.
pub fn go_through(steps: &[Step], board: Board, scratch: &mut Scratch) -> Result<(), String> {
    for (index, step) in steps.iter().enumerate() {
        let outcome = ops::prepare(&step.op, &board, scratch).run().settle(&board, scratch);
        if outcome.errno != 0 {
            let why = std::io::Error::from_raw_os_error(outcome.errno);
            return Err(format!("setup step {} ({:?}): {why}", index + 1, step.op));
        }
        if let Some(slot) = step.into {
            board.set(slot, outcome.ret);
        }
    }
    Ok(())
}
