//! One iteration over time: which call ran when and in which task, who slept, and who woke whom.
//!
//! The time axis counts what the calls of the paths took themselves, in instructions. It is the trace clock without everything
//! else: the tracer's share, and the time in which no call of a path ran (idle CPUs, context switches, rxpath's agent, functions
//! at the root that the paths leave out). The CPUs of a machine take turns on one clock in exact mode, so two calls never run at
//! the same time, and the order of all events is as it was recorded. The whole axis is as long as the sum of all self costs of
//! this iteration. A call is as long on the axis as its cost, and as whatever ran before it ended: softirqs on top of it, other
//! CPUs' turns and, if it slept, other tasks.
//!
//! Approximated: the tracer's share of each call (an average of the machine), and where in a call its own time is
//! ([`super::own_runs`]). A call in which another CPU had a turn may seem far too long ([`super::own_times::OwnTime::shared`]), so it
//! takes no more here than the median of its function, which is also what the call tree prints.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cost::SelfCosts;
use super::fold::unfolded;
use super::{CallPath, Stream, subtree_ends, with_all_beneath};
use crate::trace::TaskKey;

/// One iteration of a case over time. All times are instructions since its start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sequence {
    /// The number of the iteration, from 0 for the first after the warm-up.
    pub iteration: u32,
    /// The length of the time axis.
    pub length: u64,
    /// The tasks, the actors first.
    pub lanes: Vec<Lane>,
    /// The call trees in order of their start.
    pub trees: Vec<SequenceTree>,
    /// In order of time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wakes: Vec<Wake>,
    /// Where time is left out in which no call of the paths ran.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cuts: Vec<Cut>,
    /// The text of the paths that this iteration took instead of those of the results, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub other_paths: BTreeMap<String, String>,
}

/// A task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Lane {
    /// The actor's name, the task's, or `idle`.
    pub name: String,
    pub cpu: u16,
    /// When the task did not run in one of its operations, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub away: Vec<Away>,
}

/// A period in which a task did not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Away {
    pub start: u64,
    pub end: u64,
    pub kind: AwayKind,
}

/// Why a task did not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AwayKind {
    /// It slept.
    Sleeps,
    /// Another task ran on its CPU.
    Preempted,
    /// The emulator ran another CPU.
    Turn,
}

/// A call tree of one of the paths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SequenceTree {
    /// The name of the path.
    pub path: String,
    /// The index of its lane.
    pub lane: usize,
    /// Its calls in preorder, separated by spaces: `LINE@START+LENGTH`, and `=COST` where the cost differs from the length. LINE
    /// is the index of the call's line in the path. Calls that are too short to be seen are left out.
    pub calls: String,
}

/// A wake-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Wake {
    pub time: u64,
    /// The index of the tree that contains it.
    pub tree: usize,
    /// The index of its line in the tree's path.
    pub line: usize,
    /// The index of the woken task's lane, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lane: Option<usize>,
    /// When the woken task ran again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ran: Option<u64>,
}

/// A place of the time axis at which time is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cut {
    pub time: u64,
    /// How long no call of the paths ran, in nanoseconds with the tracer's share.
    pub ns: u64,
}

/// A call of a [`SequenceTree`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceCall {
    /// The index of its line in the path.
    pub line: usize,
    pub start: u64,
    pub length: u64,
    /// What it took with everything that its path shows beneath it, in instructions.
    pub cost: u64,
}

impl SequenceTree {
    /// Reads the calls, without those that are malformed.
    pub fn calls(&self) -> impl Iterator<Item = SequenceCall> {
        self.calls.split_whitespace().filter_map(|call| {
            let (line, rest) = call.split_once('@')?;
            let (start, rest) = rest.split_once('+')?;
            let (length, cost) = rest.split_once('=').unwrap_or((rest, rest));
            let number = |text: &str| text.parse().ok();
            let (start, length, cost) = (number(start)?, number(length)?, number(cost)?);
            Some(SequenceCall { line: line.parse().ok()?, start, length, cost })
        })
    }
}

impl SequenceCall {
    fn text(self) -> String {
        let Self { line, start, length, cost } = self;
        if cost == length { format!("{line}@{start}+{length}") } else { format!("{line}@{start}+{length}={cost}") }
    }
}

/// A tree of a stream in one iteration, with the times of the trace clock.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TimedTree {
    pub stream: Stream,
    pub task: TaskKey,
    pub cpu: u16,
    /// The index of its first line in the path of the stream before that was folded.
    pub first_line: usize,
    /// Its lines in the path.
    pub lines: Vec<TimedLine>,
    /// When calls of the path ran themselves.
    pub runs: Vec<TimedRun>,
    /// When the task left the CPU, when it was back if it was, and its state in between.
    pub away: Vec<(u64, Option<u64>, char)>,
    /// The number of calls on top of which an interrupt or another CPU's turn came.
    pub disturbed: usize,
}

/// A line of a path with the times of the trace clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum TimedLine {
    Call { depth: u32, start: u64, end: Option<u64> },
    Wakes { time: u64, pid: i32 },
    Mark,
}

/// A period in which a call of a path, or one that the path leaves out beneath it, ran itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimedRun {
    /// The index of the call in [`TimedTree::lines`].
    pub line: usize,
    /// The trace clock at its start.
    pub start: u64,
    /// Its length without the tracer's share.
    pub took: u64,
    /// Whether another CPU had a turn in the call's own time.
    pub shared: bool,
}

/// The least share of the axis that a call must take to be kept.
const LEAST_SHARE: u64 = 2000;

/// The most calls of a sequence; the longest are kept.
const MOST_CALLS: usize = 4000;

/// A stream's name, and what is saved as its path.
pub(crate) struct NamedPath<'p> {
    pub name: &'p str,
    /// The path of this iteration.
    pub path: &'p CallPath,
    /// The median self costs of its functions.
    pub self_costs: &'p SelfCosts,
}

/// Makes the sequence of one iteration from its trees. `named` gives the streams that are shown. `lane_of` names a task.
pub(crate) fn sequence<'p>(
    iteration: u32,
    trees: &[TimedTree],
    named: impl Fn(&Stream) -> Option<NamedPath<'p>>,
    lane_of: impl Fn(TaskKey) -> (usize, String),
) -> Option<Sequence> {
    let trees = trees.iter().filter(|tree| !tree.runs.is_empty());
    let shown = trees.filter_map(|tree| {
        let named = named(&tree.stream)?;
        let lines = unfolded(named.path, tree.first_line + tree.lines.len());
        let lines: Vec<usize> = lines.into_iter().skip(tree.first_line).collect();
        let mut tree = tree.clone();
        tree.limit_shared_calls(&named, &lines);
        Some(ShownTree { tree, named, lines })
    });
    let mut shown: Vec<ShownTree> = shown.collect();
    shown.sort_by_key(|shown| shown.tree.start());
    let axis = Axis::of(shown.iter().map(|shown| &shown.tree));
    let tasks: BTreeSet<TaskKey> = shown.iter().map(|shown| shown.tree.task).collect();
    let mut tasks: Vec<((usize, String), TaskKey)> = tasks.into_iter().map(|task| (lane_of(task), task)).collect();
    tasks.sort();
    let lane = |task: TaskKey| tasks.iter().position(|(_, known)| *known == task);
    let lanes = tasks.iter().map(|((_, name), task)| {
        let of_task = || shown.iter().map(|shown| &shown.tree).filter(|tree| tree.task == *task);
        let cpu = of_task().next().map_or(0, |tree| tree.cpu);
        Lane { name: name.clone(), cpu, away: axis.away(*task, of_task()) }
    });
    let lanes: Vec<Lane> = lanes.collect();
    let mut wakes = Vec::new();
    let mut out = Vec::new();
    let least = least_length(&shown, &axis);
    for (at, ShownTree { tree, named, lines }) in shown.iter().enumerate() {
        let costs = tree.costs();
        let mut calls = Vec::new();
        for ((line, cost), in_path) in tree.lines.iter().zip(costs).zip(lines) {
            match *line {
                TimedLine::Call { start, end, .. } => {
                    let (start, length) = axis.period(start, end);
                    if length >= least {
                        calls.push(SequenceCall { line: *in_path, start, length, cost }.text());
                    }
                }
                TimedLine::Wakes { time, pid } => {
                    let woken = TaskKey::Task(pid);
                    let of_woken = shown.iter().filter(|shown| shown.tree.task == woken);
                    let back = of_woken.flat_map(|shown| &shown.tree.away).filter_map(|(_, back, _)| *back);
                    let ran = back.filter(|back| *back >= time).min().map(|ran| axis.at(ran));
                    wakes.push(Wake { time: axis.at(time), tree: at, line: *in_path, lane: lane(woken), ran });
                }
                TimedLine::Mark => {}
            }
        }
        out.push(SequenceTree { path: named.name.to_owned(), lane: lane(tree.task)?, calls: calls.join(" ") });
    }
    wakes.sort_by_key(|wake| wake.time);
    let length = axis.length();
    let cuts = axis.cuts();
    (length > 0).then_some(Sequence { iteration, length, lanes, trees: out, wakes, cuts, other_paths: BTreeMap::new() })
}

/// A tree with its path.
struct ShownTree<'p> {
    tree: TimedTree,
    named: NamedPath<'p>,
    /// For each line of the tree, the index of its line in the path.
    lines: Vec<usize>,
}

/// The length of the shortest call that is kept.
fn least_length(shown: &[ShownTree], axis: &Axis) -> u64 {
    let lines = shown.iter().flat_map(|shown| &shown.tree.lines);
    let lengths = lines.filter_map(|line| match *line {
        TimedLine::Call { start, end, .. } => Some(axis.period(start, end).1),
        _ => None,
    });
    let mut lengths: Vec<u64> = lengths.collect();
    lengths.sort_unstable_by(|one, other| other.cmp(one));
    let of_most = lengths.get(MOST_CALLS).map_or(0, |longest_left_out| longest_left_out + 1);
    axis.length().div_ceil(LEAST_SHARE).max(of_most).max(1)
}

impl TimedTree {
    fn start(&self) -> u64 {
        self.runs.iter().map(|run| run.start).min().unwrap_or(u64::MAX)
    }

    /// The end of its last call that ended.
    fn end(&self) -> Option<u64> {
        let ends = self.lines.iter().filter_map(|line| match line {
            TimedLine::Call { end, .. } => *end,
            _ => None,
        });
        ends.max()
    }

    /// What each line took itself.
    fn own(&self) -> Vec<u64> {
        let mut own = vec![0u64; self.lines.len()];
        for run in &self.runs {
            own[run.line] += run.took;
        }
        own
    }

    /// What each line took with all that the path shows beneath it.
    fn costs(&self) -> Vec<u64> {
        let mut depth = 0;
        let depths: Vec<u32> = self
            .lines
            .iter()
            .map(|line| match line {
                TimedLine::Call { depth: of_call, .. } => {
                    depth = of_call + 1;
                    *of_call
                }
                _ => depth,
            })
            .collect();
        with_all_beneath(&subtree_ends(depths.into_iter()), self.own().into_iter())
    }

    /// Shortens the calls in which another CPU had a turn to the median of their function.
    fn limit_shared_calls(&mut self, named: &NamedPath, lines: &[usize]) {
        let own = self.own();
        let shared: BTreeSet<usize> = self.runs.iter().filter(|run| run.shared).map(|run| run.line).collect();
        let limit = |line: usize| {
            let function = named.path.nodes.get(*lines.get(line)?)?.entry.function()?;
            let median = named.self_costs.get(function).filter(|cost| !cost.shared)?.cost;
            (median < own[line]).then_some(median)
        };
        let limits: BTreeMap<usize, u64> = shared.into_iter().filter_map(|line| Some((line, limit(line)?))).collect();
        let mut given: BTreeMap<usize, (u64, u64)> = BTreeMap::new();
        for run in &mut self.runs {
            let Some(limit) = limits.get(&run.line) else { continue };
            // Sums of both lengths, so that rounding does not add up.
            let (before, after) = given.entry(run.line).or_default();
            *before += run.took;
            let until = (*before as u128 * u128::from(*limit) / u128::from(own[run.line].max(1))) as u64;
            run.took = until - *after;
            *after = until;
        }
    }
}

/// The time axis.
struct Axis {
    /// Start of a run by the trace clock, the sum of all runs before it, its length, and its task.
    runs: Vec<(u64, u64, u64, TaskKey)>,
    /// The starts of runs before which no task was in the middle of a call.
    fresh: BTreeSet<u64>,
}

impl Axis {
    fn of<'t>(trees: impl Iterator<Item = &'t TimedTree> + Clone) -> Self {
        let of_tree = |tree: &'t TimedTree| tree.runs.iter().map(|run| (run.start, 0, run.took, tree.task));
        let mut runs: Vec<(u64, u64, u64, TaskKey)> = trees.clone().flat_map(of_tree).collect();
        runs.sort_unstable();
        let mut sum = 0;
        for (_, before, took, _) in &mut runs {
            *before = sum;
            sum += *took;
        }
        let fresh = fresh_starts(trees);
        Self { runs, fresh }
    }

    fn length(&self) -> u64 {
        self.runs.last().map_or(0, |(_, before, took, _)| before + took)
    }

    /// The place of a time of the trace clock.
    fn at(&self, time: u64) -> u64 {
        let next = self.runs.partition_point(|(start, ..)| *start < time);
        self.runs.get(next).map_or_else(|| self.length(), |(_, before, ..)| *before)
    }

    /// The start and length of a call; one without a recorded end lasts until the last run.
    fn period(&self, start: u64, end: Option<u64>) -> (u64, u64) {
        let from = self.at(start);
        (from, end.map_or_else(|| self.length(), |end| self.at(end)).saturating_sub(from))
    }

    /// When a task did not run between the start and the end of its trees.
    fn away<'t>(&self, task: TaskKey, trees: impl Iterator<Item = &'t TimedTree> + Clone) -> Vec<Away> {
        let mut out: Vec<Away> = Vec::new();
        let switches = trees.clone().flat_map(|tree| &tree.away);
        for (left, back, state) in switches {
            let kind = if *state == 'R' { AwayKind::Preempted } else { AwayKind::Sleeps };
            let (start, length) = self.period(*left, *back);
            out.push(Away { start, end: start + length, kind });
        }
        let periods = trees.filter_map(|tree| Some((self.at(tree.start()), self.at(tree.end()?))));
        let periods: Vec<(u64, u64)> = periods.collect();
        let own: Vec<(u64, u64)> =
            self.runs.iter().filter(|run| run.3 == task).map(|run| (run.1, run.1 + run.2)).collect();
        for pair in own.windows(2) {
            let (from, to) = (pair[0].1, pair[1].0);
            let is_inside = periods.iter().any(|(start, end)| *start <= from && to <= *end);
            let is_known = out.iter().any(|away| away.start <= to && from <= away.end && away.start < away.end);
            if to > from && is_inside && !is_known {
                out.push(Away { start: from, end: to, kind: AwayKind::Turn });
            }
        }
        out.sort_by_key(|away| (away.start, away.end));
        out
    }

    fn cuts(&self) -> Vec<Cut> {
        let pairs = self.runs.windows(2).filter(|pair| self.fresh.contains(&pair[1].0));
        pairs.map(|pair| Cut { time: pair[1].1, ns: pair[1].0.saturating_sub(pair[0].0 + pair[0].2) }).collect()
    }
}

/// The starts of runs before which no task was in the middle of a call: at the start of an outermost tree, and after a sleep.
fn fresh_starts<'t>(trees: impl Iterator<Item = &'t TimedTree>) -> BTreeSet<u64> {
    // When something begins and when it ends, by the trace clock.
    let mut changes: Vec<(u64, i32)> = Vec::new();
    for tree in trees {
        let mut from = tree.start();
        let Some(end) = tree.end() else { continue };
        for (left, back, _) in &tree.away {
            changes.extend([(from, 1), (*left, -1)]);
            let first = tree.runs.iter().map(|run| run.start).filter(|start| back.is_some_and(|back| *start >= back));
            from = first.min().unwrap_or(end);
        }
        changes.extend([(from, 1), (end.max(from), -1)]);
    }
    changes.sort_unstable();
    let mut running = 0;
    let mut fresh = BTreeSet::new();
    for (time, change) in changes {
        if running == 0 && change > 0 {
            fresh.insert(time);
        }
        running += change;
    }
    fresh
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::cost::SelfCost;
    use crate::path::text;

    const RECEIVER: TaskKey = TaskKey::Task(10);
    const SENDER: TaskKey = TaskKey::Task(11);
    const RECV: Stream = Stream::Operation { actor: 0, step: 0 };
    const SEND: Stream = Stream::Operation { actor: 1, step: 0 };

    /// A path with its own name as the name of the stream.
    struct Known(Vec<(Stream, &'static str, CallPath, SelfCosts)>);

    impl Known {
        fn of(paths: &[(Stream, &'static str, &str)]) -> Self {
            let known = |(stream, name, path): &(Stream, &'static str, &str)| {
                (stream.clone(), *name, text::parse(path).unwrap(), SelfCosts::new())
            };
            Self(paths.iter().map(known).collect())
        }

        fn sequence(&self, trees: &[TimedTree]) -> Sequence {
            let named = |stream: &Stream| {
                let (_, name, path, self_costs) = self.0.iter().find(|known| known.0 == *stream)?;
                Some(NamedPath { name, path, self_costs })
            };
            let lane = |task| if task == RECEIVER { (0, "receiver".to_owned()) } else { (1, "sender".to_owned()) };
            sequence(0, trees, named, lane).unwrap()
        }
    }

    fn tree(stream: Stream, task: TaskKey, lines: Vec<TimedLine>, runs: &[(usize, u64, u64)]) -> TimedTree {
        let run = |(line, start, took): &(usize, u64, u64)| TimedRun {
            line: *line,
            start: *start,
            took: *took,
            shared: false,
        };
        let runs = runs.iter().map(run).collect();
        TimedTree { stream, task, cpu: 0, first_line: 0, lines, runs, away: Vec::new(), disturbed: 0 }
    }

    fn call(depth: u32, start: u64, end: u64) -> TimedLine {
        TimedLine::Call { depth, start, end: Some(end) }
    }

    /// A receive that sleeps from 2000 to 9000, and a send whose softirq wakes it at 6000. Only every fifth nanosecond is theirs.
    fn blocking() -> (Known, Vec<TimedTree>) {
        let known = Known::of(&[
            (RECV, "receiver.recv", "recv\n  wait\n    ~ sleeps\n  copy\n"),
            (SEND, "sender.send", "send\n  xmit\n"),
            (Stream::Softirq, "softirq", "~ in sender.send\n  net_rx\n    ~ wakes receiver\n"),
        ]);
        let recv_lines = vec![call(0, 1000, 10_000), call(1, 1500, 9500), TimedLine::Mark, call(1, 9600, 9900)];
        let mut recv = tree(
            RECV,
            RECEIVER,
            recv_lines,
            &[(0, 1000, 100), (1, 1500, 100), (1, 9000, 100), (0, 9500, 0), (3, 9600, 60), (0, 9900, 40)],
        );
        recv.away = vec![(2000, Some(9000), 'S')];
        let send = tree(
            SEND,
            SENDER,
            vec![call(0, 4000, 8000), call(1, 5000, 7800)],
            &[(0, 4000, 200), (1, 5000, 50), (1, 7500, 50), (0, 7800, 100)],
        );
        let mut softirq = tree(
            Stream::Softirq,
            SENDER,
            vec![call(1, 5500, 7500), TimedLine::Wakes { time: 6000, pid: 10 }],
            &[(0, 5500, 250), (0, 6000, 250)],
        );
        softirq.first_line = 1;
        (known, vec![recv, send, softirq])
    }

    #[test]
    fn the_axis_counts_what_the_calls_took_and_nothing_else() {
        let (known, trees) = blocking();
        let sequence = known.sequence(&trees);
        assert_eq!(sequence.length, 400 + 400 + 500);
        let calls: Vec<(&str, usize, &str)> =
            sequence.trees.iter().map(|tree| (tree.path.as_str(), tree.lane, tree.calls.as_str())).collect();
        assert_eq!(
            calls,
            [
                ("receiver.recv", 0, "0@0+1300=400 1@100+1100=200 3@1200+60"),
                ("sender.send", 1, "0@200+900=400 1@400+600=100"),
                ("softirq", 1, "1@450+500"),
            ]
        );
    }

    #[test]
    fn a_sleep_lasts_while_others_run_and_ends_after_its_wake_up() {
        let (known, trees) = blocking();
        let sequence = known.sequence(&trees);
        assert_eq!(sequence.lanes[0].away, [Away { start: 200, end: 1100, kind: AwayKind::Sleeps }]);
        assert_eq!(sequence.lanes[1].away, []);
        assert_eq!(sequence.wakes, [Wake { time: 700, tree: 2, line: 2, lane: Some(0), ran: Some(1100) }]);
        let cuts: Vec<u64> = sequence.cuts.iter().map(|cut| cut.time).collect();
        assert_eq!(cuts, [200, 1100]);
    }

    #[test]
    fn a_turn_of_another_cpu_is_not_a_sleep() {
        let known = Known::of(&[(RECV, "receiver.recv", "recv\n"), (SEND, "sender.send", "send\n")]);
        let recv = tree(RECV, RECEIVER, vec![call(0, 0, 1000)], &[(0, 0, 100), (0, 900, 100)]);
        let send = tree(SEND, SENDER, vec![call(0, 300, 800)], &[(0, 300, 50)]);
        let sequence = known.sequence(&[recv, send]);
        assert_eq!(sequence.lanes[0].away, [Away { start: 100, end: 150, kind: AwayKind::Turn }]);
        assert_eq!(sequence.cuts, []);
    }

    #[test]
    fn a_call_with_another_cpu_s_turn_takes_at_most_the_median_of_its_function() {
        let mut known = Known::of(&[(RECV, "receiver.recv", "recv\n  wait\n")]);
        let cost = |cost| SelfCost { cost, ..SelfCost::default() };
        known.0[0].3 = SelfCosts::from([("wait".to_owned(), cost(90)), ("recv".to_owned(), cost(1))]);
        let mut recv = tree(
            RECV,
            RECEIVER,
            vec![call(0, 0, 9000), call(1, 100, 8000)],
            &[(0, 0, 100), (1, 100, 4000), (1, 5000, 2000)],
        );
        recv.runs[1].shared = true;
        assert_eq!(known.sequence(&[recv]).trees[0].calls, "0@0+190 1@100+90");
    }

    #[test]
    fn calls_of_a_folded_path_name_its_lines() {
        let known = Known::of(&[(RECV, "receiver.recv", "poll\n  ~ repeats ×2\n    a\n    b ×2\n")]);
        let lines = (0..6).map(|at| call(1, 100 * at + 1, 100 * at + 100));
        let lines: Vec<TimedLine> = [call(0, 0, 1000)].into_iter().chain(lines).collect();
        let runs: Vec<(usize, u64, u64)> = (1..7).map(|line| (line, 100 * (line as u64 - 1) + 1, 10)).collect();
        let sequence = known.sequence(&[tree(RECV, RECEIVER, lines, &runs)]);
        let found: Vec<usize> = sequence.trees[0].calls().map(|call| call.line).collect();
        assert_eq!(found, [0, 2, 3, 3, 2, 3, 3]);
    }

    #[test]
    fn calls_that_are_too_short_to_be_seen_are_left_out_and_malformed_ones_ignored() {
        let known = Known::of(&[(RECV, "receiver.recv", "recv\n  a\n  b\n")]);
        let recv = tree(
            RECV,
            RECEIVER,
            vec![call(0, 0, 9999), call(1, 1, 2), call(1, 9998, 9999)],
            &[(0, 0, 9990), (1, 1, 1), (2, 9998, 9)],
        );
        assert_eq!(known.sequence(&[recv]).trees[0].calls, "0@0+10000 2@9991+9");
        let text = "1@2+3 x 1@2 @+ 4@5+6=7 -1@2+3 1@99999999999999999999+1";
        let tree = SequenceTree { path: String::new(), lane: 0, calls: text.to_owned() };
        let found: Vec<usize> = tree.calls().map(|call| call.line).collect();
        assert_eq!(found, [1, 4]);
    }
}
