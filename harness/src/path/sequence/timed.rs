//! The trees of an iteration with the times of the trace clock.

use std::collections::{BTreeMap, BTreeSet};

use super::NamedPath;
use crate::path::{Stream, subtree_ends, with_all_beneath};
use crate::trace::TaskKey;

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

impl TimedTree {
    pub(super) fn start(&self) -> u64 {
        self.runs.iter().map(|run| run.start).min().unwrap_or(u64::MAX)
    }

    /// The end of its last call that ended.
    pub(super) fn end(&self) -> Option<u64> {
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
    pub(super) fn costs(&self) -> Vec<u64> {
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
    pub(super) fn limit_shared_calls(&mut self, named: &NamedPath, lines: &[usize]) {
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
