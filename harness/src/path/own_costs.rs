//! What each function of a path takes itself: without the calls that the path shows beneath it, but with those that it leaves
//! out.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::timing::Summary;
use super::{CallPath, PathEntry};

/// What the calls of each function take themselves in one iteration, by canonical name.
pub(crate) type SelfCosts = BTreeMap<String, SelfCost>;

/// What the calls of one function take themselves in one iteration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SelfCost {
    /// All calls together, in instructions: the median of the iterations.
    pub all: u64,
    /// How many calls there are: the median of the iterations.
    pub calls: u64,
}

impl SelfCost {
    /// What one call takes, on average.
    pub(crate) fn of_one(self) -> u64 {
        self.all.checked_div(self.calls).unwrap_or_default()
    }
}

/// What the functions of one iteration's path took themselves.
#[derive(Clone, Debug, Default)]
pub(super) struct OwnCosts(HashMap<Arc<str>, SelfCost>);

impl OwnCosts {
    /// Counts a call.
    pub(super) fn count(&mut self, name: &Arc<str>) {
        self.0.entry(name.clone()).or_default().calls += 1;
    }

    /// Adds to the function that this node of the path shows.
    pub(super) fn add(&mut self, path: &CallPath, shown: Option<usize>, own: u64) {
        if let Some(PathEntry::Call(name)) = shown.map(|shown| &path.nodes[shown].entry) {
            self.0.entry(name.clone()).or_default().all += own;
        }
    }
}

/// The medians of each function. An iteration that does not call a function counts as 0.
pub(super) fn medians(iterations: &[OwnCosts]) -> SelfCosts {
    let names: BTreeSet<&Arc<str>> = iterations.iter().flat_map(|one| one.0.keys()).collect();
    let median = |name: &Arc<str>, value: fn(&SelfCost) -> u64| {
        let all: Vec<u64> = iterations.iter().map(|one| one.0.get(name).map_or(0, value)).collect();
        Summary::of(&all).map_or(0, |summary| summary.median)
    };
    let cost = |name: &Arc<str>| SelfCost { all: median(name, |one| one.all), calls: median(name, |one| one.calls) };
    names.into_iter().map(|name| (name.to_string(), cost(name))).filter(|(_, cost)| cost.calls > 0).collect()
}
