//! The call trees of a capture as text, task by task: every recorded call, nothing folded.

use std::fmt::Write as _;

use crate::trace::{CallForests, Forest, Interrupted, Node, NodeKind, Symbols, TaskKey, shadow_stack_losses};

/// Formats the call trees of all tasks. A line has the microseconds since the first record, the CPU, the context (`h` hard
/// interrupt, `s` softirq, `n` NMI), the duration in nanoseconds, and the call, indented by its depth. Events between calls
/// start with `~`.
pub(crate) fn call_trees(forests: &CallForests, symbols: &Symbols) -> String {
    let mut out = String::new();
    let losses = forests.losses.iter().cloned().chain(shadow_stack_losses(&forests.too_deep));
    for loss in losses {
        let _ = writeln!(out, "lost: {loss}");
    }
    let first = forests.by_task.values().filter_map(|forest| forest.nodes.first()).map(|node| node.start).min();
    for forest in forests.by_task.values().filter(|forest| !forest.nodes.is_empty()) {
        let calls = forest.nodes.iter().filter(|node| matches!(node.kind, NodeKind::Call { .. })).count();
        let _ = writeln!(out, "\n{} ({calls} calls)", task(forest, forests));
        let _ = writeln!(out, "{:>12} {:>3}     {:>10}", "µs", "CPU", "ns");
        for node in &forest.nodes {
            write_node(node, first.unwrap_or(0), forests, symbols, &mut out);
        }
    }
    out
}

fn task(forest: &Forest, forests: &CallForests) -> String {
    match forest.task {
        TaskKey::Task(pid) => who(pid, forests),
        TaskKey::Idle(cpu) => format!("idle task of CPU {cpu}"),
    }
}

fn who(pid: i32, forests: &CallForests) -> String {
    match (pid, forests.comms.get(&pid)) {
        (0, _) => "idle".to_owned(),
        (pid, Some(comm)) => format!("{}-{pid}", printable(comm)),
        (pid, None) => format!("pid {pid}"),
    }
}

fn write_node(node: &Node, first: u64, forests: &CallForests, symbols: &Symbols, out: &mut String) {
    let (took, text) = match &node.kind {
        NodeKind::Call { func, end } => {
            let name = symbols.name(*func).map_or_else(|| format!("{func:#x}"), printable);
            (end.map_or_else(|| "-".to_owned(), |end| end.saturating_sub(node.start).to_string()), name)
        }
        NodeKind::Waking { pid } => (String::new(), format!("~ starts to wake {}", who(*pid, forests))),
        NodeKind::Woken { pid } => (String::new(), format!("~ wakes {}", who(*pid, forests))),
        NodeKind::SwitchOut { state, next } => {
            (String::new(), format!("~ leaves the CPU ({state}) to {}", who(*next, forests)))
        }
        NodeKind::SwitchIn { previous } => (String::new(), format!("~ runs after {}", who(*previous, forests))),
        NodeKind::Irq { event, number } => (String::new(), format!("~ {event} {number}")),
        NodeKind::Marker { bytes } => {
            let hex: String = bytes.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
            let more = if bytes.len() > 16 { "…" } else { "" };
            (String::new(), format!("~ marker {hex}{more}"))
        }
    };
    let since = node.start.saturating_sub(first);
    let at = format!("{}.{:03}", since / 1000, since % 1000);
    let indent = "  ".repeat((node.depth as usize).min(MOST_INDENT));
    let _ = writeln!(out, "{at:>12} {:>3} {} {took:>10}  {indent}{text}", node.cpu, context(node.interrupted));
}

/// More than the depth of any kernel's shadow stack; a hostile file may claim a greater depth.
const MOST_INDENT: usize = 256;

fn context(interrupted: Interrupted) -> String {
    let letter = |on: bool, letter: char| if on { letter } else { '.' };
    [letter(interrupted.hardirq, 'h'), letter(interrupted.softirq, 's'), letter(interrupted.nmi, 'n')]
        .into_iter()
        .collect()
}

/// Replaces control characters, which a terminal would obey.
fn printable(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}
