//! What a run leaves for reports beside its verdicts: paths, timings, who wakes whom, which functions each kernel has.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kernel::KernelName;
use crate::path::cost::Costs;
use crate::path::steady::Steadiness;
use crate::path::timing::Summary;
use crate::path::{CallPath, PathEntry, text};
use crate::suite::judge::observe::{Observation, read_document};
use crate::suite::kernel_metadata::KernelMetadata;
use crate::trace::Presence;

/// What the iterations of one operation or context agree on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SavedPath {
    /// `receiver.recv`, `softirq`.
    pub name: String,
    /// The path's text (see `path/text.rs`): a line a node, two spaces a level. The most frequent one if no majority agrees.
    pub path: String,
    /// How many iterations show it.
    pub agreeing: usize,
    /// How many iterations there were. Not more than half of them agreeing: nothing can be said.
    pub iterations: usize,
    /// What a call of each function takes here with all that it calls, the tracer's cost taken off: instructions, median.
    /// Empty outside exact mode.
    #[serde(default, skip_serializing_if = "Costs::is_empty")]
    pub costs: Costs,
}

/// The cost of an operation, measure or milestone: instructions in exact mode, nanoseconds in native mode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OperationTiming {
    /// `receiver.recv`, the name of a measure, or a milestone's function with `()`.
    pub name: String,
    /// The median of all iterations; of an operation that sleeps, its time on the CPU.
    pub cost: u64,
    /// The median number of context switches of its task.
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
        let Summary { count, min, median, p90, max, .. } = summary;
        Self { name, cost: median, switches, accepted: None, summary: Some(TimingSummary { count, min, p90, max }) }
    }
}

/// One place where someone is woken.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct SavedWakeup {
    /// In which path.
    pub path: String,
    /// In which function.
    pub function: String,
    /// Who: an actor, or a class of other tasks.
    pub wakes: String,
}

/// What one kernel has of the functions that stand in any path of the run or in an accepted snapshot of its cases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SavedFunctions {
    pub kernel: KernelName,
    /// Those that can be traced.
    pub traceable: BTreeSet<String>,
    /// Those that are there and cannot be traced.
    pub untraceable: BTreeSet<String>,
    /// Those that it has no symbol of.
    pub absent: BTreeSet<String>,
}

impl SavedFunctions {
    /// What the kernel has of these names.
    pub fn of<'n>(kernel: KernelName, facts: &KernelMetadata, names: impl IntoIterator<Item = &'n String>) -> Self {
        let (traceable, untraceable, absent) = Default::default();
        let mut found = Self { kernel, traceable, untraceable, absent };
        for name in names {
            let set = match facts.presence(name) {
                Presence::Traceable => &mut found.traceable,
                Presence::NotTraceable => &mut found.untraceable,
                Presence::Absent => &mut found.absent,
                Presence::Present => continue,
            };
            set.insert(name.clone());
        }
        found
    }
}

/// An observation's paths, as they are saved.
pub(crate) fn paths(observation: &Observation) -> Vec<SavedPath> {
    let saved = |section: &crate::suite::Section| {
        let (shown, agreeing, iterations) = match &section.steadiness {
            Steadiness::Steady(steady) => (Some(&steady.path), steady.agreeing, steady.iterations),
            Steadiness::Inconclusive(unstable) => {
                (unstable.most_frequent.as_ref(), unstable.agreeing, unstable.iterations)
            }
        };
        let cost = |function: &str| Some((function.to_owned(), *section.costs.get(function)?));
        SavedPath {
            name: section.name.clone(),
            path: shown.map(text::write).unwrap_or_default(),
            agreeing,
            iterations,
            costs: shown.into_iter().flat_map(CallPath::functions).filter_map(cost).collect(),
        }
    };
    observation.sections.iter().map(saved).collect()
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

/// The same from saved paths.
pub(crate) fn wakeups_of(saved: &[SavedPath]) -> Vec<SavedWakeup> {
    let parsed: Vec<(&str, CallPath)> =
        saved.iter().filter_map(|one| Some((one.name.as_str(), text::parse(&one.path).ok()?))).collect();
    wakeups(parsed.iter().map(|(name, path)| (*name, path)))
}

/// The names of all functions in these saved paths and documents.
pub(crate) fn vocabulary<'p>(
    saved: impl IntoIterator<Item = &'p SavedPath>,
    documents: impl IntoIterator<Item = String>,
) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut note = |path: &CallPath| names.extend(path.functions().map(str::to_owned));
    for one in saved {
        if let Ok(path) = text::parse(&one.path) {
            note(&path);
        }
    }
    for document in documents {
        for (_, path) in read_document(&document).unwrap_or_default() {
            note(&path);
        }
    }
    names
}
