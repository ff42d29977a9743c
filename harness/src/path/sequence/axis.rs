//! The time axis of a sequence.

use std::collections::BTreeSet;

use super::{Away, AwayKind, Cut, TimedTree};
use crate::path::time_axis::TimeAxis;
use crate::trace::TaskKey;

/// The time axis.
pub(super) struct Axis {
    time: TimeAxis,
    /// Start of a run by the trace clock, its length, and its task.
    runs: Vec<(u64, u64, TaskKey)>,
    /// The starts of runs before which no task was in the middle of a call.
    fresh: BTreeSet<u64>,
}

impl Axis {
    pub(super) fn of<'t>(trees: impl Iterator<Item = &'t TimedTree> + Clone) -> Self {
        let of_tree = |tree: &'t TimedTree| tree.runs.iter().map(|run| (run.start, run.took, tree.task));
        let mut runs: Vec<(u64, u64, TaskKey)> = trees.clone().flat_map(of_tree).collect();
        runs.sort_unstable();
        let time = TimeAxis::of(runs.iter().map(|(start, took, _)| (*start, *took)));
        Self { time, runs, fresh: fresh_starts(trees) }
    }

    pub(super) fn length(&self) -> u64 {
        self.time.length()
    }

    /// The place of a time of the trace clock.
    pub(super) fn at(&self, time: u64) -> u64 {
        self.time.at(time)
    }

    /// The start and length of a call; one without a recorded end lasts until the last run.
    pub(super) fn period(&self, start: u64, end: Option<u64>) -> (u64, u64) {
        let from = self.at(start);
        (from, end.map_or_else(|| self.length(), |end| self.at(end)).saturating_sub(from))
    }

    /// When a task did not run between the start and the end of its trees.
    pub(super) fn away<'t>(&self, task: TaskKey, trees: impl Iterator<Item = &'t TimedTree> + Clone) -> Vec<Away> {
        let mut out: Vec<Away> = Vec::new();
        let switches = trees.clone().flat_map(|tree| &tree.away);
        for (left, back, state) in switches {
            let kind = if *state == 'R' { AwayKind::Preempted } else { AwayKind::Sleeps };
            let (start, length) = self.period(*left, *back);
            out.push(Away { start, end: start + length, kind });
        }
        let periods = trees.filter_map(|tree| Some((self.at(tree.start()), self.at(tree.end()?))));
        let periods: Vec<(u64, u64)> = periods.collect();
        let own = self.runs.iter().filter(|run| run.2 == task);
        let own: Vec<(u64, u64)> = own.map(|(start, took, _)| (self.at(*start), self.at(*start) + took)).collect();
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

    pub(super) fn cuts(&self) -> Vec<Cut> {
        let pairs = self.runs.windows(2).filter(|pair| self.fresh.contains(&pair[1].0));
        pairs
            .map(|pair| Cut { time: self.at(pair[1].0), ns: pair[1].0.saturating_sub(pair[0].0 + pair[0].1) })
            .collect()
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
