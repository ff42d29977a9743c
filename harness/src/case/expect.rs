//! What must hold of a case, and whether it does: a pure function of what was observed.

use rxpath_guest::{ActorIndex, CHECKSUM_START, OpResult, StepIndex, checksum, counting_pattern};

use super::case::{Case, Gated, StepRef};
use super::constants;
use super::diagnostic::{Diagnostic, Diagnostics, Location};
use super::gate::Gate;
use super::phrases::{Bound, CallPhrase, CostPhrase};
use crate::kernel::Series;
use crate::nearest::{any_of, nearest, suggestion};
use crate::path::{CallPath, PathEntry, PathNode};

/// Where in a run something is expected.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Context {
    /// An actor's operation.
    Operation {
        /// Whose.
        actor: ActorIndex,
        /// Which.
        step: StepIndex,
    },
    /// A softirq.
    Softirq {
        /// The task it ran on top of: an actor, or a class of other tasks (`ksoftirqd`, `idle`, …). `None`: any.
        on: Option<String>,
    },
    /// A hard interrupt.
    Hardirq,
    /// What a task that is no actor did: its class (`napi`, `kworker`, …).
    Task {
        /// As [`crate::path::ContextRules::class_of`] names it.
        class: String,
    },
}

impl Context {
    /// Whether something observed there falls under this context.
    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Softirq { on: None }, Self::Softirq { .. }) => true,
            _ => self == other,
        }
    }
}

/// What must hold in one context. Of a softirq or hard interrupt, everything but `never` must hold of one and the same call tree.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// Where.
    pub context: Context,
    /// On which kernels.
    pub gate: Gate,
    /// Where the file says so.
    pub at: Location,
    /// The return value.
    pub returns: Vec<Gated<Bound>>,
    /// The errno it fails with.
    pub fails: Vec<Gated<i32>>,
    /// What it receives is what that step sent.
    pub data: Vec<Gated<StepRef>>,
    /// Functions called, in this order (of the call tree's preorder).
    pub calls: Vec<Gated<CallPhrase>>,
    /// Functions not called.
    pub never: Vec<Gated<CallPhrase>>,
    /// Who is woken.
    pub wakes: Vec<Gated<String>>,
    /// How often someone is woken.
    pub wake_ups: Vec<Gated<Bound>>,
    /// How often the task sleeps.
    pub sleeps: Vec<Gated<Bound>>,
    /// How often the task is switched away from, asleep or preempted.
    pub switches: Vec<Gated<Bound>>,
    /// How many softirqs there are in an iteration.
    pub softirqs: Vec<Gated<Bound>>,
    /// What it costs.
    pub costs: Vec<Gated<CostPhrase>>,
}

impl Expectation {
    /// What of it holds on kernels of this series; `None` if nothing does.
    pub fn on(&self, series: Series) -> Option<Self> {
        fn admitted<T: Clone>(all: &[Gated<T>], series: Series) -> Vec<Gated<T>> {
            all.iter().filter(|one| one.gate.admits(series)).cloned().collect()
        }
        self.gate.admits(series).then(|| Self {
            context: self.context.clone(),
            gate: self.gate.clone(),
            at: self.at.clone(),
            returns: admitted(&self.returns, series),
            fails: admitted(&self.fails, series),
            data: admitted(&self.data, series),
            calls: admitted(&self.calls, series),
            never: admitted(&self.never, series),
            wakes: admitted(&self.wakes, series),
            wake_ups: admitted(&self.wake_ups, series),
            sleeps: admitted(&self.sleeps, series),
            switches: admitted(&self.switches, series),
            softirqs: admitted(&self.softirqs, series),
            costs: admitted(&self.costs, series),
        })
    }
}

/// What was observed of one case on one kernel in the trace pass.
#[derive(Clone, Debug, Default)]
pub struct Observed<'a> {
    /// Every recorded operation.
    pub operations: Vec<ObservedOperation<'a>>,
    /// Every call tree of interrupts that belongs to the case: each distinct path once.
    pub trees: Vec<ObservedTree<'a>>,
    /// Number of softirqs in each iteration.
    pub softirqs: Vec<u32>,
}

/// One operation over all iterations.
#[derive(Clone, Debug)]
pub struct ObservedOperation<'a> {
    /// Which.
    pub step: StepRef,
    /// Its results.
    pub results: Vec<OpResult>,
    /// Its distinct paths; all must do as expected.
    pub paths: Vec<&'a CallPath>,
}

/// A call tree of an interrupt.
#[derive(Clone, Debug)]
pub struct ObservedTree<'a> {
    /// [`Context::Softirq`] with the task it ran on, [`Context::Hardirq`] or [`Context::Task`].
    pub context: Context,
    /// What ran.
    pub path: &'a CallPath,
}

/// An expectation that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Where it was expected: `receiver.recv`, `softirq`.
    pub context: String,
    /// Where the case says so.
    pub at: Location,
    /// What was expected and what was found, in words.
    pub message: String,
}

/// What did not hold of `expectations` (those of the kernel that was observed; see [`Expectation::on`]).
pub fn evaluate(case: &Case, expectations: &[Expectation], observed: &Observed<'_>) -> Vec<Failure> {
    let mut judge = Judge { case, observed, failures: Vec::new() };
    for expectation in expectations {
        match expectation.context {
            Context::Operation { actor, step } => judge.operation(expectation, StepRef { actor, step }),
            _ => judge.interrupt(expectation),
        }
    }
    judge.failures
}

struct Judge<'a> {
    case: &'a Case,
    observed: &'a Observed<'a>,
    failures: Vec<Failure>,
}

impl Judge<'_> {
    fn fail(&mut self, expectation: &Expectation, at: &Location, message: String) {
        let context = context_name(self.case, &expectation.context);
        let failure = Failure { context, at: at.clone(), message };
        // Variants of one path tend to fail alike.
        if !self.failures.contains(&failure) {
            self.failures.push(failure);
        }
    }

    fn operation(&mut self, expectation: &Expectation, step: StepRef) {
        let Some(operation) = self.observed.operations.iter().find(|operation| operation.step == step) else {
            self.fail(expectation, &expectation.at, "the operation was never recorded".to_owned());
            return;
        };
        for result in &operation.results {
            self.result(expectation, result);
        }
        for path in &operation.paths {
            for (at, message) in path_failures(expectation, path) {
                self.fail(expectation, &at, message);
            }
            for (at, message) in never_failures(expectation, path) {
                self.fail(expectation, &at, message);
            }
        }
    }

    fn result(&mut self, expectation: &Expectation, result: &OpResult) {
        let found = match result.errno {
            0 => format!("returned {}", result.ret),
            errno => format!("failed with {}", errno_name(errno)),
        };
        let iteration = result.iteration + 1;
        for returns in &expectation.returns {
            if !returns.value.holds(result.ret) {
                let message =
                    format!("expected it to return {}, but it {found} in iteration {iteration}", returns.value);
                self.fail(expectation, &returns.at, message);
            }
        }
        for fails in &expectation.fails {
            if fails.value != result.errno {
                let expected = errno_name(fails.value);
                let message = format!("expected it to fail with {expected}, but it {found} in iteration {iteration}");
                self.fail(expectation, &fails.at, message);
            }
        }
        for data in &expectation.data {
            let received = usize::try_from(result.ret).unwrap_or(0);
            if received > 0 && result.data != pattern_checksum(received) {
                let from = self.case.step_name(data.value.actor, data.value.step);
                let message =
                    format!("the {received} bytes received are not those that {from} sent, in iteration {iteration}");
                self.fail(expectation, &data.at, message);
            }
        }
    }

    fn interrupt(&mut self, expectation: &Expectation) {
        for softirqs in &expectation.softirqs {
            let wrong = self.observed.softirqs.iter().position(|count| !softirqs.value.holds(i64::from(*count)));
            if let Some(iteration) = wrong {
                let found = self.observed.softirqs[iteration];
                let message =
                    format!("expected {} softirqs, but iteration {} has {found}", softirqs.value, iteration + 1);
                self.fail(expectation, &softirqs.at, message);
            }
        }
        let trees: Vec<_> =
            self.observed.trees.iter().filter(|tree| expectation.context.covers(&tree.context)).collect();
        for tree in &trees {
            for (at, message) in never_failures(expectation, tree.path) {
                self.fail(expectation, &at, message);
            }
        }
        let positive =
            !expectation.calls.is_empty() || !expectation.wakes.is_empty() || !expectation.wake_ups.is_empty();
        if !positive {
            return;
        }
        // The tree that comes nearest tells what is missing.
        let failures = trees.iter().map(|tree| path_failures(expectation, tree.path));
        match failures.min_by_key(Vec::len) {
            None => self.fail(expectation, &expectation.at, "there was no such interrupt".to_owned()),
            Some(failures) => {
                for (at, message) in failures {
                    self.fail(expectation, &at, message);
                }
            }
        }
    }
}

/// What a path lacks of what must be there.
fn path_failures(expectation: &Expectation, path: &CallPath) -> Vec<(Location, String)> {
    let mut out = order_failures(&expectation.calls, path);
    for call in &expectation.calls {
        if let Some(times) = call.value.times {
            let found = count(path, |step| is_call(step, &call.value.names));
            if !times.holds(found) {
                let message = format!("expected {} to be called {times} times, found {found}", names(&call.value));
                out.push((call.at.clone(), message));
            }
        }
    }
    for wakes in &expectation.wakes {
        if count(path, |step| matches!(step, PathEntry::Wakes(who) if **who == wakes.value)) == 0 {
            out.push((wakes.at.clone(), format!("expected it to wake `{}`, but {}", wakes.value, woken(path))));
        }
    }
    type Counted<'e> = (&'e [Gated<Bound>], &'e str, fn(&PathEntry) -> bool);
    let counts: [Counted<'_>; 3] = [
        (&expectation.wake_ups, "wake-ups", |step| matches!(step, PathEntry::Wakes(_))),
        (&expectation.sleeps, "sleeps", |step| matches!(step, PathEntry::Sleeps)),
        (&expectation.switches, "context switches", |step| matches!(step, PathEntry::Sleeps | PathEntry::Preempted)),
    ];
    for (bounds, what, is) in counts {
        for bound in bounds {
            let found = count(path, is);
            if !bound.value.holds(found) {
                out.push((bound.at.clone(), format!("expected {} {what}, found {found}", bound.value)));
            }
        }
    }
    out
}

fn never_failures(expectation: &Expectation, path: &CallPath) -> Vec<(Location, String)> {
    let called = |name: &&String| count(path, |step| is_call(step, std::slice::from_ref(*name))) > 0;
    let wrong = expectation.never.iter().flat_map(|never| {
        let names = never.value.names.iter().filter(called);
        names.map(|name| (never.at.clone(), format!("`{name}` was called, and must not be")))
    });
    wrong.collect()
}

/// The calls as a subsequence of the path's preorder.
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

/// How often a period is written out when looking for an order.
const UNFOLDED: u32 = 3;

/// The names called, in preorder, with repeated parts written out a few times.
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

/// How often something comes in a path, repetitions counted.
fn count(path: &CallPath, is: impl Fn(&PathEntry) -> bool) -> i64 {
    let mut factors: Vec<i64> = Vec::new();
    let mut total = 0;
    for node in &path.nodes {
        factors.truncate(node.depth as usize);
        let factor = factors.last().copied().unwrap_or(1) * i64::from(node.times.max(1));
        factors.resize(node.depth as usize, factors.last().copied().unwrap_or(1));
        factors.push(factor);
        if is(&node.entry) {
            total += factor;
        }
    }
    total
}

fn is_call(step: &PathEntry, names: &[String]) -> bool {
    matches!(step, PathEntry::Call(name) if names.iter().any(|wanted| **wanted == **name))
}

fn names(call: &CallPhrase) -> String {
    any_of(call.names.iter().map(String::as_str))
}

fn woken(path: &CallPath) -> String {
    let mut woken: Vec<&str> = path
        .nodes
        .iter()
        .filter_map(|node| match &node.entry {
            PathEntry::Wakes(who) => Some(&**who),
            _ => None,
        })
        .collect();
    woken.sort();
    woken.dedup();
    if woken.is_empty() { "it wakes nobody".to_owned() } else { format!("it wakes {}", any_of(woken)) }
}

fn errno_name(errno: i32) -> String {
    constants::name(constants::ERRNOS, i64::from(errno)).map_or_else(|| format!("errno {errno}"), str::to_owned)
}

/// The checksum of the counting pattern, which every send starts from its first byte.
fn pattern_checksum(bytes: usize) -> u32 {
    checksum(CHECKSUM_START, &counting_pattern(bytes))
}

/// `receiver.recv`, `softirq on sender`.
fn context_name(case: &Case, context: &Context) -> String {
    match context {
        Context::Operation { actor, step } => case.step_name(*actor, *step),
        Context::Softirq { on: None } => "softirq".to_owned(),
        Context::Softirq { on: Some(task) } => format!("softirq on {task}"),
        Context::Hardirq => "hardirq".to_owned(),
        Context::Task { class } => format!("task {class}"),
    }
}

/// Why a cost could not be found within its bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CostFailure {
    /// It is known, and out of bounds.
    OutOfBounds(Failure),
    /// One of the two costs was not measured, so nothing can be said.
    Unknown(Failure),
}

/// Which of `expectations` about costs do not hold. `cost` gives the median cost, in instructions, of a case's operation.
pub fn evaluate_costs(
    case: &Case,
    expectations: &[Expectation],
    cost: impl Fn(&str, &str) -> Option<f64>,
) -> Vec<CostFailure> {
    let mut out = Vec::new();
    for expectation in expectations {
        let operation = context_name(case, &expectation.context);
        for bound in &expectation.costs {
            let failure = |message| Failure { context: operation.clone(), at: bound.at.clone(), message };
            let Some(mine) = cost(&case.name, &operation) else {
                out.push(CostFailure::Unknown(failure(format!("the cost of {operation} was not measured"))));
                continue;
            };
            let limit = match &bound.value.other {
                None => Some((bound.value.amount, format!("{} instructions", bound.value.amount))),
                Some((other, step)) => {
                    let theirs = cost(other, step.as_deref().unwrap_or(&operation));
                    theirs.map(|theirs| {
                        (theirs * bound.value.amount, format!("{} × {other} ({theirs:.0})", bound.value.amount))
                    })
                }
            };
            let Some((limit, words)) = limit else {
                out.push(CostFailure::Unknown(failure("the cost it is compared with was not measured".to_owned())));
                continue;
            };
            if (bound.value.at_most && mine > limit) || (!bound.value.at_most && mine < limit) {
                let which = if bound.value.at_most { "at most" } else { "at least" };
                let message = format!("expected it to cost {which} {words}, found {mine:.0} instructions");
                out.push(CostFailure::OutOfBounds(failure(message)));
            }
        }
    }
    out
}

/// Whether the cases that costs are compared with are there.
pub(super) fn check_references(cases: &[Case]) -> Result<(), Diagnostics> {
    let mut wrong = Vec::new();
    for case in cases {
        for cost in case
            .expectations
            .iter()
            .flat_map(|expectation| expectation.costs.iter().map(move |cost| (cost, expectation)))
        {
            let (cost, expectation) = cost;
            let Some((other, step)) = &cost.value.other else { continue };
            let mut diagnostic = |message: String, help| {
                wrong.push(Diagnostic {
                    at: cost.at.clone(),
                    message,
                    label: "nothing to compare with".to_owned(),
                    help,
                });
            };
            let Some(found) = cases.iter().find(|case| case.name == *other) else {
                let help = suggestion(other, cases.iter().map(|case| case.name.as_str()));
                diagnostic(format!("there is no case `{other}`"), help);
                continue;
            };
            let step = step.clone().unwrap_or_else(|| context_name(case, &expectation.context));
            let steps: Vec<String> = found
                .actors
                .iter()
                .flat_map(|actor| actor.steps.iter().map(move |step| format!("{}.{}", actor.name, step.name)))
                .collect();
            if !steps.contains(&step) {
                let help = suggestion(&step, steps.iter().map(String::as_str));
                diagnostic(format!("`{other}` has no operation `{step}`"), help);
            }
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(Diagnostics::new(wrong)) }
}
