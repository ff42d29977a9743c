//! An icicle of what changed between two paths: a call is as wide as its cost, red if it costs more itself, blue if it costs less.

use std::fmt::Write as _;

use super::change_words::grouped;
use super::sequence::{CHARACTER, Escaped, Px, fitted};
use crate::diff::{Change, DiffLine, PathDiff};
use crate::path::cost::SelfCosts;
use crate::path::{PathEntry, PathNode, subtree_ends};

const WIDTH: f64 = 1200.0;
const ROW: f64 = 16.0;
/// Calls narrower than this are left out, in pixels.
const NARROW: f64 = 0.7;

/// A line of the diff that is a call.
#[derive(Clone, Debug, PartialEq)]
struct Call {
    line: usize,
    depth: u32,
    function: String,
    /// The self costs of all its runs.
    old: Option<u64>,
    new: Option<u64>,
    /// Whether the two costs can be compared.
    is_comparable: bool,
}

impl Call {
    fn width(&self) -> u64 {
        self.new.or(self.old).unwrap_or(0)
    }

    /// How much more the call takes itself.
    fn change(&self) -> i64 {
        let value = |cost: Option<u64>| cost.map_or(0, |cost| i64::try_from(cost).unwrap_or(i64::MAX));
        if self.is_comparable { value(self.new).saturating_sub(value(self.old)) } else { 0 }
    }
}

/// Draws the icicle; `None` if a side has no costs or nothing costs more or less. `href` gives the place of a line.
pub(crate) fn difference_icicle(
    diff: &PathDiff,
    costs: [&SelfCosts; 2],
    title: &str,
    href: &dyn Fn(usize) -> Option<String>,
) -> Option<String> {
    if costs.iter().any(|costs| costs.is_empty()) {
        return None;
    }
    let calls = calls(&diff.lines, costs);
    let most = calls.iter().map(|call| call.change().unsigned_abs()).max().filter(|most| *most > 0)?;
    let ends = subtree_ends(calls.iter().map(|call| call.depth));
    let totals: Vec<u64> = (0..calls.len()).map(|at| calls[at..ends[at]].iter().map(Call::width).sum()).collect();
    let sum = calls.iter().map(Call::width).sum::<u64>().max(1);
    let mut boxes = String::new();
    let mut levels = 0;
    // The calls around the current one, each with its end among the calls and with the place of its next callee.
    let mut open: Vec<(usize, f64)> = vec![(calls.len(), 0.0)];
    for (at, call) in calls.iter().enumerate() {
        while open.len() > 1 && open.last().is_some_and(|(end, _)| *end <= at) {
            open.pop();
        }
        let level = open.len() - 1;
        let Some((_, next)) = open.last_mut() else { continue };
        let (x, width) = (*next, totals[at] as f64 / sum as f64 * WIDTH);
        *next += width;
        open.push((ends[at], x));
        if width >= NARROW {
            levels = levels.max(level + 1);
            draw(&mut boxes, call, most, (x, ROW * level as f64, width), href(call.line));
        }
    }
    let height = ROW * levels as f64;
    let title = Escaped(title);
    Some(format!(
        "<svg class=\"seq ice\" role=\"group\" aria-label=\"{title}\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\">{boxes}</svg>"
    ))
}

fn draw(out: &mut String, call: &Call, most: u64, (x, y, width): (f64, f64, f64), href: Option<String>) {
    let tag = if href.is_some() { "a" } else { "g" };
    let _ = write!(out, "<{tag} class=\"{}\"", class(call, most));
    if let Some(href) = href {
        let _ = write!(out, " href=\"{}\" tabindex=\"-1\"", Escaped(&href));
    }
    let _ = write!(
        out,
        "><title>{}: {}</title><rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
        Escaped(&call.function),
        words(call),
        Px(x),
        Px(y),
        Px(width),
        Px(ROW - 1.0)
    );
    if let Some(text) = fitted(&call.function, ((width - 4.0) / CHARACTER).max(0.0) as usize) {
        let _ = write!(out, "<text x=\"{}\" y=\"{}\">{}</text>", Px(x + 2.0), Px(y + 11.0), Escaped(&text));
    }
    let _ = write!(out, "</{tag}>");
}

fn words(call: &Call) -> String {
    match (call.old, call.new) {
        (Some(old), Some(new)) if old == new => format!("self {}", grouped(new)),
        (Some(old), Some(new)) => format!("self {} before, {} now", grouped(old), grouped(new)),
        (Some(old), None) => format!("gone: self {}", grouped(old)),
        (None, Some(new)) => format!("new: self {}", grouped(new)),
        (None, None) => "cost unknown".to_owned(),
    }
}

/// Three shades by the share of the largest change.
fn class(call: &Call, most: u64) -> &'static str {
    let change = call.change();
    let shade = match change.unsigned_abs() as f64 / most as f64 {
        0.0 => return "u",
        share if share >= 0.5 => 2,
        share if share >= 0.1 => 1,
        _ => 0,
    };
    if change > 0 { ["d1", "d2", "d3"][shade] } else { ["c1", "c2", "c3"][shade] }
}

fn calls(lines: &[DiffLine], [old, new]: [&SelfCosts; 2]) -> Vec<Call> {
    // The sequences around the current line that repeat, with their depths and how often each side runs them.
    let mut repeats: Vec<(u32, [u64; 2])> = Vec::new();
    let mut out = Vec::new();
    for (line, of_line) in lines.iter().enumerate() {
        let depth = of_line.depth();
        while repeats.pop_if(|(around, _)| *around >= depth).is_some() {}
        let around = repeats.last().map_or([1, 1], |(_, times)| *times);
        let times = |node: &Option<PathNode>, around: u64| {
            around.saturating_mul(u64::from(node.as_ref().map_or(1, |node| node.times)))
        };
        let times = [times(&of_line.old, around[0]), times(&of_line.new, around[1])];
        let Some(node) = of_line.node() else { continue };
        if node.entry == PathEntry::Repeat {
            repeats.push((depth, times));
        }
        let Some(function) = node.entry.function() else { continue };
        let cost = |node: &Option<PathNode>, costs: &SelfCosts| costs.get(node.as_ref()?.entry.function()?).copied();
        let sides = [cost(&of_line.old, old), cost(&of_line.new, new)];
        let [old, new] = [0, 1].map(|side| sides[side].map(|cost| cost.cost.saturating_mul(times[side])));
        let is_known = of_line.old.is_none() == old.is_none() && of_line.new.is_none() == new.is_none();
        let is_comparable = is_known
            && sides.iter().flatten().all(|cost| !cost.shared)
            && !matches!(of_line.change, Change::Moved { .. });
        out.push(Call { line, depth, function: function.to_owned(), old, new, is_comparable });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::{Knowledge, Renames, align};
    use crate::path::cost::SelfCost;
    use crate::path::text::parse;

    fn costs(of: &[(&str, u64)]) -> SelfCosts {
        of.iter().map(|(name, cost)| ((*name).to_owned(), SelfCost { cost: *cost, ..SelfCost::default() })).collect()
    }

    fn diff(old: &str, new: &str) -> PathDiff {
        let renames = Renames::default();
        align(&parse(old).unwrap(), &parse(new).unwrap(), &Knowledge { renames: &renames, plausible: &|_, _| false })
    }

    #[test]
    fn calls_are_red_where_they_cost_more_and_blue_where_they_cost_less() {
        let diff = diff("recv\n  lock\n  gone\n  copy\n", "recv\n  lock\n  new\n  copy\n");
        let old = costs(&[("recv", 100), ("lock", 60), ("gone", 30), ("copy", 20)]);
        let new = costs(&[("recv", 100), ("lock", 20), ("new", 200), ("copy", 25)]);
        let href = |line| Some(format!("#{line}"));
        let svg = difference_icicle(&diff, [&old, &new], "recv", &href).unwrap();
        let found: Vec<&str> = svg.split("<a ").skip(1).map(|part| part.split("<rect").next().unwrap()).collect();
        assert_eq!(
            found,
            [
                "class=\"u\" href=\"#0\" tabindex=\"-1\"><title>recv: self 100</title>",
                "class=\"c2\" href=\"#1\" tabindex=\"-1\"><title>lock: self 60 before, 20 now</title>",
                "class=\"c2\" href=\"#2\" tabindex=\"-1\"><title>gone: gone: self 30</title>",
                "class=\"d3\" href=\"#3\" tabindex=\"-1\"><title>new: new: self 200</title>",
                "class=\"d1\" href=\"#4\" tabindex=\"-1\"><title>copy: self 20 before, 25 now</title>",
            ]
        );
    }

    #[test]
    fn a_call_counts_as_often_as_it_runs() {
        let diff = diff("poll\n  ~ repeats ×10\n    a\n    b ×2\n", "poll\n  ~ repeats ×10\n    a\n    b ×2\n");
        let (old, new) = (costs(&[("poll", 1), ("a", 3), ("b", 4)]), costs(&[("poll", 1), ("a", 3), ("b", 5)]));
        let found: Vec<(u64, i64)> =
            calls(&diff.lines, [&old, &new]).iter().map(|call| (call.width(), call.change())).collect();
        assert_eq!(found, [(1, 0), (30, 0), (100, 20)]);
    }

    #[test]
    fn without_costs_or_changes_there_is_no_icicle() {
        let diff = diff("recv\n", "recv\n");
        let costs = costs(&[("recv", 1)]);
        let draw = |old, new| difference_icicle(&diff, [old, new], "", &|_| None);
        assert_eq!(draw(&costs, &costs), None);
        assert_eq!(draw(&SelfCosts::new(), &costs), None);
    }
}
