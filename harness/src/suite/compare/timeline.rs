//! A capture as a timeline: every task with the calls it was in, when, and who woke it.

use std::collections::BTreeMap;

use crate::suite::kernel_metadata::KernelMetadata;
use crate::trace::{CallForests, Forest, NodeKind, TaskKey};

/// Everything that was recorded. Times are nanoseconds of guest time, which in exact mode are instructions, with the tracer's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timeline {
    /// One for each task, and for each CPU's idle task.
    pub threads: Vec<Thread>,
    /// In order of time.
    pub wakes: Vec<Wake>,
}

/// What one task did.
#[derive(Clone, Debug, PartialEq)]
pub struct Thread {
    /// Whose stack.
    pub task: TaskKey,
    /// The actor's name, or the task's.
    pub name: String,
    /// Calls in preorder.
    pub spans: Vec<Span>,
    /// The times on a CPU in which the innermost call was the same, in order.
    pub slices: Vec<Slice>,
    /// From leaving the CPU to coming back, with the state it left in.
    pub away: Vec<(u64, Option<u64>, char)>,
}

/// One call.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// The function's own name.
    pub name: String,
    /// Index of the call around it.
    pub parent: Option<usize>,
    /// Where it ran.
    pub cpu: u16,
    /// When it began.
    pub start: u64,
    /// When it returned, if it did.
    pub end: Option<u64>,
}

/// A time in which nothing was called and nothing returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// When it began.
    pub start: u64,
    /// When it ended.
    pub end: u64,
    /// Index of the innermost call.
    pub span: usize,
}

/// Someone was woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wake {
    /// When.
    pub time: u64,
    /// By whom: index of the thread.
    pub from: usize,
    /// Whom: index of the thread.
    pub to: usize,
    /// When that one ran again.
    pub ran: Option<u64>,
}

impl Timeline {
    /// From a capture's forests. `actors` are names by thread id.
    pub fn of(forests: &CallForests, facts: &KernelMetadata, actors: &BTreeMap<i32, String>) -> Self {
        let name = |task: &TaskKey| match task {
            TaskKey::Idle(cpu) => format!("idle task of CPU {cpu}"),
            TaskKey::Task(pid) => {
                let comm = forests.comms.get(pid).map_or("task", String::as_str);
                actors.get(pid).cloned().unwrap_or_else(|| format!("{comm} {pid}"))
            }
        };
        let threads: Vec<Thread> =
            forests.by_task.iter().map(|(task, forest)| thread(name(task), forest, facts)).collect();
        let wakes = wakes(forests, &threads);
        Self { threads, wakes }
    }
}

fn thread(name: String, forest: &Forest, facts: &KernelMetadata) -> Thread {
    let mut thread = Thread { task: forest.task, name, spans: Vec::new(), slices: Vec::new(), away: Vec::new() };
    // Calls that are open, each with the depth of its node; and the time up to which slices are written.
    let mut open: Vec<(usize, u32)> = Vec::new();
    let mut written = 0;
    for node in &forest.nodes {
        while open.last().is_some_and(|(_, depth)| *depth >= node.depth) {
            leave(&mut thread, &mut open, &mut written, node.start);
        }
        // The time away from the CPU is no call's.
        match node.kind {
            NodeKind::SwitchIn { .. } => written = written.max(node.start),
            _ => slice(&mut thread, open.last(), &mut written, node.start),
        }
        match &node.kind {
            NodeKind::Call { func, end } => {
                let name = facts.symbols.name(*func).map_or_else(|| format!("{func:#x}"), str::to_owned);
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

/// The innermost call returns, or the next node's time comes if it never did.
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
