//! What it costs to trace every call: measured once for each image, so that the costs of functions can be told without it.
//!
//! Two operations run on the image, one of many calls and one of few, both traced and not. What the many calls take more
//! when traced than they do untraced is the tracer's, and the difference of the two operations leaves out whatever comes
//! with each system call but is no traced call. What it takes to begin a page of the ring buffer, which happens in one
//! traced call of fifty, is measured by itself: the same operation takes so much longer with a page more.

use std::collections::BTreeMap;

use rxpath_guest::{ActorIndex, RunReport, StepIndex, Tag};

use crate::case::{self, Case, Diagnostics, PassKind, Source};
use crate::kernel::{Series, write_best_effort};
use crate::path::cost::TracerCost;
use crate::path::timing::{Summary, operation_times};
use crate::path::{operations, subtree_ends};
use crate::suite::kernel_metadata::KernelMetadata;
use crate::suite::run::passes::{PassError, Recorded};
use crate::trace::{CallForests, Node, NodeKind};
use crate::vm::{ImageKind, RunLimits, WarmImage};

/// The cost as it is kept beside the image, as JSON. To be renamed whenever it is measured in another way.
const KEPT: &str = "tracer-cost-2";

/// The actor and its two operations in `calibration.yaml`.
const CALIBRATOR: ActorIndex = 0;
const MANY_CALLS: StepIndex = 0;
const FEW_CALLS: StepIndex = 1;

/// Why it is not known what tracing costs.
#[derive(Debug, thiserror::Error)]
pub enum TracerError {
    /// rxpath's own case.
    #[error(transparent)]
    Case(#[from] Diagnostics),
    /// A run.
    #[error(transparent)]
    Pass(#[from] PassError),
    /// What came of it.
    #[error(
        "what tracing costs cannot be told: expected socketpair() to run more calls than recv(), and to take longer traced than not; found {0}"
    )]
    Senseless(String),
}

/// What tracing a call costs on this image's kernel; measured when first asked for, then kept.
pub(crate) fn tracer_cost(
    image: &WarmImage,
    facts: &KernelMetadata,
    series: Series,
    limits: &RunLimits,
) -> Result<TracerCost, TracerError> {
    let kept = image.folder().join(KEPT);
    if let Some(cost) = std::fs::read(&kept).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()) {
        return Ok(cost);
    }
    let case = calibration()?;
    let run = |stage, pass| Recorded::run(image, stage, case.lower(series, pass).plan, limits);
    let (untraced, traced) = (run(ImageKind::Untraced, PassKind::Timing)?, run(ImageKind::Traced, PassKind::Trace)?);
    let cost = calculate(&untraced.report, &traced.forests(facts, Tag::Pages)?, &traced.report)?;
    // Plain numbers always become text.
    write_best_effort(&kept, &serde_json::to_vec(&cost).unwrap_or_default());
    Ok(cost)
}

fn calibration() -> Result<Case, Diagnostics> {
    let source = Source { path: "calibration.yaml".into(), text: include_str!("calibration.yaml").to_owned() };
    // No sweep, so one case.
    Ok(case::parse("calibration", source)?.remove(0))
}

/// The system call of one iteration, traced.
#[derive(Debug)]
struct Traced {
    took: u64,
    calls: u64,
    /// Pages of the ring buffer that were begun meanwhile.
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

/// An operation at its shortest: the iterations in which an allocator had to fill up again are not the same ones in both
/// passes.
#[derive(Debug)]
struct Measured {
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
    // The tracer's share of a function of two or three instructions is nearly all that it takes.
    let inside = [MANY_CALLS, FEW_CALLS].into_iter().flat_map(trees).flatten().filter_map(took).min();
    let (many, few) = (measured(MANY_CALLS, &all[0]), measured(FEW_CALLS, &all[1]));
    let cost = many.as_ref().zip(few.as_ref()).zip(inside).and_then(|((many, few), inside)| {
        let added = many.traced.checked_sub(few.traced)?.checked_sub(many.untraced.checked_sub(few.untraced)?)?;
        let whole = added as f64 / many.calls.checked_sub(few.calls).filter(|more| *more > 0)? as f64;
        (inside as f64 <= whole).then_some(TracerCost { inside, whole, page })
    });
    cost.ok_or_else(|| TracerError::Senseless(format!("{many:?}, {few:?}, and a shortest call of {inside:?}")))
}

/// What a page more makes an operation take more, by the shortest iterations with each number of pages; 0 if all had as
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

/// The system call's own tree; `None` if anything but calls came in between.
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
    fn the_case_that_is_measured_is_one() {
        let case = calibration().unwrap();
        let names = [MANY_CALLS, FEW_CALLS].map(|step| case.step_name(CALIBRATOR, step));
        assert_eq!(names, ["calibrator.socketpair", "calibrator.recv"]);
    }

    #[test]
    fn a_page_costs_what_an_operation_takes_longer_with_one_more() {
        let traced = |took: u64, pages: u64| Traced { took, calls: 200, pages };
        // An allocator fills up in the second of each.
        let many = vec![traced(1230, 1), traced(5230, 1), traced(1450, 2), traced(1455, 2)];
        let few = vec![traced(100, 0), traced(321, 1)];
        assert_eq!(page_cost(&[many, few]), 220);
        assert_eq!(page_cost(&[vec![traced(100, 0)], vec![]]), 0);
    }
}
