//! Finds the operations in a capture: what each actor's task did between an operation's two markers.
//!
//! A marker is written with write(2), so it lies somewhere inside that call's own tree. The operation is what stands at
//! depth 0 between the tree of its begin marker and the tree of its end marker.

use rxpath_guest::{ActorIndex, Marker, RunReport, StepIndex};

use crate::trace::{CallForests, Node, NodeKind, TaskKey};

/// One operation of one actor in one iteration, as a stretch of its task's forest.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation<'a> {
    /// Who ran it.
    pub actor: ActorIndex,
    /// Which of the actor's steps.
    pub step: StepIndex,
    /// 0 is the first iteration after the warm-up.
    pub iteration: u32,
    /// Whose forest the stretch belongs to.
    pub task: TaskKey,
    /// Where in the forest it begins: index of its first node.
    pub first: usize,
    /// Its nodes, roots at depth 0.
    pub nodes: &'a [Node],
    /// The trace clock at the begin marker, in nanoseconds.
    pub began: u64,
    /// The trace clock at the end marker, in nanoseconds.
    pub ended: u64,
}

/// Everything that was found, and what was expected and not found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Operations<'a> {
    /// By actor, then in the order they ran.
    pub found: Vec<Operation<'a>>,
    /// Markers without their counterpart, actors without a forest: in words. A capture with any of these is incomplete.
    pub problems: Vec<String>,
}

/// Cuts the operations out of the actors' forests.
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
    let found: std::collections::HashSet<_> = out.found.iter().map(|op| (op.actor, op.step, op.iteration)).collect();
    for (actor, step, iteration) in expected.filter(|key| !found.contains(key)) {
        out.problems.push(format!("step {step} of actor {actor} ran in iteration {iteration} but is not in the trace"));
    }
    out
}

/// A marker of ours, with the tree it lies in.
struct Marked {
    marker: Marker,
    time: u64,
    root: usize,
    behind: usize,
}

fn cut_task<'a>(actor: ActorIndex, task: TaskKey, nodes: &'a [Node], out: &mut Operations<'a>) {
    let mut open: Option<Marked> = None;
    for marked in markers(nodes).filter(|marked| marked.marker.actor == actor) {
        let Marker { step, iteration, begin, .. } = marked.marker;
        let Some(begun) = open.take() else {
            if !begin {
                let problem = format!("step {step} of actor {actor} ends in iteration {iteration} without a beginning");
                out.problems.push(problem);
            }
            open = begin.then_some(marked);
            continue;
        };
        if begin || (begun.marker.step, begun.marker.iteration) != (step, iteration) {
            let Marker { step, iteration, .. } = begun.marker;
            out.problems.push(format!("step {step} of actor {actor} has no end in iteration {iteration}"));
            open = begin.then_some(marked);
            continue;
        }
        let first = begun.behind.min(marked.root);
        let nodes = &nodes[first..marked.root];
        let (began, ended) = (begun.time, marked.time);
        out.found.push(Operation { actor, step, iteration, task, first, nodes, began, ended });
    }
    if let Some(Marked { marker: Marker { step, iteration, .. }, .. }) = open {
        out.problems.push(format!("step {step} of actor {actor} has no end in iteration {iteration}"));
    }
}

fn markers(nodes: &[Node]) -> impl Iterator<Item = Marked> {
    let mut root = 0;
    nodes.iter().enumerate().filter_map(move |(index, node)| {
        if node.depth == 0 {
            root = index;
        }
        let NodeKind::Marker { bytes } = &node.what else { return None };
        let marker = Marker::from_bytes(bytes)?;
        let rest = nodes[index + 1..].iter().position(|later| later.depth == 0);
        let behind = rest.map_or(nodes.len(), |rest| index + 1 + rest);
        Some(Marked { marker, time: node.start, root, behind })
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
    fn an_operation_is_what_lies_between_the_trees_of_its_markers() {
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
    fn markers_without_their_counterpart_are_told() {
        let write = |begin, iteration| format!("w\n  @marker {begin} 0 0 {iteration}\nrecv\n");
        let text = ["task 10 r\n".to_owned(), write(0, 0), write(1, 1), write(1, 2), write(0, 2), write(1, 3)].concat();
        let (found, problems) = texts(&text, &report());
        assert_eq!(found, ["0/0/2: recv"]);
        assert_eq!(problems.len(), 3, "{problems:?}");
    }

    #[test]
    fn operations_the_agent_reports_but_the_trace_lacks_are_told() {
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
            data: 0,
        };
        let report = RunReport { actor_tids: vec![10, 12], results: vec![result], ..RunReport::default() };
        let (_, problems) = texts("task 10 r\nf\n", &report);
        assert_eq!(problems.len(), 2, "{problems:?}");
    }
}
