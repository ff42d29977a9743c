//! The calls of each task, as an icicle.

use super::axis::Axis;
use super::{CallBox, Kind, NARROW, ROW, words};
use crate::path::sequence::{AwayKind, Sequence, SequenceCall, SequenceTree};
use crate::path::{CallPath, PathEntry, PathNode};

/// For each line of a path, the number of calls around it.
fn levels(path: &CallPath) -> Vec<usize> {
    let mut around: Vec<u32> = Vec::new();
    let level = |node: &PathNode| {
        while around.pop_if(|depth| *depth >= node.depth).is_some() {}
        let level = around.len();
        around.extend(node.entry.function().map(|_| node.depth));
        level
    };
    path.nodes.iter().map(level).collect()
}

/// The calls of a task, from `top` downwards, and how many levels they have.
pub(super) fn boxes<'p>(
    sequence: &Sequence,
    lane: usize,
    axis: &Axis,
    top: f64,
    path_of: impl Fn(&SequenceTree) -> Option<&'p CallPath>,
) -> (Vec<CallBox>, usize) {
    let mut out: Vec<CallBox> = Vec::new();
    // The calls so far with their levels.
    let mut placed: Vec<(SequenceCall, usize)> = Vec::new();
    let away = &sequence.lanes[lane].away;
    let is_around =
        |call: &SequenceCall, time: u64| call.start <= time && time < call.start.saturating_add(call.length);
    for tree in sequence.trees.iter().filter(|tree| tree.lane == lane) {
        let Some(path) = path_of(tree) else { continue };
        let kind = Kind::of_path(&tree.path);
        let levels = levels(path);
        let start = tree.calls().next().map_or(0, |call| call.start);
        let base = match kind {
            Kind::Process => 0,
            _ => {
                placed.iter().filter(|(call, _)| is_around(call, start)).map(|(_, level)| level + 1).max().unwrap_or(0)
            }
        };
        let first = out.len();
        for call in tree.calls() {
            let (Some(level), Some(node)) = (levels.get(call.line), path.nodes.get(call.line)) else { continue };
            let Some(function) = node.entry.function() else { continue };
            let level = base + level;
            placed.push((call, level));
            let (x, width) = axis.period(call.start, call.start.saturating_add(call.length));
            let y = top + ROW * level as f64;
            let same = out[first..].iter_mut().rev().find(|other| other.y == y);
            if let Some(other) = same
                && other.line == call.line
                && width < NARROW
                && x - (other.x + other.width) < 1.0
            {
                other.width = x + width - other.x;
                other.cost = other.cost.map(|cost| cost.saturating_add(call.cost));
                other.times += 1;
                continue;
            }
            let (function, path, line) = (function.to_owned(), tree.path.clone(), call.line);
            out.push(CallBox { x, y, width, kind, function, cost: Some(call.cost), times: 1, path, line });
        }
    }
    for tree in sequence.trees.iter().filter(|tree| tree.lane == lane && Kind::of_path(&tree.path) == Kind::Process) {
        let Some(path) = path_of(tree) else { continue };
        let levels = levels(path);
        for away in away.iter().filter(|away| away.kind != AwayKind::Turn) {
            let Some(inner) = tree.calls().filter(|call| is_around(call, away.start)).last() else { continue };
            let level = levels.get(inner.line).map_or(0, |level| level + 1);
            let (x, width) = axis.away(away);
            let beneath = path.nodes.iter().skip(inner.line + 1);
            let mark = beneath
                .take_while(|node| node.entry.function().is_none())
                .position(|node| matches!(node.entry, PathEntry::Sleeps | PathEntry::Preempted));
            let (line, function) = (inner.line + mark.map_or(0, |mark| mark + 1), words(away.kind).to_owned());
            let (y, path) = (top + ROW * level as f64, tree.path.clone());
            out.push(CallBox { x, y, width, kind: Kind::Away(away.kind), function, cost: None, times: 1, path, line });
            placed.push((inner, level));
        }
    }
    let levels = placed.iter().map(|(_, level)| level + 1).max().unwrap_or(0);
    (out, levels)
}
