//! The paths of a case as text, as `rxpath show` prints them: one kernel, or two side by side.

use std::fmt::Write as _;

use super::change_words;
use super::shown_trees::{ShownSection, ShownTrees};
use super::styled::{MARK, Styled, of_sign};
use crate::diff::DiffLine;
use crate::path::{CallPath, PathNode, text};
use crate::suite::{SavedSide, explain_saved};

/// What the numbers are.
const ABOUT: &str = "Numbers: median instructions of a call, first without the calls beneath it in the tree (self), then with all that it calls (total). Those with ~ contain a sleep or a wake-up and are some hundreds too high (on 5.10 up to 2,000), or another CPU ran in them.";

/// The column at which totals end, if the lines leave room for them.
const TOTALS_UNTIL: usize = 74;
/// The widths of a self cost and of a total.
const SELF: usize = 9;
const TOTAL: usize = 10;

/// Formats the path of each operation and context on one kernel, with the costs of its calls.
pub(crate) fn case_trees(case: &str, title: &str, trees: &ShownTrees) -> Styled {
    let mut out = Styled::from(format!("{case} on {} ({})\n{title}\n", trees.kernel, trees.release));
    trees.losses.iter().for_each(|loss| _ = writeln!(out, "lost: {loss}"));
    if trees.has_costs() {
        let _ = writeln!(out, "{ABOUT}");
    }
    for shown in &trees.sections {
        let heading = format!("{} ({})", shown.section.name, shown.agreement());
        let _ = match shown.costs.is_empty() {
            true => writeln!(out, "\n{heading}"),
            false => writeln!(out, "\n{}", with_numbers(&heading, ["self", "total"], TOTALS_UNTIL)),
        };
        for (line, node) in lines(&shown.path).zip(&shown.path.nodes) {
            let _ = writeln!(out, "{}", tree_line(&line, node, shown));
        }
        shown.variants().iter().for_each(|variant| _ = writeln!(out, "  {variant}"));
    }
    out
}

fn lines(path: &CallPath) -> impl Iterator<Item = String> {
    path.nodes.iter().map(indented)
}

fn indented(node: &PathNode) -> String {
    format!("  {}{}", "  ".repeat(node.depth as usize), text::line(node))
}

fn tree_line(line: &str, node: &PathNode, shown: &ShownSection) -> String {
    match shown.cost(node).filter(|cost| cost.total.is_some()) {
        Some(cost) => with_numbers(line, cost.words().each_ref().map(String::as_str), TOTALS_UNTIL),
        None if node.entry.function().is_none() => format!("{MARK}{line}{MARK:#}"),
        None => line.to_owned(),
    }
}

/// Appends two numbers to a line, the last of which ends at a column, if there is room.
fn with_numbers(line: &str, [own, total]: [&str; 2], until: usize) -> String {
    let room = until.saturating_sub(TOTAL + line.chars().count());
    format!("{line}{own:>room$}{total:>TOTAL$}")
}

/// The least width of the lines on one side.
const NARROWEST: usize = 16;

/// Formats the paths of two kernels side by side. A line that only one of them has is `-` or `+`, one that differs is `~`.
/// `columns` is the width of the screen.
pub(crate) fn side_by_side(case: &str, title: &str, two: [&ShownTrees; 2], columns: Option<usize>) -> Styled {
    let [old, new] = two;
    let named = |trees: &ShownTrees| format!("{} ({})", trees.kernel, trees.release);
    let mut out = Styled::from(format!("{case} on {} and {}\n{title}\n", named(old), named(new)));
    for trees in two {
        trees.losses.iter().for_each(|loss| _ = writeln!(out, "lost on {}: {loss}", trees.kernel));
    }
    if old.has_costs() || new.has_costs() {
        let _ = writeln!(out, "{ABOUT}");
    }
    let heading = |trees: &ShownTrees, shown: Option<&ShownSection>| {
        let agreement = shown.map_or_else(|| "nothing".to_owned(), ShownSection::agreement);
        format!("  {}: {agreement}", trees.kernel)
    };
    let of_one = |trees: &ShownTrees| -> Option<usize> {
        let texts = trees.sections.iter().flat_map(|one| lines(&one.path).chain([heading(trees, Some(one))]));
        texts.map(|text| text.chars().count()).max()
    };
    let widest = two.iter().filter_map(|trees| of_one(trees)).max().unwrap_or(0);
    let fits = columns.map_or(usize::MAX, |columns| (columns.saturating_sub(3) / 2).saturating_sub(SELF + TOTAL));
    let width = widest.min(fits).max(NARROWEST);
    let paths = two.map(|trees| -> Vec<(String, CallPath)> {
        trees.sections.iter().map(|shown| (shown.section.name.clone(), shown.path.clone())).collect()
    });
    let saved = |at: usize| SavedSide { name: two[at].kernel, paths: &paths[at], functions: None, result: None };
    for section in explain_saved(saved(0), saved(1)) {
        let sides = two.map(|trees| trees.sections.iter().find(|one| one.section.name == section.name));
        let _ = writeln!(out, "\n{}", section.name);
        let [left, right] = [0, 1].map(|at| side(&heading(two[at], sides[at]), ["self", "total"], width));
        let _ = writeln!(out, "{left}   {}", right.trim_end());
        section.explained.diff.lines.iter().for_each(|line| write_pair(line, sides, width, &mut out));
    }
    out
}

fn write_pair(line: &DiffLine, sides: [Option<&ShownSection>; 2], width: usize, out: &mut Styled) {
    let sign = change_words::sign(line);
    let text = |node: Option<&PathNode>, shown: Option<&ShownSection>| match node {
        None => side("", ["", ""], width),
        Some(node) => {
            let cost = shown.and_then(|shown| shown.cost(node)).filter(|cost| cost.total.is_some());
            let words = cost.map_or_else(Default::default, |cost| cost.words());
            side(&indented(node), words.each_ref().map(String::as_str), width)
        }
    };
    let (old, new) = (text(line.old.as_ref(), sides[0]), text(line.new.as_ref(), sides[1]));
    let is_mark = line.node().is_some_and(|node| node.entry.function().is_none());
    let style = if sign == ' ' && is_mark { MARK } else { of_sign(sign) };
    let _ = writeln!(out, "{style}{}{style:#}", format!("{old} {sign} {new}").trim_end());
}

/// One side of a pair of lines.
fn side(line: &str, [own, total]: [&str; 2], width: usize) -> String {
    let line = match line.chars().count() > width {
        true => line.chars().take(width.saturating_sub(1)).chain(['…']).collect(),
        false => line.to_owned(),
    };
    format!("{line:<width$}{own:>SELF$}{total:>TOTAL$}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::Stream;
    use crate::path::cost::{Costs, SelfCost, SelfCosts};
    use crate::path::steady::{Steadiness, SteadyPath};
    use crate::path::tree_view::{FunctionView, TreeView};
    use crate::suite::{Observation, Section};

    fn observation(path: &str, lock: u64) -> Observation {
        let path = text::parse(path).unwrap();
        let costs = [("recv", 1500), ("lock", lock), ("wait", 900)].map(|(name, cost)| (name.to_owned(), cost));
        let own = costs.clone().map(|(name, cost)| (name, SelfCost { cost: cost / 10, traced: 1, shared: false }));
        let steady = SteadyPath { path, agreeing: 5, iterations: 5, variants: Vec::new() };
        let section = Section {
            name: "a.recv".to_owned(),
            stream: Stream::Softirq,
            steadiness: Steadiness::Steady(steady),
            paths: Default::default(),
            costs: Costs::from(costs),
            self_costs: SelfCosts::from(own),
        };
        Observation { sections: vec![section], ..Observation::default() }
    }

    const OLD: &str = "recv\n  lock\n  wait\n    ~ sleeps\n  lock\n";

    #[test]
    fn self_costs_are_beside_totals_and_those_around_a_sleep_are_marked() {
        let observation = observation(OLD, 10);
        let text =
            case_trees("g/case", "A title", &ShownTrees::new("6.12", "6.12.1", &observation, &TreeView::default()));
        let text = text.to_string();
        let words: Vec<Vec<&str>> = text.lines().skip(4).map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(words[0], ["a.recv", "(all", "5", "iterations)", "self", "total"], "{text}");
        assert_eq!(words[1..4], [vec!["recv", "150", "~1,500"], vec!["lock", "1", "10"], vec!["wait", "~90", "~900"]]);
        let ends: Vec<usize> =
            text.lines().skip(4).filter(|line| line.ends_with("00")).map(|line| line.len()).collect();
        assert_eq!(ends, [TOTALS_UNTIL, TOTALS_UNTIL], "{text}");
    }

    #[test]
    fn a_part_of_the_trees_keeps_the_marks_of_the_whole() {
        let observation = observation(OLD, 10);
        let view = TreeView { filter: Some("lock".to_owned()), ..TreeView::default() };
        let text = case_trees("g/case", "A title", &ShownTrees::new("6.12", "6.12.1", &observation, &view)).to_string();
        assert!(text.contains("~1,500") && !text.contains("wait"), "{text}");
        let function = Some(FunctionView::Under("absent".to_owned()));
        let view = TreeView { function, ..TreeView::default() };
        assert!(ShownTrees::new("6.12", "6.12.1", &observation, &view).is_empty());
    }

    #[test]
    fn two_kernels_are_side_by_side_with_a_sign_where_they_differ() {
        let (old, new) = (observation(OLD, 10), observation("recv\n  lock\n  wait\n    ~ sleeps\n  copy\n", 20));
        let trees = [("6.12", &old), ("6.18", &new)]
            .map(|(kernel, observation)| ShownTrees::new(kernel, "release", observation, &TreeView::default()));
        let text = side_by_side("g/case", "A title", [&trees[0], &trees[1]], None).to_string();
        let expected = "
a.recv
  6.12: all 5 iterations     self     total     6.18: all 5 iterations     self     total
  recv                        150    ~1,500     recv                        150    ~1,500
    lock                        1        10       lock                        2        20
    wait                      ~90      ~900       wait                      ~90      ~900
      ~ sleeps                                      ~ sleeps
    lock                        1        10 -
                                            +     copy
";
        assert!(text.ends_with(expected), "{text}");
        let narrow = side_by_side("g/case", "A title", [&trees[0], &trees[1]], Some(20)).to_string();
        assert!(narrow.contains("\n  6.12: all 5 i…     self     total     6.18: all 5 i…     self"), "{narrow}");
    }

    #[test]
    fn a_title_with_the_word_for_a_verdict_is_not_coloured() {
        let observation = Observation::default();
        let trees = ShownTrees::new("6.12", "6.12.1", &observation, &TreeView::default());
        let text = case_trees("recv/a", "recv() fails after a failed send()", &trees);
        assert_eq!(text.raw(), "recv/a on 6.12 (6.12.1)\nrecv() fails after a failed send()\n");
    }
}
