//! Timings of milestones: functions that a timing pass traces alone. Includes what tracing them costs.

use std::collections::BTreeMap;

use rxpath_guest::Tag;

use crate::path::own_times::{Costing, TracerCost};
use crate::path::timing::Summary;
use crate::path::{canonical, operations, subtree_ends, with_all_beneath};
use crate::suite::kernel_metadata::KernelMetadata;
use crate::suite::run::milestone_functions::CALIBRATION;
use crate::suite::run::passes::{PassError, Recorded};
use crate::suite::store::saved::OperationTiming;
use crate::trace::{CallForests, Forest, NodeKind, TaskKey};

/// Why milestones have no timings.
#[derive(Debug, thiserror::Error)]
pub(super) enum MilestoneTimingError {
    #[error(transparent)]
    Pass(#[from] PassError),
    #[error("records of milestones are missing, so their timings prove nothing: {loss}")]
    Lost { loss: String },
    #[error(
        "cannot determine the tracing overhead: expected the agent to call {CALIBRATION} and the calls to take longer with \
         tracing ({traced} ns) than without ({bare} ns), found {calls} calls"
    )]
    NotCalibrated { traced: u64, bare: u64, calls: usize },
}

fn calibrated(
    recorded: &Recorded,
    forests: &CallForests,
    metadata: &KernelMetadata,
) -> Result<TracerCost, MilestoneTimingError> {
    let report = &recorded.report;
    let by_agent = report.agent_tids.iter().filter_map(|tid| forests.by_task.get(&TaskKey::Task(*tid)));
    let took: Vec<u64> = by_agent
        .flat_map(|forest| &forest.nodes)
        .filter_map(|node| match node.kind {
            NodeKind::Call { func, end: Some(end) } if metadata.symbols.name(func) == Some(CALIBRATION) => {
                Some(end - node.start)
            }
            _ => None,
        })
        .collect();
    let inside = Summary::of(&took).map(|summary| summary.median);
    let whole = report.traced_call_ns.checked_sub(report.bare_call_ns);
    match (inside, whole) {
        // Few functions are traced, so they fill few pages.
        (Some(inside), Some(whole)) if inside <= whole => Ok(TracerCost { inside, whole: whole as f64, page: 0 }),
        _ => Err(MilestoneTimingError::NotCalibrated {
            traced: report.traced_call_ns,
            bare: report.bare_call_ns,
            calls: took.len(),
        }),
    }
}

/// The timings of the milestones during recorded operations, each including its callees, sorted by name; and the milestones
/// that were not called.
pub(super) fn timings(
    recorded: &Recorded,
    metadata: &KernelMetadata,
    names: &[String],
) -> Result<(Vec<OperationTiming>, Vec<String>), MilestoneTimingError> {
    let forests = recorded.forests(metadata, Tag::MilestonePages)?;
    if let Some(loss) = forests.losses.first() {
        return Err(MilestoneTimingError::Lost { loss: loss.clone() });
    }
    let costing = Costing::new(&forests, metadata, calibrated(recorded, &forests, metadata)?);
    let operations = operations(&forests, &recorded.report).found;
    let iteration = |at| operations.iter().find(|op| (op.start..=op.end).contains(&at)).map(|op| op.iteration);
    let mut calls: BTreeMap<&str, BTreeMap<u32, Vec<Call>>> = BTreeMap::new();
    for forest in forests.by_task.values() {
        for (raw, call) in calls_in(forest, metadata, &costing) {
            let Some(name) = names.iter().find(|name| *name == canonical(raw)) else { continue };
            let Some(iteration) = iteration(call.at) else { continue };
            calls.entry(name).or_default().entry(iteration).or_default().push(call);
        }
    }
    let missing = names.iter().filter(|name| !calls.contains_key(name.as_str())).cloned().collect();
    let timings = calls.into_iter().filter_map(|(name, calls)| timing(name, calls.into_values().collect()));
    Ok((timings.collect(), missing))
}

struct Call {
    at: u64,
    took: u64,
    switches: u64,
}

/// The finished calls of a forest, with the raw names of their functions.
fn calls_in<'a>(
    forest: &'a Forest,
    metadata: &'a KernelMetadata,
    costing: &Costing,
) -> impl Iterator<Item = (&'a str, Call)> {
    let nodes = &forest.nodes;
    let ends = subtree_ends(nodes.iter().map(|node| node.depth));
    let took = with_all_beneath(&ends, costing.own_times(nodes).took.iter().map(|own| own.took));
    let is_switch = |at: &usize| matches!(nodes[*at].kind, NodeKind::SwitchOut { .. });
    (0..nodes.len()).filter_map(move |at| match nodes[at].kind {
        NodeKind::Call { func, end: Some(_) } => {
            let switches = (at..ends[at]).filter(is_switch).count() as u64;
            Some((metadata.symbols.name(func)?, Call { at: nodes[at].start, took: took[at], switches }))
        }
        _ => None,
    })
}

/// The timing of a function, from its calls by iteration. The calls of an iteration may do different work, so the lower
/// quartile is that of the first calls of all iterations, of the second ones, and so on; the cost is the median of these.
fn timing(name: &str, mut iterations: Vec<Vec<Call>>) -> Option<OperationTiming> {
    let median = |of: &[u64]| Some(Summary::of(of)?.median);
    let all: Vec<u64> = iterations.iter().flatten().map(|call| call.took).collect();
    let switches: Vec<u64> = iterations.iter().flatten().map(|call| call.switches).collect();
    iterations.iter_mut().for_each(|calls| calls.sort_unstable_by_key(|call| call.at));
    let most = iterations.iter().map(Vec::len).max()?;
    let at = |place: usize| iterations.iter().filter_map(|calls| Some(calls.get(place)?.took)).collect::<Vec<_>>();
    // Places that few iterations have are not part of what the function does in each.
    let places = (0..most).map(at).filter(|took| 2 * took.len() > iterations.len());
    let lows: Vec<u64> = places.filter_map(|took| Some(Summary::of(&took)?.low)).collect();
    let summary = Summary { low: median(&lows)?, ..Summary::of(&all)? };
    Some(OperationTiming::measured(format!("{name}()"), median(&switches)? as u32, summary))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_milestone_costs_the_median_of_the_calls_of_an_iteration_each_where_it_is_least_disturbed() {
        let calls = |took: &[u64]| (0..).zip(took).map(|(at, took)| Call { at, took: *took, switches: 0 }).collect();
        let cost =
            |iterations: &[&[u64]]| timing("f", iterations.iter().map(|took| calls(took)).collect()).unwrap().cost;
        // The first call of each iteration is cheap, the others are not.
        assert_eq!(cost(&[&[100, 900, 901], &[100, 1100, 901], &[700, 900, 901], &[100, 900, 2901]]), 900);
        // A call that only one iteration of three makes.
        assert_eq!(cost(&[&[100], &[100], &[100, 5000]]), 100);
        assert_eq!(timing("f", Vec::new()), None);
    }
}
