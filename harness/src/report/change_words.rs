//! Words and numbers for one line of a diff.

use std::collections::BTreeSet;

use crate::diff::{Change, DiffLine, ExplainedDiff, Reason};
pub(crate) use crate::plural::count;

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

/// Says what the function of a changed line costs, including its callees, with `~` if it contains a sleep or a wake-up;
/// `None` if that is unknown or nothing changed.
pub(crate) fn cost(explained: &ExplainedDiff, at: usize) -> Option<String> {
    let (line, cost) = (&explained.diff.lines[at], explained.costs[at]);
    let beneath = explained.diff.lines[at + 1..].iter().take_while(|below| below.depth() > line.depth());
    let about = if beneath.filter_map(DiffLine::node).any(is_switch) { "~" } else { "" };
    match (&line.change, cost.old, cost.new) {
        (Change::Same | Change::Moved { .. }, ..) | (_, None, None) => None,
        (_, Some(old), Some(new)) if old != new => {
            Some(format!("{about}{} instructions before, {about}{} now", grouped(old), grouped(new)))
        }
        (_, Some(1), _) | (_, None, Some(1)) => Some(format!("{about}1 instruction")),
        (_, Some(one), _) | (_, None, Some(one)) => Some(format!("{about}{} instructions", grouped(one))),
    }
}

/// Whether the line is one around which costs are uncertain.
pub(super) fn is_switch(node: &PathNode) -> bool {
    matches!(node.entry, PathEntry::Sleeps | PathEntry::Wakes(_) | PathEntry::Preempted)
}

/// Explains the numbers beside a path's calls; `None` if there are none.
pub(crate) fn about_costs(path: &CallPath, costs: &Costs) -> Option<&'static str> {
    match (costs.is_empty(), uncertain(path).is_empty()) {
        (true, _) => None,
        (false, true) => Some("median instructions of a call, including its callees"),
        (false, false) => Some(
            "median instructions of a call, including its callees; those with ~ contain a sleep or a wake-up and are some hundreds too high (on 5.10 up to 2,000)",
        ),
    }
}

/// The functions whose cost is uncertain, because a sleep, a preemption or a wake-up is beneath one of their lines.
pub(crate) fn uncertain(path: &CallPath) -> BTreeSet<&str> {
    let lines = path.nodes.iter().zip(path.subtree_ends()).enumerate();
    let around_switch = lines.filter(|(at, (_, end))| path.nodes[*at..*end].iter().any(is_switch));
    around_switch.filter_map(|(_, (node, _))| node.entry.function()).collect()
}

/// Formats the cost of a function; `uncertain` are those of its path.
pub(crate) fn cost_of(function: &str, costs: &Costs, uncertain: &BTreeSet<&str>) -> Option<String> {
    let about = if uncertain.contains(function) { "~" } else { "" };
    costs.get(function).map(|cost| format!("{about}{}", grouped(*cost)))
}

fn times(count: u32) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        many => format!("{many} times"),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::{Knowledge, Renames, SymbolSet, align, explain};
    use crate::path::text::parse;

    #[test]
    fn the_cost_of_a_changed_line_is_marked_if_a_sleep_is_beneath_it() {
        let renames = Renames::default();
        let knowledge = Knowledge { renames: &renames, plausible: &|_, _| false };
        let (old, new) = ("recv\n", "recv\n  wait\n    ~ sleeps\n  lock\n  unlock\n");
        let diff = align(&parse(old).unwrap(), &parse(new).unwrap(), &knowledge);
        let facts = |kernel| SymbolSet::new(kernel, [], ["recv"]);
        let costs = Costs::from([("wait".to_owned(), 900), ("lock".to_owned(), 10), ("unlock".to_owned(), 1)]);
        let explained = explain(diff, (&facts("5.10"), &Costs::new()), (&facts("7.3"), &costs));
        let words: Vec<Option<String>> = (0..5).map(|at| cost(&explained, at)).collect();
        let expected = [None, Some("~900 instructions"), None, Some("10 instructions"), Some("1 instruction")];
        assert_eq!(words, expected.map(|words| words.map(str::to_owned)));
    }
}
