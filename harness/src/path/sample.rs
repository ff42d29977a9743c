//! Parses forests from text, for tests: hand-written ones and recorded captures.
//!
//! A task starts with `task PID COMM` or `idle CPU`. Every other line is a node, indented by two spaces per level: a
//! function's name or a mark (`@out STATE NEXT`, `@in PREVIOUS`, `@waking PID`, `@woken PID`, `@irq EVENT NUMBER`,
//! `@marker BEGIN ACTOR STEP ITERATION`), optionally followed by ` !` and `h`, `s`, `n` for hard interrupt, softirq,
//! NMI.

use std::collections::HashMap;

use crate::trace::{CallForests, Forest, FuncAddr, Interrupted, Node, NodeKind, TaskKey};
use rxpath_guest::Marker;

/// Forests and their symbols.
pub(crate) struct Sample {
    pub forests: CallForests,
    pub symbols: HashMap<FuncAddr, String>,
}

impl Sample {
    /// Parses hand-written text. The time of every node is its line number, its CPU is 0.
    pub(crate) fn parse(text: &str) -> Self {
        let lines = text.lines().zip(1..).map(|(line, time)| (time, 0, line));
        Self::from_lines(lines)
    }

    /// Parses a recorded capture. Before each node are the microseconds since the node before it (for a task's first
    /// node, since the start of the recording), its CPU and its depth; lines that start with `#` are comments.
    pub(crate) fn parse_recorded(text: &str) -> Self {
        let mut now = 0;
        let lines = text.lines().filter(|line| !line.starts_with('#')).map(|line| {
            let parts: Vec<&str> = line.splitn(4, ' ').collect();
            let [since, cpu, depth, node] = parts[..] else {
                now = 0;
                return (0, 0, line.to_owned());
            };
            now += since.parse::<i64>().unwrap();
            let indent = "  ".repeat(depth.parse().unwrap());
            ((now as u64) * 1000, cpu.parse().unwrap(), format!("{indent}{node}"))
        });
        Self::from_lines(lines.collect::<Vec<_>>().iter().map(|(time, cpu, line)| (*time, *cpu, line.as_str())))
    }

    fn from_lines<'t>(lines: impl Iterator<Item = (u64, u16, &'t str)>) -> Self {
        let mut sample = Self { forests: CallForests::default(), symbols: HashMap::new() };
        let mut addresses: HashMap<String, FuncAddr> = HashMap::new();
        let mut task = TaskKey::Idle(0);
        for (start, cpu, line) in lines {
            if let Some(key) = sample.task(line) {
                task = key;
                sample.forests.by_task.insert(task, Forest { task, nodes: Vec::new() });
                continue;
            }
            let text = line.trim_start_matches(' ');
            let depth = (line.len() - text.len()) as u32 / 2;
            let (text, flags) = text.split_once(" !").unwrap_or((text, ""));
            let interrupted =
                Interrupted { hardirq: flags.contains('h'), softirq: flags.contains('s'), nmi: flags.contains('n') };
            let kind = match text.strip_prefix('@') {
                Some(mark) => kind_of(mark),
                None => {
                    let next = 0x1000 + addresses.len() as u64;
                    let func = *addresses.entry(text.to_owned()).or_insert(next);
                    sample.symbols.insert(func, text.to_owned());
                    NodeKind::Call { func, end: None }
                }
            };
            let forest = sample.forests.by_task.get_mut(&task).expect("a task before the first node");
            forest.nodes.push(Node { depth, cpu, start, interrupted, kind });
        }
        sample
    }

    fn task(&mut self, line: &str) -> Option<TaskKey> {
        if let Some(cpu) = line.strip_prefix("idle ") {
            return Some(TaskKey::Idle(cpu.parse().unwrap()));
        }
        let (pid, comm) = line.strip_prefix("task ")?.split_once(' ').unwrap();
        let pid = pid.parse().unwrap();
        self.forests.comms.insert(pid, comm.to_owned());
        Some(TaskKey::Task(pid))
    }

    /// Describes a node in a few words.
    pub(crate) fn describe(&self, node: &Node) -> String {
        match &node.kind {
            NodeKind::Call { func, .. } => self.symbols[func].clone(),
            NodeKind::SwitchOut { state, .. } => format!("@out {state}"),
            NodeKind::SwitchIn { .. } => "@in".to_owned(),
            other => format!("{other:?}"),
        }
    }
}

fn kind_of(mark: &str) -> NodeKind {
    let words: Vec<&str> = mark.split(' ').collect();
    let number = |at: usize| words[at].parse::<i64>().unwrap();
    match words[0] {
        "out" => NodeKind::SwitchOut { state: words[1].chars().next().unwrap(), next: number(2) as i32 },
        "in" => NodeKind::SwitchIn { previous: number(1) as i32 },
        "waking" => NodeKind::Waking { pid: number(1) as i32 },
        "woken" => NodeKind::Woken { pid: number(1) as i32 },
        "irq" => {
            let events = ["softirq_entry", "softirq_exit", "softirq_raise", "irq_handler_entry", "irq_handler_exit"];
            let event = events.into_iter().find(|event| *event == words[1]).unwrap();
            NodeKind::Irq { event, number: number(2) }
        }
        "marker" => {
            let (begin, actor) = (number(1) == 1, number(2) as u16);
            let marker = Marker { begin, actor, step: number(3) as u16, iteration: number(4) as u32 };
            NodeKind::Marker { bytes: marker.to_bytes().to_vec() }
        }
        other => panic!("no such mark: {other}"),
    }
}
