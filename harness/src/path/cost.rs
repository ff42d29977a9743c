//! Measures what calls cost, from the trace clock's stamps, without the tracer's own share, sleeps and interrupts.
//!
//! In exact mode the stamps count instructions, so a cost is the number of instructions that the function and what it
//! called ran. It is exact to within a few instructions per traced call, because the tracer's own share varies a
//! little.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::contexts::Kept;
use super::timing::Summary;
use super::{CallPath, FunctionNames, PathEntry, PathNode, subtree_ends};
use crate::trace::{CallForests, FuncAddr, Node, NodeKind};

/// What the tracer adds to a traced call, in nanoseconds (instructions in exact mode).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TracerCost {
    /// The part between the call's own entry and exit stamps.
    pub inside: u64,
    /// All of it: what a traced call adds to its caller, on average.
    pub whole: f64,
    /// The additional cost of starting a page of the ring buffer, which falls between a record and the page's first
    /// one.
    pub page: u64,
}

/// The prefix of functions with which the kernel records an event (include/linux/tracepoint.h, `__DO_TRACE_CALL`).
/// Their time, with everything they call, is the tracer's.
const RECORDS_EVENTS: &str = "__traceiter_";

/// The function that records a context switch, which happens between two tasks.
pub(crate) const RECORDS_SWITCHES: &str = "__traceiter_sched_switch";

/// Computes what the calls of a capture took, without the tracer.
pub(crate) struct Costing {
    cost: TracerCost,
    recorders: Recorders,
    /// By CPU and stamp of each context switch: when the task that left finished its last call.
    left: HashMap<(u16, u64), u64>,
    clocks: OwnClocks,
}

impl Costing {
    pub(crate) fn new(forests: &CallForests, names: &dyn FunctionNames, cost: TracerCost) -> Self {
        let recorders = Recorders::among(forests, names);
        let left = forests.by_task.values().flat_map(|forest| departures(&forest.nodes, &recorders)).collect();
        Self { cost, recorders, left, clocks: OwnClocks::of(forests, cost.page) }
    }

    /// The time that each node itself took on the CPU: a call's time without that of the calls beneath it, the time
    /// that its task was switched away, and the tracer's. 0 for marks and for calls without a recorded end. Linear,
    /// apart from binary searches.
    ///
    /// The nodes are whole trees in preorder. An interrupt on top of a call is beneath it, and is subtracted like any
    /// other call.
    pub(crate) fn own_times(&self, nodes: &[Node]) -> Vec<u64> {
        let TracerCost { inside, whole, .. } = self.cost;
        let around = (whole - inside as f64).max(0.0);
        let mut own = vec![0; nodes.len()];
        let mut open: Vec<CostFrame> = Vec::new();
        for (at, node) in nodes.iter().enumerate() {
            close_down_to(node.depth, around, &mut open, &mut own);
            let clock = |time: u64| self.clocks.read(node.cpu, time);
            let start = clock(node.start);
            let parent = open.last_mut();
            match (&node.kind, parent) {
                (NodeKind::Call { func, end }, parent) => {
                    let end = end.map(clock);
                    let mut of_tracer = self.recorders.of_events.contains(func);
                    if let Some(parent) = parent {
                        of_tracer |= parent.of_tracer;
                        if let Some(end) = end {
                            parent.elsewhere += end.saturating_sub(start);
                            parent.traced_beneath += 1;
                            parent.last = parent.last.max(end);
                        }
                    }
                    let took = end.filter(|_| !of_tracer).map(|end| end.saturating_sub(start));
                    open.push(CostFrame {
                        at,
                        depth: node.depth,
                        took,
                        of_tracer,
                        elsewhere: inside,
                        traced_beneath: 0,
                        last: start,
                    });
                }
                (NodeKind::SwitchIn { .. }, Some(parent)) => {
                    let back = clock(self.back_at(node));
                    parent.elsewhere += back.saturating_sub(parent.last);
                    parent.last = back;
                }
                (_, Some(parent)) => parent.last = parent.last.max(start),
                (_, None) => {}
            }
        }
        close_down_to(0, around, &mut open, &mut own);
        own
    }

    /// Whether another CPU had turns between this call's entry and exit. What it ran is subtracted, but a turn is only
    /// known from its first record to its last, so some hundreds of instructions on either side remain.
    fn shared(&self, call: &Node) -> bool {
        let NodeKind::Call { end: Some(end), .. } = call.kind else { return false };
        self.clocks.others(call.cpu, end) > self.clocks.others(call.cpu, call.start)
    }

    /// When the task was back on the CPU: the task before it still ran for a while after the switch was stamped.
    fn back_at(&self, switch: &Node) -> u64 {
        self.left.get(&(switch.cpu, switch.start)).copied().unwrap_or(switch.start).max(switch.start)
    }
}

/// The called functions that record events. They are found once, because looking up a name costs more than an address.
struct Recorders {
    of_events: HashSet<FuncAddr>,
    of_switches: HashSet<FuncAddr>,
}

impl Recorders {
    fn among(forests: &CallForests, names: &dyn FunctionNames) -> Self {
        let nodes = forests.by_task.values().flat_map(|forest| &forest.nodes);
        let called = nodes.filter_map(|node| match node.kind {
            NodeKind::Call { func, .. } => Some(func),
            _ => None,
        });
        let named = |func: &FuncAddr| names.raw_name(*func).unwrap_or_default();
        let called: HashSet<FuncAddr> = called.collect();
        let of_events: HashSet<_> = called.into_iter().filter(|func| named(func).starts_with(RECORDS_EVENTS)).collect();
        let of_switches = of_events.iter().copied().filter(|func| named(func) == RECORDS_SWITCHES).collect();
        Self { of_events, of_switches }
    }
}

/// How much each CPU had run at any time, without starting pages of its ring buffer. In exact mode the CPUs of a
/// machine take turns, and one clock counts what all of them run, so what another CPU ran during a call is not part of
/// that call.
///
/// A turn is known from its first record to its last; what is between two turns counts for the call around it.
struct OwnClocks {
    /// By CPU, the turns of the other CPUs: start, end, and the sum of all turns before it.
    of_others: BTreeMap<u16, Vec<(u64, u64, u64)>>,
    /// By CPU, when it started each page, in ascending order.
    page_starts: BTreeMap<u16, Vec<u64>>,
    /// The cost of starting a page.
    page: u64,
}

impl OwnClocks {
    fn of(forests: &CallForests, page: u64) -> Self {
        let mut stamps: Vec<(u64, u16)> = Vec::new();
        for node in forests.by_task.values().flat_map(|forest| &forest.nodes) {
            stamps.push((node.start, node.cpu));
            if let NodeKind::Call { end: Some(end), .. } = node.kind {
                stamps.push((end, node.cpu));
            }
        }
        stamps.sort_unstable();
        let cpus: BTreeSet<u16> = stamps.iter().map(|(_, cpu)| *cpu).collect();
        let of_others = cpus.into_iter().map(|cpu| (cpu, turns_of_others(&stamps, cpu))).collect();
        let mut page_starts = forests.page_starts.clone();
        page_starts.values_mut().for_each(|starts| starts.sort_unstable());
        Self { of_others, page_starts, page }
    }

    /// How much this CPU had run at a time.
    fn read(&self, cpu: u16, time: u64) -> u64 {
        let pages = self.page_starts.get(&cpu).map_or(0, |starts| starts.partition_point(|start| *start <= time));
        (time - self.others(cpu, time)).saturating_sub(self.page * pages as u64)
    }

    /// How much the other CPUs had run at a time.
    fn others(&self, cpu: u16, time: u64) -> u64 {
        let turns = self.of_others.get(&cpu).map(Vec::as_slice).unwrap_or_default();
        let earlier = turns.partition_point(|(start, ..)| *start < time);
        turns[..earlier].last().map_or(0, |(start, end, before)| before + (time.min(*end) - start))
    }
}

/// The turns of all CPUs but one, from the stamps of all CPUs in ascending order: start, end, and the sum of all turns
/// before it.
fn turns_of_others(stamps: &[(u64, u16)], cpu: u16) -> Vec<(u64, u64, u64)> {
    let runs = stamps.chunk_by(|one, next| (one.1 == cpu) == (next.1 == cpu)).filter(|run| run[0].1 != cpu);
    let mut before = 0;
    let turn = |run: &[(u64, u16)]| {
        let (start, end) = (run[0].0, run[run.len() - 1].0);
        before += end - start;
        (start, end, before - (end - start))
    };
    runs.map(turn).filter(|(start, end, _)| end > start).collect()
}

/// For each switch away from a task, by CPU and stamp, the end of the last call that the task finished before it was
/// really gone: the call that recorded the switch, or a later one (the address space and the FPU are switched
/// afterwards).
fn departures(nodes: &[Node], recorders: &Recorders) -> Vec<((u16, u64), u64)> {
    let mut out: Vec<((u16, u64), u64)> = Vec::new();
    let mut going = false;
    let mut recorded_until = 0;
    for node in nodes {
        match node.kind {
            NodeKind::Call { func, end: Some(end) } => {
                if recorders.of_switches.contains(&func) {
                    recorded_until = end;
                }
                if let (true, Some((_, left))) = (going, out.last_mut()) {
                    *left = end.max(*left);
                }
            }
            NodeKind::SwitchOut { .. } => {
                out.push(((node.cpu, node.start), node.start.max(recorded_until)));
                going = true;
            }
            NodeKind::SwitchIn { .. } => going = false,
            _ => {}
        }
    }
    out
}

/// A call whose children are being visited.
struct CostFrame {
    at: usize,
    depth: u32,
    /// From entry to exit; `None` if the exit was not recorded or the call belongs to the tracer.
    took: Option<u64>,
    of_tracer: bool,
    /// The part of it that is not the call's own.
    elsewhere: u64,
    /// The number of finished calls directly beneath it.
    traced_beneath: u32,
    /// When the last event in it ended.
    last: u64,
}

fn close_down_to(depth: u32, around: f64, open: &mut Vec<CostFrame>, own: &mut [u64]) {
    while let Some(call) = open.pop_if(|call| call.depth >= depth) {
        let of_tracer = (around * f64::from(call.traced_beneath)).round() as u64;
        own[call.at] = call.took.map_or(0, |took| took.saturating_sub(call.elsewhere + of_tracer));
    }
}

/// Sums each node's own time and that of its descendants, for a preorder list with these subtree ends.
pub(crate) fn with_all_beneath(ends: &[usize], own: impl Iterator<Item = u64>) -> Vec<u64> {
    let mut before = vec![0u64];
    before.extend(own.scan(0u64, |sum, own| {
        *sum += own;
        Some(*sum)
    }));
    ends.iter().enumerate().map(|(at, end)| before[*end] - before[at]).collect()
}

/// What a call of each function takes with everything it calls: the median, by canonical name.
pub(crate) type Costs = BTreeMap<String, u64>;

/// The self cost of each function, by canonical name.
pub(crate) type SelfCosts = BTreeMap<String, SelfCost>;

/// The self cost of a call: medians.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SelfCost {
    /// In instructions.
    pub cost: u64,
    /// The number of traced calls in it. The tracer's share of each is known to within a few instructions.
    pub traced: u64,
}

/// What made a sample too high, from the least to the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Disturbance {
    None,
    /// A hard interrupt came on top of the call. Its entry and exit are not traced, so they stay with the call.
    Interrupt,
    /// Another CPU had turns ([`Costing::shared`]).
    Sharing,
}

/// A call that a path shows.
#[derive(Clone, Debug, PartialEq)]
struct Sample {
    took: u64,
    /// What the shown calls directly beneath it took.
    beneath: u64,
    /// The number of traced calls in it: itself, those that the path leaves out, and the shown ones directly beneath it.
    traced: u64,
    disturbance: Disturbance,
    /// The functions that are shown directly beneath it.
    callees: Vec<Arc<str>>,
}

/// Samples of what calls took, by function.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct CallSamples(HashMap<Arc<str>, Vec<Sample>>);

impl CallSamples {
    /// Adds the finished calls that a path shows of one context's tree: lines with the index of their nodes. `costing` must be that
    /// of the same capture.
    pub(crate) fn add<'p>(
        &mut self,
        kept: &[Kept],
        shown: impl Iterator<Item = (usize, &'p PathNode)>,
        costing: &Costing,
    ) {
        let ends = subtree_ends(kept.iter().map(|kept| kept.depth));
        let sums = |of: fn(&Kept) -> u64| with_all_beneath(&ends, kept.iter().map(of));
        let took = sums(|kept| kept.own);
        let left = sums(|kept| u64::from(matches!(kept.node.kind, NodeKind::SwitchOut { .. })));
        let calls = sums(|kept| u64::from(matches!(kept.node.kind, NodeKind::Call { .. })));
        let interrupts = sums(|kept| u64::from(kept.interrupted));
        let sample = |at: usize| Sample {
            took: took[at],
            beneath: 0,
            traced: calls[at],
            disturbance: match (left[at] == 0 && costing.shared(kept[at].node), interrupts[at] > 0) {
                (true, _) => Disturbance::Sharing,
                (false, true) => Disturbance::Interrupt,
                (false, false) => Disturbance::None,
            },
            callees: Vec::new(),
        };
        // The shown calls around the current line, with their depths.
        let mut open: Vec<(u32, Arc<str>, Option<Sample>)> = Vec::new();
        for (at, line) in shown {
            self.close_down_to(line.depth, &mut open);
            let PathEntry::Call(name) = &line.entry else { continue };
            if let Some((.., Some(caller))) = open.last_mut() {
                caller.callees.push(name.clone());
                caller.beneath += took[at];
                caller.traced -= calls[at] - 1;
            }
            let finished = matches!(kept[at].node.kind, NodeKind::Call { end: Some(_), .. });
            open.push((line.depth, name.clone(), finished.then(|| sample(at))));
        }
        self.close_down_to(0, &mut open);
    }

    fn close_down_to(&mut self, depth: u32, open: &mut Vec<(u32, Arc<str>, Option<Sample>)>) {
        while let Some((_, name, sample)) = open.pop_if(|(above, ..)| *above >= depth) {
            self.0.entry(name).or_default().extend(sample);
        }
    }

    /// What a call of each function in the path takes with everything it calls.
    pub(crate) fn costs(&self, path: &CallPath) -> Costs {
        self.medians(path, |sample| sample.took)
    }

    /// The same without the calls that the path shows beneath it, but with those that it leaves out.
    pub(crate) fn self_costs(&self, path: &CallPath) -> SelfCosts {
        let traced = self.medians(path, |sample| sample.traced);
        let costs = self.medians(path, |sample| sample.took.saturating_sub(sample.beneath));
        costs
            .into_iter()
            .zip(traced.into_values())
            .map(|((name, cost), traced)| (name, SelfCost { cost, traced }))
            .collect()
    }

    /// The median of each function in the path. Of its calls, those count that made most of the calls that the path shows
    /// beneath it, and of these only the least disturbed.
    fn medians(&self, path: &CallPath, value: impl Fn(&Sample) -> u64) -> Costs {
        let callees = callees(path);
        let median = |(name, callees): (&str, &HashSet<&str>)| {
            let rank = |sample: &Sample| {
                let called: HashSet<&str> = sample.callees.iter().map(|callee| &**callee).collect();
                (callees.difference(&called).count(), sample.disturbance)
            };
            let mut ranked: BTreeMap<_, Vec<u64>> = BTreeMap::new();
            for sample in self.0.get(name)? {
                ranked.entry(rank(sample)).or_default().push(value(sample));
            }
            Some((name.to_owned(), Summary::of(ranked.first_key_value()?.1)?.median))
        };
        callees.iter().map(|(name, callees)| (*name, callees)).filter_map(median).collect()
    }
}

/// The functions of a path, each with those directly beneath it.
fn callees(path: &CallPath) -> BTreeMap<&str, HashSet<&str>> {
    let mut out: BTreeMap<&str, HashSet<&str>> = BTreeMap::new();
    let mut open: Vec<(u32, &str)> = Vec::new();
    for node in &path.nodes {
        let Some(name) = node.entry.function() else { continue };
        while open.pop_if(|(depth, _)| *depth >= node.depth).is_some() {}
        if let Some((_, caller)) = open.last() {
            out.entry(caller).or_default().insert(name);
        }
        out.entry(name).or_default();
        open.push((node.depth, name));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::text;
    use crate::trace::{Forest, Interrupted, TaskKey};

    const RECORDS: FuncAddr = 9;

    struct Names;

    impl FunctionNames for Names {
        fn raw_name(&self, func: FuncAddr) -> Option<&str> {
            Some(if func == RECORDS { RECORDS_SWITCHES } else { "f" })
        }
    }

    fn node(depth: u32, start: u64, kind: NodeKind) -> Node {
        Node { depth, cpu: 0, start, interrupted: Interrupted::default(), kind }
    }

    fn call(depth: u32, start: u64, end: u64) -> Node {
        node(depth, start, NodeKind::Call { func: 1, end: Some(end) })
    }

    fn records(depth: u32, start: u64, end: u64) -> Node {
        node(depth, start, NodeKind::Call { func: RECORDS, end: Some(end) })
    }

    fn away() -> NodeKind {
        NodeKind::SwitchOut { state: 'S', next: 2 }
    }

    fn back() -> NodeKind {
        NodeKind::SwitchIn { previous: 2 }
    }

    /// What the nodes of the first of these tasks took.
    fn own(tasks: &[&[Node]], cost: TracerCost) -> Vec<u64> {
        let forest = |(pid, nodes): (i32, &&[Node])| {
            let task = TaskKey::Task(pid);
            (task, Forest { task, nodes: nodes.to_vec() })
        };
        let forests = CallForests { by_task: (1..).zip(tasks).map(forest).collect(), ..CallForests::default() };
        Costing::new(&forests, &Names, cost).own_times(tasks[0])
    }

    /// What a call of `f` costs, if the roots among these nodes are calls of it.
    fn cost_of_f(kept: &[Kept], costing: &Costing) -> u64 {
        let path = text::parse("f\n").unwrap();
        let roots = kept.iter().enumerate().filter(|(_, kept)| kept.depth == 0);
        let mut samples = CallSamples::default();
        samples.add(kept, roots.map(|(at, _)| (at, &path.nodes[0])), costing);
        samples.costs(&path)["f"]
    }

    #[test]
    fn a_call_that_called_what_is_shown_beneath_it_counts_before_one_that_did_not() {
        let sample = |took, disturbance, callees: &[&str]| {
            let callees = callees.iter().map(|callee| Arc::from(*callee)).collect();
            Sample { took, beneath: took / 2, traced: 1, disturbance, callees }
        };
        let samples = vec![
            sample(67, Disturbance::None, &[]),
            sample(68, Disturbance::None, &[]),
            sample(7100, Disturbance::None, &["__release_sock"]),
            sample(9000, Disturbance::Sharing, &["__release_sock"]),
        ];
        let samples = CallSamples(HashMap::from([("release_sock".into(), samples)]));
        let cost = |path: &str| samples.costs(&text::parse(path).unwrap())["release_sock"];
        assert_eq!(cost("tcp_recvmsg\n  release_sock\n"), 68);
        assert_eq!(
            samples.self_costs(&text::parse("release_sock\n").unwrap())["release_sock"],
            SelfCost { cost: 34, traced: 1 }
        );
        assert_eq!(cost("tcp_recvmsg\n  release_sock\n    __release_sock\n      tcp_v4_do_rcv\n"), 7100);
        assert_eq!(cost("release_sock\nrelease_sock\n  ~ repeats ×2\n    __release_sock\n    f\n"), 7100);
    }

    #[test]
    fn the_tracer_s_cost_is_subtracted_for_the_call_and_for_each_call_beneath_it() {
        let nodes = [call(0, 0, 1000), call(1, 100, 300), call(2, 150, 200), call(1, 400, 500)];
        let own = own(&[&nodes], TracerCost { inside: 10, whole: 50.0, page: 0 });
        assert_eq!(own, [1000 - 200 - 100 - 2 * 40 - 10, 200 - 50 - 40 - 10, 50 - 10, 100 - 10]);
        let ends = subtree_ends(nodes.iter().map(|node| node.depth));
        assert_eq!(with_all_beneath(&ends, own.into_iter()), [610 + 100 + 40 + 90, 140, 40, 90]);
    }

    #[test]
    fn a_sleep_costs_nothing_wherever_its_task_was_switched_away() {
        let direct = [call(0, 0, 1000), node(1, 100, away()), node(1, 900, back())];
        assert_eq!(own(&[&direct], TracerCost::default()), [200, 0, 0]);
        let beneath = [call(0, 0, 1000), call(1, 90, 110), node(2, 100, away()), node(1, 900, back())];
        assert_eq!(own(&[&beneath], TracerCost::default()), [90 + 100, 20, 0, 0]);
    }

    #[test]
    fn recording_a_switch_costs_neither_of_the_two_tasks_anything() {
        let sleeper = [call(0, 0, 1000), records(1, 90, 130), node(2, 100, away()), node(1, 900, back())];
        let other =
            [call(0, 140, 2000), records(1, 880, 950), call(2, 890, 895), node(1, 900, away()), call(1, 955, 960)];
        assert_eq!(own(&[&sleeper, &other], TracerCost::default()), [90 + 40, 0, 0, 0]);
        assert_eq!(own(&[&other, &sleeper], TracerCost::default()), [1860 - 70 - 5, 0, 0, 0, 5]);
    }

    #[test]
    fn what_another_cpu_ran_during_a_call_is_not_its_cost() {
        let on_other = |depth, start, end| Node { cpu: 1, ..call(depth, start, end) };
        let nodes = [call(0, 0, 1000), call(1, 100, 900)];
        let other = [on_other(0, 200, 400), on_other(1, 250, 300), on_other(0, 500, 700)];
        assert_eq!(own(&[&nodes, &other], TracerCost::default()), [200, 800 - 500]);
        assert_eq!(own(&[&other, &nodes], TracerCost::default()), [150, 50, 200]);
    }

    #[test]
    fn calls_during_which_another_cpu_ran_count_only_if_there_are_no_others() {
        let on_other = |start, end| Node { cpu: 1, ..call(0, start, end) };
        let nodes =
            [call(0, 0, 100), call(0, 200, 1200), call(0, 2000, 3000), node(1, 2100, away()), node(1, 2900, back())];
        let forest = |pid, nodes: &[Node]| {
            let task = TaskKey::Task(pid);
            (task, Forest { task, nodes: nodes.to_vec() })
        };
        let by_task = [forest(1, &nodes), forest(2, &[on_other(300, 600), on_other(2200, 2500)])].into();
        let forests = CallForests { by_task, ..CallForests::default() };
        let costing = Costing::new(&forests, &Names, TracerCost::default());
        assert_eq!(nodes.each_ref().map(|node| costing.shared(node)), [false, true, true, false, false]);
        let own = costing.own_times(&nodes);
        let kept: Vec<Kept> = nodes
            .iter()
            .zip(&own)
            .map(|(node, own)| Kept { depth: node.depth, node, own: *own, interrupted: false })
            .collect();
        let median = |kept: &[Kept]| cost_of_f(kept, &costing);
        assert_eq!(median(&kept[..2]), 100);
        assert_eq!(median(&kept[1..2]), 700);
        // A call that leaves its CPU always runs beside others.
        assert_eq!(median(&kept[1..]), 200);
    }

    #[test]
    fn interrupted_calls_count_only_if_there_are_no_others() {
        let nodes = [call(0, 0, 100), call(0, 200, 457), call(1, 210, 220), call(0, 500, 900)];
        let forest = Forest { task: TaskKey::Task(1), nodes: nodes.to_vec() };
        let other = Forest { task: TaskKey::Task(2), nodes: vec![Node { cpu: 1, ..call(0, 600, 700) }] };
        let forests =
            CallForests { by_task: [(forest.task, forest), (other.task, other)].into(), ..CallForests::default() };
        let costing = Costing::new(&forests, &Names, TracerCost::default());
        let kept = |at: usize, depth, own, interrupted| Kept { depth, node: &nodes[at], own, interrupted };
        let median = |kept: &[Kept]| cost_of_f(kept, &costing);
        let (plain, interrupted, shared) = (kept(0, 0, 100, false), kept(1, 0, 257, true), kept(3, 0, 300, false));
        assert_eq!(median(&[plain, interrupted, interrupted, shared]), 100);
        assert_eq!(median(&[interrupted, shared, shared]), 257);
        // An interrupt beneath a call is also on top of that call.
        assert_eq!(median(&[plain, kept(1, 0, 247, false), kept(2, 1, 10, true)]), 100);
    }

    #[test]
    fn starting_a_page_of_the_ring_buffer_does_not_count_for_the_call_around_it() {
        let nodes = [call(0, 100, 1000), call(1, 200, 400), call(1, 600, 700)];
        let forest = Forest { task: TaskKey::Task(1), nodes: nodes.to_vec() };
        // The first page was started before everything else, the second at the exit of the first inner call, the third
        // at the entry of the second; the last is another CPU's.
        let page_starts = BTreeMap::from([(0, vec![50, 400, 600]), (1, vec![650])]);
        let forests =
            CallForests { by_task: BTreeMap::from([(forest.task, forest)]), page_starts, ..CallForests::default() };
        let cost = TracerCost { page: 30, ..TracerCost::default() };
        assert_eq!(Costing::new(&forests, &Names, cost).own_times(&nodes), [900 - 200 - 100 - 30, 200 - 30, 100]);
    }

    #[test]
    fn a_call_without_an_end_or_cheaper_than_the_tracer_costs_nothing() {
        let nodes = [node(0, 0, NodeKind::Call { func: 1, end: None }), call(1, 5, 10)];
        assert_eq!(own(&[&nodes], TracerCost { inside: 7, whole: 9.0, page: 0 }), [0, 0]);
    }
}
