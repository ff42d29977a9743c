//! Checks that every actor can finish, as far as this can be seen from a case's text.
//!
//! The check is optimistic: it reports a step only if nothing in the case could ever let it continue. Operations that
//! it does not know are assumed to end.

use std::collections::{HashMap, HashSet};

use libc::SOCK_NONBLOCK;
use rxpath_guest::{Address, Condition, Op, Slot};

use super::case::Case;
use super::findings::Findings;
use super::step_ref::StepRef;

/// Flags with any of which recv never sleeps.
const NEVER_SLEEPS: i32 = libc::MSG_OOB | libc::MSG_DONTWAIT | libc::MSG_ERRQUEUE;
const RECEIVE_TIMEOUT: (i32, i32) = (libc::SOL_SOCKET, libc::SO_RCVTIMEO);

/// Reports steps that wait for each other in a cycle, and steps that can never end.
pub(crate) fn check(case: &Case, findings: &mut Findings) {
    let cycles = cycles(case);
    for cycle in &cycles {
        let names: Vec<_> = cycle.iter().map(|step| format!("`{}`", case.step_name(step.actor, step.step))).collect();
        let circle: Vec<&str> = names.iter().chain(&names[..1]).map(String::as_str).collect();
        let message = format!("a cycle: {}", circle.join(", which waits for ").replacen(", which waits", " waits", 1));
        let help = "remove one of these `after:` or `when:`".to_owned();
        let first = &case.actors[usize::from(cycle[0].actor)].steps[usize::from(cycle[0].step)];
        findings.add_at(first.waits_at.span.clone(), message, "never happens", Some(help));
    }
    // Steps with errors could only seem to hang.
    if cycles.is_empty() && findings.is_empty() {
        report_stuck(case, findings);
    }
}

fn report(case: &Case, findings: &mut Findings, step: StepRef, message: String, label: &str, help: Option<String>) {
    let at = &case.actors[usize::from(step.actor)].steps[usize::from(step.step)].at;
    findings.add_at(at.span.clone(), message, label, help);
}

/// A moment in an iteration.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Moment {
    Begins(StepRef),
    Ended(StepRef),
}

/// The moments that must come before this one; each with whether a condition of the case says so.
fn earlier(case: &Case, moment: Moment) -> Vec<(Moment, bool)> {
    let step = match moment {
        Moment::Ended(step) => return vec![(Moment::Begins(step), false)],
        Moment::Begins(step) => step,
    };
    let steps = case.actors.get(usize::from(step.actor)).map_or(&[][..], |actor| &actor.steps);
    let conditions = steps.get(usize::from(step.step)).map_or(&[][..], |step| &step.step.when);
    let only_step = |actor: u16| case.actors.get(usize::from(actor)).filter(|actor| actor.steps.len() == 1).map(|_| 0);
    let named = |condition: &Condition| match *condition {
        Condition::After { actor, step } => Some(Moment::Ended(StepRef { actor, step })),
        // To sleep in a step, the actor must be in it.
        Condition::Sleeps { actor, step } => {
            step.or_else(|| only_step(actor)).map(|step| Moment::Begins(StepRef { actor, step }))
        }
        _ => None,
    };
    let before = step.step.checked_sub(1).map(|before| Moment::Ended(StepRef { actor: step.actor, step: before }));
    let by_condition = conditions.iter().filter_map(named).map(|moment| (moment, true));
    by_condition.chain(before.map(|moment| (moment, false))).collect()
}

/// Each cycle, as the steps whose conditions form it.
fn cycles(case: &Case) -> Vec<Vec<StepRef>> {
    let mut out: Vec<Vec<StepRef>> = Vec::new();
    let mut visited: HashSet<Moment> = HashSet::new();
    for start in all_steps(case) {
        walk(case, Moment::Begins(start), &mut Vec::new(), &mut visited, &mut out);
    }
    out
}

/// Searches depth first along the moments that must come before; a moment that is already on the way closes a cycle.
fn walk(
    case: &Case,
    moment: Moment,
    way: &mut Vec<(Moment, bool)>,
    visited: &mut HashSet<Moment>,
    out: &mut Vec<Vec<StepRef>>,
) {
    if let Some(at) = way.iter().position(|(earlier, _)| *earlier == moment) {
        // Show only steps that wait by a condition; the order within an actor is obvious.
        let waiting = way[at..].iter().filter_map(|(moment, by_condition)| match moment {
            Moment::Begins(step) if *by_condition => Some(*step),
            _ => None,
        });
        out.push(waiting.collect());
        return;
    }
    if !visited.insert(moment) {
        return;
    }
    for (next, by_condition) in earlier(case, moment) {
        way.push((moment, by_condition));
        walk(case, next, way, visited, out);
        way.pop();
    }
}

fn all_steps(case: &Case) -> impl Iterator<Item = StepRef> {
    case.actors.iter().enumerate().flat_map(|(actor, body)| {
        (0..body.steps.len()).map(move |step| StepRef { actor: actor as u16, step: step as u16 })
    })
}

/// What the case's text says about its descriptors.
struct Wiring {
    /// By descriptor, those whose sends arrive at it.
    feeders: HashMap<Slot, Vec<Slot>>,
    /// Descriptors on which receiving cannot sleep forever.
    never_blocks: HashSet<Slot>,
    /// Whether there are signals, timers or hand-made packets, which can wake any actor.
    has_async_wakeups: bool,
}

fn wiring(case: &Case) -> Wiring {
    let mut wiring = Wiring { feeders: HashMap::new(), never_blocks: HashSet::new(), has_async_wakeups: false };
    let steps = || case.setup.iter().chain(case.actors.iter().flat_map(|actor| &actor.steps)).map(|step| &step.step);
    let mut latest_client: HashMap<Slot, Slot> = HashMap::new();
    for step in steps() {
        match (&step.op, step.into) {
            (Op::Connect { socket, to: Address::OfSocket(to) }, _) => {
                latest_client.insert(*to, *socket);
                wiring.feeds(*socket, *to);
            }
            (Op::Accept { socket: listener, .. }, Some(accepted)) => {
                // Assumes that the latest connection to this listener is the one accepted.
                if let Some(client) = latest_client.get(listener) {
                    wiring.feeds(*client, accepted);
                    wiring.feeds(accepted, *client);
                }
            }
            (Op::SocketPair { into: (first, second), kind, .. }, _) => {
                wiring.feeds(*first, *second);
                wiring.feeds(*second, *first);
                if kind & SOCK_NONBLOCK != 0 {
                    wiring.never_blocks.extend([*first, *second]);
                }
            }
            (Op::Pipe { into: (read, write), .. }, _) => wiring.feeds(*write, *read),
            (Op::Socket { kind, .. }, Some(socket)) if kind & SOCK_NONBLOCK != 0 => {
                wiring.never_blocks.insert(socket);
            }
            (Op::SetSockOpt { socket, level, name, .. }, _) if (*level, *name) == RECEIVE_TIMEOUT => {
                wiring.never_blocks.insert(*socket);
            }
            // A second descriptor of the same socket, or a socket whose state is changed: assume nothing about it.
            (Op::Dup { fd } | Op::Fcntl { fd, .. } | Op::Shutdown { socket: fd, .. }, _) => {
                wiring.never_blocks.insert(*fd);
            }
            (
                Op::Inject { .. }
                | Op::InjectBytes { .. }
                | Op::Kill { .. }
                | Op::Timer { .. }
                | Op::SetITimer { .. }
                | Op::Alarm { .. }
                | Op::Uring(_)
                | Op::SendTo { .. }
                | Op::SendMsg { .. }
                | Op::SendData { .. }
                | Op::KillChild { .. }
                | Op::SetOwner { .. }
                | Op::RecvInChild { .. }
                | Op::Fork,
                _,
            ) => wiring.has_async_wakeups = true,
            _ => {}
        }
    }
    wiring
}

impl Wiring {
    fn feeds(&mut self, from: Slot, to: Slot) {
        self.feeders.entry(to).or_default().push(from);
    }

    /// The descriptor on which the operation may sleep forever.
    fn sleeps_on(&self, op: &Op) -> Option<Slot> {
        let socket = match op {
            Op::Recv { socket, flags, .. } | Op::RecvFrom { socket, flags, .. } | Op::RecvMsg { socket, flags, .. }
                if flags & NEVER_SLEEPS == 0 =>
            {
                *socket
            }
            Op::RecvMmsg { socket, flags, timeout_ns: None, .. } if flags & NEVER_SLEEPS == 0 => *socket,
            Op::Read { from, .. } | Op::ReadPacket { from, .. } | Op::Readv { from, .. } => *from,
            _ => return None,
        };
        // Without known senders, there may still be unknown ones.
        (!self.has_async_wakeups && !self.never_blocks.contains(&socket) && self.feeders.contains_key(&socket))
            .then_some(socket)
    }

    /// Whether the operation lets a receiver on `socket` continue.
    fn wakes(&self, op: &Op, socket: Slot) -> bool {
        let feeds = |from: &Slot| self.feeders.get(&socket).is_some_and(|feeders| feeders.contains(from));
        match op {
            Op::Close { socket: from } => feeds(from),
            Op::Shutdown { socket: from, .. } => feeds(from) || *from == socket,
            _ => sender(op).is_some_and(|from| feeds(&from)),
        }
    }
}

/// The descriptor on which an operation sends, if it sends.
fn sender(op: &Op) -> Option<Slot> {
    match op {
        Op::Send { socket, .. }
        | Op::SendTo { socket, .. }
        | Op::SendMsg { socket, .. }
        | Op::SendDescriptor { socket, .. }
        | Op::SendMmsg { socket, .. }
        | Op::SendData { socket, .. } => Some(*socket),
        Op::Write { to, .. } | Op::Splice { to, .. } => Some(*to),
        Op::Inject { via, .. } | Op::InjectBytes { via, .. } => Some(*via),
        _ => None,
    }
}

/// Advances all actors as far as possible, and reports those that do not finish.
fn report_stuck(case: &Case, findings: &mut Findings) {
    let wiring = wiring(case);
    let mut done: Vec<usize> = vec![0; case.actors.len()];
    loop {
        let before = done.clone();
        for actor in 0..done.len() {
            while done[actor] < case.actors[actor].steps.len() && can_end(case, &wiring, &done, actor) {
                done[actor] += 1;
            }
        }
        if before == done {
            break;
        }
    }
    let stuck: Vec<usize> = (0..done.len()).filter(|actor| done[*actor] < case.actors[*actor].steps.len()).collect();
    let causes = stuck.iter().filter_map(|actor| Some((*actor, cause(case, &wiring, &done, *actor)?)));
    let causes: Vec<_> = causes.collect();
    for (actor, (message, help)) in &causes {
        let step = StepRef { actor: *actor as u16, step: done[*actor] as u16 };
        report(case, findings, step, message.clone(), "never ends", Some(help.clone()));
    }
    if causes.is_empty() {
        for actor in stuck {
            let step = StepRef { actor: actor as u16, step: done[actor] as u16 };
            let message =
                format!("`{}` never ends: the actors wait for each other", case.step_name(step.actor, step.step));
            report(case, findings, step, message, "stuck here", None);
        }
    }
}

/// Whether setup or a step that has ended runs such an operation.
fn has_happened(case: &Case, done: &[usize], is_it: impl Fn(&Op) -> bool) -> bool {
    let by_actors = case.actors.iter().zip(done).flat_map(|(actor, done)| &actor.steps[..*done]);
    case.setup.iter().chain(by_actors).any(|step| is_it(&step.step.op))
}

fn can_begin(case: &Case, wiring: &Wiring, done: &[usize], actor: usize, step: usize, hops: usize) -> bool {
    let holds = |condition: &Condition| holds(case, wiring, done, condition, hops);
    step <= done[actor] && case.actors[actor].steps.get(step).is_some_and(|step| step.step.when.iter().all(holds))
}

/// Whether the condition can hold. It may depend on whether other actors can begin their steps: on at most so many, one after the
/// other, as there are actors.
fn holds(case: &Case, wiring: &Wiring, done: &[usize], condition: &Condition, hops: usize) -> bool {
    match *condition {
        Condition::After { actor, step } => done[usize::from(actor)] > usize::from(step),
        Condition::Sleeps { actor, step } => {
            let actor = usize::from(actor);
            let step = step.map_or(0, usize::from);
            done[actor] > step || hops > 0 && can_begin(case, wiring, done, actor, step, hops - 1)
        }
        Condition::QueueIn { socket, .. } => {
            wiring.has_async_wakeups
                || !wiring.feeders.contains_key(&socket)
                || has_happened(case, done, |op| {
                    !matches!(op, Op::Close { .. } | Op::Shutdown { .. }) && wiring.wakes(op, socket)
                })
        }
        _ => true,
    }
}

fn can_end(case: &Case, wiring: &Wiring, done: &[usize], actor: usize) -> bool {
    let op = &case.actors[actor].steps[done[actor]].step.op;
    can_begin(case, wiring, done, actor, done[actor], case.actors.len())
        && wiring.sleeps_on(op).is_none_or(|socket| has_happened(case, done, |other| wiring.wakes(other, socket)))
}

/// Explains why this actor's next step can never end, with help; `None` if it only waits for a different actor.
fn cause(case: &Case, wiring: &Wiring, done: &[usize], actor: usize) -> Option<(String, String)> {
    let step = &case.actors[actor].steps[done[actor]];
    let name = case.step_name(actor as u16, done[actor] as u16);
    let everything: Vec<usize> = case.actors.iter().map(|actor| actor.steps.len()).collect();
    let unmet = |condition: &&Condition| !holds(case, wiring, &everything, condition, 0);
    if let Some(Condition::QueueIn { socket, .. }) = step.step.when.iter().find(unmet) {
        let socket = &case.slots[usize::from(*socket)];
        let message = format!("`{name}` never begins, because no step sends to `{socket}`");
        return Some((message, "let another actor send on its peer".to_owned()));
    }
    let socket = wiring.sleeps_on(&step.step.op)?;
    if has_happened(case, &everything, |op| wiring.wakes(op, socket)) {
        return None;
    }
    let socket = &case.slots[usize::from(socket)];
    let message = format!("`{name}` never ends, because no step sends to `{socket}`, closes its peer or shuts it down");
    Some((message, "let another actor send, or receive with `flags: MSG_DONTWAIT`".to_owned()))
}
