//! The page of what changed in a case: a summary, then old and new side by side, with unchanged lines folded.

use std::collections::BTreeMap;
use std::ops::Range;

use maud::{Markup, PreEscaped, html};

use super::difference_picture::icicle;
use super::difference_summary::{Named, change_of, self_costs, summary};
use super::layout::{case_file, difference_file, page as whole_page, shortened, slug};
use super::path_tree::section_id;
use crate::diff::{Change, DiffLine, ExplainedDiff, differs};
use crate::path::cost::{SelfCost, SelfCosts};
use crate::path::{PathNode, text};
use crate::report::change_words::{self, count, grouped, kind_and_reason, sign};
use crate::report::overview::{CaseView, Overview};
use crate::report::sequence::STYLE;
use crate::suite::{SectionDiff, explain_saved};

/// The number of unchanged lines around a change that are not folded.
const CONTEXT: usize = 2;
/// Fewer unchanged lines than these are shown, because a fold takes a line itself.
const FOLDED: usize = 3;
/// The most indentation of a line, in characters: deeper trees are indented by less a level.
const INDENTATION: f64 = 18.0;

/// Makes all pages on changes of a case, each with the name of its file.
pub(super) fn pages(overview: &Overview, case: &CaseView) -> Vec<(String, String)> {
    let mut out = Vec::new();
    for (old, new) in case.differing() {
        let (Some(before), Some(after)) = (case.side(old, overview.results), case.side(new, overview.results)) else {
            continue;
        };
        let sections = explain_saved(before, after);
        let (old_name, new_name) = (before.name, after.name);
        let text = page(case, (old_name, before.result), (new_name, after.result), &sections);
        out.push((difference_file(case.name, old_name, new_name), text));
    }
    for kernel in case.kernels.iter().flatten().filter(|kernel| kernel.result.accepted.is_some()) {
        let sections = overview.accepted_diffs(kernel.result);
        let new_name = &kernel.result.kernel;
        let text = page(case, (&format!("the accepted {new_name}"), None), (new_name, Some(kernel.result)), &sections);
        out.push((difference_file(case.name, "accepted", new_name), text));
    }
    out
}

fn page(case: &CaseView, old: Named<'_>, new: Named<'_>, sections: &[SectionDiff]) -> String {
    let title = format!("{}: from {} to {}", shortened(case.name), shortened(old.0), shortened(new.0));
    let body = html! {
        h1 { a href=(case_file(case.name)) { (shortened(case.name)) } ": from " (shortened(old.0)) " to " (shortened(new.0)) }
        @if !case.title().is_empty() { p.lead { (case.title()) } }
        (summary(sections, old, new))
        (self_costs(case.name, sections, old, new))
        style { (PreEscaped(STYLE)) }
        @for section in sections {
            @let id = section_id(&section.name);
            section aria-labelledby=(id) {
                h2 id=(id) { (shortened(&section.name)) }
                @let rows = Rows::of(section, old, new);
                (icicle(section, old.1, new.1, &|line| rows.href(line)))
                (rows.lines())
            }
        }
    };
    whole_page(&title, "search functions", &body)
}

/// The lines of a section, with the self costs of both sides.
struct Rows<'a> {
    section: &'a SectionDiff,
    names: [&'a str; 2],
    costs: [Option<&'a SelfCosts>; 2],
    ids: Vec<String>,
}

impl<'a> Rows<'a> {
    fn of(section: &'a SectionDiff, old: Named<'a>, new: Named<'a>) -> Self {
        let costs = [old, new].map(|side| {
            let saved = side.1?.paths.iter().find(|saved| saved.name == section.name)?;
            Some(&saved.self_costs).filter(|costs| !costs.is_empty())
        });
        Self { section, names: [old.0, new.0], costs, ids: ids(section) }
    }

    /// The place of a changed line.
    fn href(&self, line: usize) -> Option<String> {
        self.section.explained.diff.lines.get(line)?.is_change().then(|| format!("#{}", self.ids[line]))
    }

    /// Shows the lines, with runs of unchanged ones folded.
    fn lines(&self) -> Markup {
        let diff = &self.section.explained.diff;
        let (all, deepest) = (diff.lines.len(), diff.lines.iter().map(DiffLine::depth).max().unwrap_or(0));
        let step = (INDENTATION / f64::from(deepest.max(1))).min(2.0);
        let mut parts = Vec::new();
        let mut at = 0;
        for hunk in diff.hunks(CONTEXT) {
            parts.push((hunk.start - at < FOLDED, at..hunk.start));
            parts.push((true, hunk.clone()));
            at = hunk.end;
        }
        parts.push((at > 0 && all - at < FOLDED, at..all));
        let has_costs = self.costs.iter().any(Option::is_some);
        html! {
            div.code.plain[!has_costs] style={ "--step:" (format!("{step:.2}")) "ch" } {
                div.row.heads {
                    span.o { (shortened(self.names[0])) } span.n { (shortened(self.names[1])) }
                    @if has_costs { span.oc { "self" } span.nc { "self" } span.d { "change" } }
                    span.y { "what changed and why" }
                }
                @for (is_shown, part) in parts.into_iter().filter(|(_, part)| !part.is_empty()) {
                    @if is_shown {
                        (self.rows(part))
                    } @else {
                        details.fold { summary { (count(part.len(), "unchanged line")) } (self.rows(part)) }
                    }
                }
            }
        }
    }

    fn rows(&self, part: Range<usize>) -> Markup {
        html! {
            @for at in part {
                @let line = &self.section.explained.diff.lines[at];
                @if line.is_change() {
                    div class={ "row change " (class(line)) } id=(self.ids[at]) tabindex="-1" { (self.cells(at)) }
                } @else {
                    div.row { (self.cells(at)) }
                }
            }
        }
    }

    fn cells(&self, at: usize) -> Markup {
        let explained = &self.section.explained;
        let line = &explained.diff.lines[at];
        let (old, new) = (self.cost(0, &line.old), self.cost(1, &line.new));
        html! {
            (side("o", &line.old, if sign(line) == '+' { ' ' } else { sign(line) }))
            @if let Some(old) = old { span.oc { (number(old)) } }
            (side("n", &line.new, if sign(line) == '-' { ' ' } else { sign(line) }))
            @if let Some(new) = new { span.nc { (number(new)) } }
            @if let (Some(old), Some(new)) = (old, new) {
                @if differs(old, new) && !old.shared && !new.shared { span.d { (change_of(old.cost, new.cost)) } }
            }
            @if line.is_change() { span.y { (why(explained, at)) } }
        }
    }

    fn cost(&self, side: usize, node: &Option<PathNode>) -> Option<SelfCost> {
        self.costs[side]?.get(node.as_ref()?.entry.function()?).copied()
    }
}

fn why(explained: &ExplainedDiff, at: usize) -> String {
    let lines = &explained.diff.lines;
    let has_calls = lines.get(at + 1).is_some_and(|below| below.depth() > lines[at].depth());
    // Without calls beneath it, the total is the self cost, which has a column.
    let cost = change_words::cost(explained, at).filter(|_| has_calls).map(|cost| format!(" ({cost} with all calls)"));
    kind_and_reason(explained, at) + &cost.unwrap_or_default()
}

/// A self cost, with `~` if another CPU had a turn in each call.
fn number(cost: SelfCost) -> String {
    format!("{}{}", if cost.shared { "~" } else { "" }, grouped(cost.cost))
}

/// Ids of the changed lines, by names: a link to one survives changes elsewhere.
fn ids(section: &SectionDiff) -> Vec<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let of_line = |line: &DiffLine| {
        let words = line.node().map(|node| text::entry(&node.entry)).unwrap_or_default();
        let id = format!("change-{}-{}", slug(&section.name), slug(&words));
        let times = seen.entry(id.clone()).or_default();
        *times += 1;
        if *times == 1 { id } else { format!("{id}~{times}") }
    };
    section.explained.diff.lines.iter().map(of_line).collect()
}

fn side(column: &str, node: &Option<PathNode>, sign: char) -> Markup {
    html! {
        @if let Some(node) = node {
            span class=(column) style={ "--d:" (node.depth.min(200)) } {
                @if sign != ' ' { b { (sign) } }
                span.f { (shortened(&text::line(node))) }
            }
        } @else {
            span class=(column) {}
        }
    }
}

fn class(line: &DiffLine) -> &'static str {
    match line.change {
        Change::Moved { .. } if line.new.is_some() => "new moved",
        Change::Moved { .. } => "gone moved",
        Change::Renamed { .. } | Change::Times { .. } => "mod",
        _ if line.new.is_some() => "new",
        _ => "gone",
    }
}
