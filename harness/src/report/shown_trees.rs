//! The chosen part of a case's paths on one kernel, for `rxpath show`.

use serde::Serialize;

use super::call_cost::{CallCost, CallCosts};
use super::change_words::count;
use crate::path::steady::{Steadiness, Variant};
use crate::path::tree_view::TreeView;
use crate::path::{CallPath, PathNode, text};
use crate::suite::{Observation, Section};

/// One case on one kernel.
pub(crate) struct ShownTrees<'o> {
    pub(super) kernel: &'o str,
    pub(super) release: &'o str,
    pub(super) losses: &'o [String],
    /// Those with a line to show; all of them if nothing is left out.
    pub(super) sections: Vec<ShownSection<'o>>,
}

/// An operation or context.
pub(super) struct ShownSection<'o> {
    pub(super) section: &'o Section,
    pub(super) path: CallPath,
    pub(super) costs: CallCosts<'o>,
}

impl<'o> ShownTrees<'o> {
    pub(crate) fn new(kernel: &'o str, release: &'o str, observation: &'o Observation, view: &TreeView) -> Self {
        static NOTHING: CallPath = CallPath { nodes: Vec::new() };
        let shown = |section: &'o Section| {
            let whole = section.shown().unwrap_or(&NOTHING);
            let costs = CallCosts::new(whole, &section.costs, &section.self_costs);
            ShownSection { section, path: view.of(whole), costs }
        };
        let sections = observation.sections.iter().map(shown);
        let sections = sections.filter(|one| !view.is_part() || !one.path.nodes.is_empty()).collect();
        Self { kernel, release, losses: &observation.losses, sections }
    }

    /// Whether no section has a line to show.
    pub(crate) fn is_empty(&self) -> bool {
        self.sections.is_empty()
    }

    pub(super) fn has_costs(&self) -> bool {
        self.sections.iter().any(|one| !one.costs.is_empty())
    }
}

impl ShownSection<'_> {
    /// How many iterations take the path.
    pub(super) fn agreement(&self) -> String {
        match &self.section.steadiness {
            Steadiness::Steady(steady) if steady.agreeing == steady.iterations => {
                format!("all {}", count(steady.iterations, "iteration"))
            }
            Steadiness::Steady(steady) => format!("{} of {} iterations", steady.agreeing, steady.iterations),
            Steadiness::Inconclusive(unstable) => {
                format!("no agreement: {} of {}", unstable.agreeing, unstable.iterations)
            }
        }
    }

    /// Where other iterations differ.
    pub(super) fn variants(&self) -> Vec<String> {
        match &self.section.steadiness {
            Steadiness::Steady(steady) => {
                let variant =
                    |one: &Variant| format!("variant in {}: {}", count(one.seen_in.len(), "iteration"), one.place);
                steady.variants.iter().take(3).map(variant).collect()
            }
            Steadiness::Inconclusive(unstable) => {
                let places = unstable.places.iter().take(5);
                places.map(|(place, seen)| format!("{}: {place}", count(*seen, "iteration"))).collect()
            }
        }
    }

    pub(super) fn cost(&self, node: &PathNode) -> Option<CallCost> {
        node.entry.function().map(|function| self.costs.of(function))
    }
}

/// The version of [`ShowReport`]; raised when a field changes its meaning or is removed.
const SHOW_VERSION: u32 = 1;

/// What `rxpath show --json` prints.
#[derive(Debug, Serialize)]
pub(crate) struct ShowReport {
    version: u32,
    cases: Vec<CaseTrees>,
}

/// One case on all kernels.
#[derive(Debug, Serialize)]
pub(crate) struct CaseTrees {
    case: String,
    title: String,
    kernels: Vec<KernelTrees>,
}

#[derive(Debug, Serialize)]
struct KernelTrees {
    kernel: String,
    release: String,
    /// What was lost while recording; if there is anything, the paths prove nothing.
    losses: Vec<String>,
    sections: Vec<SectionTree>,
}

#[derive(Debug, Serialize)]
struct SectionTree {
    /// `receiver.recv`, `softirq`.
    name: String,
    /// Whether most iterations take the path.
    is_steady: bool,
    agreeing: usize,
    iterations: usize,
    /// In preorder.
    lines: Vec<TreeLine>,
}

#[derive(Debug, Serialize)]
struct TreeLine {
    depth: u32,
    /// The function or mark, as in a snapshot.
    text: String,
    times: u32,
    /// Costs are only those of functions.
    #[serde(flatten)]
    cost: Option<CallCost>,
}

impl ShowReport {
    pub(crate) fn new(cases: Vec<CaseTrees>) -> Self {
        Self { version: SHOW_VERSION, cases }
    }
}

impl CaseTrees {
    pub(crate) fn new(case: &str, title: &str, kernels: &[ShownTrees]) -> Self {
        let kernel = |trees: &ShownTrees| KernelTrees {
            kernel: trees.kernel.to_owned(),
            release: trees.release.to_owned(),
            losses: trees.losses.to_vec(),
            sections: trees.sections.iter().map(SectionTree::of).collect(),
        };
        Self { case: case.to_owned(), title: title.to_owned(), kernels: kernels.iter().map(kernel).collect() }
    }
}

impl SectionTree {
    fn of(shown: &ShownSection) -> Self {
        let (is_steady, agreeing, iterations) = match &shown.section.steadiness {
            Steadiness::Steady(steady) => (true, steady.agreeing, steady.iterations),
            Steadiness::Inconclusive(unstable) => (false, unstable.agreeing, unstable.iterations),
        };
        let line = |node: &PathNode| TreeLine {
            depth: node.depth,
            text: text::entry(&node.entry),
            times: node.times,
            cost: shown.cost(node),
        };
        let lines = shown.path.nodes.iter().map(line).collect();
        Self { name: shown.section.name.clone(), is_steady, agreeing, iterations, lines }
    }
}
