//! Measures what calls take themselves, from the trace clock's stamps, without the tracer's own share, sleeps and interrupts.
//!
//! In exact mode the stamps count instructions, so a cost is the number of instructions that the function and what it
//! called ran. It is exact to within a few instructions per traced call, because the tracer's own share varies a
//! little.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::FunctionNames;
use super::own_runs::{self, Gap, OwnRun};
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
pub(crate) const RECORDS_EVENTS: &str = "__traceiter_";

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

    /// What each node itself took, and when the calls ran themselves. Linear, apart from binary searches.
    ///
    /// The nodes are whole trees in preorder. An interrupt on top of a call is beneath it, and is subtracted like any
    /// other call.
    pub(crate) fn own_times(&self, nodes: &[Node]) -> OwnTimes {
        let TracerCost { inside, whole, .. } = self.cost;
        let around = (whole - inside as f64).max(0.0);
        let mut own = OwnTimes { took: vec![OwnTime::default(); nodes.len()], runs: Vec::new() };
        let mut open: Vec<CostFrame> = Vec::new();
        for (at, node) in nodes.iter().enumerate() {
            close_down_to(node.depth, (inside as f64, around), &mut open, &mut own);
            let clock = |time: u64| self.clocks.read(node.cpu, time);
            let start = clock(node.start);
            let parent = open.last_mut();
            match (&node.kind, parent) {
                (NodeKind::Call { func, end }, parent) => {
                    let end = end.map(clock);
                    let mut of_tracer = self.recorders.of_events.contains(func);
                    if let Some(parent) = parent {
                        of_tracer |= parent.of_tracer;
                        parent.run_until(start, around / 2.0);
                        parent.tracer_since = around / 2.0;
                        if let Some(end) = end {
                            parent.elsewhere += end.own.saturating_sub(start.own);
                            parent.traced_beneath += 1;
                            parent.last = parent.last.max(end);
                        }
                    }
                    open.push(CostFrame {
                        at,
                        depth: node.depth,
                        start,
                        end: end.filter(|_| !of_tracer),
                        of_tracer,
                        elsewhere: inside,
                        traced_beneath: 0,
                        last: start,
                        tracer_since: inside as f64 / 2.0,
                        gaps: Vec::new(),
                        shared: false,
                    });
                }
                (NodeKind::SwitchIn { .. }, Some(parent)) => {
                    let back = clock(self.back_at(node));
                    parent.elsewhere += back.own.saturating_sub(parent.last.own);
                    parent.last = back;
                    parent.tracer_since = 0.0;
                }
                (_, Some(parent)) => parent.run_until(start, 0.0),
                (_, None) => {}
            }
        }
        close_down_to(0, (inside as f64, around), &mut open, &mut own);
        own
    }

    /// When the task was back on the CPU: the task before it still ran for a while after the switch was stamped.
    fn back_at(&self, switch: &Node) -> u64 {
        self.left.get(&(switch.cpu, switch.start)).copied().unwrap_or(switch.start).max(switch.start)
    }
}

/// The own times of some nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OwnTimes {
    /// By node.
    pub took: Vec<OwnTime>,
    /// When the calls ran themselves, in the order in which the calls ended. What they took is the sum of these.
    pub runs: Vec<OwnRun>,
}

/// What a node itself took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnTime {
    /// A call's time on the CPU without that of the calls beneath it and the tracer's. 0 for marks and for calls without
    /// a recorded end.
    pub took: u64,
    /// Whether another CPU had a turn in this time. What it ran is subtracted, but a turn is only known from its first
    /// record to its last. What it ran before and after them, up to tens of thousands of instructions, is not.
    pub shared: bool,
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

    fn read(&self, cpu: u16, time: u64) -> ClockReading {
        let pages = self.page_starts.get(&cpu).map_or(0, |starts| starts.partition_point(|start| *start <= time));
        let turns = self.of_others.get(&cpu).map(Vec::as_slice).unwrap_or_default();
        let earlier = turns.partition_point(|(start, ..)| *start < time);
        let others = turns[..earlier].last().map_or(0, |(start, end, before)| before + (time.min(*end) - start));
        let own = (time - others).saturating_sub(self.page * pages as u64);
        ClockReading { own, turns: earlier, time }
    }
}

/// A CPU's own clock at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct ClockReading {
    /// How much the CPU had run.
    own: u64,
    /// The number of turns that others had started.
    turns: usize,
    /// The trace clock.
    time: u64,
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
    runs.map(turn).collect()
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
    start: ClockReading,
    /// `None` if the exit was not recorded or the call belongs to the tracer.
    end: Option<ClockReading>,
    of_tracer: bool,
    /// The part of it that is not the call's own.
    elsewhere: u64,
    /// The number of finished calls directly beneath it.
    traced_beneath: u32,
    /// When the last event in it ended.
    last: ClockReading,
    /// The tracer's share of the time right after that.
    tracer_since: f64,
    /// The periods between the events in it.
    gaps: Vec<Gap>,
    /// Whether another CPU had a turn in the call's own time until then.
    shared: bool,
}

impl CostFrame {
    /// Counts the time since the last event as the call's own; the tracer took part of it before and after.
    fn run_until(&mut self, now: ClockReading, tracer_before: f64) {
        self.shared |= now.turns > self.last.turns;
        let length = now.own.saturating_sub(self.last.own);
        self.gaps.push(Gap { start: self.last.time, length, of_tracer: self.tracer_since + tracer_before });
        self.tracer_since = 0.0;
        self.last = self.last.max(now);
    }
}

fn close_down_to(depth: u32, (inside, around): (f64, f64), open: &mut Vec<CostFrame>, own: &mut OwnTimes) {
    while let Some(mut call) = open.pop_if(|call| call.depth >= depth) {
        let Some(end) = call.end else { continue };
        call.run_until(end, inside / 2.0);
        let of_tracer = (around * f64::from(call.traced_beneath)).round() as u64;
        let took = end.own.saturating_sub(call.start.own).saturating_sub(call.elsewhere + of_tracer);
        own.took[call.at] = OwnTime { took, shared: call.shared };
        own.runs.extend(own_runs::runs(call.at, took, &call.gaps));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::{subtree_ends, with_all_beneath};
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
        own_times(tasks, cost).took.into_iter().map(|own| own.took).collect()
    }

    fn own_times(tasks: &[&[Node]], cost: TracerCost) -> OwnTimes {
        let forest = |(pid, nodes): (i32, &&[Node])| {
            let task = TaskKey::Task(pid);
            (task, Forest { task, nodes: nodes.to_vec() })
        };
        let forests = CallForests { by_task: (1..).zip(tasks).map(forest).collect(), ..CallForests::default() };
        Costing::new(&forests, &Names, cost).own_times(tasks[0])
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
    fn a_turn_of_another_cpu_is_shared_by_the_calls_whose_own_time_it_is_in() {
        let nodes = [
            call(0, 0, 1000),
            call(1, 100, 300),
            call(1, 400, 900),
            call(2, 450, 460),
            node(2, 500, away()),
            node(2, 800, back()),
        ];
        let on_other = |start, end| Node { cpu: 1, ..call(0, start, end) };
        let shared = |other: Node| -> Vec<bool> {
            own_times(&[&nodes, &[other]], TracerCost::default()).took.iter().map(|own| own.shared).collect()
        };
        assert_eq!(shared(on_other(150, 200)), [false, true, false, false, false, false]);
        assert_eq!(shared(on_other(350, 360)), [true, false, false, false, false, false]);
        assert_eq!(shared(on_other(320, 320)), [true, false, false, false, false, false]);
        assert_eq!(shared(on_other(920, 950)), [true, false, false, false, false, false]);
        // While the task sleeps, the other CPU disturbs nothing.
        assert_eq!(shared(on_other(600, 700)), [false; 6]);
        assert_eq!(shared(on_other(850, 860)), [false, false, true, false, false, false]);
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
        let own: Vec<u64> =
            Costing::new(&forests, &Names, cost).own_times(&nodes).took.iter().map(|own| own.took).collect();
        assert_eq!(own, [900 - 200 - 100 - 30, 200 - 30, 100]);
    }

    #[test]
    fn a_call_without_an_end_or_cheaper_than_the_tracer_costs_nothing() {
        let nodes = [node(0, 0, NodeKind::Call { func: 1, end: None }), call(1, 5, 10)];
        assert_eq!(own(&[&nodes], TracerCost { inside: 7, whole: 9.0, page: 0 }), [0, 0]);
    }
}
