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

mod axis;
mod build;
#[cfg(test)]
mod tests;
mod timed;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use build::{NamedPath, sequence};
pub(crate) use timed::{TimedLine, TimedRun, TimedTree};

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
