//! A capture as a timeline: the calls of each task over time, and who woke it.

use std::collections::BTreeMap;

use crate::suite::kernel_metadata::KernelMetadata;
use crate::trace::{CallForests, Forest, NodeKind, TaskKey};

/// The records of a capture by task. Times are nanoseconds of guest time, which are instructions in exact mode. They include
/// the tracer's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timeline {
    /// The tasks, with one idle task for each CPU.
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
    /// The calls in preorder.
    pub spans: Vec<Span>,
    /// The periods on a CPU with the same innermost call, sorted by time.
    pub slices: Vec<Slice>,
    /// When the task left the CPU, when it returned if it did, and its state in between.
    pub away: Vec<(u64, Option<u64>, char)>,
}

/// One call.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// The function's raw name.
    pub name: String,
    /// The index of its caller.
    pub parent: Option<usize>,
    pub cpu: u16,
    pub start: u64,
    /// When it returned, if it did.
    pub end: Option<u64>,
}

/// A period without a call or a return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    pub start: u64,
    pub end: u64,
    /// The index of the innermost call.
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

impl Timeline {
    /// Builds the timeline of a capture. `actors` are names by thread id.
    pub(crate) fn of(forests: &CallForests, metadata: &KernelMetadata, actors: &BTreeMap<i32, String>) -> Self {
        let name = |task: &TaskKey| match task {
            TaskKey::Idle(cpu) => format!("idle task of CPU {cpu}"),
            TaskKey::Task(pid) => {
                let comm = forests.comms.get(pid).map_or("task", String::as_str);
                actors.get(pid).cloned().unwrap_or_else(|| format!("{comm} {pid}"))
            }
        };
        let threads: Vec<Thread> =
            forests.by_task.iter().map(|(task, forest)| thread(name(task), forest, metadata)).collect();
        let wakes = wakes(forests, &threads);
        Self { threads, wakes }
    }
}

fn thread(name: String, forest: &Forest, metadata: &KernelMetadata) -> Thread {
    let mut thread = Thread { task: forest.task, name, spans: Vec::new(), slices: Vec::new(), away: Vec::new() };
    // The calls that have not returned, each with the depth of its node; and the time up to which slices are written.
    let mut open: Vec<(usize, u32)> = Vec::new();
    let mut written = 0;
    for node in &forest.nodes {
        while open.last().is_some_and(|(_, depth)| *depth >= node.depth) {
            leave(&mut thread, &mut open, &mut written, node.start);
        }
        // Time away from the CPU belongs to no call.
        match node.kind {
            NodeKind::SwitchIn { .. } => written = written.max(node.start),
            _ => slice(&mut thread, open.last(), &mut written, node.start),
        }
        match &node.kind {
            NodeKind::Call { func, end } => {
                let name = metadata.symbols.name(*func).map_or_else(|| format!("{func:#x}"), str::to_owned);
                let parent = open.last().map(|(span, _)| *span);
                open.push((thread.spans.len(), node.depth));
                thread.spans.push(Span { name, parent, cpu: node.cpu, start: node.start, end: *end });
            }
            NodeKind::SwitchOut { state, .. } => thread.away.push((node.start, None, *state)),
            NodeKind::SwitchIn { .. } => {
                if let Some((_, back, _)) = thread.away.last_mut() {
                    *back = Some(node.start);
                }
            }
            _ => {}
        }
    }
    while !open.is_empty() {
        leave(&mut thread, &mut open, &mut written, u64::MAX);
    }
    thread
}

/// Ends the innermost call when it returned, or at the next node's time if it never did.
fn leave(thread: &mut Thread, open: &mut Vec<(usize, u32)>, written: &mut u64, next: u64) {
    if let Some((span, _)) = open.last() {
        let end = thread.spans[*span].end.unwrap_or(if next == u64::MAX { *written } else { next });
        slice(thread, open.last(), written, end);
    }
    open.pop();
}

fn slice(thread: &mut Thread, innermost: Option<&(usize, u32)>, written: &mut u64, until: u64) {
    if let Some((span, _)) = innermost
        && until > *written
        && *written > 0
    {
        thread.slices.push(Slice { start: *written, end: until, span: *span });
    }
    *written = (*written).max(until);
}

fn wakes(forests: &CallForests, threads: &[Thread]) -> Vec<Wake> {
    let index = |pid: i32| threads.iter().position(|thread| thread.task == TaskKey::Task(pid));
    let mut wakes = Vec::new();
    for (from, forest) in forests.by_task.values().enumerate() {
        for node in &forest.nodes {
            let NodeKind::Waking { pid } = node.kind else { continue };
            let Some(to) = index(pid) else { continue };
            let ran = threads[to].away.iter().filter_map(|(_, back, _)| *back).find(|back| *back >= node.start);
            wakes.push(Wake { time: node.start, from, to, ran });
        }
    }
    wakes.sort_by_key(|wake| wake.time);
    wakes
}
