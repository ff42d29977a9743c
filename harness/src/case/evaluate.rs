//! Compares what a case expects with what was observed in its trace pass. Pure: values in, failures out.

use std::collections::BTreeSet;

use rxpath_guest::{Details, OpResult, SentPacket, Slot};

use super::case::Case;
use super::constants::errno_name;
use super::diagnostic::Location;
use super::expectation::{Context, Expectation, Failure};
use super::gate::Gated;
use super::phrases::{Bound, CallPhrase};
use super::received::{misplaced_bytes, wrong_bytes};
use super::returned;
use super::step_ref::StepRef;
use crate::nearest::{any_of, nearest};
use crate::path::{CallPath, PathEntry, PathNode};

/// What the trace pass of a case on one kernel showed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Observed<'a> {
    /// The number of iterations.
    pub(crate) iterations: u32,
    /// The addresses of the case's sockets.
    pub(crate) addresses: &'a [(Slot, Vec<u8>)],
    /// Every recorded operation.
    pub(crate) operations: Vec<ObservedOperation<'a>>,
    /// The distinct call trees of interrupts and of tasks that are not actors.
    pub(crate) trees: Vec<ObservedTree<'a>>,
    /// The number of softirqs in each iteration.
    pub(crate) softirqs: Vec<u32>,
    /// What the kernel sent, as far as steps read it for an expectation.
    pub(crate) packets: Vec<SentPacket>,
}

/// One operation over all iterations.
#[derive(Clone, Debug)]
pub(crate) struct ObservedOperation<'a> {
    pub(crate) step: StepRef,
    pub(crate) results: Vec<OpResult>,
    /// What it returned beside its results.
    pub(crate) details: Vec<Details>,
    /// Its distinct paths, each with its iterations; an expectation must hold in all of them.
    pub(crate) paths: Vec<(Vec<u32>, &'a CallPath)>,
}

/// A call tree of an interrupt or of a task that is not an actor.
#[derive(Clone, Debug)]
pub(crate) struct ObservedTree<'a> {
    /// Any context but [`Context::Operation`]; a softirq names the task it ran on.
    pub(crate) context: Context,
    pub(crate) path: &'a CallPath,
    /// The iterations that it is in.
    pub(crate) iterations: Vec<u32>,
}

/// The expectations that do not hold. `expectations` are those of the observed kernel: see [`Expectation::on`].
pub(crate) fn evaluate(case: &Case, expectations: &[Expectation], observed: &Observed<'_>) -> Vec<Failure> {
    let mut evaluator = Evaluator { case, observed, found: Vec::new() };
    for expectation in expectations {
        match &expectation.context {
            Context::Operation { actor, step } => {
                evaluator.operation(expectation, StepRef { actor: *actor, step: *step });
            }
            Context::OneOf(steps) => evaluator.one_of(expectation, steps),
            _ => evaluator.interrupt(expectation),
        }
    }
    evaluator.unexpected_data(expectations);
    evaluator.failures()
}

/// A failure, and the iterations that it is in.
struct Found {
    context: String,
    at: Location,
    message: String,
    iterations: BTreeSet<u32>,
}

struct Evaluator<'a> {
    case: &'a Case,
    observed: &'a Observed<'a>,
    found: Vec<Found>,
}

impl Evaluator<'_> {
    fn fail(&mut self, expectation: &Expectation, at: &Location, message: String, iterations: &[u32]) {
        self.fail_in(&expectation.context, at, message, iterations);
    }

    fn fail_in(&mut self, context: &Context, at: &Location, message: String, iterations: &[u32]) {
        let context = self.case.context_name(context);
        // Several iterations and paths of an operation often fail in the same way.
        let same = |one: &&mut Found| (&one.context, &one.at, &one.message) == (&context, at, &message);
        match self.found.iter_mut().find(same) {
            Some(found) => found.iterations.extend(iterations),
            None => {
                let iterations = iterations.iter().copied().collect();
                self.found.push(Found { context, at: at.clone(), message, iterations });
            }
        }
    }

    fn fail_everywhere(&mut self, expectation: &Expectation, at: &Location, message: String) {
        let all: Vec<u32> = (0..self.observed.iterations).collect();
        self.fail(expectation, at, message, &all);
    }

    fn failures(self) -> Vec<Failure> {
        let all = 0..self.observed.iterations;
        let covers_all = |found: &Found| all.clone().all(|iteration| found.iterations.contains(&iteration));
        let of_expectation = |one: &Found| {
            let same = self.found.iter().filter(|other| (&other.context, &other.at) == (&one.context, &one.at));
            same.flat_map(|other| &other.iterations).copied().collect::<BTreeSet<u32>>()
        };
        let failures = self.found.iter().map(|one| {
            let failing = of_expectation(one);
            Failure {
                context: one.context.clone(),
                at: one.at.clone(),
                message: match covers_all(one) {
                    true => one.message.clone(),
                    false => format!("{} in {}", one.message, iterations(&one.iterations)),
                },
                in_all_iterations: all.clone().all(|iteration| failing.contains(&iteration)),
            }
        });
        failures.collect()
    }

    /// In each iteration, the expectation must hold for one of the operations. What is reported is what the first of
    /// them lacks.
    fn one_of(&mut self, expectation: &Expectation, steps: &[StepRef]) {
        let each: Vec<Vec<Found>> = steps
            .iter()
            .map(|step| {
                let mut alone = Evaluator { case: self.case, observed: self.observed, found: Vec::new() };
                alone.operation(expectation, *step);
                alone.found
            })
            .collect();
        let fails = |found: &[Found], iteration: &u32| found.iter().any(|one| one.iterations.contains(iteration));
        let failing: BTreeSet<u32> = (0..self.observed.iterations)
            .filter(|iteration| each.iter().all(|found| fails(found, iteration)))
            .collect();
        for found in each.into_iter().next().unwrap_or_default() {
            let iterations: Vec<u32> = found.iterations.intersection(&failing).copied().collect();
            if !iterations.is_empty() {
                self.fail(expectation, &found.at, format!("none of them does: {}", found.message), &iterations);
            }
        }
    }

    fn operation(&mut self, expectation: &Expectation, step: StepRef) {
        let Some(operation) = self.observed.operations.iter().find(|operation| operation.step == step) else {
            self.fail_everywhere(expectation, &expectation.at, "the operation was never recorded".to_owned());
            return;
        };
        for result in &operation.results {
            self.result(expectation, result);
        }
        self.details(expectation, operation);
        self.sent_packets(expectation, operation);
        for (iterations, path) in &operation.paths {
            for (at, message) in path_failures(expectation, path).into_iter().chain(never_failures(expectation, path)) {
                self.fail(expectation, &at, message, iterations);
            }
        }
    }

    fn sent_packets(&mut self, expectation: &Expectation, operation: &ObservedOperation<'_>) {
        let StepRef { actor, step } = operation.step;
        for sends in &expectation.sends {
            for packet in self.observed.packets.iter().filter(|packet| (packet.actor, packet.step) == (actor, step)) {
                if let Some(message) = sends.value.failure(packet) {
                    self.fail(expectation, &sends.at, message, &[packet.iteration]);
                }
            }
            for result in operation.results.iter().filter(|result| result.errno != 0) {
                let errno = errno_name(result.errno);
                let message = format!("expected the kernel to send a packet, but read(2) failed with {errno}");
                self.fail(expectation, &sends.at, message, &[result.iteration]);
            }
        }
    }

    fn result(&mut self, expectation: &Expectation, result: &OpResult) {
        let found = match result.errno {
            0 => format!("returned {}", result.ret),
            errno => format!("failed with {}", errno_name(errno)),
        };
        let mut fail = |at: &Location, message: String| self.fail(expectation, at, message, &[result.iteration]);
        for returns in &expectation.returns {
            if !returns.value.hold(result.ret, result.errno) {
                fail(&returns.at, format!("expected it to return {}, but it {found}", returns.value));
            }
        }
        for value in &expectation.value {
            if !value.value.holds(result.ret) {
                let found = if result.errno == 0 { format!("was {}", result.ret) } else { found.clone() };
                fail(&value.at, format!("expected the value that it read to be {}, but it {found}", value.value));
            }
        }
        for fails in &expectation.fails {
            if !fails.value.hold(result.ret, result.errno) {
                fail(&fails.at, format!("expected it to fail with {}, but it {found}", fails.value));
            }
        }
    }

    fn details(&mut self, expectation: &Expectation, operation: &ObservedOperation<'_>) {
        if !expectation.has_details() {
            return;
        }
        let may_fail = expectation.returns.iter().chain(&expectation.fails).any(|one| one.value.has_errors());
        for result in operation.results.iter().filter(|result| result.errno == 0 || !may_fail) {
            let details = operation.details.iter().find(|details| details.iteration == result.iteration);
            let Some(details) = details else {
                let message = match result.errno {
                    0 => "the agent did not report what it returned: there was too much of it".to_owned(),
                    errno => format!("it failed with {}", errno_name(errno)),
                };
                self.fail(expectation, &expectation.at, message, &[result.iteration]);
                continue;
            };
            let wrong = expectation
                .data
                .iter()
                .filter_map(|data| Some((data.at.clone(), wrong_bytes(self.case, &data.value, details)?)));
            let mut wrong: Vec<(Location, String)> = wrong.collect();
            wrong.extend(returned::failures(self.case, self.observed, expectation, details));
            for (at, message) in wrong {
                self.fail(expectation, &at, message, &[result.iteration]);
            }
        }
    }

    /// Checks the bytes of operations of which the case expects none.
    fn unexpected_data(&mut self, expectations: &[Expectation]) {
        for operation in &self.observed.operations {
            let StepRef { actor, step } = operation.step;
            let context = Context::Operation { actor, step };
            let is_here = |other: &Context| match other {
                Context::OneOf(steps) => steps.contains(&operation.step),
                other => *other == context,
            };
            if expectations.iter().any(|one| is_here(&one.context) && !one.data.is_empty()) {
                continue;
            }
            let Some(at) = self.case.step_at(operation.step) else { continue };
            for details in &operation.details {
                if let Some(message) = misplaced_bytes(self.case, details) {
                    self.fail_in(&context, at, message, &[details.iteration]);
                }
            }
        }
    }

    fn interrupt(&mut self, expectation: &Expectation) {
        for softirqs in &expectation.softirqs {
            for (iteration, found) in (0..).zip(&self.observed.softirqs) {
                if !softirqs.value.holds(i64::from(*found)) {
                    let message = format!("expected {} softirqs, found {found}", softirqs.value);
                    self.fail(expectation, &softirqs.at, message, &[iteration]);
                }
            }
        }
        let trees: Vec<_> =
            self.observed.trees.iter().filter(|tree| expectation.context.covers(&tree.context)).collect();
        for tree in &trees {
            for (at, message) in never_failures(expectation, tree.path) {
                self.fail(expectation, &at, message, &tree.iterations);
            }
        }
        let needs_a_tree =
            !expectation.calls.is_empty() || !expectation.wakes.is_empty() || !expectation.wake_ups.is_empty();
        if !needs_a_tree {
            return;
        }
        let judged: Vec<_> = trees.iter().map(|tree| (*tree, path_failures(expectation, tree.path))).collect();
        for iteration in 0..self.observed.iterations {
            let here = judged.iter().filter(|(tree, _)| tree.iterations.contains(&iteration));
            // Report what the closest tree lacks.
            match here.clone().min_by_key(|(_, failures)| failures.len()) {
                None => self.fail(expectation, &expectation.at, "nothing ran in this context".to_owned(), &[iteration]),
                Some((closest, failures)) => {
                    for (at, message) in failures {
                        let others = here.clone().map(|(tree, _)| tree.path);
                        let message = apart(expectation, at, closest.path, others).unwrap_or_else(|| message.clone());
                        self.fail(expectation, at, message, &[iteration]);
                    }
                }
            }
        }
    }
}

/// The message for a call expected at `at` that the closest tree lacks and a different one has.
fn apart<'a>(
    expectation: &Expectation,
    at: &Location,
    closest: &CallPath,
    mut others: impl Iterator<Item = &'a CallPath>,
) -> Option<String> {
    let call = &expectation.calls.iter().find(|call| call.at == *at)?.value;
    let calls = |path: &CallPath, call: &CallPhrase| count(path, |entry| is_call(entry, &call.names)) > 0;
    if calls(closest, call) || !others.any(|path| calls(path, call)) {
        return None;
    }
    let there = expectation.calls.iter().find(|other| calls(closest, &other.value));
    let there = there.map_or_else(String::new, |other| format!(" that calls {}", names(&other.value)));
    let context = if matches!(expectation.context, Context::Softirq { .. }) { "softirq" } else { "call tree" };
    Some(format!(
        "{} is not called in the {context}{there}, but in a different one: expect each in a block of its own",
        names(call)
    ))
}

/// Iterations as messages write them, from 1: `iteration 2`, `iterations 1 and 3`.
fn iterations(all: &BTreeSet<u32>) -> String {
    let numbers: Vec<String> = all.iter().map(|iteration| (iteration + 1).to_string()).collect();
    match numbers.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("iterations {} and {last}", rest.join(", ")),
        _ => format!("iteration {}", numbers.concat()),
    }
}

/// What a path lacks of everything expected but `never`.
fn path_failures(expectation: &Expectation, path: &CallPath) -> Vec<(Location, String)> {
    let mut out = order_failures(&expectation.calls, path);
    for call in &expectation.calls {
        if let Some(times) = call.value.times {
            let found = count(path, |entry| is_call(entry, &call.value.names));
            if !times.holds(found) {
                let message = format!("expected {} to be called {times} times, found {found}", names(&call.value));
                out.push((call.at.clone(), message));
            }
        }
    }
    for wakes in &expectation.wakes {
        if count(path, |entry| matches!(entry, PathEntry::Wakes(task) if **task == wakes.value)) == 0 {
            out.push((wakes.at.clone(), format!("expected it to wake `{}`, but {}", wakes.value, woken(path))));
        }
    }
    type Counted<'e> = (&'e [Gated<Bound>], &'e str, fn(&PathEntry) -> bool);
    let counts: [Counted<'_>; 3] = [
        (&expectation.wake_ups, "wake-ups", |entry| matches!(entry, PathEntry::Wakes(_))),
        (&expectation.sleeps, "sleeps", |entry| matches!(entry, PathEntry::Sleeps)),
        (&expectation.switches, "context switches", |entry| matches!(entry, PathEntry::Sleeps | PathEntry::Preempted)),
    ];
    for (bounds, what, is_counted) in counts {
        for bound in bounds {
            let found = count(path, is_counted);
            if !bound.value.holds(found) {
                out.push((bound.at.clone(), format!("expected {} {what}, found {found}", bound.value)));
            }
        }
    }
    out
}

fn never_failures(expectation: &Expectation, path: &CallPath) -> Vec<(Location, String)> {
    let called = |name: &&String| count(path, |entry| is_call(entry, std::slice::from_ref(*name))) > 0;
    let wrong = expectation.never.iter().flat_map(|never| {
        let names = never.value.names.iter().filter(called);
        names.map(|name| (never.at.clone(), format!("`{name}` was called, but must not be")))
    });
    wrong.collect()
}

/// Reports the expected calls that the path's preorder lacks or has in a different order.
fn order_failures(calls: &[Gated<CallPhrase>], path: &CallPath) -> Vec<(Location, String)> {
    let mut called = Vec::new();
    unfold(&path.nodes, &mut called);
    let mut out = Vec::new();
    let mut from = 0;
    let mut previous: Option<&CallPhrase> = None;
    for call in calls {
        let zero_allowed = call.value.times.is_some_and(|times| times.holds(0));
        let is_it = |name: &&str| call.value.names.iter().any(|wanted| wanted == name);
        match called[from..].iter().position(&is_it) {
            Some(at) => {
                from += at + 1;
                previous = Some(&call.value);
            }
            None if zero_allowed => {}
            None => {
                let earlier = called[..from].iter().any(is_it);
                out.push((call.at.clone(), missing(&call.value, previous, earlier, &called)));
            }
        }
    }
    out
}

fn missing(call: &CallPhrase, previous: Option<&CallPhrase>, earlier: bool, called: &[&str]) -> String {
    let name = names(call);
    if let (Some(previous), true) = (previous, earlier) {
        return format!("{name} is called, but not after {}", names(previous));
    }
    let near = nearest(&call.names[0], called.iter().copied());
    let hint = if near.is_empty() { String::new() } else { format!(" (called here: {})", any_of(near)) };
    format!("{name} is not called{hint}")
}

/// How many repetitions of a period are written out to look for an order.
const UNFOLDED: u32 = 3;

/// The names called, in preorder, with each repeated part written out at most [`UNFOLDED`] times.
fn unfold<'a>(nodes: &'a [PathNode], out: &mut Vec<&'a str>) {
    let mut at = 0;
    while at < nodes.len() {
        let node = &nodes[at];
        let end = at + 1 + nodes[at + 1..].iter().take_while(|below| below.depth > node.depth).count();
        for _ in 0..node.times.clamp(1, UNFOLDED) {
            if let PathEntry::Call(name) = &node.entry {
                out.push(name);
            }
            unfold(&nodes[at + 1..end], out);
        }
        at = end;
    }
}

/// How many of a path's entries are counted, repetitions included.
fn count(path: &CallPath, is_counted: impl Fn(&PathEntry) -> bool) -> i64 {
    let mut factors: Vec<i64> = Vec::new();
    let mut total = 0;
    for node in &path.nodes {
        factors.truncate(node.depth as usize);
        let factor = factors.last().copied().unwrap_or(1) * i64::from(node.times.max(1));
        factors.resize(node.depth as usize, factors.last().copied().unwrap_or(1));
        factors.push(factor);
        if is_counted(&node.entry) {
            total += factor;
        }
    }
    total
}

fn is_call(entry: &PathEntry, names: &[String]) -> bool {
    matches!(entry, PathEntry::Call(name) if names.iter().any(|wanted| **wanted == **name))
}

fn names(call: &CallPhrase) -> String {
    any_of(call.names.iter().map(String::as_str))
}

fn woken(path: &CallPath) -> String {
    let woken = path.nodes.iter().filter_map(|node| match &node.entry {
        PathEntry::Wakes(task) => Some(&**task),
        _ => None,
    });
    let woken: BTreeSet<&str> = woken.collect();
    if woken.is_empty() { "it wakes no task".to_owned() } else { format!("it wakes {}", any_of(woken)) }
}
