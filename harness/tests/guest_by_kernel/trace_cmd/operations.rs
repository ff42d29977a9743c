//! The whole call trees of a recording's operations, and how those of two recordings compare.
//!
//! Nothing is folded, no name is changed, and no profile hides anything. The constants below name the exceptions, with their
//! kernels and reasons. Interrupts are cut out as for a path: they depend on when an iteration begins. The softirqs that an
//! operation runs itself, on its way out, belong to it if they bring its packets. Most iterations must agree on the rest, and
//! both recordings must agree on that.

use std::collections::BTreeMap;
use std::ops::{RangeFrom, RangeInclusive};

use libtest_mimic::Failed;
use rxpath_guest::RunReport;

use rxpath::kernel::Series;
use rxpath::path::contexts::{Context, Kept, separate};
use rxpath::path::steady::{Divergence, Steadiness, SteadyPath, first_difference, steady};
use rxpath::path::{CallPath, ContextRules, NameTable, PathEntry, PathNode, operations, text};
use rxpath::suite::KernelMetadata;
use rxpath::trace::{CallForests, NodeKind};

/// The root of the softirq in which a packet that was sent over lo arrives.
const ARRIVAL: &str = "net_rx_action";

/// Calls of its probes are left out on [`LOCKING_FILTER`].
const SWITCH_PROBES: &str = "__traceiter_sched_switch";

/// rxpath keeps its agent out of the trace with `set_ftrace_notrace_pid`, which adds a probe
/// (kernel/trace/ftrace.c, `ftrace_filter_pid_sched_switch_probe`). On these kernels that probe was seen to take a lock.
const LOCKING_FILTER: RangeInclusive<Series> = Series { major: 6, minor: 1 }..=Series { major: 6, minor: 18 };

/// Between reporting a switch and making it, the kernel calls a few more functions (such as `switch_mm_irqs_off`). From this
/// release on, a kernel that filters by pid, as it does for rxpath, does not record them: the filter already uses the next task
/// while `current` is still the old one (kernel/trace/ftrace.c, `fgraph_pid_func`). 6.12 is the first kernel in which this was seen.
const SWITCHES_UNSEEN: RangeFrom<Series> = Series { major: 6, minor: 11 }..;

/// Its calls depend on whether a jiffy has passed since the last iteration: a timer whose expiry stays in the same jiffy is
/// left as it is (kernel/time/timer.c, `__mod_timer`). On 5.10, half of tcp-blocking's iterations are of each kind.
const BY_THE_CLOCK: &str = "mod_timer";

/// An operation with fewer calls would prove nothing.
const LEAST_CALLS: usize = 20;

/// A recording with all that is needed to name its calls.
pub(super) struct Recording<'a> {
    pub by: &'static str,
    pub forests: &'a CallForests,
    pub report: &'a RunReport,
    pub series: Series,
    pub facts: &'a KernelMetadata,
    /// The operations' names, by actor and step.
    pub names: &'a [(String, Vec<String>)],
}

/// The call trees of a recording's operations.
pub(super) struct Trees {
    by: &'static str,
    /// By operation (`receiver.recv`), then by iteration.
    operations: BTreeMap<String, BTreeMap<u32, CallPath>>,
}

impl Trees {
    /// Cuts the operations out of a recording without losses.
    pub(super) fn of(recording: &Recording<'_>) -> Result<Self, Failed> {
        let found = operations(recording.forests, recording.report);
        let lacks: Vec<&str> = recording.forests.losses.iter().chain(&found.problems).map(String::as_str).collect();
        if !lacks.is_empty() {
            return Err(format!("{}'s recording is not whole:\n{}", recording.by, lacks.join("\n")).into());
        }
        let rules = ContextRules::embedded()?;
        let mut names = NameTable::new(recording.facts);
        let mut operations: BTreeMap<String, BTreeMap<u32, CallPath>> = BTreeMap::new();
        for operation in found.found {
            let (actor, steps) = &recording.names[usize::from(operation.actor)];
            let name = format!("{actor}.{}", steps[usize::from(operation.step)]);
            let separated = separate(operation.nodes, &[], &mut names, rules);
            let mut path = CallPath { nodes: recording.tell(&separated.own) };
            for tree in separated.cut.iter().filter(|tree| tree.context == Context::Softirq && !tree.by_interrupt) {
                let nodes = recording.tell(&tree.nodes);
                if nodes.first().is_some_and(|root| root.entry == PathEntry::Call(ARRIVAL.into())) {
                    path.nodes.extend(nodes);
                }
            }
            operations.entry(name).or_default().insert(operation.iteration, path);
        }
        Ok(Self { by: recording.by, operations })
    }

    /// Compares with another recorder's trees: says what was the same, or the first difference.
    pub(super) fn compare(&self, other: &Self) -> Result<Vec<String>, String> {
        if !self.operations.keys().eq(other.operations.keys()) {
            let (ours, theirs) = (self.operations.keys(), other.operations.keys());
            return Err(format!("operations: {} recorded {ours:?}, {} {theirs:?}", self.by, other.by));
        }
        let mut same = Vec::new();
        for (operation, paths) in &self.operations {
            let ours = agreed(self.by, operation, paths)?;
            let theirs = agreed(other.by, operation, &other.operations[operation])?;
            if let Some(place) = first_difference(&ours.path, &theirs.path) {
                let (ours, theirs) = ((self.by, &ours.path), (other.by, &theirs.path));
                return Err(format!("{operation}, {}", parting(&place, ours, theirs)));
            }
            let is_call = |node: &&PathNode| matches!(node.entry, PathEntry::Call(_));
            let calls = ours.path.nodes.iter().filter(is_call).count();
            if calls < LEAST_CALLS {
                return Err(format!("{operation} makes {calls} calls: expected at least {LEAST_CALLS}"));
            }
            let of = |path: &SteadyPath| format!("{}/{}", path.agreeing, path.iterations);
            same.push(format!("{operation} {calls} calls ({} and {} iterations)", of(&ours), of(&theirs)));
        }
        Ok(same)
    }
}

impl Recording<'_> {
    /// A tree's lines: every call by its symbol, every sleep, and who is woken.
    fn tell(&self, nodes: &[Kept<'_>]) -> Vec<PathNode> {
        let mut lines: Vec<PathNode> = Vec::new();
        // Depth of the call whose own calls are skipped.
        let mut passed_over: Option<u32> = None;
        let mut switching = false;
        let probes_differ = LOCKING_FILTER.contains(&self.series);
        let switches_unseen = SWITCHES_UNSEEN.contains(&self.series);
        for kept in nodes {
            passed_over = passed_over.filter(|above| kept.depth > *above);
            switching = match kept.node.kind {
                NodeKind::SwitchOut { .. } => switches_unseen,
                NodeKind::SwitchIn { .. } => false,
                _ => switching,
            };
            let step = match kept.node.kind {
                NodeKind::Call { .. } if switching || passed_over.is_some() => continue,
                NodeKind::Call { func, .. } => {
                    let name = self.facts.symbols.name(func).map_or_else(|| format!("{func:#x}"), str::to_owned);
                    let is_left_out = name == BY_THE_CLOCK || probes_differ && name == SWITCH_PROBES;
                    passed_over = is_left_out.then_some(kept.depth);
                    PathEntry::Call(name.into())
                }
                NodeKind::SwitchOut { state: 'R', .. } => PathEntry::Preempted,
                NodeKind::SwitchOut { .. } => PathEntry::Sleeps,
                NodeKind::Waking { pid } => PathEntry::Wakes(self.who(pid).into()),
                _ => continue,
            };
            lines.push(PathNode::once(kept.depth, step));
        }
        lines
    }

    fn who(&self, pid: i32) -> &str {
        let actor = self.report.actor_tids.iter().position(|tid| *tid == pid);
        actor.map_or("another task", |actor| self.names[actor].0.as_str())
    }
}

fn agreed(by: &str, operation: &str, paths: &BTreeMap<u32, CallPath>) -> Result<SteadyPath, String> {
    match steady(paths) {
        Steadiness::Steady(steady) => Ok(steady),
        Steadiness::Inconclusive(unstable) => {
            let places = unstable.places.iter().map(|(place, count)| format!("\n{count} iterations: {place}"));
            let places: String = places.collect();
            Err(format!("{operation}: the iterations that {by} recorded do not agree{places}"))
        }
    }
}

/// The place where two trees differ, with the lines around it.
fn parting(place: &Divergence, ours: (&str, &CallPath), theirs: (&str, &CallPath)) -> String {
    const BEFORE: usize = 8;
    const AFTER: usize = 3;
    let lines = |path: &CallPath, from: usize, to: usize| {
        let shown = path.nodes.get(from..to.min(path.nodes.len())).unwrap_or_default();
        let line = |node: &PathNode| format!("    {}{}\n", "  ".repeat(node.depth as usize), text::line(node));
        shown.iter().map(line).collect::<String>()
    };
    let at = place.node;
    let side = |(by, path): (&str, &CallPath)| format!("  {by} goes on:\n{}", lines(path, at, at + 1 + AFTER));
    format!("{place}\n{}{}{}", lines(ours.1, at.saturating_sub(BEFORE), at), side(ours), side(theirs))
}

/// Checks that a difference of one call is found and reported with its place.
pub(super) fn a_missing_call_is_reported_with_its_place() -> Result<(), Failed> {
    let whole: Vec<PathNode> =
        (0..30).map(|at| PathNode::once(at % 3, PathEntry::Call(format!("f{at}").into()))).collect();
    let mut lacking = whole.clone();
    lacking.remove(20);
    let trees = |by, nodes: &Vec<PathNode>| {
        let paths = (0..3).map(|iteration| (iteration, CallPath { nodes: nodes.clone() })).collect();
        Trees { by, operations: BTreeMap::from([("receiver.recv".to_owned(), paths)]) }
    };
    trees("rxpath", &whole).compare(&trees("trace-cmd", &whole))?;
    let Err(message) = trees("rxpath", &whole).compare(&trees("trace-cmd", &lacking)) else {
        return Err("a call that only one of them has was not seen".into());
    };
    let expected = [
        "receiver.recv, line 21, in f19: f21 instead of f20",
        "rxpath goes on:\n        f20",
        "trace-cmd goes on:\n    f21",
    ];
    match expected.iter().find(|words| !message.contains(**words)) {
        Some(words) => Err(format!("expected {words:?} in\n{message}").into()),
        None => Ok(()),
    }
}
