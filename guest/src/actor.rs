//! An actor: a task with a role, a CPU and steps, which performs its steps once in every round that the controller
//! allows.

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use rxpath_guest::{Actor, Details, Marker, OpResult, Origin, Plan, Policy, Step};

use crate::hoard::Hoard;
use crate::ops::{self, Outcome, Scratch, details, network};
use crate::shared_state::{Phase, SharedState};
use crate::sys;
use crate::tracing::Tracing;

/// Everything one actor needs.
pub struct ActorContext<'a> {
    pub plan: &'a Plan,
    pub actor: &'a Actor,
    /// Its index in the plan.
    pub index: u16,
    pub state: SharedState,
    /// For markers.
    pub tracing: &'a Tracing,
    /// What the actor adds to at the start of every round, if to anything.
    pub hoard: Option<&'a Hoard>,
    pub results: &'static [ResultCell],
    /// Room for encoded [`Details`], one after the other; none in a pass that does not need them.
    pub details: &'static [AtomicU8],
}

/// A result in shared memory: written by its actor at most once, read by the agent after the last round.
pub struct ResultCell(UnsafeCell<MaybeUninit<OpResult>>, AtomicU32);

// SAFETY: only one task writes a cell, before it sets the flag with release ordering, and all others read only after
// they saw the flag.
unsafe impl Sync for ResultCell {}

impl ResultCell {
    /// Keeps only the first result: rounds that run again for milestones are not timed.
    fn put(&self, result: OpResult) {
        if self.1.load(Ordering::Acquire) != 0 {
            return;
        }
        // SAFETY: see the Sync impl: only one task writes, and no task reads before the flag below is set.
        unsafe { (*self.0.get()).write(result) };
        self.1.store(1, Ordering::Release);
    }

    /// The result, if it was written.
    pub fn get(&self) -> Option<OpResult> {
        // SAFETY: the flag says that the value is complete.
        (self.1.load(Ordering::Acquire) == 1).then(|| unsafe { (*self.0.get()).assume_init_read() })
    }
}

/// Runs the actor in the calling task, which is already bound to the CPU `bound_to`, if to any. Returns only with an
/// error.
pub fn run(context: &ActorContext, mut scratch: Scratch, bound_to: Option<u16>) -> Result<(), String> {
    let ActorContext { actor, index, state, .. } = *context;
    let me = &state.actors[usize::from(index)];
    sys::set_name(&actor.name);
    if bound_to != Some(actor.cpu) {
        sys::bind_to_cpu(usize::from(actor.cpu))
            .map_err(|error| format!("actor {}: CPU {}: {error}", actor.name, actor.cpu))?;
    }
    if actor.netns != 0 {
        network::enter(actor.netns)
            .map_err(|error| format!("actor {}: network namespace {}: {error}", actor.name, actor.netns))?;
    }
    let (policy, priority) = match actor.policy {
        // Every task of the agent starts with this policy.
        Policy::Other => (None, 0),
        Policy::Fifo(priority) => (Some(libc::SCHED_FIFO), i32::from(priority)),
        Policy::Batch => (Some(libc::SCHED_BATCH), 0),
        Policy::Idle => (Some(libc::SCHED_IDLE), 0),
    };
    if let Some(policy) = policy {
        sys::set_policy(policy, priority)
            .map_err(|error| format!("actor {}: {:?}: {error}", actor.name, actor.policy))?;
    }
    me.tid.store(sys::gettid(), Ordering::Release);
    state.ring();
    // The actor ends with the machine, so nothing has to be torn down.
    for round in 0.. {
        wait_until_allowed(state, round);
        if let Some(hoard) = context.hoard {
            hoard.grow();
        }
        for step in 0..actor.steps.len() {
            take_step(context, step, &mut scratch);
        }
        me.rounds.store(round + 1, Ordering::Release);
        state.ring();
    }
    Ok(())
}

fn wait_until_allowed(state: SharedState, round: u32) {
    loop {
        let allowed = state.common.allowed.load(Ordering::Acquire);
        if allowed > round {
            return;
        }
        state.wait(&state.common.allowed, allowed);
    }
}

fn take_step(context: &ActorContext, at: usize, scratch: &mut Scratch) {
    let state = context.state;
    let me = &state.actors[usize::from(context.index)];
    let step = &context.actor.steps[at];
    if !step.when.is_empty() {
        me.asks.store(at as u32 + 1, Ordering::Release);
        state.ring();
        while me.asks.load(Ordering::Acquire) != 0 {
            state.wait(&me.asks, at as u32 + 1);
        }
    }
    let phase = state.phase();
    let iteration = match phase {
        Phase::Quiet => Origin::WARM_UP,
        Phase::Timed | Phase::Traced => state.common.iteration.load(Ordering::Acquire),
    };
    scratch.origin = Origin { actor: context.index, step: at as u16, iteration };
    let outcome = match (phase, step.recorded) {
        (Phase::Traced, true) => traced(context, at, step, scratch),
        (Phase::Timed, true) => timed(context, at, step, scratch),
        _ => perform(context, at, step, scratch),
    };
    if let Some(slot) = step.into.filter(|_| outcome.ret >= 0) {
        state.set(slot, outcome.ret);
    }
    me.done.store(at as u32 + 1, Ordering::Release);
    // Another actor may wait for this step (`after:`), which the controller has to check.
    if state.actors.iter().any(|actor| actor.asks.load(Ordering::Acquire) != 0) {
        state.ring();
    }
}

/// The operation itself, during which the shared state says which step the actor is inside.
fn perform(context: &ActorContext, at: usize, step: &Step, scratch: &mut Scratch) -> Outcome {
    let me = &context.state.actors[usize::from(context.index)];
    let call = ops::prepare(&step.op, &context.state, scratch);
    me.inside.store(at as u32 + 1, Ordering::Release);
    let outcome = call.run();
    me.inside.store(0, Ordering::Release);
    outcome.settle(&context.state, scratch)
}

fn traced(context: &ActorContext, at: usize, step: &Step, scratch: &mut Scratch) -> Outcome {
    let iteration = context.state.common.iteration.load(Ordering::Acquire);
    let marker = Marker { begin: true, actor: context.index, step: at as u16, iteration };
    let me = &context.state.actors[usize::from(context.index)];
    let call = ops::prepare(&step.op, &context.state, scratch);
    if context.state.common.starts_recording.swap(0, Ordering::AcqRel) != 0 {
        // If it fails, no marker is recorded, and the host reports the operation as missing.
        let _ = context.tracing.record(true);
    }
    context.tracing.mark(marker);
    me.inside.store(at as u32 + 1, Ordering::Release);
    let outcome = call.run();
    me.inside.store(0, Ordering::Release);
    context.tracing.mark(Marker { begin: false, ..marker });
    let outcome = outcome.settle(&context.state, scratch);
    if let Some(packet) = ops::inject::sent_packet(&context.state, marker, &step.op, &outcome) {
        context.tracing.report(&packet);
    }
    record(context, at, iteration, OpResult { ret: outcome.ret, errno: outcome.errno, ..OpResult::default() });
    if !context.details.is_empty() {
        keep(context, details::of(&outcome, context.plan, &context.state, scratch));
    }
    outcome
}

fn timed(context: &ActorContext, at: usize, step: &Step, scratch: &mut Scratch) -> Outcome {
    let iteration = context.state.common.iteration.load(Ordering::Acquire);
    let me = &context.state.actors[usize::from(context.index)];
    let call = ops::prepare(&step.op, &context.state, scratch);
    let switches = sys::context_switches();
    let cpu = sys::clock_ns(libc::CLOCK_THREAD_CPUTIME_ID);
    me.inside.store(at as u32 + 1, Ordering::Release);
    let start_ns = sys::clock_ns(libc::CLOCK_MONOTONIC_RAW);
    let outcome = call.run();
    let end_ns = sys::clock_ns(libc::CLOCK_MONOTONIC_RAW);
    me.inside.store(0, Ordering::Release);
    let cpu_ns = sys::clock_ns(libc::CLOCK_THREAD_CPUTIME_ID) - cpu;
    let switches = sys::context_switches() - switches;
    let outcome = outcome.settle(&context.state, scratch);
    let result =
        OpResult { start_ns, end_ns, cpu_ns, switches, ret: outcome.ret, errno: outcome.errno, ..OpResult::default() };
    record(context, at, iteration, result);
    outcome
}

/// Appends what an operation has returned to the actor's details. What does not fit is left out.
fn keep(context: &ActorContext, details: Option<Details>) {
    let Some(Ok(bytes)) = details.map(|details| postcard::to_stdvec(&details)) else { return };
    let used = &context.state.actors[usize::from(context.index)].details;
    let start = used.load(Ordering::Acquire) as usize;
    let Some(room) = context.details.get(start..start + bytes.len()) else { return };
    for (to, byte) in room.iter().zip(&bytes) {
        to.store(*byte, Ordering::Relaxed);
    }
    used.store((start + bytes.len()) as u32, Ordering::Release);
}

fn record(context: &ActorContext, at: usize, iteration: u32, result: OpResult) {
    let cell = iteration as usize * context.actor.steps.len() + at;
    if let Some(cell) = context.results.get(cell) {
        cell.put(OpResult { actor: context.index, step: at as u16, iteration, ..result });
    }
}
