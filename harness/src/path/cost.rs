//! What calls cost: from the trace clock's stamps, with the tracer's own share, sleeps and interrupts taken off.
//!
//! In exact mode the stamps count instructions, so what is left is the number of instructions that the function and what it
//! called ran, to within a few for every traced call: the tracer does not take the very same number each time.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::contexts::Kept;
use super::timing::Summary;
use super::{FunctionNames, NameTable, subtree_ends};
use crate::trace::{CallForests, FuncAddr, Node, NodeKind};

/// What the tracer adds to a traced call, in nanoseconds (exact mode: instructions).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TracerCost {
    /// The part that falls between a call's own entry and exit stamps.
    pub inside: u64,
    /// All of it: what a traced call adds to the one around it, on average.
    pub whole: f64,
    /// What it takes beside that to begin a page of the ring buffer, between a record and the page's first one.
    pub page: u64,
}

/// Functions by which the kernel records an event (include/linux/tracepoint.h, `__DO_TRACE_CALL`): what they take is the
/// tracer's, and so is what they call.
const RECORDS_EVENTS: &str = "__traceiter_";

/// The one that records a context switch, between two tasks.
pub const RECORDS_SWITCHES: &str = "__traceiter_sched_switch";

/// Takes the tracer off what a capture's calls took.
pub struct Costing {
    cost: TracerCost,
    recorders: Recorders,
    /// For each context switch, by CPU and stamp: when the task that left had done its last.
    left: HashMap<(u16, u64), u64>,
    clocks: OwnClocks,
}

impl Costing {
    /// For the calls of these forests.
    pub fn new(forests: &CallForests, names: &dyn FunctionNames, cost: TracerCost) -> Self {
        let recorders = Recorders::among(forests, names);
        let left = forests.by_task.values().flat_map(|forest| departures(&forest.nodes, &recorders)).collect();
        Self { cost, recorders, left, clocks: OwnClocks::of(forests, cost.page) }
    }

    /// What each node took on the CPU by itself: a call without the calls beneath it, without the time that its task was
    /// switched away and without the tracer. 0 for marks, and for calls that were not seen to end. Linear, but for a
    /// search for each switch.
    ///
    /// The nodes are whole trees, in preorder. Whatever ran on top of a call (an interrupt) stands beneath it and is taken
    /// off as any other call is.
    pub fn own_times(&self, nodes: &[Node]) -> Vec<u64> {
        let TracerCost { inside, whole, .. } = self.cost;
        let around = (whole - inside as f64).max(0.0);
        let mut own = vec![0; nodes.len()];
        let mut open: Vec<Open> = Vec::new();
        for (at, node) in nodes.iter().enumerate() {
            close_down_to(node.depth, around, &mut open, &mut own);
            let clock = |time: u64| self.clocks.read(node.cpu, time);
            let start = clock(node.start);
            let parent = open.last_mut();
            match (&node.what, parent) {
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
                    open.push(Open {
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

    /// Whether another CPU had turns between this call's entry and exit. What it ran is taken off, but a turn is only known from its
    /// first record to its last, and some hundreds of instructions on either side of them are left.
    fn shared(&self, call: &Node) -> bool {
        let NodeKind::Call { end: Some(end), .. } = call.what else { return false };
        self.clocks.others(call.cpu, end) > self.clocks.others(call.cpu, call.start)
    }

    /// When the task was back on the CPU: the one before went on for a while after the event was stamped.
    fn back_at(&self, switch: &Node) -> u64 {
        self.left.get(&(switch.cpu, switch.start)).copied().unwrap_or(switch.start).max(switch.start)
    }
}

/// The functions among those called that record events: looked for once, for a name is dearer to find than an address.
struct Recorders {
    of_events: HashSet<FuncAddr>,
    of_switches: HashSet<FuncAddr>,
}

impl Recorders {
    fn among(forests: &CallForests, names: &dyn FunctionNames) -> Self {
        let nodes = forests.by_task.values().flat_map(|forest| &forest.nodes);
        let called = nodes.filter_map(|node| match node.what {
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

/// What each CPU had run by when, beside beginning pages of its ring buffer. In exact mode the CPUs of a machine take turns,
/// and one clock counts what all of them run: what another CPU ran in between is nothing that a call took.
///
/// A turn is known from its first record to its last; what lies between two turns stays with the call it is found in.
struct OwnClocks {
    /// By CPU, the turns of others: begin, end, and the sum of all before it.
    of_others: BTreeMap<u16, Vec<(u64, u64, u64)>>,
    /// By CPU, when it had begun a page; in order.
    page_starts: BTreeMap<u16, Vec<u64>>,
    /// What beginning a page takes.
    page: u64,
}

impl OwnClocks {
    fn of(forests: &CallForests, page: u64) -> Self {
        let mut stamps: Vec<(u64, u16)> = Vec::new();
        for node in forests.by_task.values().flat_map(|forest| &forest.nodes) {
            stamps.push((node.start, node.cpu));
            if let NodeKind::Call { end: Some(end), .. } = node.what {
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

    /// How much a CPU had run by then.
    fn read(&self, cpu: u16, time: u64) -> u64 {
        let pages = self.page_starts.get(&cpu).map_or(0, |starts| starts.partition_point(|start| *start <= time));
        (time - self.others(cpu, time)).saturating_sub(self.page * pages as u64)
    }

    /// How much the others had run by then.
    fn others(&self, cpu: u16, time: u64) -> u64 {
        let turns = self.of_others.get(&cpu).map(Vec::as_slice).unwrap_or_default();
        let behind = turns.partition_point(|(begin, ..)| *begin < time);
        turns[..behind].last().map_or(0, |(begin, end, before)| before + (time.min(*end) - begin))
    }
}

/// Of all stamps in order, with their CPUs, the turns of all CPUs but one: begin, end, and the sum of all before it.
fn turns_of_others(stamps: &[(u64, u16)], cpu: u16) -> Vec<(u64, u64, u64)> {
    let runs = stamps.chunk_by(|one, next| (one.1 == cpu) == (next.1 == cpu)).filter(|run| run[0].1 != cpu);
    let mut before = 0;
    let turn = |run: &[(u64, u16)]| {
        let (begin, end) = (run[0].0, run[run.len() - 1].0);
        before += end - begin;
        (begin, end, before - (end - begin))
    };
    runs.map(turn).filter(|(begin, end, _)| end > begin).collect()
}

/// Each switch away from a task, with the end of the last call that it finished before it was really gone: of the one that
/// recorded the switch, or of what came after (the address space and the FPU are switched later).
fn departures(nodes: &[Node], recorders: &Recorders) -> Vec<((u16, u64), u64)> {
    let mut out: Vec<((u16, u64), u64)> = Vec::new();
    let mut going = false;
    let mut recorded_until = 0;
    for node in nodes {
        match node.what {
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

/// A call whose children are looked at.
struct Open {
    at: usize,
    depth: u32,
    /// From entry to exit; `None` if the exit was not recorded, or it is all the tracer's.
    took: Option<u64>,
    of_tracer: bool,
    /// What of that was not its own.
    elsewhere: u64,
    /// Finished calls right beneath it.
    traced_beneath: u32,
    /// The end of the last thing that happened in it.
    last: u64,
}

fn close_down_to(depth: u32, around: f64, open: &mut Vec<Open>, own: &mut [u64]) {
    while let Some(call) = open.pop_if(|call| call.depth >= depth) {
        let of_tracer = (around * f64::from(call.traced_beneath)).round() as u64;
        own[call.at] = call.took.map_or(0, |took| took.saturating_sub(call.elsewhere + of_tracer));
    }
}

/// For each call of a preorder list of depths with their own times, its time with everything beneath it.
pub fn with_all_beneath(ends: &[usize], own: impl Iterator<Item = u64>) -> Vec<u64> {
    let mut before = vec![0u64];
    before.extend(own.scan(0u64, |sum, own| {
        *sum += own;
        Some(*sum)
    }));
    ends.iter().enumerate().map(|(at, end)| before[*end] - before[at]).collect()
}

/// What a call of each function takes with everything that it calls: median, by canonical name.
pub type Costs = BTreeMap<String, u64>;

/// What calls took, by function.
#[derive(Default)]
pub struct CallSamples(HashMap<Arc<str>, Samples>);

/// What calls of one function took.
#[derive(Default)]
struct Samples {
    /// Those that kept their CPU and in which another CPU had turns: a little too much.
    shared: Vec<u64>,
    /// All others.
    sound: Vec<u64>,
}

impl CallSamples {
    /// Adds the finished calls of one context's trees, which these costs were told of.
    pub fn add(&mut self, kept: &[Kept], costing: &Costing, names: &mut NameTable) {
        let ends = subtree_ends(kept.iter().map(|kept| kept.depth));
        let took = with_all_beneath(&ends, kept.iter().map(|kept| kept.own));
        let leaves = |kept: &Kept| u64::from(matches!(kept.node.what, NodeKind::SwitchOut { .. }));
        let left = with_all_beneath(&ends, kept.iter().map(leaves));
        let mut callers: Vec<Arc<str>> = Vec::new();
        for (at, kept) in kept.iter().enumerate() {
            let NodeKind::Call { func, end } = kept.node.what else { continue };
            let name = names.canonical(func);
            callers.truncate(kept.depth as usize);
            // To a reader a part that the compiler cut out of a function (`f.part.0`) is that function's own work.
            let is_part = callers.last() == Some(&name);
            callers.push(name.clone());
            if end.is_some() && !is_part {
                let samples = self.0.entry(name).or_default();
                let shared = left[at] == 0 && costing.shared(kept.node);
                (if shared { &mut samples.shared } else { &mut samples.sound }).push(took[at]);
            }
        }
    }

    /// The median of each function; of shared calls only where there is no other.
    pub fn medians(self) -> Costs {
        let median = |(name, samples): (Arc<str>, Samples)| {
            let best = if samples.sound.is_empty() { samples.shared } else { samples.sound };
            Some((name.to_string(), Summary::of(&best)?.median))
        };
        self.0.into_iter().filter_map(median).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{Forest, Interrupted, TaskKey};

    const RECORDS: FuncAddr = 9;

    struct Names;

    impl FunctionNames for Names {
        fn raw_name(&self, func: FuncAddr) -> Option<&str> {
            Some(if func == RECORDS { RECORDS_SWITCHES } else { "f" })
        }
    }

    fn node(depth: u32, start: u64, what: NodeKind) -> Node {
        Node { depth, cpu: 0, start, interrupted: Interrupted::default(), what }
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

    /// What the first of these tasks' nodes took.
    fn own(tasks: &[&[Node]], cost: TracerCost) -> Vec<u64> {
        let forest = |(pid, nodes): (i32, &&[Node])| {
            let task = TaskKey::Task(pid);
            (task, Forest { task, nodes: nodes.to_vec() })
        };
        let forests = CallForests { by_task: (1..).zip(tasks).map(forest).collect(), ..CallForests::default() };
        Costing::new(&forests, &Names, cost).own_times(tasks[0])
    }

    #[test]
    fn the_tracer_is_taken_off_the_call_itself_and_once_for_each_call_beneath() {
        let nodes = [call(0, 0, 1000), call(1, 100, 300), call(2, 150, 200), call(1, 400, 500)];
        let own = own(&[&nodes], TracerCost { inside: 10, whole: 50.0, page: 0 });
        assert_eq!(own, [1000 - 200 - 100 - 2 * 40 - 10, 200 - 50 - 40 - 10, 50 - 10, 100 - 10]);
        let ends = subtree_ends(nodes.iter().map(|node| node.depth));
        assert_eq!(with_all_beneath(&ends, own.into_iter()), [610 + 100 + 40 + 90, 140, 40, 90]);
    }

    #[test]
    fn a_sleep_is_no_work_wherever_its_task_went_away() {
        let direct = [call(0, 0, 1000), node(1, 100, away()), node(1, 900, back())];
        assert_eq!(own(&[&direct], TracerCost::default()), [200, 0, 0]);
        let beneath = [call(0, 0, 1000), call(1, 90, 110), node(2, 100, away()), node(1, 900, back())];
        assert_eq!(own(&[&beneath], TracerCost::default()), [90 + 100, 20, 0, 0]);
    }

    #[test]
    fn recording_a_switch_is_nobody_s_work_on_either_side_of_it() {
        let sleeper = [call(0, 0, 1000), records(1, 90, 130), node(2, 100, away()), node(1, 900, back())];
        let other =
            [call(0, 140, 2000), records(1, 880, 950), call(2, 890, 895), node(1, 900, away()), call(1, 955, 960)];
        assert_eq!(own(&[&sleeper, &other], TracerCost::default()), [90 + 40, 0, 0, 0]);
        assert_eq!(own(&[&other, &sleeper], TracerCost::default()), [1860 - 70 - 5, 0, 0, 0, 5]);
    }

    #[test]
    fn what_another_cpu_ran_in_between_is_not_what_a_call_took() {
        let on_other = |depth, start, end| Node { cpu: 1, ..call(depth, start, end) };
        let nodes = [call(0, 0, 1000), call(1, 100, 900)];
        let other = [on_other(0, 200, 400), on_other(1, 250, 300), on_other(0, 500, 700)];
        assert_eq!(own(&[&nodes, &other], TracerCost::default()), [200, 800 - 500]);
        assert_eq!(own(&[&other, &nodes], TracerCost::default()), [150, 50, 200]);
    }

    #[test]
    fn a_call_that_no_other_cpu_ran_in_between_counts_before_those_that_one_did() {
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
        let kept: Vec<Kept> =
            nodes.iter().zip(&own).map(|(node, own)| Kept { depth: node.depth, node, own: *own }).collect();
        let median = |kept: &[Kept]| {
            let mut samples = CallSamples::default();
            samples.add(kept, &costing, &mut NameTable::new(&Names));
            samples.medians().into_values().collect::<Vec<_>>()
        };
        assert_eq!(median(&kept[..2]), [100]);
        assert_eq!(median(&kept[1..2]), [700]);
        // One that leaves its CPU is always beside others.
        assert_eq!(median(&kept[1..]), [200]);
    }

    #[test]
    fn beginning_a_page_of_the_ring_buffer_is_no_work_of_the_call_it_falls_into() {
        let nodes = [call(0, 100, 1000), call(1, 200, 400), call(1, 600, 700)];
        let forest = Forest { task: TaskKey::Task(1), nodes: nodes.to_vec() };
        // The first was begun before anything, the second by the inner call's exit, the third by the other's entry; the
        // last is another CPU's.
        let page_starts = BTreeMap::from([(0, vec![50, 400, 600]), (1, vec![650])]);
        let forests =
            CallForests { by_task: BTreeMap::from([(forest.task, forest)]), page_starts, ..CallForests::default() };
        let cost = TracerCost { page: 30, ..TracerCost::default() };
        assert_eq!(Costing::new(&forests, &Names, cost).own_times(&nodes), [900 - 200 - 100 - 30, 200 - 30, 100]);
    }

    #[test]
    fn a_call_without_an_end_and_one_cheaper_than_its_tracer_cost_nothing() {
        let nodes = [node(0, 0, NodeKind::Call { func: 1, end: None }), call(1, 5, 10)];
        assert_eq!(own(&[&nodes], TracerCost { inside: 7, whole: 9.0, page: 0 }), [0, 0]);
    }
}
