//! Finds the operations in a capture: what each actor's task did between an operation's two markers.
//!
//! A marker is written with write(2), so it is inside that call's tree. The operation is everything between the tree of
//! its begin marker and the tree of its end marker.

use std::collections::HashSet;

use rxpath_guest::{ActorIndex, Marker, RunReport, StepIndex};

use crate::trace::{CallForests, Node, NodeKind, TaskKey};

/// One operation of one actor in one iteration, as a range of its task's forest.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation<'a> {
    pub actor: ActorIndex,
    pub step: StepIndex,
    /// 0 is the first iteration after the warm-up.
    pub iteration: u32,
    pub task: TaskKey,
    /// Index of its first node in the task's forest.
    pub first: usize,
    /// The roots are at depth 0.
    pub nodes: &'a [Node],
    /// The trace clock at the begin marker, in nanoseconds.
    pub start: u64,
    /// The trace clock at the end marker, in nanoseconds.
    pub end: u64,
}

/// The operations of a capture, and what is missing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Operations<'a> {
    /// By actor, then in the order they ran.
    pub found: Vec<Operation<'a>>,
    /// Sentences about markers without a counterpart and actors without a forest. A capture with any of these is
    /// incomplete.
    pub problems: Vec<String>,
}

pub fn operations<'a>(forests: &'a CallForests, report: &RunReport) -> Operations<'a> {
    let mut out = Operations::default();
    for (actor, tid) in (0..).zip(&report.actor_tids) {
        let task = TaskKey::Task(*tid);
        match forests.by_task.get(&task) {
            Some(forest) => cut_task(actor, task, &forest.nodes, &mut out),
            None => out.problems.push(format!("actor {actor} (task {tid}) left no trace")),
        }
    }
    let expected = report.results.iter().map(|result| (result.actor, result.step, result.iteration));
    let found: HashSet<_> = out.found.iter().map(|op| (op.actor, op.step, op.iteration)).collect();
    for (actor, step, iteration) in expected.filter(|key| !found.contains(key)) {
        out.problems.push(format!("step {step} of actor {actor} ran in iteration {iteration} but is not in the trace"));
    }
    out
}

/// One of rxpath's markers, with the position of the tree that contains it.
struct PlacedMarker {
    marker: Marker,
    time: u64,
    /// Index of the tree's root.
    root: usize,
    /// Index just past the tree.
    tree_end: usize,
}

fn cut_task<'a>(actor: ActorIndex, task: TaskKey, nodes: &'a [Node], out: &mut Operations<'a>) {
    let mut open: Option<PlacedMarker> = None;
    for marked in markers(nodes).filter(|marked| marked.marker.actor == actor) {
        let Marker { step, iteration, begin, .. } = marked.marker;
        let Some(opened) = open.take() else {
            if !begin {
                let problem = format!("step {step} of actor {actor} ends in iteration {iteration} without a start");
                out.problems.push(problem);
            }
            open = begin.then_some(marked);
            continue;
        };
        if begin || (opened.marker.step, opened.marker.iteration) != (step, iteration) {
            let Marker { step, iteration, .. } = opened.marker;
            out.problems.push(format!("step {step} of actor {actor} has no end in iteration {iteration}"));
            open = begin.then_some(marked);
            continue;
        }
        let first = opened.tree_end.min(marked.root);
        let nodes = &nodes[first..marked.root];
        let (start, end) = (opened.time, marked.time);
        out.found.push(Operation { actor, step, iteration, task, first, nodes, start, end });
    }
    if let Some(PlacedMarker { marker: Marker { step, iteration, .. }, .. }) = open {
        out.problems.push(format!("step {step} of actor {actor} has no end in iteration {iteration}"));
    }
}

fn markers(nodes: &[Node]) -> impl Iterator<Item = PlacedMarker> {
    let mut root = 0;
    nodes.iter().enumerate().filter_map(move |(index, node)| {
        if node.depth == 0 {
            root = index;
        }
        let NodeKind::Marker { bytes } = &node.kind else { return None };
        let marker = Marker::from_bytes(bytes)?;
        let rest = nodes[index + 1..].iter().position(|later| later.depth == 0);
        let tree_end = rest.map_or(nodes.len(), |rest| index + 1 + rest);
        Some(PlacedMarker { marker, time: node.start, root, tree_end })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::sample::Sample;
    use rxpath_guest::OpResult;

    fn report() -> RunReport {
        RunReport { actor_tids: vec![10], ..RunReport::default() }
    }

    fn texts(text: &str, report: &RunReport) -> (Vec<String>, Vec<String>) {
        let sample = Sample::parse(text);
        let operations = operations(&sample.forests, report);
        let write = |op: &Operation| {
            let nodes: Vec<String> = op.nodes.iter().map(|node| sample.describe(node)).collect();
            format!("{}/{}/{}: {}", op.actor, op.step, op.iteration, nodes.join(" "))
        };
        (operations.found.iter().map(write).collect(), operations.problems)
    }

    #[test]
    fn an_operation_is_everything_between_the_trees_of_its_markers() {
        let text = "\
task 10 receiver
  before
x64_sys_call
  ksys_write
    @marker 1 0 2 7
    fput
exit_glue
recv
  inner
    @out S 11
    @in 11
x64_sys_call
  ksys_write
    @marker 0 0 2 7
    fput
after
";
        let (found, problems) = texts(text, &report());
        assert_eq!(found, ["0/2/7: exit_glue recv inner @out S @in"]);
        assert!(problems.is_empty());
    }

    #[test]
    fn a_marker_without_a_counterpart_is_a_problem() {
        let write = |begin, iteration| format!("w\n  @marker {begin} 0 0 {iteration}\nrecv\n");
        let text = ["task 10 r\n".to_owned(), write(0, 0), write(1, 1), write(1, 2), write(0, 2), write(1, 3)].concat();
        let (found, problems) = texts(&text, &report());
        assert_eq!(found, ["0/0/2: recv"]);
        assert_eq!(problems.len(), 3, "{problems:?}");
    }

    #[test]
    fn an_operation_that_the_agent_reports_but_the_trace_lacks_is_a_problem() {
        let result = OpResult {
            actor: 0,
            step: 1,
            iteration: 3,
            ret: 0,
            errno: 0,
            start_ns: 0,
            end_ns: 0,
            cpu_ns: 0,
            switches: 0,
        };
        let report = RunReport { actor_tids: vec![10, 12], results: vec![result], ..RunReport::default() };
        let (_, problems) = texts("task 10 r\nf\n", &report);
        assert_eq!(problems.len(), 2, "{problems:?}");
    }
}
