//! What actors and the controller tell each other: atomics in memory that forked processes share too.

use std::sync::atomic::{AtomicI32, AtomicI64, AtomicU32, Ordering};

use rxpath_guest::Slot;

use crate::sys::{self, Mapping};

/// What is being done with the rounds at present.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Phase {
    /// Rounds that only warm up.
    Quiet = 0,
    /// Operations are timed, nothing is traced.
    Timed = 1,
    /// Operations are marked in the trace.
    Traced = 2,
}

/// One actor's side of the board. All zero at the start.
pub struct ActorBoard {
    /// Its task id.
    pub tid: AtomicI32,
    /// Step + 1 that it asks to be let into; 0 when it asks for nothing.
    pub asks: AtomicU32,
    /// Step + 1 of the operation it is inside of; 0 between operations.
    pub inside: AtomicU32,
    /// Steps it has ended in the present round.
    pub done: AtomicU32,
    /// Rounds it has ended.
    pub rounds: AtomicU32,
}

/// What all share. All zero at the start.
pub struct CommonBoard {
    /// Rung (changed and woken) by actors whenever the controller has something to look at.
    pub bell: AtomicU32,
    /// Rounds that may run.
    pub allowed: AtomicU32,
    /// The [`Phase`].
    phase: AtomicU32,
    /// Iteration number that the present round counts as.
    pub iteration: AtomicU32,
}

/// The whole board.
#[derive(Clone, Copy)]
pub struct Board {
    /// FUTEX_PRIVATE_FLAG where all actors share the agent's memory: the kernel then need not look up which page a word is on.
    private: libc::c_int,
    /// By actor.
    pub actors: &'static [ActorBoard],
    /// The common part.
    pub common: &'static CommonBoard,
    slots: &'static [AtomicI64],
}

/// Zeroed memory that children of fork share, mapped before anybody says how much is needed.
pub struct SharedMemory(Mapping);

impl SharedMemory {
    /// Enough for the boards and ledgers of most runs, in bytes.
    const SIZE: usize = 64 * 1024;

    pub fn map() -> Result<Self, String> {
        Mapping::shared(Self::SIZE).map(Self).map_err(|why| format!("mapping memory for a run: {why}"))
    }

    /// A part of it, or memory of its own for what is larger than what is left.
    pub fn take(&mut self, bytes: usize) -> Result<Mapping, String> {
        let bytes = bytes.max(1);
        match self.0.split(bytes) {
            Some(part) => Ok(part),
            None => Mapping::shared(bytes).map_err(|why| format!("mapping {bytes} bytes for a run: {why}")),
        }
    }
}

impl Board {
    /// `among_threads`: nobody but threads of this process will use it.
    pub fn new(memory: &mut SharedMemory, actors: usize, slots: usize, among_threads: bool) -> Result<Self, String> {
        let slots = shared::<AtomicI64>(memory, slots)?;
        // What was never made must not be taken for descriptor 0.
        slots.iter().for_each(|slot| slot.store(-1, Ordering::Release));
        let actors = shared::<ActorBoard>(memory, actors)?;
        let private = if among_threads { libc::FUTEX_PRIVATE_FLAG } else { 0 };
        Ok(Self { private, actors, common: &shared::<CommonBoard>(memory, 1)?[0], slots })
    }

    /// What a slot holds.
    pub fn get(&self, slot: Slot) -> i64 {
        self.slots.get(usize::from(slot)).map_or(-1, |slot| slot.load(Ordering::Acquire))
    }

    /// Fills a slot.
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

    /// Tells the controller to look.
    pub fn ring(&self) {
        self.common.bell.fetch_add(1, Ordering::AcqRel);
        self.wake(&self.common.bell);
    }

    /// Sleeps while `word`, which is on the board, holds `expected`, until woken.
    pub fn wait(&self, word: &AtomicU32, expected: u32) {
        sys::futex_wait(word, expected, self.private);
    }

    /// Like [`Self::wait`], for at most `ns` nanoseconds.
    pub fn wait_for(&self, word: &AtomicU32, expected: u32, ns: u64) {
        sys::futex_wait_for(word, expected, ns, self.private);
    }

    /// Wakes everyone who waits on `word`, which is on the board.
    pub fn wake(&self, word: &AtomicU32) {
        sys::futex_wake(word, self.private);
    }
}

/// Zeroed memory as board fields: all of them are made of atomics.
fn shared<T>(memory: &mut SharedMemory, count: usize) -> Result<&'static [T], String> {
    let memory = memory.take(count * size_of::<T>())?;
    // SAFETY: every type used here consists of atomics only, for which zero is valid and which synchronise themselves.
    Ok(unsafe { memory.leak_as::<T>(count) })
}
