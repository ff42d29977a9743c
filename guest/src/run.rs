//! One run: setup, actors, rounds, and the report.

use std::mem::ManuallyDrop;
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc;

use rxpath_guest::pure::median::median;
use rxpath_guest::{Actor, ActorKind, Details, FailedSetup, Op, Pass, Plan, RunReport, Tag};

use crate::actor::{self, ActorContext, ResultCell};
use crate::agent::Agent;
use crate::controller::{Controller, Stuck};
use crate::devices::SharedRegion;
use crate::foreign::{self, Recorder};
use crate::milestones;
use crate::ops::{Scratch, connection};
use crate::setup::{self, FailedStep};
use crate::shared_state::{Phase, SharedMemory, SharedState};
use crate::sys::{self, Forked};
use crate::tracing::Tracing;
use crate::worker;

/// Rounds that run with the milestones traced before any is measured.
const MILESTONE_WARMUP: u32 = 2;

/// Runs the plan. Records go to the agent's region, and everything else that happened is in the report.
///
/// Before `start_ns` (CLOCK_MONOTONIC), which every CPU awaits idle, only settings are made: every difference in the
/// instructions right after a restore is over by then.
pub fn run(plan: &'static Plan, agent: &mut Agent, start_ns: u64) -> Result<RunReport, String> {
    let Agent { region, tracing, workers, memory, scratch, completed_setups, tick_clock, hoard, buffers } = agent;
    let (tracing, hoard) = (*tracing, *hoard);
    let among_threads = plan.actors.iter().all(|actor| actor.kind == ActorKind::Thread);
    let state = SharedState::new(memory, plan.actors.len(), usize::from(plan.slots), among_threads)?;
    let mut report = RunReport { agent_tids: vec![sys::gettid()], ..RunReport::default() };
    if let Err(failed) = setup::perform(&plan.settings, state, scratch) {
        report.failed_setup = Some(failed_setup(true, failed));
        return Ok(report);
    }
    if plan.skip_interrupts {
        tracing.skip_interrupts()?;
    }
    sys::sleep_until(start_ns);
    if let Some(completed_setup) = plan.completed_setup.and_then(|index| completed_setups.get(usize::from(index))) {
        completed_setup.copy_to(state);
    }
    if let Err(failed) = setup::perform(&plan.setup, state, scratch) {
        report.failed_setup = Some(failed_setup(false, failed));
        return Ok(report);
    }
    report.clock_overhead_ns = clock_overhead(libc::CLOCK_MONOTONIC_RAW);
    report.cpu_overhead_ns = clock_overhead(libc::CLOCK_THREAD_CPUTIME_ID);

    let results =
        plan.actors.iter().map(|actor| cells(memory, plan, actor.steps.len())).collect::<Result<Vec<_>, _>>()?;
    let details = plan.actors.iter().map(|actor| details_room(memory, plan, actor)).collect::<Result<Vec<_>, _>>()?;
    let context = |index: usize| ActorContext {
        plan,
        actor: &plan.actors[index],
        index: index as u16,
        state,
        tracing,
        hoard: grows_hoard(plan, index).then_some(hoard),
        results: results[index],
        details: details[index],
    };
    let of_kind = |kind| (0..plan.actors.len()).filter(move |index| plan.actors[*index].kind == kind);
    // Processes first: a fork copies only the calling thread, so no other thread should be at work yet.
    for index in of_kind(ActorKind::Process) {
        match sys::fork().map_err(|error| format!("forking actor {}: {error}", plan.actors[index].name))? {
            Forked::Child => sys::exit_now(i32::from(actor::run(&context(index), Scratch::new(), None).is_err())),
            Forked::Parent => {}
        }
    }
    let (send_error, actor_errors) = mpsc::channel();
    // Neither the controller nor the remaining workers are dropped: closing their files would take time.
    let mut controller = ManuallyDrop::new(Controller::new(plan, state, tick_clock));
    let mut workers = ManuallyDrop::new(workers.drain(..));
    for index in of_kind(ActorKind::Thread) {
        let (context, send_error) = (context(index), send_error.clone());
        let act = move |scratch, bound_to| {
            if let Err(error) = actor::run(&context, scratch, bound_to) {
                let _ = send_error.send(error);
            }
        };
        match workers.next() {
            Some(worker) => {
                worker.start(move |scratch| act(scratch, Some(worker::CPU)))?;
                controller.watch(index, worker.call);
            }
            None => drop(std::thread::spawn(move || act(Scratch::new(), None))),
        }
    }
    // Actors are not joined: they end with the machine.
    match all_rounds(&mut controller, plan, state, tracing, region, &mut report) {
        Ok(()) => {}
        Err(Stop::Stuck(Stuck(stuck))) => report.stuck = stuck,
        Err(Stop::Failed(error)) => report.errors.push(error),
    }
    report.errors.extend(actor_errors.try_iter());
    report.actor_tids = state.actors.iter().map(|actor| actor.tid.load(Ordering::Acquire)).collect();
    report.results = std::mem::take(&mut buffers.results);
    report.results.extend(results.iter().flat_map(|cells| cells.iter().filter_map(ResultCell::get)));
    for (room, actor) in details.iter().zip(state.actors) {
        report.details.extend(decode(&room[..actor.details.load(Ordering::Acquire) as usize]));
    }
    let names_senders = |one: &Details| one.messages.iter().any(|message| !message.from.is_empty());
    if report.details.iter().any(names_senders) {
        let address = |slot| Some((slot, connection::address_of(i32::try_from(state.get(slot)).ok()?)?));
        report.addresses = (0..plan.slots).filter_map(address).collect();
    }
    Ok(report)
}

fn failed_setup(is_setting: bool, FailedStep { step, errno }: FailedStep) -> FailedSetup {
    FailedSetup { is_setting, step, errno }
}

/// Whether this actor adds to the hoard in every round: in a timing pass, one actor on each CPU.
fn grows_hoard(plan: &Plan, actor: usize) -> bool {
    let cpu = plan.actors[actor].cpu;
    matches!(plan.pass, Pass::Timing { .. }) && plan.actors[..actor].iter().all(|earlier| earlier.cpu != cpu)
}

/// The details in an actor's room.
fn decode(room: &[AtomicU8]) -> Vec<Details> {
    let bytes: Vec<u8> = room.iter().map(|byte| byte.load(Ordering::Relaxed)).collect();
    let mut left = &bytes[..];
    std::iter::from_fn(|| {
        let (details, rest) = postcard::take_from_bytes(left).ok()?;
        left = rest;
        Some(details)
    })
    .collect()
}

enum Stop {
    Stuck(Stuck),
    Failed(String),
}

impl From<Stuck> for Stop {
    fn from(stuck: Stuck) -> Self {
        Self::Stuck(stuck)
    }
}

impl From<String> for Stop {
    fn from(error: String) -> Self {
        Self::Failed(error)
    }
}

fn all_rounds(
    controller: &mut Controller,
    plan: &Plan,
    state: SharedState,
    tracing: &Tracing,
    region: &mut SharedRegion,
    report: &mut RunReport,
) -> Result<(), Stop> {
    controller.meet_actors()?;
    warm_up(controller, plan.warmup)?;
    match &plan.pass {
        Pass::Trace => traced_rounds(controller, plan, state, tracing, region, Tag::Pages),
        Pass::Timing { milestones } => {
            state.set_phase(Phase::Timed);
            for iteration in 0..plan.iterations {
                controller.round(iteration)?;
            }
            let Some(milestones) = milestones else { return Ok(()) };
            state.set_phase(Phase::Quiet);
            milestones::arm(milestones, tracing, report)?;
            warm_up(controller, MILESTONE_WARMUP)?;
            traced_rounds(controller, plan, state, tracing, region, Tag::MilestonePages)
        }
        Pass::Foreign { command, output } => {
            let mut recorder = Recorder::start(command, tracing)?;
            // Starting the recorder has disturbed the caches and allocators that the earlier rounds had warmed.
            warm_up(controller, plan.warmup)?;
            state.set_phase(Phase::Traced);
            let done = (0..plan.iterations).try_for_each(|iteration| controller.round(iteration));
            state.set_phase(Phase::Quiet);
            recorder.finish()?;
            foreign::send(Path::new(output), region)?;
            Ok(done?)
        }
    }
}

fn warm_up(controller: &mut Controller, rounds: u32) -> Result<(), Stop> {
    (0..rounds).try_for_each(|_| Ok(controller.round(0)?))
}

fn traced_rounds(
    controller: &mut Controller,
    plan: &Plan,
    state: SharedState,
    tracing: &Tracing,
    region: &mut SharedRegion,
    pages: Tag,
) -> Result<(), Stop> {
    state.set_phase(Phase::Traced);
    if !plan.skip_interrupts {
        tracing.record(true)?;
    }
    let done = (0..plan.iterations).try_for_each(|iteration| {
        state.common.starts_recording.store(plan.skip_interrupts.into(), Ordering::Release);
        controller.round(iteration)?;
        if plan.skip_interrupts { Ok(tracing.record(false)?) } else { Ok(()) }
    });
    tracing.record(false)?;
    state.set_phase(Phase::Quiet);
    // The records of a run that got stuck are useful too.
    tracing.drain(region, pages)?;
    done
}

/// Cells for the results of an actor with this many steps.
fn cells(memory: &mut SharedMemory, plan: &Plan, steps: usize) -> Result<&'static [ResultCell], String> {
    let count = plan.iterations as usize * steps;
    let memory = memory.take(count * size_of::<ResultCell>())?;
    // SAFETY: a cell is valid when all zero (its flag then says that nothing was written) and synchronises by its flag.
    Ok(unsafe { memory.leak_as::<ResultCell>(count) })
}

/// Room for an actor's details: in the traced pass, some for each recorded operation and more for those that return
/// much.
fn details_room(memory: &mut SharedMemory, plan: &Plan, actor: &Actor) -> Result<&'static [AtomicU8], String> {
    if plan.pass != Pass::Trace {
        return Ok(&[]);
    }
    let room = |op: &Op| match op {
        Op::RecvMmsg { count, .. } => 256 + *count as usize * 64,
        Op::Poll { fds, .. } => 256 + fds.len() * 8,
        Op::EpollWait { events, .. } => 256 + *events as usize * 8,
        _ => 256,
    };
    let recorded = actor.steps.iter().filter(|step| step.recorded);
    let bytes = plan.iterations as usize * recorded.map(|step| room(&step.op)).sum::<usize>();
    let memory = memory.take(bytes)?;
    // SAFETY: any byte is a valid AtomicU8, which synchronises itself.
    Ok(unsafe { memory.leak_as::<AtomicU8>(bytes) })
}

/// The median difference between two readings of a clock in a row: the clock's share of every measured time.
fn clock_overhead(clock: libc::clockid_t) -> u64 {
    median((0..64).map(|_| sys::clock_ns(clock).abs_diff(sys::clock_ns(clock))).collect())
}
