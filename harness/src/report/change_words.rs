//! The words for what happened to a line of a diff.

use crate::diff::{Change, Cost, DiffLine};
use crate::path::cost::Costs;
use crate::path::{CallPath, PathEntry, PathNode};

/// A diff's sign of this line: ` `, `+`, `-` or `~`.
pub fn sign(line: &DiffLine) -> char {
    match &line.change {
        Change::Same => ' ',
        Change::New | Change::SplicedIn => '+',
        Change::Gone | Change::SplicedOut => '-',
        Change::Renamed { .. } | Change::Times { .. } => '~',
        Change::Moved { .. } if line.new.is_some() => '+',
        Change::Moved { .. } => '-',
    }
}

/// What happened; empty for a line that is the same.
pub fn kind(line: &DiffLine) -> String {
    match &line.change {
        Change::Same => String::new(),
        Change::New => "new".to_owned(),
        Change::Gone => "gone".to_owned(),
        Change::Renamed { from, .. } => format!("renamed from {from}"),
        Change::Moved { .. } if line.new.is_some() => "moved here".to_owned(),
        Change::Moved { .. } => "moved away".to_owned(),
        Change::SplicedIn => "a level appeared".to_owned(),
        Change::SplicedOut => "a level disappeared".to_owned(),
        Change::Times { from, to } => format!("{} before, now {}", times(*from), times(*to)),
    }
}

/// What the function of a changed line takes with all that it calls; `None` where that is not known, or nothing changed.
pub fn cost(line: &DiffLine, cost: Cost) -> Option<String> {
    match (&line.change, cost.old, cost.new) {
        (Change::Same | Change::Moved { .. }, ..) | (_, None, None) => None,
        (_, Some(one), None) | (_, None, Some(one)) => Some(format!("{} instructions", grouped(one))),
        (_, Some(old), Some(new)) if old == new => Some(format!("{} instructions", grouped(new))),
        (_, Some(old), Some(new)) => Some(format!("{} instructions before, {} now", grouped(old), grouped(new))),
    }
}

/// What is to be known of the costs beside a path's calls; `None` if there are none.
pub fn about_costs(path: &CallPath, costs: &Costs) -> Option<&'static str> {
    let is_switch =
        |node: &PathNode| matches!(node.entry, PathEntry::Sleeps | PathEntry::Wakes(_) | PathEntry::Preempted);
    match (costs.is_empty(), path.nodes.iter().any(is_switch)) {
        (true, _) => None,
        (false, false) => Some("instructions of a call with all that it calls, median"),
        (false, true) => Some(
            "instructions of a call with all that it calls, median; around a sleep or a wake-up hundreds too many, on 5.10 up to 2,000",
        ),
    }
}

fn times(count: u32) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        many => format!("{many} times"),
    }
}

/// A number of instructions or nanoseconds, its digits in groups of three.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A share as percent with its sign: `+4.2 %`.
pub fn percent(from: u64, to: u64) -> String {
    if from == 0 { "from 0".to_owned() } else { format!("{:+.1} %", (to as f64 / from as f64 - 1.0) * 100.0) }
}
