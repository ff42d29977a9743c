//! The words of a diff, in every format.

use super::change_words;
use crate::diff::{Change, ExplainedDiff, OperationCost, PathDiff, TimingLine};
use crate::path::text;

/// One line of a diff, in words.
pub(super) struct Words {
    /// `+` only in the new kernel, `-` only in the old one, `~` in both but changed, a space for no change.
    pub(super) sign: char,
    /// The line itself, indented by its depth.
    pub(super) line: String,
    /// What changed and why; empty if nothing did.
    pub(super) why: String,
    /// Whether the line is not a function: a sleep, a wake-up, a repetition.
    pub(super) is_mark: bool,
}

/// Puts a line of a diff into words. `None` only for a line without sides, which no diff has.
pub(super) fn line(explained: &ExplainedDiff, at: usize) -> Option<Words> {
    let line = &explained.diff.lines[at];
    let node = line.node()?;
    let why = change_words::kind_and_reason(explained, at);
    let cost = change_words::cost(line, explained.costs[at]).map(|cost| format!("({cost})"));
    let why = [Some(why).filter(|why| !why.is_empty()), cost].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let why = if moved_with_the_line_above(&explained.diff, at) { String::new() } else { why };
    Some(Words {
        sign: change_words::sign(line),
        line: format!("{}{}", "  ".repeat(line.depth() as usize), text::line(node)),
        why,
        is_mark: node.entry.function().is_none(),
    })
}

/// Whether the line moved together with the call above it, which says so already.
fn moved_with_the_line_above(diff: &PathDiff, at: usize) -> bool {
    let counterpart = |at: usize| match diff.lines[at].change {
        Change::Moved { counterpart } => Some(counterpart),
        _ => None,
    };
    let Some(mine) = counterpart(at) else { return false };
    let run = (1..=at.min(mine)).take_while(|back| counterpart(at - back) == Some(mine - back)).last();
    run.is_some_and(|back| diff.lines[at - back].depth() < diff.lines[at].depth())
}

/// Puts a changed line into a few characters: `+tcp_recvmsg_locked`, `-put_pid`, `sockfd_lookup_light→fdget`, `put_page ×2→×3`.
pub(super) fn brief(change: &Change, name: &str) -> String {
    match change {
        Change::Same => name.to_owned(),
        Change::New | Change::SplicedIn => format!("+{name}"),
        Change::Gone | Change::SplicedOut => format!("-{name}"),
        Change::Renamed { from, to } => format!("{from}→{to}"),
        Change::Moved { .. } => format!("{name} moved"),
        Change::Times { from, to } => format!("{name} ×{from}→×{to}"),
    }
}

/// Says how much of a section changed.
pub(super) fn section(explained: &ExplainedDiff) -> String {
    let lines = explained.diff.lines.len();
    match explained.diff.changes().count() {
        0 => format!("the same {lines} lines"),
        changes => format!("{changes} of {lines} lines changed"),
    }
}

/// Formats a cost: `5000 (1 switch)`.
pub(super) fn cost(cost: Option<OperationCost>) -> String {
    match cost {
        None => "not measured".to_owned(),
        Some(OperationCost { cost, switches: 0 }) => cost.to_string(),
        Some(OperationCost { cost, switches: 1 }) => format!("{cost} (1 switch)"),
        Some(OperationCost { cost, switches }) => format!("{cost} ({switches} switches)"),
    }
}

/// Formats the change of a cost: `+1234 (+5.1 %)`.
pub(super) fn cost_change(line: &TimingLine) -> String {
    match (line.difference(), line.share()) {
        (None, _) => String::new(),
        (Some(0), _) => "the same".to_owned(),
        (Some(difference), None) => format!("{difference:+}"),
        (Some(difference), Some(share)) => format!("{difference:+} ({:+.1} %)", share * 100.0),
    }
}
