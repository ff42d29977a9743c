//! Holds an observation against what the case expects.

use std::collections::{BTreeMap, BTreeSet};

use crate::case::{Case, Context, Failure, Lowered, Observed, ObservedOperation, ObservedTree, StepRef, evaluate};
use crate::path::{CallPath, PathEntry, PathNode, Stream};

use crate::suite::judge::observe::{Observation, Section};

/// What does not hold of the case's expectations.
pub(crate) fn failures(case: &Case, lowered: &Lowered, observation: &Observation) -> Vec<Failure> {
    let trees: Vec<(Context, CallPath)> = distinct_trees(observation);
    let observed = Observed {
        operations: operations(observation),
        trees: trees.iter().map(|(context, path)| ObservedTree { context: context.clone(), path }).collect(),
        softirqs: softirqs_by_iteration(lowered, observation),
    };
    evaluate(case, &lowered.expectations, &observed)
}

fn operations(observation: &Observation) -> Vec<ObservedOperation<'_>> {
    let of_step = |section: &Section| match section.stream {
        Stream::Operation { actor, step } => Some(StepRef { actor, step }),
        _ => None,
    };
    let sections = observation.sections.iter().filter_map(|section| Some((of_step(section)?, section)));
    sections
        .map(|(step, section)| {
            let mut seen = BTreeSet::new();
            let distinct = section.paths.values().filter(|path| seen.insert(hash(path)));
            let results = observation.results.get(&step).cloned().unwrap_or_default();
            ObservedOperation { step, results, paths: distinct.collect() }
        })
        .collect()
}

/// Every call tree of an interrupt or another task that came in any iteration, each distinct one once.
fn distinct_trees(observation: &Observation) -> Vec<(Context, CallPath)> {
    let mut out = Vec::new();
    let mut seen = BTreeSet::new();
    for section in &observation.sections {
        for path in section.paths.values() {
            for (host, tree) in trees_of(path) {
                let context = match &section.stream {
                    Stream::Softirq => Context::Softirq { on: Some(host.to_owned()) },
                    Stream::HardIrq => Context::Hardirq,
                    Stream::Task(class) => Context::Task { class: class.to_string() },
                    _ => continue,
                };
                if seen.insert((host.to_owned(), section.name.clone(), hash(&tree))) {
                    out.push((context, tree));
                }
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

/// The trees of a context's path: who ran each (`sender` of `~ in sender.send`), and the tree at depth 0.
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

fn hash(path: &CallPath) -> u128 {
    xxhash_rust::xxh3::xxh3_128(crate::path::text::write(path).as_bytes())
}

/// Failures put together by context, so that one broken expectation is told once.
pub(crate) fn by_context(failures: Vec<Failure>) -> BTreeMap<String, Vec<Failure>> {
    let mut out: BTreeMap<String, Vec<Failure>> = BTreeMap::new();
    for failure in failures {
        out.entry(failure.context.clone()).or_default().push(failure);
    }
    out
}
