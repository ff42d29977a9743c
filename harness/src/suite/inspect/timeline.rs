//! A recording as a timeline: the calls of each task over time, and who woke it.
//!
//! The time axis counts only what the calls took themselves, in nanoseconds of guest time, which are instructions in exact mode. So
//! the tracer's share is not part of it, nor the time in which an idle CPU waits or a task runs outside the kernel. A call is as long
//! as its own cost and whatever ran before it ended: its callees, interrupts, and, if it slept, other tasks. In exact mode the CPUs
//! take turns on one clock; what a call took between two of its records is put where the first one was.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use rxpath_guest::RunReport;

use crate::path::own_runs::OwnRun;
use crate::path::own_times::{Costing, RECORDS_EVENTS, TracerCost};
use crate::path::time_axis::TimeAxis;
use crate::path::{FunctionNames, Operation, operations};
use crate::trace::{CallForests, Forest, Node, NodeKind, TaskKey};

/// The records of a recording by task.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timeline {
    /// The tasks with a call, with one idle task for each CPU.
    pub threads: Vec<Thread>,
    /// Sorted by time.
    pub wakes: Vec<Wake>,
}

/// The calls of one task.
#[derive(Clone, Debug, PartialEq)]
pub struct Thread {
    pub task: TaskKey,
    /// The name of the actor, or of the task.
    pub name: String,
    /// The operations and calls in preorder.
    pub spans: Vec<Span>,
    /// The periods in which the innermost call ran itself, sorted by time.
    pub slices: Vec<Slice>,
    /// When the task left the CPU, when it returned if it did, and its state in between.
    pub away: Vec<(u64, Option<u64>, char)>,
}

/// One call, or an operation around calls.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// The function's raw name, or `receiver.recv`.
    pub name: String,
    /// The iteration, if this is an operation.
    pub operation: Option<u32>,
    /// The index of its caller.
    pub parent: Option<usize>,
    pub cpu: u16,
    pub start: u64,
    /// When it returned, if it did.
    pub end: Option<u64>,
}

/// A period in which one call ran itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    pub start: u64,
    pub end: u64,
    /// The index of the call.
    pub span: usize,
}

/// The wake-up of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wake {
    pub time: u64,
    /// The index of the waking thread.
    pub from: usize,
    /// The index of the woken thread.
    pub to: usize,
    /// When the woken thread ran again.
    pub ran: Option<u64>,
}

/// The part of a recording that a timeline shows.
#[derive(Clone, Debug, Default)]
pub struct Excerpt {
    /// Only this iteration: the operations, interrupts and softirqs, and the tasks that are not rxpath's.
    pub iteration: Option<u32>,
    /// Only the tasks of these actors, if there are any.
    pub actors: Vec<String>,
}

/// What a timeline is made of.
pub(crate) struct Recording<'a> {
    pub(crate) forests: &'a CallForests,
    pub(crate) names: &'a dyn FunctionNames,
    pub(crate) report: &'a RunReport,
    /// The names of actors and their steps.
    pub(crate) roles: &'a [(String, Vec<String>)],
    pub(crate) tracer: TracerCost,
}

impl Timeline {
    pub(crate) fn of(recording: &Recording, excerpt: &Excerpt) -> Self {
        let found = operations(recording.forests, recording.report).found;
        let operations: Vec<&Operation> =
            found.iter().filter(|op| excerpt.iteration.is_none_or(|one| op.iteration == one)).collect();
        let start = operations.iter().map(|op| op.start).min().unwrap_or(0);
        let end = operations.iter().map(|op| op.end).max().unwrap_or(0);
        let window = excerpt.iteration.map(|_| start..=end);
        let costing = Costing::new(recording.forests, recording.names, recording.tracer);
        let is_wanted = |task: &TaskKey| excerpt.actors.is_empty() || excerpt.actors.contains(&recording.name_of(task));
        let choose = |forest: &&Forest| -> Vec<bool> {
            let of_task: Vec<&Operation> = operations.iter().copied().filter(|op| op.task == forest.task).collect();
            recording.chosen(forest, &of_task, window.as_ref())
        };
        // All tasks are on the time axis, but only the wanted ones are shown.
        let tasks: Vec<(&Forest, Vec<bool>)> =
            recording.forests.by_task.values().map(|forest| (forest, choose(&forest))).collect();
        let own_runs = |(forest, chosen): &(&Forest, Vec<bool>)| own_runs(&costing, forest, chosen, window.as_ref());
        let runs: Vec<Vec<OwnRun>> = tasks.iter().map(own_runs).collect();
        let axis = TimeAxis::of(runs.iter().flatten().map(|run| (run.start, run.took)));
        let mut timeline = Self::default();
        let mut shown: Vec<(&Forest, &[bool])> = Vec::new();
        for ((forest, chosen), runs) in tasks.iter().zip(&runs).filter(|((forest, _), _)| is_wanted(&forest.task)) {
            let thread = recording.thread(forest, chosen, runs, &operations, &axis);
            if !thread.spans.is_empty() {
                timeline.threads.push(thread);
                shown.push((forest, chosen));
            }
        }
        timeline.wakes = wakes(&shown, &axis);
        timeline
    }
}

impl Recording<'_> {
    /// The iterations with operations in the recording.
    pub(crate) fn iterations(&self) -> BTreeSet<u32> {
        operations(self.forests, self.report).found.iter().map(|op| op.iteration).collect()
    }

    fn actor(&self, task: &TaskKey) -> Option<usize> {
        let TaskKey::Task(pid) = task else { return None };
        self.report.actor_tids.iter().position(|tid| tid == pid)
    }

    fn name_of(&self, task: &TaskKey) -> String {
        let role = self.actor(task).and_then(|actor| self.roles.get(actor));
        match (role, task) {
            (Some((name, _)), _) => name.clone(),
            (None, TaskKey::Idle(cpu)) => format!("idle task of CPU {cpu}"),
            (None, TaskKey::Task(pid)) => {
                let comm = self.forests.comms.get(pid).map_or("task", String::as_str);
                format!("{comm} {pid}")
            }
        }
    }

    /// Whether each node of a task is in the window; with no window, all are. Of rxpath's tasks, only the operations are, and what
    /// interrupts them elsewhere.
    fn chosen(&self, forest: &Forest, operations: &[&Operation], window: Option<&RangeInclusive<u64>>) -> Vec<bool> {
        let Some(window) = window else { return vec![true; forest.nodes.len()] };
        let is_rxpaths = match forest.task {
            TaskKey::Task(pid) => self.actor(&forest.task).is_some() || self.report.agent_tids.contains(&pid),
            TaskKey::Idle(_) => false,
        };
        if !is_rxpaths {
            return forest.nodes.iter().map(|node| overlaps(node, window)).collect();
        }
        let mut chosen = Vec::with_capacity(forest.nodes.len());
        for tree in forest.nodes.chunk_by(|_, next| next.depth > 0) {
            let at = chosen.len();
            let is_in_operation = operations.iter().any(|op| (op.first..op.first + op.nodes.len()).contains(&at));
            let is_chosen = is_in_operation || window.contains(&tree[0].start) && is_interrupted(tree);
            chosen.resize(at + tree.len(), is_chosen);
        }
        chosen
    }

    fn thread(
        &self,
        forest: &Forest,
        chosen: &[bool],
        runs: &[OwnRun],
        operations: &[&Operation],
        axis: &TimeAxis,
    ) -> Thread {
        let (name, task) = (self.name_of(&forest.task), forest.task);
        let mut thread = Thread { task, name, spans: Vec::new(), slices: Vec::new(), away: Vec::new() };
        let mut span_of: BTreeMap<usize, usize> = BTreeMap::new();
        // The calls that have not returned, each with the depth of its node.
        let mut open: Vec<(usize, u32)> = Vec::new();
        let mut of_tracer: Option<u32> = None;
        let mut operation: Option<(&Operation, usize)> = None;
        for (at, node) in forest.nodes.iter().enumerate().filter(|(at, _)| chosen[*at]) {
            while open.pop_if(|(_, depth)| *depth >= node.depth).is_some() {}
            of_tracer = of_tracer.filter(|depth| node.depth > *depth);
            operation = operation.filter(|(op, _)| at < op.first + op.nodes.len());
            if let Some(op) = operations.iter().find(|op| op.task == task && op.first == at && !op.nodes.is_empty()) {
                operation = Some((op, thread.spans.len()));
                thread.spans.push(self.operation(op, axis));
            }
            match &node.kind {
                NodeKind::Call { func, end } if of_tracer.is_none() => {
                    let name = self.names.raw_name(*func).map_or_else(|| format!("{func:#x}"), str::to_owned);
                    if name.starts_with(RECORDS_EVENTS) {
                        of_tracer = Some(node.depth);
                        continue;
                    }
                    let parent = open.last().map(|(span, _)| *span).or(operation.map(|(_, span)| span));
                    span_of.insert(at, thread.spans.len());
                    open.push((thread.spans.len(), node.depth));
                    let (start, end) = (axis.at(node.start), end.map(|end| axis.at(end)));
                    thread.spans.push(Span { name, operation: None, parent, cpu: node.cpu, start, end });
                }
                NodeKind::SwitchOut { state, .. } => thread.away.push((axis.at(node.start), None, *state)),
                NodeKind::SwitchIn { .. } => {
                    if let Some((_, back, _)) = thread.away.last_mut() {
                        *back = Some(axis.at(node.start));
                    }
                }
                _ => {}
            }
        }
        let slice = |run: &OwnRun| {
            let start = axis.at(run.start);
            Some(Slice { start, end: start + run.took, span: *span_of.get(&run.node)? })
        };
        thread.slices = runs.iter().filter(|run| run.took > 0).filter_map(slice).collect();
        thread.slices.sort_by_key(|slice| slice.start);
        thread
    }

    fn operation(&self, op: &Operation, axis: &TimeAxis) -> Span {
        let role = self.roles.get(usize::from(op.actor));
        let step = role.and_then(|(_, steps)| steps.get(usize::from(op.step)));
        let name = format!("{}.{}", role.map_or("?", |(name, _)| name), step.map_or("?", |step| step));
        let ends = op.nodes.iter().filter_map(|node| match node.kind {
            NodeKind::Call { end, .. } => end,
            _ => None,
        });
        let (first, end) = (&op.nodes[0], ends.max().unwrap_or(op.end));
        let (start, end) = (axis.at(first.start), Some(axis.at(end)));
        Span { name, operation: Some(op.iteration), parent: None, cpu: first.cpu, start, end }
    }
}

/// Whether a call ran in the window, or an event is in it.
fn overlaps(node: &Node, window: &RangeInclusive<u64>) -> bool {
    match node.kind {
        NodeKind::Call { end, .. } => node.start <= *window.end() && end.is_none_or(|end| end >= *window.start()),
        _ => window.contains(&node.start),
    }
}

/// Whether an interrupt or a softirq is in a tree, and none of rxpath's markers.
fn is_interrupted(tree: &[Node]) -> bool {
    tree.iter().any(|node| node.interrupted.hardirq || node.interrupted.softirq)
        && !tree.iter().any(|node| matches!(node.kind, NodeKind::Marker { .. }))
}

/// When the chosen calls of a task ran themselves. The outermost calls of an idle task only wait.
fn own_runs(costing: &Costing, forest: &Forest, chosen: &[bool], window: Option<&RangeInclusive<u64>>) -> Vec<OwnRun> {
    let is_idle = matches!(forest.task, TaskKey::Idle(_));
    let is_in_window = |run: &OwnRun| window.is_none_or(|window| window.contains(&run.start));
    let is_waiting = |run: &OwnRun| is_idle && forest.nodes[run.node].depth == 0;
    let is_counted = |run: &OwnRun| chosen[run.node] && is_in_window(run) && !is_waiting(run);
    costing.own_times(&forest.nodes).runs.into_iter().filter(is_counted).collect()
}

/// The wake-ups among these tasks, in the order of the threads.
fn wakes(tasks: &[(&Forest, &[bool])], axis: &TimeAxis) -> Vec<Wake> {
    let mut wakes = Vec::new();
    for (from, (forest, chosen)) in tasks.iter().enumerate() {
        for (node, _) in forest.nodes.iter().zip(*chosen).filter(|(_, chosen)| **chosen) {
            let NodeKind::Waking { pid } = node.kind else { continue };
            let Some(to) = tasks.iter().position(|(other, _)| other.task == TaskKey::Task(pid)) else { continue };
            let (woken, shown) = tasks[to];
            let is_back = |(back, shown): &(&Node, &bool)| {
                **shown && back.start >= node.start && matches!(back.kind, NodeKind::SwitchIn { .. })
            };
            let ran = woken.nodes.iter().zip(shown).find(is_back).map(|(back, _)| axis.at(back.start));
            wakes.push(Wake { time: axis.at(node.start), from, to, ran });
        }
    }
    wakes.sort_by_key(|wake| wake.time);
    wakes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::sample::Sample;

    /// The idle task's softirq wakes the receiver, which sleeps in the first of two iterations.
    const TEXT: &str = "\
idle 0
idle_wait
  rx !s
    rcv !s
      __traceiter_sched_waking !s
        record !s
        @waking 10
task 10 receiver
x64_write
  @marker 1 0 0 0
recv
  lock
  wait
    @out S 0
    @in 0
x64_write
  @marker 0 0 0 0
x64_write
  @marker 1 0 0 1
recv
  lock
x64_write
  @marker 0 0 0 1
futex
";

    fn timeline(iteration: Option<u32>, actors: &[&str]) -> Timeline {
        let mut sample = Sample::parse(TEXT);
        let switched_out = 100 * TEXT.lines().position(|line| line.contains("@out")).unwrap() as u64;
        for forest in sample.forests.by_task.values_mut() {
            for (at, node) in forest.nodes.iter_mut().enumerate() {
                node.start = match forest.task {
                    // It has waited since before the first iteration.
                    TaskKey::Idle(_) if at == 0 => 0,
                    TaskKey::Idle(_) => switched_out + 1 + 10 * at as u64,
                    TaskKey::Task(_) => 100 * (node.start - 1),
                };
            }
            for at in 0..forest.nodes.len() {
                let depth = forest.nodes[at].depth;
                let last = forest.nodes.last().unwrap().start + 9;
                let next = forest.nodes[at + 1..].iter().find(|node| node.depth <= depth).map(|node| node.start);
                if let NodeKind::Call { end, .. } = &mut forest.nodes[at].kind {
                    *end = Some(next.unwrap_or(last) - 1 - u64::from(depth));
                }
            }
        }
        let report = RunReport { actor_tids: vec![10], ..RunReport::default() };
        let recording = Recording {
            forests: &sample.forests,
            names: &sample.symbols,
            report: &report,
            roles: &[("receiver".to_owned(), vec!["recv".to_owned()])],
            tracer: TracerCost { inside: 2, whole: 5.0, page: 0 },
        };
        assert_eq!(recording.iterations(), BTreeSet::from([0, 1]));
        let actors = actors.iter().map(|actor| (*actor).to_owned()).collect();
        Timeline::of(&recording, &Excerpt { iteration, actors })
    }

    fn names(thread: &Thread) -> Vec<&str> {
        thread.spans.iter().map(|span| span.name.as_str()).collect()
    }

    #[test]
    fn one_iteration_is_its_operations_and_what_interrupted_them_without_the_tracer() {
        let timeline = timeline(Some(0), &[]);
        let [receiver, idle] = &timeline.threads[..] else { panic!("{timeline:?}") };
        assert_eq!(names(receiver), ["receiver.recv", "recv", "lock", "wait"]);
        assert_eq!(names(idle), ["idle_wait", "rx", "rcv"]);
        let parents: Vec<Option<usize>> = receiver.spans.iter().map(|span| span.parent).collect();
        assert_eq!(parents, [None, Some(0), Some(1), Some(1)]);
        assert_eq!((receiver.spans[0].operation, receiver.spans[1].operation), (Some(0), None));
        let length = |span: &Span| span.end.unwrap() - span.start;
        assert_eq!(length(&receiver.spans[2]), 98 - 2, "lock, without the part inside its stamps");
        let [wake] = timeline.wakes[..] else { panic!("{:?}", timeline.wakes) };
        assert_eq!((wake.from, wake.to, wake.ran), (1, 0, receiver.away[0].1));
        let spent = |thread: &Thread| thread.slices.iter().map(|slice| slice.end - slice.start).sum::<u64>();
        assert_eq!(spent(receiver) + spent(idle), length(&receiver.spans[0]), "all that ran is within the operation");
        assert!(idle.slices.iter().all(|slice| slice.span > 0), "waiting takes no time: {idle:?}");
    }

    #[test]
    fn an_excerpt_leaves_out_other_iterations_and_other_actors() {
        let of = |iteration, actors: &[&str]| -> Vec<Vec<String>> {
            let all = timeline(iteration, actors).threads;
            all.iter().map(|thread| names(thread).into_iter().map(str::to_owned).collect()).collect()
        };
        assert_eq!(of(Some(1), &[]), [["receiver.recv", "recv", "lock"]]);
        assert_eq!(of(Some(0), &["receiver"]).len(), 1);
        let all = of(None, &[]);
        let operations = all[0].iter().filter(|name| *name == "receiver.recv").count();
        assert_eq!((all.len(), operations, all[0].contains(&"futex".to_owned())), (2, 2, true), "{all:?}");
    }
}
