//! The state that actors and the controller share: atomics in memory that forked processes share too.

use std::sync::atomic::{AtomicI32, AtomicI64, AtomicU32, Ordering};

use rxpath_guest::Slot;

use crate::sys::{self, Mapping};

/// What the current rounds are for.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Phase {
    /// Warm-up.
    Quiet = 0,
    /// Operations are timed and not traced.
    Timed = 1,
    /// Operations are marked in the trace.
    Traced = 2,
}

/// The state of one actor. All zero at the start.
pub struct ActorState {
    /// The actor's task id; 0 until it has started.
    pub tid: AtomicI32,
    /// Number (from 1) of the step whose conditions it waits for; 0 if it waits for none.
    pub asks: AtomicU32,
    /// Number (from 1) of the step whose operation it is inside; 0 between operations.
    pub inside: AtomicU32,
    /// Number of steps that it has finished in the current round.
    pub done: AtomicU32,
    /// Number of rounds that it has finished.
    pub rounds: AtomicU32,
    /// Length of its details, in bytes.
    pub details: AtomicU32,
}

/// The state that all actors have in common. All zero at the start.
pub struct CommonState {
    /// Rung by actors, that is changed and woken, when the controller has something to check.
    pub bell: AtomicU32,
    /// Number of rounds that may run.
    pub allowed: AtomicU32,
    /// A [`Phase`].
    phase: AtomicU32,
    /// The iteration that the current round counts as.
    pub iteration: AtomicU32,
    /// 1 if recording starts with the first recorded step of the round.
    pub starts_recording: AtomicU32,
}

#[derive(Clone, Copy)]
pub struct SharedState {
    /// FUTEX_PRIVATE_FLAG if all actors are threads of the agent: the kernel then need not look up the page of a futex
    /// word.
    private: libc::c_int,
    /// By actor.
    pub actors: &'static [ActorState],
    pub common: &'static CommonState,
    slots: &'static [AtomicI64],
}

/// Zeroed memory that forked processes share, mapped before the host says how much a run needs.
pub struct SharedMemory(Mapping);

impl SharedMemory {
    /// Enough for the state and the results of most runs, in bytes.
    const SIZE: usize = 64 * 1024;

    pub fn map() -> Result<Self, String> {
        Mapping::shared(Self::SIZE).map(Self).map_err(|error| format!("mapping memory for a run: {error}"))
    }

    /// Takes a part of the memory, or maps new memory if too little is left.
    pub fn take(&mut self, bytes: usize) -> Result<Mapping, String> {
        let bytes = bytes.max(1);
        match self.0.split(bytes) {
            Some(part) => Ok(part),
            None => Mapping::shared(bytes).map_err(|error| format!("mapping {bytes} bytes for a run: {error}")),
        }
    }
}

impl SharedState {
    /// With `among_threads`, only threads of this process may use the state.
    pub fn new(memory: &mut SharedMemory, actors: usize, slots: usize, among_threads: bool) -> Result<Self, String> {
        let slots = shared::<AtomicI64>(memory, slots)?;
        // An empty slot must not be taken for descriptor 0.
        slots.iter().for_each(|slot| slot.store(-1, Ordering::Release));
        let actors = shared::<ActorState>(memory, actors)?;
        let private = if among_threads { libc::FUTEX_PRIVATE_FLAG } else { 0 };
        Ok(Self { private, actors, common: &shared::<CommonState>(memory, 1)?[0], slots })
    }

    /// The value in a slot; -1 in an empty one.
    pub fn get(&self, slot: Slot) -> i64 {
        self.slots.get(usize::from(slot)).map_or(-1, |slot| slot.load(Ordering::Acquire))
    }

    pub fn set(&self, slot: Slot, value: i64) {
        if let Some(slot) = self.slots.get(usize::from(slot)) {
            slot.store(value, Ordering::Release);
        }
    }

    pub fn phase(&self) -> Phase {
        match self.common.phase.load(Ordering::Acquire) {
            1 => Phase::Timed,
            2 => Phase::Traced,
            _ => Phase::Quiet,
        }
    }

    pub fn set_phase(&self, phase: Phase) {
        self.common.phase.store(phase as u32, Ordering::Release);
    }

    /// Wakes the controller to check what has changed.
    pub fn ring(&self) {
        self.common.bell.fetch_add(1, Ordering::AcqRel);
        self.wake(&self.common.bell);
    }

    /// Sleeps while `word`, a part of this state, has the value `expected`, until woken.
    pub fn wait(&self, word: &AtomicU32, expected: u32) {
        sys::futex_wait(word, expected, self.private);
    }

    /// Like [`Self::wait`], for at most `ns` nanoseconds.
    pub fn wait_for(&self, word: &AtomicU32, expected: u32, ns: u64) {
        sys::futex_wait_for(word, expected, ns, self.private);
    }

    /// Wakes all tasks that wait on `word`, a part of this state.
    pub fn wake(&self, word: &AtomicU32) {
        sys::futex_wake(word, self.private);
    }
}

/// Zeroed memory as parts of the state, which consist of atomics.
fn shared<T>(memory: &mut SharedMemory, count: usize) -> Result<&'static [T], String> {
    let memory = memory.take(count * size_of::<T>())?;
    // SAFETY: every type used here consists only of atomics, for which zero is valid and which synchronise themselves.
    Ok(unsafe { memory.leak_as::<T>(count) })
}
