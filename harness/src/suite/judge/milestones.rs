//! Milestones: functions that a timing pass traces alone, what they take, and what tracing them so costs.

use std::collections::BTreeMap;

use rxpath_guest::{Milestones, Tag};

use crate::path::cost::{Costing, RECORDS_SWITCHES, TracerCost, with_all_beneath};
use crate::path::timing::Summary;
use crate::path::{canonical, operations, subtree_ends};
use crate::suite::kernel_metadata::{FactsError, KernelMetadata, text};
use crate::suite::run::passes::{PassError, Recorded};
use crate::suite::store::saved::OperationTiming;
use crate::trace::{CallForests, Forest, NodeKind, TaskKey};
use crate::vm::WarmImage;

/// The function that the tracer's cost is measured by: a dozen instructions (kernel/sched/syscalls.c), which are taken for
/// the tracer's.
const CALIBRATION: &str = "__x64_sys_sched_get_priority_max";

/// Why nothing of a kernel's functions can be timed.
#[derive(Debug, thiserror::Error)]
pub enum MilestoneError {
    /// The image's facts.
    #[error(transparent)]
    Facts(#[from] FactsError),
    /// What was recorded.
    #[error(transparent)]
    Pass(#[from] PassError),
    /// The kernel.
    #[error("what tracing costs cannot be measured: the kernel does not offer {CALIBRATION} for tracing")]
    NoCalibration,
    /// Records of the milestones, in words.
    #[error("records are missing, so nothing can be said: {0}")]
    Lost(String),
    /// The calibration.
    #[error(
        "what tracing costs cannot be measured: expected calls of {CALIBRATION} by the agent that take longer traced \
         ({traced} ns) than not ({bare} ns), found {calls} calls"
    )]
    NotCalibrated {
        /// A system call with the function traced.
        traced: u64,
        /// The same without.
        bare: u64,
        /// Calls that were recorded.
        calls: usize,
    },
}

/// The functions of these canonical names as the guest is to be told of them.
pub(crate) fn milestones(image: &WarmImage, names: &[String]) -> Result<Milestones, MilestoneError> {
    let region = image.facts().map_err(FactsError::from)?;
    let sections = rxpath_guest::sections(&region).map_err(FactsError::from)?;
    let positions = positions(text(&sections, Tag::Traceable)?, |name| name == CALIBRATION || is_traced(names, name));
    let is_calibration = |(name, _): &&(&str, u32)| *name == CALIBRATION;
    let calibration = positions.iter().find(is_calibration).ok_or(MilestoneError::NoCalibration)?.1;
    let functions = positions.iter().filter(|(name, _)| is_traced(names, name)).map(|(_, position)| *position);
    Ok(Milestones { calibration, functions: functions.collect() })
}

/// A milestone, or what records the sleep of one.
fn is_traced(names: &[String], raw: &str) -> bool {
    raw == RECORDS_SWITCHES || names.iter().any(|name| name == canonical(raw))
}

/// The raw names that are wanted, with their places in `available_filter_functions`, from 1.
fn positions(traceable: &str, mut wanted: impl FnMut(&str) -> bool) -> Vec<(&str, u32)> {
    let names = traceable.lines().map(|line| line.split_whitespace().next().unwrap_or(""));
    names.zip(1..).filter(|(name, _)| wanted(name)).collect()
}

fn calibrated(
    recorded: &Recorded,
    forests: &CallForests,
    facts: &KernelMetadata,
) -> Result<TracerCost, MilestoneError> {
    let report = &recorded.report;
    let by_agent = report.agent_tids.iter().filter_map(|tid| forests.by_task.get(&TaskKey::Task(*tid)));
    let took: Vec<u64> = by_agent
        .flat_map(|forest| &forest.nodes)
        .filter_map(|node| match node.kind {
            NodeKind::Call { func, end: Some(end) } if facts.symbols.name(func) == Some(CALIBRATION) => {
                Some(end - node.start)
            }
            _ => None,
        })
        .collect();
    let inside = Summary::of(&took).map(|summary| summary.median);
    let whole = report.traced_call_ns.checked_sub(report.bare_call_ns);
    match (inside, whole) {
        // Few functions fill few pages.
        (Some(inside), Some(whole)) if inside <= whole => Ok(TracerCost { inside, whole: whole as f64, page: 0 }),
        _ => Err(MilestoneError::NotCalibrated {
            traced: report.traced_call_ns,
            bare: report.bare_call_ns,
            calls: took.len(),
        }),
    }
}

/// What the milestones took during the recorded operations, each with all that it called, in the order of their names; and
/// those that were not called.
pub(crate) fn timings(
    recorded: &Recorded,
    facts: &KernelMetadata,
    names: &[String],
) -> Result<(Vec<OperationTiming>, Vec<String>), MilestoneError> {
    let forests = recorded.forests(facts, Tag::MilestonePages)?;
    if let Some(loss) = forests.losses.first() {
        return Err(MilestoneError::Lost(loss.clone()));
    }
    let costing = Costing::new(&forests, facts, calibrated(recorded, &forests, facts)?);
    let windows: Vec<(u64, u64)> =
        operations(&forests, &recorded.report).found.iter().map(|op| (op.start, op.end)).collect();
    let mut calls: BTreeMap<&str, Vec<Call>> = BTreeMap::new();
    for forest in forests.by_task.values() {
        for (raw, call) in calls_in(forest, facts, &costing) {
            let during = windows.iter().any(|(began, ended)| (*began..=*ended).contains(&call.at));
            if let Some(name) = names.iter().find(|name| during && *name == canonical(raw)) {
                calls.entry(name).or_default().push(call);
            }
        }
    }
    let missing = names.iter().filter(|name| !calls.contains_key(name.as_str())).cloned().collect();
    Ok((calls.into_iter().filter_map(|(name, calls)| timing(name, &calls)).collect(), missing))
}

struct Call {
    at: u64,
    took: u64,
    switches: u64,
}

/// Every finished call of a forest with its function's raw name.
fn calls_in<'a>(
    forest: &'a Forest,
    facts: &'a KernelMetadata,
    costing: &Costing,
) -> impl Iterator<Item = (&'a str, Call)> {
    let nodes = &forest.nodes;
    let ends = subtree_ends(nodes.iter().map(|node| node.depth));
    let took = with_all_beneath(&ends, costing.own_times(nodes).into_iter());
    let is_switch = |at: &usize| matches!(nodes[*at].kind, NodeKind::SwitchOut { .. });
    (0..nodes.len()).filter_map(move |at| match nodes[at].kind {
        NodeKind::Call { func, end: Some(_) } => {
            let switches = (at..ends[at]).filter(is_switch).count() as u64;
            Some((facts.symbols.name(func)?, Call { at: nodes[at].start, took: took[at], switches }))
        }
        _ => None,
    })
}

fn timing(name: &str, calls: &[Call]) -> Option<OperationTiming> {
    let median = |of: fn(&Call) -> u64| Summary::of(&calls.iter().map(of).collect::<Vec<_>>());
    let summary = median(|call| call.took)?;
    let switches = median(|call| call.switches)?.median as u32;
    Some(OperationTiming::measured(format!("{name}()"), switches, summary))
}
