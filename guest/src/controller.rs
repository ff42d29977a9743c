//! The controller: starts rounds, checks the conditions that steps wait for, and notices actors that never finish. It
//! runs on the agent's main thread, which is hidden from the trace.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering;

use rxpath_guest::{Condition, Doing, Pass, Plan, StuckActor};

use crate::shared_state::{ActorState, SharedState};
use crate::sys;
use crate::tick_clock::TickClock;

/// How long the controller sleeps before it checks a condition again, in nanoseconds of guest time: at first, and at
/// most, because every sleep in a row is twice as long as the one before. Nothing is ordered by these times: too short
/// a sleep only means another check, and checking the state of a task is expensive.
const FIRST_SLEEP_NS: u64 = 20_000;
const LONGEST_SLEEP_NS: u64 = 320_000;
/// The longest sleep without a condition to check, so that the deadline is noticed.
const POLL_INTERVAL_NS: u64 = 100_000_000;

pub struct Controller<'a> {
    plan: &'a Plan,
    state: SharedState,
    tick_clock: &'a TickClock,
    /// /proc/TID/syscall of each actor.
    calls: Vec<Option<File>>,
    /// What each actor was last seen doing, and since when.
    seen: Vec<(Progress, u64)>,
    deadline_ns: u64,
}

/// The actors that had not finished by the deadline.
pub struct Stuck(pub Vec<StuckActor>);

/// How far an actor is.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Progress {
    has_started: bool,
    rounds: u32,
    done: u32,
    asks: u32,
    inside: u32,
}

impl Progress {
    fn of(actor: &ActorState) -> Self {
        Self {
            has_started: actor.tid.load(Ordering::Acquire) != 0,
            rounds: actor.rounds.load(Ordering::Acquire),
            done: actor.done.load(Ordering::Acquire),
            asks: actor.asks.load(Ordering::Acquire),
            inside: actor.inside.load(Ordering::Acquire),
        }
    }
}

/// What checking all conditions came to.
#[derive(Default)]
struct Checked {
    /// A step was allowed to start, which may fulfil the conditions of others.
    granted: bool,
    /// A step still waits.
    waiting: bool,
}

/// The lengths of sleeps in a row, each twice as long as the one before.
struct Backoff(u64);

impl Backoff {
    fn new() -> Self {
        Self(FIRST_SLEEP_NS)
    }

    /// The length of the next sleep, in nanoseconds.
    fn next(&mut self) -> u64 {
        let sleep = self.0;
        self.0 = (2 * sleep).min(LONGEST_SLEEP_NS);
        sleep
    }
}

impl<'a> Controller<'a> {
    pub fn new(plan: &'a Plan, state: SharedState, tick_clock: &'a TickClock) -> Self {
        let now_ns = sys::clock_ns(libc::CLOCK_MONOTONIC);
        let deadline_ns = now_ns.saturating_add(plan.deadline_ns);
        let calls = plan.actors.iter().map(|_| None).collect();
        let seen = state.actors.iter().map(|actor| (Progress::of(actor), now_ns)).collect();
        Self { plan, state, tick_clock, calls, seen, deadline_ns }
    }

    /// Uses this open /proc/TID/syscall of an actor instead of opening it.
    pub fn watch(&mut self, actor: usize, call: File) {
        self.calls[actor] = Some(call);
    }

    /// Waits until every actor has started, and opens the file that shows whether it sleeps.
    pub fn meet_actors(&mut self) -> Result<(), Stuck> {
        while self.state.actors.iter().any(|actor| actor.tid.load(Ordering::Acquire) == 0) {
            let bell = self.state.common.bell.load(Ordering::Acquire);
            self.check_deadline()?;
            if self.state.actors.iter().any(|actor| actor.tid.load(Ordering::Acquire) == 0) {
                self.state.wait_for(&self.state.common.bell, bell, POLL_INTERVAL_NS);
            }
        }
        for (call, actor) in self.calls.iter_mut().zip(self.state.actors).filter(|(call, _)| call.is_none()) {
            *call = File::open(format!("/proc/{}/syscall", actor.tid.load(Ordering::Acquire))).ok();
        }
        self.wait_until_all_sleep()
    }

    /// Runs one round of every actor, which starts right after a tick and counts as this iteration.
    pub fn round(&mut self, iteration: u32) -> Result<(), Stuck> {
        let common = self.state.common;
        for actor in self.state.actors {
            actor.done.store(0, Ordering::Release);
        }
        common.iteration.store(iteration, Ordering::Release);
        let round = common.allowed.load(Ordering::Acquire) + 1;
        // Otherwise what the kernel does at every second tick would happen in all rounds or in none.
        let more = if matches!(self.plan.pass, Pass::Timing { .. }) { u64::from(round % 2) } else { 0 };
        self.tick_clock.wait_for_tick(self.plan.sync_cpu, more);
        common.allowed.store(round, Ordering::Release);
        self.state.wake(&common.allowed);
        let mut backoff = Backoff::new();
        loop {
            let bell = common.bell.load(Ordering::Acquire);
            if self.state.actors.iter().all(|actor| actor.rounds.load(Ordering::Acquire) >= round) {
                return self.wait_until_all_sleep();
            }
            self.check_deadline()?;
            let checked = self.grant();
            if checked.granted {
                backoff = Backoff::new();
            }
            self.state.wait_for(&common.bell, bell, if checked.waiting { backoff.next() } else { POLL_INTERVAL_NS });
        }
    }

    /// Allows every waiting step whose conditions hold to start.
    fn grant(&self) -> Checked {
        let mut checked = Checked::default();
        for (actor, state) in self.plan.actors.iter().zip(self.state.actors) {
            let asks = state.asks.load(Ordering::Acquire);
            if asks == 0 {
                continue;
            }
            let step = &actor.steps[asks as usize - 1];
            if step.when.iter().all(|condition| self.holds(condition)) {
                state.asks.store(0, Ordering::Release);
                self.state.wake(&state.asks);
                checked.granted = true;
            } else {
                checked.waiting = true;
            }
        }
        checked
    }

    fn holds(&self, condition: &Condition) -> bool {
        let queue = |slot, request| sys::queue_length(self.state.get(slot) as i32, request).ok();
        match *condition {
            Condition::Sleeps { actor, step } => {
                let inside = self.state.actors[usize::from(actor)].inside.load(Ordering::Acquire);
                let there = step.map_or(inside != 0, |step| inside == u32::from(step) + 1);
                there && self.sleeps(usize::from(actor))
            }
            Condition::After { actor, step } => {
                self.state.actors[usize::from(actor)].done.load(Ordering::Acquire) > u32::from(step)
            }
            Condition::QueueIn { socket, bytes } => queue(socket, libc::FIONREAD).is_some_and(|held| held >= bytes),
            Condition::QueueOut { socket, bytes } => queue(socket, libc::TIOCOUTQ).is_some_and(|held| held <= bytes),
            Condition::Ready { socket, events } => sys::is_ready(self.state.get(socket) as i32, events),
            Condition::TcpState { socket, state } => sys::tcp_state(self.state.get(socket) as i32) == Some(state),
        }
    }

    /// Whether the actor sleeps and is off its run queue. /proc/PID/syscall (proc_pid_syscall(5)) shows the call of a
    /// blocked task only after `wait_task_inactive` has seen the task switched out in the state it was found in
    /// (lib/syscall.c, `task_current_syscall`), and `running` for all others. The state alone would not be enough: a
    /// task sets it some way before it switches, and if it is preempted in between, it would be woken before it ever
    /// slept.
    fn sleeps(&self, actor: usize) -> bool {
        self.call_of(actor).is_some_and(|first| first.is_ascii_digit())
    }

    /// Whether the actor has exited: it has no system call and no stack (`-1` in the same file), or it no longer
    /// exists.
    fn has_exited(&self, actor: usize) -> bool {
        self.call_of(actor).is_none_or(|first| first == b'-')
    }

    /// The first byte of an actor's /proc/TID/syscall.
    fn call_of(&self, actor: usize) -> Option<u8> {
        let mut text = [0; 128];
        let count = self.calls[actor].as_ref()?.read_at(&mut text, 0).ok()?;
        text[..count].first().copied()
    }

    /// Waits until every actor sleeps: what a round left running finishes before the next one starts.
    fn wait_until_all_sleep(&mut self) -> Result<(), Stuck> {
        let mut backoff = Backoff::new();
        while !(0..self.calls.len()).all(|actor| self.sleeps(actor) || self.has_exited(actor)) {
            self.check_deadline()?;
            let bell = self.state.common.bell.load(Ordering::Acquire);
            self.state.wait_for(&self.state.common.bell, bell, backoff.next());
        }
        Ok(())
    }

    /// Notes how far the actors are; at the deadline, fails with those that have not finished.
    fn check_deadline(&mut self) -> Result<(), Stuck> {
        let now_ns = sys::clock_ns(libc::CLOCK_MONOTONIC);
        for (seen, actor) in self.seen.iter_mut().zip(self.state.actors) {
            let progress = Progress::of(actor);
            if seen.0 != progress {
                *seen = (progress, now_ns);
            }
        }
        if now_ns < self.deadline_ns {
            return Ok(());
        }
        let round = self.state.common.allowed.load(Ordering::Acquire);
        let is_stuck = |actor: &usize| {
            let Progress { has_started, rounds, .. } = self.seen[*actor].0;
            !has_started || rounds < round || !(self.sleeps(*actor) || self.has_exited(*actor))
        };
        let stuck = (0..self.seen.len()).filter(is_stuck).map(|actor| self.stuck(actor, now_ns));
        Err(Stuck(stuck.collect()))
    }

    fn stuck(&self, actor: usize, now_ns: u64) -> StuckActor {
        let (progress, since_ns) = self.seen[actor];
        let tid = self.state.actors[actor].tid.load(Ordering::Acquire);
        let (step, doing) = match progress {
            Progress { has_started: false, .. } => (0, Doing::Starting),
            Progress { asks, .. } if asks != 0 => {
                let conditions = (0..).zip(&self.plan.actors[actor].steps[asks as usize - 1].when);
                let open = conditions.filter(|(_, condition)| !self.holds(condition)).map(|(index, _)| index);
                (asks - 1, Doing::Waiting(open.collect()))
            }
            Progress { inside, .. } if inside != 0 => (inside - 1, Doing::Calling),
            Progress { done, .. } => (done, Doing::Running),
        };
        StuckActor {
            actor: actor as u16,
            step: step as u16,
            rounds: progress.rounds,
            doing,
            for_ns: now_ns - since_ns,
            // proc_pid_stack(5)
            stack: fs::read_to_string(format!("/proc/{tid}/stack")).unwrap_or_default(),
        }
    }
}
