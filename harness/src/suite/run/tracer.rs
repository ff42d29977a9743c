//! The cost of tracing a call, measured once for each machine that is booted, so that the costs of functions can be given without it.
//!
//! Two operations run on the image, one with many calls and one with few, each with and without tracing. Tracing makes both
//! slower, by the cost of its calls and by what tracing adds to any system call. The difference between the two operations
//! leaves only the cost of the additional calls. One traced call of fifty also starts a page of the ring buffer. That cost
//! is measured separately, by iterations of one operation that start different numbers of pages.

use std::collections::BTreeMap;

use rxpath_guest::{ActorIndex, RunReport, StepIndex, Tag};

use crate::case::{self, Case, Diagnostics, PassKind, Source};
use crate::kernel::Series;
use crate::kernel::verified::{read_with_digest, write_with_digest};
use crate::path::own_times::TracerCost;
use crate::path::timing::{Summary, operation_times};
use crate::path::{operations, subtree_ends};
use crate::suite::kernel_metadata::KernelMetadata;
use crate::suite::run::passes::{PassError, Recorded};
use crate::trace::{CallForests, Node, NodeKind};
use crate::vm::{RunLimits, WarmImage};

/// The cost as JSON, cached beside the image. Rename it when the cost is measured differently.
const CACHE_FILE: &str = "tracer-cost-5";

/// The actor and its two operations in `calibration.yaml`.
const CALIBRATOR: ActorIndex = 0;
const MANY_CALLS: StepIndex = 0;
const FEW_CALLS: StepIndex = 1;

/// Why the cost of tracing is unknown.
#[derive(Debug, thiserror::Error)]
pub enum TracerError {
    #[error("rxpath's own calibration case is invalid")]
    Case(#[from] Diagnostics),
    #[error(transparent)]
    Pass(#[from] PassError),
    #[error(
        "cannot determine the tracing overhead: expected socketpair() to run more calls than recv() and to take longer \
         with tracing, found {many:?} and {few:?}, and a shortest call of {inside:?}"
    )]
    Implausible { many: Option<Measured>, few: Option<Measured>, inside: Option<u64> },
}

/// The cost of tracing a call on this image; measured the first time, then cached.
pub(crate) fn tracer_cost(
    image: &WarmImage,
    metadata: &KernelMetadata,
    series: Series,
    limits: &RunLimits,
) -> Result<TracerCost, TracerError> {
    let cache = image.folder().join(CACHE_FILE);
    if let Some(cost) = read_with_digest(&cache).and_then(|bytes| serde_json::from_slice(&bytes).ok()) {
        return Ok(cost);
    }
    let case = calibration()?;
    let run = |pass: PassKind| Recorded::run(image, pass.image(), case.lower(series, pass).plan, limits);
    let (untraced, traced) = (run(PassKind::Timing)?, run(PassKind::Trace)?);
    let cost = calculate(&untraced.report, &traced.forests(metadata, Tag::Pages)?, &traced.report)?;
    // Serializing numbers cannot fail.
    write_with_digest(&cache, serde_json::to_vec(&cost).unwrap_or_default());
    Ok(cost)
}

fn calibration() -> Result<Case, Diagnostics> {
    let source = Source { path: "calibration.yaml".into(), text: include_str!("calibration.yaml").to_owned() };
    // The file has no sweep, so it is one case.
    Ok(case::parse("calibration", source)?.remove(0))
}

/// The system call of one iteration, traced.
#[derive(Debug)]
struct Traced {
    took: u64,
    calls: u64,
    /// Pages of the ring buffer that were started during the call.
    pages: u64,
}

impl Traced {
    fn of(tree: &[Node], forests: &CallForests) -> Option<Self> {
        let (root, took) = (&tree[0], took(&tree[0])?);
        let starts = forests.page_starts.get(&root.cpu).into_iter().flatten();
        let pages = starts.filter(|start| **start > root.start && **start <= root.start + took).count() as u64;
        Some(Self { took, calls: tree.len() as u64 - 1, pages })
    }
}

/// The shortest iteration of an operation: the iterations in which an allocator refills differ between the passes.
#[derive(Clone, Debug)]
pub struct Measured {
    untraced: u64,
    traced: u64,
    calls: u64,
}

fn calculate(untraced: &RunReport, forests: &CallForests, traced: &RunReport) -> Result<TracerCost, TracerError> {
    let found = operations(forests, traced).found;
    let trees = |step: StepIndex| {
        found.iter().filter(move |op| op.step == step).filter_map(|op| longest_undisturbed_tree(op.nodes))
    };
    let all = [MANY_CALLS, FEW_CALLS].map(|step| trees(step).filter_map(|tree| Traced::of(tree, forests)).collect());
    let page = page_cost(&all);
    let times = operation_times(untraced);
    let measured = |step: StepIndex, traced: &[Traced]| {
        let without_pages = |tree: &Traced| tree.took.saturating_sub(tree.pages * page);
        let shortest = traced.iter().min_by_key(|tree| without_pages(tree))?;
        Some(Measured {
            untraced: *times.get(&(CALIBRATOR, step))?.iter().min()?,
            traced: without_pages(shortest),
            calls: shortest.calls,
        })
    };
    // Nearly all of the time of a function of two or three instructions is the tracer's.
    let inside = [MANY_CALLS, FEW_CALLS].into_iter().flat_map(trees).flatten().filter_map(took).min();
    let (many, few) = (measured(MANY_CALLS, &all[0]), measured(FEW_CALLS, &all[1]));
    let cost = many.as_ref().zip(few.as_ref()).zip(inside).and_then(|((many, few), inside)| {
        let added = many.traced.checked_sub(few.traced)?.checked_sub(many.untraced.checked_sub(few.untraced)?)?;
        let whole = added as f64 / many.calls.checked_sub(few.calls).filter(|more| *more > 0)? as f64;
        (inside as f64 <= whole).then_some(TracerCost { inside, whole, page })
    });
    cost.ok_or(TracerError::Implausible { many, few, inside })
}

/// What one more page adds to an operation, by the shortest iterations with each number of pages; 0 if all started equally
/// many.
fn page_cost(operations: &[Vec<Traced>]) -> u64 {
    let mut more = Vec::new();
    for traced in operations {
        let mut shortest: BTreeMap<u64, u64> = BTreeMap::new();
        for tree in traced {
            shortest.entry(tree.pages).and_modify(|took| *took = tree.took.min(*took)).or_insert(tree.took);
        }
        let pairs = shortest.iter().zip(shortest.iter().skip(1));
        more.extend(pairs.map(|(less, more)| more.1.saturating_sub(*less.1) / (more.0 - less.0)));
    }
    Summary::of(&more).map_or(0, |summary| summary.median)
}

/// The system call's tree; `None` if it contains anything but calls.
fn longest_undisturbed_tree(nodes: &[Node]) -> Option<&[Node]> {
    let ends = subtree_ends(nodes.iter().map(|node| node.depth));
    let roots = (0..nodes.len()).filter(|at| nodes[*at].depth == 0);
    let tree = roots.map(|at| &nodes[at..ends[at]]).max_by_key(|tree| took(&tree[0]))?;
    tree.iter().all(|node| took(node).is_some() && node.interrupted == Default::default()).then_some(tree)
}

fn took(node: &Node) -> Option<u64> {
    match node.kind {
        NodeKind::Call { end: Some(end), .. } => Some(end.saturating_sub(node.start)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calibration_case_has_the_two_operations() {
        let case = calibration().unwrap();
        let names = [MANY_CALLS, FEW_CALLS].map(|step| case.step_name(CALIBRATOR, step));
        assert_eq!(names, ["calibrator.socketpair", "calibrator.recv"]);
    }

    #[test]
    fn a_page_costs_what_one_more_adds_to_an_operation() {
        let traced = |took: u64, pages: u64| Traced { took, calls: 200, pages };
        // An allocator refills in the second of each.
        let many = vec![traced(1230, 1), traced(5230, 1), traced(1450, 2), traced(1455, 2)];
        let few = vec![traced(100, 0), traced(321, 1)];
        assert_eq!(page_cost(&[many, few]), 220);
        assert_eq!(page_cost(&[vec![traced(100, 0)], vec![]]), 0);
    }
}
