//! What each function of a path takes itself: without the calls that the path shows beneath it, but with those that it leaves
//! out.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::timing::Summary;
use super::{CallPath, PathEntry};

/// What all calls of each function together take themselves in one iteration, by canonical name: the median of the iterations.
pub(crate) type SelfCosts = BTreeMap<String, u64>;

/// What the functions of one iteration's path took themselves.
#[derive(Clone, Debug, Default)]
pub(super) struct OwnCosts(HashMap<Arc<str>, u64>);

impl OwnCosts {
    /// Adds to the function that this node of the path shows.
    pub(super) fn add(&mut self, path: &CallPath, shown: Option<usize>, own: u64) {
        if let Some(PathEntry::Call(name)) = shown.map(|shown| &path.nodes[shown].entry) {
            *self.0.entry(name.clone()).or_default() += own;
        }
    }
}

/// The median of each function. An iteration that does not call a function counts as 0.
pub(super) fn medians(iterations: &[OwnCosts]) -> SelfCosts {
    let names: BTreeSet<&Arc<str>> = iterations.iter().flat_map(|one| one.0.keys()).collect();
    let of = |name: &Arc<str>| -> Vec<u64> {
        iterations.iter().map(|one| one.0.get(name).copied().unwrap_or_default()).collect()
    };
    names.into_iter().filter_map(|name| Some((name.to_string(), Summary::of(&of(name))?.median))).collect()
}
