//! Words and numbers for one line of a diff.

use crate::diff::{Change, Cost, DiffLine, ExplainedDiff, Reason};
use crate::path::cost::Costs;
use crate::path::{CallPath, PathEntry, PathNode};

/// The sign that a diff puts before a line: ` `, `+`, `-` or `~`.
pub(crate) fn sign(line: &DiffLine) -> char {
    match &line.change {
        Change::Same => ' ',
        Change::New | Change::SplicedIn => '+',
        Change::Gone | Change::SplicedOut => '-',
        Change::Renamed { .. } | Change::Times { .. } => '~',
        Change::Moved { .. } if line.new.is_some() => '+',
        Change::Moved { .. } => '-',
    }
}

/// Says what changed; empty for a line that is the same.
pub(crate) fn kind(line: &DiffLine) -> String {
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

/// Says what changed and why: `new: no such symbol in 5.10`; empty for a line that is the same.
pub(crate) fn kind_and_reason(explained: &ExplainedDiff, at: usize) -> String {
    let (line, reason) = (&explained.diff.lines[at], explained.reasons[at].as_ref());
    let kind = match (&line.change, reason) {
        (Change::Renamed { from, .. }, Some(Reason::BothNames { .. })) => format!("in place of {from}"),
        _ => kind(line),
    };
    let reason = reason.map(|reason| reason.sentence());
    Some(kind).filter(|kind| !kind.is_empty()).into_iter().chain(reason).collect::<Vec<_>>().join(": ")
}

/// Says what the function of a changed line costs, including its callees; `None` if that is unknown or nothing changed.
pub(crate) fn cost(line: &DiffLine, cost: Cost) -> Option<String> {
    match (&line.change, cost.old, cost.new) {
        (Change::Same | Change::Moved { .. }, ..) | (_, None, None) => None,
        (_, Some(one), None) | (_, None, Some(one)) => Some(instructions(one)),
        (_, Some(old), Some(new)) if old == new => Some(instructions(new)),
        (_, Some(old), Some(new)) => Some(format!("{} instructions before, {} now", grouped(old), grouped(new))),
    }
}

fn instructions(number: u64) -> String {
    format!("{} instruction{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// Explains the numbers beside a path's calls; `None` if there are none.
pub(crate) fn about_costs(path: &CallPath, costs: &Costs) -> Option<&'static str> {
    let is_switch =
        |node: &PathNode| matches!(node.entry, PathEntry::Sleeps | PathEntry::Wakes(_) | PathEntry::Preempted);
    match (costs.is_empty(), path.nodes.iter().any(is_switch)) {
        (true, _) => None,
        (false, false) => Some("median instructions of a call, including its callees"),
        (false, true) => Some(
            "median instructions of a call, including its callees; around a sleep or a wake-up they are hundreds too high (on 5.10 up to 2,000)",
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

/// Formats a count with its noun: `1 snapshot`, `2 snapshots`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Formats a number with its digits in groups of three: `12,345`.
pub(crate) fn grouped(number: u64) -> String {
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

/// Formats a change in percent with its sign: `+4.2 %`.
pub(crate) fn percent(from: u64, to: u64) -> String {
    if from == 0 { "from 0".to_owned() } else { format!("{:+.1} %", (to as f64 / from as f64 - 1.0) * 100.0) }
}
