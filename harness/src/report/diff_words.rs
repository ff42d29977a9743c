//! The words of a diff, in every format.

use std::ops::Range;

use super::change_words::{self, count, grouped};
use crate::diff::{Change, DiffLine, ExplainedDiff, FunctionCost, OperationCost, PathDiff, TimingLine};
use crate::path::{PathNode, text};
use crate::suite::{KernelDiff, RunKernel, SectionDiff, SharedChange};

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
    let cost = change_words::cost(explained, at).map(|cost| format!("({cost})"));
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
    let lines = count(explained.diff.lines.len(), "line");
    match explained.diff.changes().count() {
        0 => format!("the same {lines}"),
        changes => format!("{changes} of {lines} changed"),
    }
}

/// What to show of a diff.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DiffView {
    /// The number of unchanged lines around each change.
    pub(crate) context: usize,
    /// The number of changes and functions to list.
    pub(crate) top: usize,
    pub(crate) paths: bool,
    pub(crate) timings: bool,
    /// Whether to show each case in full instead of each change once.
    pub(crate) each_case: bool,
}

/// The number of lines that show a change that is listed once.
pub(super) const EXCERPT: usize = 12;
/// The number of cases that are named where many have the same change.
const NAMED_CASES: usize = 3;
/// The number of changed lines that name a change.
const NAMED_LINES: usize = 3;

/// The answer in one sentence.
pub(super) fn headline(diff: &KernelDiff) -> String {
    let changed = diff.cases.iter().filter(|case| case.has_other_paths()).count();
    let cases = count(diff.cases.len(), "case");
    let paths = match diff.changes.len() {
        0 => format!("no change of paths in {cases}"),
        changes => format!("{} of paths in {changed} of {cases}", count(changes, "change")),
    };
    let functions = match diff.functions.len() {
        0 => "no self cost differs".to_owned(),
        1 => "the self cost of 1 function differs".to_owned(),
        many => format!("the self costs of {many} functions differ"),
    };
    let left_out = match diff.left_out.len() {
        0 => String::new(),
        number => format!("; {} not compared", count(number, "case")),
    };
    format!("{paths}; {functions}{left_out}")
}

/// A kernel's name, with its exact version if that says more.
pub(super) fn kernel(kernel: &RunKernel) -> String {
    if kernel.version.is_empty() || kernel.version == kernel.name.as_str() {
        return kernel.name.to_string();
    }
    format!("{} ({})", kernel.name, kernel.version)
}

/// Names a change by its first lines and the call above them: `skb_clone: +__skb_clone`.
pub(super) fn change_title(diff: &KernelDiff, change: &SharedChange) -> String {
    run_title(&section_of(diff, change).explained.diff, &change.lines)
}

/// Names a run of changed lines by the first of them and the call above: `skb_clone: +__skb_clone`.
pub(super) fn run_title(path: &PathDiff, run: &Range<usize>) -> String {
    let first = &path.lines[run.start];
    let above = path.lines[..run.start].iter().rev().find(|line| line.depth() < first.depth());
    let above = above.and_then(|line| line.node()).map(|node| format!("{}: ", text::entry(&node.entry)));
    let lines = &path.lines[run.clone()];
    let named =
        lines.iter().take(NAMED_LINES).filter_map(|line| Some(brief(&line.change, &text::entry(&line.node()?.entry))));
    let more = match lines.len().saturating_sub(NAMED_LINES) {
        0 => String::new(),
        more => format!(" and {}", count(more, "more line")),
    };
    format!("{}{}{more}", above.unwrap_or_default(), named.collect::<Vec<_>>().join(", "))
}

/// Names the first cases with a change: `recv/tcp-peek, recv/tcp-ready and 3 more`.
pub(super) fn change_cases(diff: &KernelDiff, change: &SharedChange) -> String {
    let named = change.cases.iter().take(NAMED_CASES).map(|at| diff.cases[*at].case.as_str());
    let more = match change.cases.len().saturating_sub(NAMED_CASES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", named.collect::<Vec<_>>().join(", "))
}

/// The section that shows a change.
pub(super) fn section_of<'d>(diff: &'d KernelDiff, change: &SharedChange) -> &'d SectionDiff {
    &diff.cases[change.case].sections[change.section]
}

/// The lines that show a change: those around it, and the lines that they are nested in.
pub(super) fn excerpt(diff: &KernelDiff, change: &SharedChange, context: usize) -> Vec<usize> {
    let hunks = section_of(diff, change).explained.diff.hunks(context);
    let is_with = |hunk: &std::ops::Range<usize>| hunk.start < change.lines.end && change.lines.start < hunk.end;
    let around = change.lines.start.saturating_sub(context)..change.lines.end + context;
    hunks.into_iter().filter(is_with).flatten().filter(|at| around.contains(at)).collect()
}

/// The columns of the table of self costs.
pub(super) const FUNCTION_COLUMNS: [&str; 6] = ["function", "before", "now", "change", "cases", "for example in"];

/// A row of the table of self costs.
pub(super) fn function_row(diff: &KernelDiff, cost: &FunctionCost) -> [String; 6] {
    let (case, section) = &cost.example;
    let case = diff.cases.iter().find(|one| one.case.as_str() == case);
    let section = case.and_then(|case| case.sections.iter().find(|one| one.name == *section));
    let nodes = section.map(|one| one.explained.diff.lines.iter().filter_map(DiffLine::node));
    cost_row(cost, nodes.and_then(|nodes| callers(nodes, &cost.function)))
}

/// A row of the table of self costs, with the calls above the function in the example.
pub(super) fn cost_row(cost: &FunctionCost, callers: Option<String>) -> [String; 6] {
    let (case, section) = &cost.example;
    [
        cost.function.clone(),
        grouped(cost.before),
        grouped(cost.now),
        signed(cost.change()),
        format!("{} of {}", cost.cases, cost.called_in),
        format!("{case} {section}{}", callers.map(|path| format!(": {path}")).unwrap_or_default()),
    ]
}

fn signed(change: i64) -> String {
    format!("{}{}", if change < 0 { "-" } else { "+" }, grouped(change.unsigned_abs()))
}

/// The first call of a function with the calls above it: `… > tcp_recvmsg > skb_copy_datagram_iter`.
pub(super) fn callers<'n>(nodes: impl Iterator<Item = &'n PathNode>, function: &str) -> Option<String> {
    const CALLERS: usize = 2;
    let mut above: Vec<&PathNode> = Vec::new();
    for node in nodes {
        above.truncate(above.iter().take_while(|above| above.depth < node.depth).count());
        above.push(node);
        if node.entry.function() == Some(function) {
            let names: Vec<&str> = above.iter().filter_map(|node| node.entry.function()).collect();
            let shown = &names[names.len().saturating_sub(CALLERS + 1)..];
            return Some(format!("{}{}", if shown.len() < names.len() { "… > " } else { "" }, shown.join(" > ")));
        }
    }
    None
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
