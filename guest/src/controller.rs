//! The controller: starts rounds, judges the conditions that steps wait for, notices actors that never come back.
//! It is the agent's first thread, whose own doings are kept out of the trace.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering;

use rxpath_guest::{ActorIndex, Condition, Plan, StepIndex};

use crate::board::Board;
use crate::metronome::Metronome;
use crate::sys;

/// How long the controller naps between two looks at a condition, in nanoseconds of guest time: the first time, and at
/// most, for each nap in a row is twice as long as the one before. Not a time that anything is ordered by: a nap that is
/// too short only means another look, and looks at the state of a task are dear.
const FIRST_NAP_NS: u64 = 20_000;
const LONGEST_NAP_NS: u64 = 320_000;
/// The longest sleep with nothing to judge, so that the deadline is noticed.
const DOZE_NS: u64 = 100_000_000;

/// Judges conditions and rounds.
pub struct Controller<'a> {
    plan: &'a Plan,
    board: Board,
    metronome: &'a Metronome,
    calls: Vec<Option<File>>,
    deadline_ns: u64,
}

/// The actors that did not end by the deadline, and the step each was in.
pub struct Stuck(pub Vec<(ActorIndex, StepIndex)>);

/// What a look at all conditions came to.
#[derive(Default)]
struct Look {
    /// Somebody has been let in; what they do may let in others.
    let_in: bool,
    /// Somebody still waits.
    waiting: bool,
}

/// Naps in a row, each twice as long as the one before.
struct Naps(u64);

impl Naps {
    fn new() -> Self {
        Self(FIRST_NAP_NS)
    }

    /// The length of the next one, in nanoseconds.
    fn next(&mut self) -> u64 {
        let nap = self.0;
        self.0 = (2 * nap).min(LONGEST_NAP_NS);
        nap
    }
}

impl<'a> Controller<'a> {
    pub fn new(plan: &'a Plan, board: Board, metronome: &'a Metronome) -> Self {
        let deadline_ns = sys::clock_ns(libc::CLOCK_MONOTONIC) + plan.deadline_ns;
        let calls = plan.actors.iter().map(|_| None).collect();
        Self { plan, board, metronome, calls, deadline_ns }
    }

    /// Takes this open /proc/TID/syscall of an actor instead of opening it.
    pub fn watch(&mut self, actor: usize, call: File) {
        self.calls[actor] = Some(call);
    }

    /// Waits until every actor has started, and opens what tells whether it sleeps.
    pub fn meet_actors(&mut self) -> Result<(), Stuck> {
        while self.board.actors.iter().any(|actor| actor.tid.load(Ordering::Acquire) == 0) {
            let bell = self.board.common.bell.load(Ordering::Acquire);
            self.check_deadline()?;
            if self.board.actors.iter().any(|actor| actor.tid.load(Ordering::Acquire) == 0) {
                self.board.wait_for(&self.board.common.bell, bell, DOZE_NS);
            }
        }
        for (call, actor) in self.calls.iter_mut().zip(self.board.actors).filter(|(call, _)| call.is_none()) {
            *call = File::open(format!("/proc/{}/syscall", actor.tid.load(Ordering::Acquire))).ok();
        }
        self.wait_until_all_sleep()
    }

    /// Lets every actor do one round, right after a tick, counted as this iteration, and waits until all have ended it.
    pub fn round(&mut self, iteration: u32) -> Result<(), Stuck> {
        let common = self.board.common;
        for actor in self.board.actors {
            actor.done.store(0, Ordering::Release);
        }
        common.iteration.store(iteration, Ordering::Release);
        self.metronome.wait_for_tick(self.plan.tick_of);
        let round = common.allowed.fetch_add(1, Ordering::AcqRel) + 1;
        self.board.wake(&common.allowed);
        let mut naps = Naps::new();
        loop {
            let bell = common.bell.load(Ordering::Acquire);
            if self.board.actors.iter().all(|actor| actor.rounds.load(Ordering::Acquire) >= round) {
                return self.wait_until_all_sleep();
            }
            self.check_deadline()?;
            let look = self.grant();
            if look.let_in {
                naps = Naps::new();
            }
            self.board.wait_for(&common.bell, bell, if look.waiting { naps.next() } else { DOZE_NS });
        }
    }

    /// Lets in whoever's conditions hold; tells whether anyone is left waiting.
    fn grant(&self) -> Look {
        let mut look = Look::default();
        for (actor, board) in self.plan.actors.iter().zip(self.board.actors) {
            let asks = board.asks.load(Ordering::Acquire);
            if asks == 0 {
                continue;
            }
            let step = &actor.steps[asks as usize - 1];
            if step.when.iter().all(|condition| self.holds(condition)) {
                board.asks.store(0, Ordering::Release);
                self.board.wake(&board.asks);
                look.let_in = true;
            } else {
                look.waiting = true;
            }
        }
        look
    }

    fn holds(&self, condition: &Condition) -> bool {
        let queue = |slot, request| sys::queue_length(self.board.get(slot) as i32, request).ok();
        match *condition {
            Condition::Sleeps { actor, step } => {
                let inside = self.board.actors[usize::from(actor)].inside.load(Ordering::Acquire);
                let there = step.map_or(inside != 0, |step| inside == u32::from(step) + 1);
                there && self.sleeps(usize::from(actor))
            }
            Condition::After { actor, step } => {
                self.board.actors[usize::from(actor)].done.load(Ordering::Acquire) > u32::from(step)
            }
            Condition::QueueIn { socket, bytes } => queue(socket, libc::FIONREAD).is_some_and(|held| held >= bytes),
            Condition::QueueOut { socket, bytes } => queue(socket, libc::TIOCOUTQ).is_some_and(|held| held <= bytes),
            Condition::Ready { socket, events } => sys::is_ready(self.board.get(socket) as i32, events),
            Condition::TcpState { socket, state } => sys::tcp_state(self.board.get(socket) as i32) == Some(state),
        }
    }

    /// Whether the actor sleeps and is off its run queue: /proc/PID/syscall (proc_pid_syscall(5)) names a blocked task's call
    /// only after `wait_task_inactive` has seen it switched out in the state it was found in (lib/syscall.c,
    /// `task_current_syscall`); of any other it says `running`. The state alone would not be enough: a task sets it some way
    /// before it switches, and one preempted in between would be woken before it ever slept.
    fn sleeps(&self, actor: usize) -> bool {
        self.say_of(actor).is_some_and(|said| said.is_ascii_digit())
    }

    /// Whether the actor has ended: it is in no call and has no stack (`-1`, same file), or is not there at all.
    fn ended(&self, actor: usize) -> bool {
        self.say_of(actor).is_none_or(|said| said == b'-')
    }

    /// The first byte of what the kernel says of an actor's system call.
    fn say_of(&self, actor: usize) -> Option<u8> {
        let mut text = [0; 128];
        let count = self.calls[actor].as_ref()?.read_at(&mut text, 0).ok()?;
        text[..count].first().copied()
    }

    /// Between rounds every actor is parked; what they left running ends before the next one starts.
    fn wait_until_all_sleep(&self) -> Result<(), Stuck> {
        let mut naps = Naps::new();
        while !(0..self.calls.len()).all(|actor| self.sleeps(actor) || self.ended(actor)) {
            self.check_deadline()?;
            let bell = self.board.common.bell.load(Ordering::Acquire);
            self.board.wait_for(&self.board.common.bell, bell, naps.next());
        }
        Ok(())
    }

    fn check_deadline(&self) -> Result<(), Stuck> {
        if sys::clock_ns(libc::CLOCK_MONOTONIC) < self.deadline_ns {
            return Ok(());
        }
        let round = self.board.common.allowed.load(Ordering::Acquire);
        let stuck =
            self.board.actors.iter().enumerate().filter(|(_, actor)| actor.rounds.load(Ordering::Acquire) < round);
        Err(Stuck(stuck.map(|(index, actor)| (index as u16, actor.done.load(Ordering::Acquire) as u16)).collect()))
    }
}
