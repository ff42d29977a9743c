//! Steps that the agent performs itself: before the machine is saved, and at the beginning of a run. Most cases start
//! with one of a few setups, which are performed before: the handshake of a TCP connection alone is thousands of blocks
//! of the kernel's code that the QEMU that restores the machine would have to translate.

use rxpath_guest::{Origin, SETUP_FAILED, Setup, Slot, Step, StepIndex};

use crate::ops::{self, Scratch};
use crate::shared_state::{SharedMemory, SharedState};

/// The slots that the steps of a [`Setup`] have filled.
pub struct CompletedSetup(Vec<i64>);

impl CompletedSetup {
    /// Copies the slots to the first ones of a run.
    pub fn copy_to(&self, state: SharedState) {
        for (slot, value) in self.0.iter().enumerate() {
            state.set(slot as Slot, *value);
        }
    }
}

/// Performs the setup with this number.
pub fn complete(
    index: usize,
    setup: &Setup,
    memory: &mut SharedMemory,
    scratch: &mut Scratch,
) -> Result<CompletedSetup, String> {
    let state = SharedState::new(memory, 0, usize::from(setup.slots), true)?;
    perform(&setup.steps, state, scratch)
        .map_err(|FailedStep { step, errno }| format!("{SETUP_FAILED}{index} {step} {errno}"))?;
    Ok(CompletedSetup((0..setup.slots).map(|slot| state.get(slot)).collect()))
}

/// A step whose system call failed.
pub struct FailedStep {
    pub step: StepIndex,
    pub errno: i32,
}

/// Performs the steps in order; the first that fails is an error.
pub fn perform(steps: &[Step], state: SharedState, scratch: &mut Scratch) -> Result<(), FailedStep> {
    for (index, step) in steps.iter().enumerate() {
        scratch.origin = Origin { actor: Origin::SETUP, step: index as StepIndex, iteration: 0 };
        let outcome = ops::prepare(&step.op, &state, scratch).run().settle(&state, scratch);
        if outcome.errno != 0 {
            return Err(FailedStep { step: index as StepIndex, errno: outcome.errno });
        }
        if let Some(slot) = step.into {
            state.set(slot, outcome.ret);
        }
    }
    Ok(())
}
