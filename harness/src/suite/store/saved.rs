//! What results hold besides the verdicts: paths, timings, who wakes whom, which functions each kernel has.

use std::collections::BTreeSet;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kernel::KernelName;
use crate::path::cost::{Costs, SelfCosts};
use crate::path::timing::Summary;
use crate::path::{CallPath, PathEntry};
use crate::suite::kernel_metadata::KernelMetadata;
use crate::trace::Presence;

/// The path that the iterations of one operation or context agree on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SavedPath {
    /// `receiver.recv`, `softirq`.
    pub name: String,
    /// The path's text (see `path/text.rs`): one line for each node, two spaces for each level. If no majority agrees, the
    /// most frequent path.
    pub path: String,
    /// How many iterations took this path.
    pub agreeing: usize,
    /// How many iterations there were. If at most half of them agree, the path proves nothing.
    pub iterations: usize,
    /// The median cost of one call of each function with all that it calls, in instructions without the tracer's share.
    /// Empty outside exact mode.
    #[serde(default, skip_serializing_if = "Costs::is_empty")]
    pub costs: Costs,
    /// As `costs`, but without the calls that the path shows beneath the function, and with those that it leaves out.
    #[serde(default, skip_serializing_if = "SelfCosts::is_empty")]
    pub self_costs: SelfCosts,
}

impl SavedPath {
    /// Whether most of the iterations took this path.
    pub(crate) fn is_steady(&self) -> bool {
        2 * self.agreeing > self.iterations
    }
}

/// The cost of an operation, measure or milestone: instructions in exact mode, nanoseconds in native mode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OperationTiming {
    /// `receiver.recv`, the name of a measure, or a milestone's function with `()`.
    pub name: String,
    /// The lower quartile of the iterations with this number of switches; for an operation that sleeps, its time on the
    /// CPU.
    pub cost: u64,
    /// The lower quartile of the number of context switches of its task.
    pub switches: u32,
    /// The accepted cost, if the timings differ from the accepted ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<u64>,
    /// The distribution of the iterations; unknown if the timing was read from a snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<TimingSummary>,
}

/// How the samples behind an [`OperationTiming::cost`] are distributed, in its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TimingSummary {
    /// The number of samples.
    pub count: usize,
    pub min: u64,
    /// 90 % of the samples do not exceed it.
    pub p90: u64,
    pub max: u64,
}

impl OperationTiming {
    /// A timing without an accepted cost.
    pub(crate) fn measured(name: String, switches: u32, summary: Summary) -> Self {
        let Summary { count, min, low, p90, max, .. } = summary;
        Self { name, cost: low, switches, accepted: None, summary: Some(TimingSummary { count, min, p90, max }) }
    }
}

/// Timings that differ from the accepted ones within the tolerance, which applies because those were measured with something else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Drift {
    /// What is different from what the accepted timings were measured with: `kernel`, `compiler`, `QEMU`, `agent`, `rxpath`, or
    /// `case or machine` if it is none of these. Empty if their snapshot does not say it.
    pub because: Vec<String>,
    /// The timings that differ, in the order of the case.
    pub timings: Vec<DriftedTiming>,
}

/// A timing that differs from the accepted one within the tolerance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DriftedTiming {
    /// As in [`OperationTiming::name`].
    pub name: String,
    /// The accepted cost.
    pub accepted: u64,
    /// The cost in this run.
    pub cost: u64,
}

impl DriftedTiming {
    /// The difference as a share of the accepted cost.
    pub fn share(&self) -> f64 {
        (self.cost as f64 - self.accepted as f64) / self.accepted as f64
    }
}

impl fmt::Display for DriftedTiming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, accepted, cost } = self;
        let difference = i128::from(*cost) - i128::from(*accepted);
        write!(f, "{name}: {cost} instead of {accepted} ({difference:+})")
    }
}

/// A place where a task is woken.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct SavedWakeup {
    /// The name of the path.
    pub path: String,
    /// The function that wakes it.
    pub function: String,
    /// The actor that is woken, or a class of other tasks.
    pub wakes: String,
}

/// Which functions one kernel has, of those in the paths of the run and in the accepted snapshots of its cases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SavedFunctions {
    pub kernel: KernelName,
    pub traceable: BTreeSet<String>,
    /// Functions that exist but cannot be traced.
    pub untraceable: BTreeSet<String>,
    /// Functions without a symbol in this kernel.
    pub absent: BTreeSet<String>,
}

impl SavedFunctions {
    /// Looks up the functions with these names on all machines of a kernel: those of a module are there where it is loaded.
    pub(crate) fn of<'n>(
        kernel: KernelName,
        metadata: &[&KernelMetadata],
        names: impl IntoIterator<Item = &'n String>,
    ) -> Self {
        let (traceable, untraceable, absent) = Default::default();
        let mut found = Self { kernel, traceable, untraceable, absent };
        for name in names {
            let set = match presence(metadata, name) {
                Presence::Traceable => &mut found.traceable,
                Presence::NotTraceable => &mut found.untraceable,
                Presence::Present => continue,
                Presence::Absent => &mut found.absent,
            };
            set.insert(name.clone());
        }
        found
    }
}

/// The best that one of these machines knows of a function. The first one has most of them.
fn presence(metadata: &[&KernelMetadata], name: &str) -> Presence {
    let mut best = Presence::Absent;
    for one in metadata {
        best = best.max(one.presence(name));
        if best == Presence::Traceable {
            break;
        }
    }
    best
}

/// Who wakes whom in these paths, each place once.
pub fn wakeups<'p>(paths: impl IntoIterator<Item = (&'p str, &'p CallPath)>) -> Vec<SavedWakeup> {
    let mut found = BTreeSet::new();
    for (name, path) in paths {
        let mut above: Vec<&str> = Vec::new();
        for node in &path.nodes {
            above.truncate(node.depth as usize);
            if let PathEntry::Wakes(who) = &node.entry {
                let function = above.iter().rev().find(|function| !function.is_empty()).unwrap_or(&"");
                found.insert(SavedWakeup {
                    path: name.to_owned(),
                    function: (*function).to_owned(),
                    wakes: who.to_string(),
                });
            }
            above.push(node.entry.function().unwrap_or(""));
        }
    }
    found.into_iter().collect()
}
