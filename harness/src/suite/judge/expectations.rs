//! Compares an observation with the expectations of its case.

use std::collections::BTreeMap;

use indexmap::IndexMap;

use crate::case::{
    Case, Context, Expectation, Failure, Lowered, Observed, ObservedOperation, ObservedTree, StepRef, evaluate,
};
use crate::path::{CallPath, PathEntry, PathNode, Stream};

use crate::suite::judge::observe::{Observation, Section};

/// The expectations of the case that do not hold.
pub(super) fn failures(case: &Case, lowered: &Lowered, observation: &Observation) -> Vec<Failure> {
    let trees = distinct_trees(observation);
    let observed = Observed {
        iterations: lowered.plan.iterations,
        addresses: &observation.addresses,
        operations: operations(observation),
        trees: trees
            .iter()
            .map(|((context, path), iterations)| ObservedTree {
                context: context.clone(),
                path,
                iterations: iterations.clone(),
            })
            .collect(),
        softirqs: softirqs_by_iteration(lowered, observation),
        packets: observation.packets.clone(),
    };
    evaluate(case, &lowered.expectations, &observed)
}

/// The expectations of results that do not hold. Results come from the agent, and lost records do not affect them.
pub(super) fn result_failures(case: &Case, lowered: &Lowered, observation: &Observation) -> Vec<Failure> {
    let of_operation = |one: &&Expectation| matches!(one.context, Context::Operation { .. } | Context::OneOf(_));
    let expectations: Vec<Expectation> = lowered.expectations.iter().filter(of_operation).cloned().collect();
    let operations = observation.results.iter().map(|(step, results)| ObservedOperation {
        step: *step,
        results: results.clone(),
        details: observation.details.get(step).cloned().unwrap_or_default(),
        paths: Vec::new(),
    });
    let iterations = lowered.plan.iterations;
    let (operations, addresses) = (operations.collect(), &observation.addresses);
    evaluate(case, &expectations, &Observed { iterations, addresses, operations, ..Observed::default() })
}

fn operations(observation: &Observation) -> Vec<ObservedOperation<'_>> {
    let of_step = |section: &Section| match section.stream {
        Stream::Operation { actor, step } => Some(StepRef { actor, step }),
        _ => None,
    };
    let sections = observation.sections.iter().filter_map(|section| Some((of_step(section)?, section)));
    sections
        .map(|(step, section)| {
            let mut distinct: IndexMap<&CallPath, Vec<u32>> = IndexMap::new();
            for (iteration, path) in &section.paths {
                distinct.entry(path).or_default().push(*iteration);
            }
            ObservedOperation {
                step,
                results: observation.results.get(&step).cloned().unwrap_or_default(),
                details: observation.details.get(&step).cloned().unwrap_or_default(),
                paths: distinct.into_iter().map(|(path, iterations)| (iterations, path)).collect(),
            }
        })
        .collect()
}

/// The distinct call trees of interrupts and other tasks, each with its iterations.
fn distinct_trees(observation: &Observation) -> IndexMap<(Context, CallPath), Vec<u32>> {
    let mut out: IndexMap<(Context, CallPath), Vec<u32>> = IndexMap::new();
    for section in &observation.sections {
        for (iteration, path) in &section.paths {
            for (host, tree) in trees_of(path) {
                let context = match &section.stream {
                    Stream::Softirq => Context::Softirq { on: Some(host.to_owned()) },
                    Stream::HardIrq => Context::Hardirq,
                    Stream::Task(class) => Context::Task { class: class.to_string() },
                    _ => continue,
                };
                out.entry((context, tree)).or_default().push(*iteration);
            }
        }
    }
    out
}

fn softirqs_by_iteration(lowered: &Lowered, observation: &Observation) -> Vec<u32> {
    let softirq = observation.sections.iter().find(|section| section.stream == Stream::Softirq);
    let count = |iteration: u32| -> u32 {
        let path = softirq.and_then(|section| section.paths.get(&iteration));
        path.map_or(0, |path| trees_of(path).map(|(_, tree)| tree.nodes.first().map_or(0, |root| root.times)).sum())
    };
    (0..lowered.plan.iterations).map(count).collect()
}

/// The trees of a context's path, moved to depth 0, each with the task that ran it (`sender` of `~ in sender.send`).
fn trees_of(path: &CallPath) -> impl Iterator<Item = (&str, CallPath)> {
    let ends = path.subtree_ends();
    let mut host = "";
    let mut at = 0;
    std::iter::from_fn(move || {
        while let Some(node) = path.nodes.get(at) {
            match &node.entry {
                PathEntry::In(name) => {
                    host = name.split('.').next().unwrap_or(name);
                    at += 1;
                }
                PathEntry::Repeat => at += 1,
                _ => {
                    let nodes = &path.nodes[at..ends[at]];
                    let up = node.depth;
                    at = ends[at];
                    let moved = nodes.iter().map(|node| PathNode { depth: node.depth - up, ..node.clone() });
                    return Some((host, CallPath { nodes: moved.collect() }));
                }
            }
        }
        None
    })
}

/// Groups failures by context, so that each context is one problem.
pub(super) fn by_context(failures: Vec<Failure>) -> BTreeMap<String, Vec<Failure>> {
    let mut out: BTreeMap<String, Vec<Failure>> = BTreeMap::new();
    for failure in failures {
        out.entry(failure.context.clone()).or_default().push(failure);
    }
    out
}
