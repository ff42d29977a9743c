//! From the trees of an iteration to its sequence.

use std::collections::{BTreeMap, BTreeSet};

use super::axis::Axis;
use super::{Lane, Sequence, SequenceCall, SequenceTree, TimedLine, TimedTree, Wake};
use crate::path::cost::SelfCosts;
use crate::path::fold::unfolded;
use crate::path::{CallPath, Stream};
use crate::trace::TaskKey;

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
