//! An actor: a task with a role, a CPU and steps, doing rounds when the controller allows them.

use std::sync::atomic::Ordering;

use rxpath_guest::{Actor, Marker, OpResult, Policy, Step};

use crate::board::{Board, Phase};
use crate::ops::{self, Outcome, Scratch, network};
use crate::sys;
use crate::tracing::Tracing;

/// Everything one actor needs.
pub struct Stage<'a> {
    /// Who.
    pub actor: &'a Actor,
    /// Its index in the plan.
    pub index: u16,
    /// Shared state.
    pub board: Board,
    /// For markers.
    pub tracing: &'a Tracing,
    /// Where its results go.
    pub ledger: &'static [Cell],
}

/// A result in shared memory: written by one actor once, read by the agent after the actor has ended.
pub struct Cell(std::cell::UnsafeCell<std::mem::MaybeUninit<OpResult>>, std::sync::atomic::AtomicU32);

// SAFETY: a cell is written by exactly one task, before its flag is set with release ordering, and read after it was seen.
unsafe impl Sync for Cell {}

impl Cell {
    /// Keeps the first result only: rounds that are run again for milestones are not the ones that are timed.
    fn put(&self, result: OpResult) {
        if self.1.load(Ordering::Acquire) != 0 {
            return;
        }
        // SAFETY: see the Sync impl: nobody reads before the flag below is set, and only one task writes.
        unsafe { (*self.0.get()).write(result) };
        self.1.store(1, Ordering::Release);
    }

    /// The result, if it was written.
    pub fn get(&self) -> Option<OpResult> {
        // SAFETY: the flag says the value has been written completely.
        (self.1.load(Ordering::Acquire) == 1).then(|| unsafe { (*self.0.get()).assume_init_read() })
    }
}

/// The actor's whole life, as a task that is bound to this CPU, if to any.
pub fn live(stage: &Stage, mut scratch: Scratch, bound_to: Option<u16>) -> Result<(), String> {
    let Stage { actor, index, board, .. } = *stage;
    let me = &board.actors[usize::from(index)];
    sys::set_name(&actor.name);
    if bound_to != Some(actor.cpu) {
        sys::bind_to_cpu(usize::from(actor.cpu))
            .map_err(|why| format!("actor {}: CPU {}: {why}", actor.name, actor.cpu))?;
    }
    if actor.netns != 0 {
        network::enter(actor.netns)
            .map_err(|why| format!("actor {}: network namespace {}: {why}", actor.name, actor.netns))?;
    }
    let (policy, priority) = match actor.policy {
        // What every task of the agent's begins with.
        Policy::Other => (None, 0),
        Policy::Fifo(priority) => (Some(libc::SCHED_FIFO), i32::from(priority)),
        Policy::Batch => (Some(libc::SCHED_BATCH), 0),
        Policy::Idle => (Some(libc::SCHED_IDLE), 0),
    };
    if let Some(policy) = policy {
        sys::set_policy(policy, priority).map_err(|why| format!("actor {}: {:?}: {why}", actor.name, actor.policy))?;
    }
    me.tid.store(sys::gettid(), Ordering::Release);
    board.ring();
    // It ends with the machine: nothing of it needs to be torn down.
    for round in 0.. {
        wait_until_allowed(board, round);
        for step in 0..actor.steps.len() {
            take_step(stage, step, &mut scratch);
        }
        me.rounds.store(round + 1, Ordering::Release);
        board.ring();
    }
    Ok(())
}

fn wait_until_allowed(board: Board, round: u32) {
    loop {
        let allowed = board.common.allowed.load(Ordering::Acquire);
        if allowed > round {
            return;
        }
        board.wait(&board.common.allowed, allowed);
    }
}

fn take_step(stage: &Stage, at: usize, scratch: &mut Scratch) {
    let board = stage.board;
    let me = &board.actors[usize::from(stage.index)];
    let step = &stage.actor.steps[at];
    if !step.when.is_empty() {
        me.asks.store(at as u32 + 1, Ordering::Release);
        board.ring();
        while me.asks.load(Ordering::Acquire) != 0 {
            board.wait(&me.asks, at as u32 + 1);
        }
    }
    let phase = board.phase();
    let outcome = match (phase, step.recorded) {
        (Phase::Traced, true) => traced(stage, at, step, scratch),
        (Phase::Timed, true) => timed(stage, at, step, scratch),
        _ => perform(stage, at, step, scratch),
    };
    if let Some(slot) = step.into.filter(|_| outcome.ret >= 0) {
        board.set(slot, outcome.ret);
    }
    me.done.store(at as u32 + 1, Ordering::Release);
    // Whoever waits for this step (`after:`) is judged by the controller.
    if board.actors.iter().any(|actor| actor.asks.load(Ordering::Acquire) != 0) {
        board.ring();
    }
}

/// The operation itself, with the board saying where the actor is.
fn perform(stage: &Stage, at: usize, step: &Step, scratch: &mut Scratch) -> Outcome {
    let me = &stage.board.actors[usize::from(stage.index)];
    let call = ops::prepare(&step.op, &stage.board, scratch);
    me.inside.store(at as u32 + 1, Ordering::Release);
    let outcome = call.run();
    me.inside.store(0, Ordering::Release);
    outcome.settle(&stage.board, scratch)
}

fn traced(stage: &Stage, at: usize, step: &Step, scratch: &mut Scratch) -> Outcome {
    let iteration = stage.board.common.iteration.load(Ordering::Acquire);
    let marker = Marker { begin: true, actor: stage.index, step: at as u16, iteration };
    let me = &stage.board.actors[usize::from(stage.index)];
    let call = ops::prepare(&step.op, &stage.board, scratch);
    stage.tracing.mark(marker);
    me.inside.store(at as u32 + 1, Ordering::Release);
    let outcome = call.run();
    me.inside.store(0, Ordering::Release);
    stage.tracing.mark(Marker { begin: false, ..marker });
    let outcome = outcome.settle(&stage.board, scratch);
    record(
        stage,
        at,
        step,
        iteration,
        OpResult { ret: outcome.ret, errno: outcome.errno, data: outcome.data(), ..OpResult::default() },
    );
    outcome
}

fn timed(stage: &Stage, at: usize, step: &Step, scratch: &mut Scratch) -> Outcome {
    let iteration = stage.board.common.iteration.load(Ordering::Acquire);
    let me = &stage.board.actors[usize::from(stage.index)];
    let call = ops::prepare(&step.op, &stage.board, scratch);
    let switches = sys::context_switches();
    let cpu = sys::clock_ns(libc::CLOCK_THREAD_CPUTIME_ID);
    me.inside.store(at as u32 + 1, Ordering::Release);
    let start_ns = sys::clock_ns(libc::CLOCK_MONOTONIC_RAW);
    let outcome = call.run();
    let end_ns = sys::clock_ns(libc::CLOCK_MONOTONIC_RAW);
    me.inside.store(0, Ordering::Release);
    let cpu_ns = sys::clock_ns(libc::CLOCK_THREAD_CPUTIME_ID) - cpu;
    let switches = sys::context_switches() - switches;
    let outcome = outcome.settle(&stage.board, scratch);
    let result = OpResult {
        start_ns,
        end_ns,
        cpu_ns,
        switches,
        ret: outcome.ret,
        errno: outcome.errno,
        data: outcome.data(),
        ..OpResult::default()
    };
    record(stage, at, step, iteration, result);
    outcome
}

fn record(stage: &Stage, at: usize, _step: &Step, iteration: u32, result: OpResult) {
    let cell = iteration as usize * stage.actor.steps.len() + at;
    if let Some(cell) = stage.ledger.get(cell) {
        cell.put(OpResult { actor: stage.index, step: at as u16, iteration, ..result });
    }
}
