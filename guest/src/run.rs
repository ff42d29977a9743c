//! One run: setup, actors, rounds, and the report.

use std::fs;
use std::mem::ManuallyDrop;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc;

use rxpath_guest::{ActorKind, Pass, Plan, RunReport, Tag};

use crate::Means;
use crate::actor::{self, Cell, Stage};
use crate::board::{Board, Phase, SharedMemory};
use crate::controller::{Controller, Stuck};
use crate::devices::SharedRegion;
use crate::foreign::{self, Recorder};
use crate::hands;
use crate::milestones;
use crate::ops::Scratch;
use crate::setup;
use crate::sys::{self, Forked};
use crate::tracing::Tracing;

/// Rounds with the milestones armed before they are measured.
const MILESTONE_WARMUP: u32 = 2;

/// Runs the plan; what was recorded goes into `region`, what happened into the report.
///
/// Nothing but settings is touched before `start_ns` (CLOCK_MONOTONIC), which every CPU awaits idle: whatever differed in
/// the instructions right after a restore is over by then.
pub fn run(plan: &'static Plan, means: &mut Means, start_ns: u64) -> Result<RunReport, String> {
    let Means { region, tracing, hands, memory, scratch, begun, metronome, room } = means;
    let tracing = *tracing;
    apply_settings(plan)?;
    let among_threads = plan.actors.iter().all(|actor| actor.kind == ActorKind::Thread);
    let board = Board::new(memory, plan.actors.len(), usize::from(plan.slots), among_threads)?;
    let mut report = RunReport { agent_tids: vec![sys::gettid()], ..RunReport::default() };
    sys::sleep_until(start_ns);
    if let Some(begun) = plan.begun.and_then(|which| begun.get(usize::from(which))) {
        begun.hand_over(board);
    }
    setup::go_through(&plan.setup, board, scratch)?;
    report.clock_overhead_ns = clock_overhead(libc::CLOCK_MONOTONIC_RAW);
    report.cpu_overhead_ns = clock_overhead(libc::CLOCK_THREAD_CPUTIME_ID);

    let ledgers =
        plan.actors.iter().map(|actor| ledger(memory, plan, actor.steps.len())).collect::<Result<Vec<_>, _>>()?;
    let stage = |index: usize| Stage {
        actor: &plan.actors[index],
        index: index as u16,
        board,
        tracing,
        ledger: ledgers[index],
    };
    let of_kind = |kind| (0..plan.actors.len()).filter(move |index| plan.actors[*index].kind == kind);
    // Processes first: a fork copies only the calling thread, so no other had better be at work.
    for index in of_kind(ActorKind::Process) {
        match sys::fork().map_err(|why| format!("forking actor {}: {why}", plan.actors[index].name))? {
            Forked::Child => sys::exit_now(i32::from(actor::live(&stage(index), Scratch::new(), None).is_err())),
            Forked::Parent => {}
        }
    }
    let (complain, complaints) = mpsc::channel();
    // Neither it nor the hands that are left are dropped: closing their files would take its time.
    let mut controller = ManuallyDrop::new(Controller::new(plan, board, metronome));
    let mut hands = ManuallyDrop::new(hands.drain(..));
    for index in of_kind(ActorKind::Thread) {
        let (stage, complain) = (stage(index), complain.clone());
        let live = move |scratch, bound_to| {
            if let Err(why) = actor::live(&stage, scratch, bound_to) {
                let _ = complain.send(why);
            }
        };
        match hands.next() {
            Some(hand) => {
                hand.give(move |scratch| live(scratch, Some(hands::CPU)))?;
                controller.watch(index, hand.call);
            }
            None => drop(std::thread::spawn(move || live(Scratch::new(), None))),
        }
    }
    // Actors are not waited for at the end: they end with the machine.
    match all_rounds(&mut controller, plan, board, tracing, region, &mut report) {
        Ok(()) => {}
        Err(Stop::Stuck(Stuck(stuck))) => report.stuck = stuck,
        Err(Stop::Failed(why)) => report.errors.push(why),
    }
    report.errors.extend(complaints.try_iter());
    report.actor_tids = board.actors.iter().map(|actor| actor.tid.load(Ordering::Acquire)).collect();
    report.results = std::mem::take(&mut room.results);
    report.results.extend(ledgers.iter().flat_map(|ledger| ledger.iter().filter_map(Cell::get)));
    Ok(report)
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
    fn from(why: String) -> Self {
        Self::Failed(why)
    }
}

fn all_rounds(
    controller: &mut Controller,
    plan: &Plan,
    board: Board,
    tracing: &Tracing,
    region: &mut SharedRegion,
    report: &mut RunReport,
) -> Result<(), Stop> {
    controller.meet_actors()?;
    warm_up(controller, plan.warmup)?;
    match &plan.pass {
        Pass::Trace => traced_rounds(controller, plan, board, tracing, region, Tag::Pages),
        Pass::Timing { milestones } => {
            board.set_phase(Phase::Timed);
            for iteration in 0..plan.iterations {
                controller.round(iteration)?;
            }
            let Some(milestones) = milestones else { return Ok(()) };
            board.set_phase(Phase::Quiet);
            milestones::arm(milestones, tracing, report)?;
            warm_up(controller, MILESTONE_WARMUP)?;
            traced_rounds(controller, plan, board, tracing, region, Tag::MilestonePages)
        }
        Pass::Foreign { command, output } => {
            let mut recorder = Recorder::start(command, tracing)?;
            // Starting it has used the caches and allocators that the rounds before had warmed.
            warm_up(controller, plan.warmup)?;
            board.set_phase(Phase::Traced);
            let done = (0..plan.iterations).try_for_each(|iteration| controller.round(iteration));
            board.set_phase(Phase::Quiet);
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
    board: Board,
    tracing: &Tracing,
    region: &mut SharedRegion,
    pages: Tag,
) -> Result<(), Stop> {
    board.set_phase(Phase::Traced);
    tracing.record(true)?;
    let done = (0..plan.iterations).try_for_each(|iteration| controller.round(iteration));
    tracing.record(false)?;
    board.set_phase(Phase::Quiet);
    // Even of a run that got stuck, the records are worth having.
    tracing.drain(region, pages)?;
    Ok(done?)
}

fn apply_settings(plan: &Plan) -> Result<(), String> {
    for (name, value) in &plan.sysctls {
        let path = Path::new("/proc/sys").join(name.replace('.', "/"));
        fs::write(&path, value).map_err(|why| format!("sysctl {name} = {value}: {why}"))?;
    }
    for (path, value) in &plan.files {
        fs::write(path, value).map_err(|why| format!("writing {value:?} to {path}: {why}"))?;
    }
    Ok(())
}

fn ledger(memory: &mut SharedMemory, plan: &Plan, steps: usize) -> Result<&'static [Cell], String> {
    let count = plan.iterations as usize * steps;
    let memory = memory.take(count * size_of::<Cell>())?;
    // SAFETY: a cell is valid when all zero (its flag then says that nothing was written) and synchronises by its flag.
    Ok(unsafe { memory.leak_as::<Cell>(count) })
}

/// What reading a clock twice in a row shows, median of many: the share of every measured time that is not the call's.
fn clock_overhead(clock: libc::clockid_t) -> u64 {
    median((0..64).map(|_| sys::clock_ns(clock).abs_diff(sys::clock_ns(clock))).collect())
}

/// The middle one, the upper of two; 0 of none.
pub fn median(mut times: Vec<u64>) -> u64 {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or(0)
}
