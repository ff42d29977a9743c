//! The page of what changed in a case: old and new side by side, with unchanged lines folded.

use maud::{Markup, html};

use super::layout::{case_file, difference_file, page as whole_page, shortened};
use crate::diff::{Change, DiffLine, ExplainedDiff};
use crate::path::{PathNode, text};
use crate::report::change_words::{self, grouped, kind_and_reason, percent, sign};
use crate::report::overview::{CaseView, Overview};
use crate::suite::{CaseResult, SectionDiff, explain_saved};

/// The number of unchanged lines around a change that are not folded.
const CONTEXT: usize = 2;

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

type Named<'a> = (&'a str, Option<&'a CaseResult>);

fn page(case: &CaseView, old: Named<'_>, new: Named<'_>, sections: &[SectionDiff]) -> String {
    let title = format!("{}: from {} to {}", shortened(case.name), shortened(old.0), shortened(new.0));
    let changes: usize = sections.iter().map(|section| section.explained.diff.changes().count()).sum();
    let mut number = 0;
    let body = html! {
        h1 { a href=(case_file(case.name)) { (shortened(case.name)) } ": from " (shortened(old.0)) " to " (shortened(new.0)) }
        p { (case.title()) }
        p.soft { (changes) " lines changed. " kbd { "n" } " and " kbd { "p" } " move to the next and the previous change." }
        @for (at, section) in sections.iter().enumerate() {
            section aria-labelledby={ "section-" (at) } {
                h2 id={ "section-" (at) } { (shortened(&section.name)) }
                (costs(&section.name, old, new))
                @if section.explained.diff.is_same() {
                    details.fold { summary { "the same " (section.explained.diff.lines.len()) " lines" } (rows(&section.explained, 0..section.explained.diff.lines.len(), &mut number)) }
                } @else {
                    div.row.soft { span { (shortened(old.0)) } span { (shortened(new.0)) } span.y { "what changed and why" } }
                    (folded(&section.explained, &mut number))
                }
            }
        }
    };
    whole_page(&title, "search functions", &body)
}

fn costs(section: &str, old: Named<'_>, new: Named<'_>) -> Markup {
    let cost = |side: Named<'_>| side.1?.timing(section).map(|timing| timing.cost);
    html! {
        @if let (Some(before), Some(after)) = (cost(old), cost(new)) {
            p.soft { "Cost: " (grouped(before)) " before, " strong { (grouped(after)) } " now (" (percent(before, after)) ", lower quartiles)" }
        }
    }
}

/// Shows the lines, with runs of unchanged ones folded.
fn folded(explained: &ExplainedDiff, number: &mut usize) -> Markup {
    let count = explained.diff.lines.len();
    let mut parts = Vec::new();
    let mut at = 0;
    for hunk in explained.diff.hunks(CONTEXT) {
        parts.push((false, at..hunk.start));
        parts.push((true, hunk.clone()));
        at = hunk.end;
    }
    parts.push((false, at..count));
    html! {
        div.code {
            @for (shown, part) in parts.into_iter().filter(|(_, part)| !part.is_empty()) {
                @if shown {
                    (rows(explained, part, number))
                } @else {
                    details.fold { summary { (part.len()) " unchanged lines" } (rows(explained, part, number)) }
                }
            }
        }
    }
}

fn rows(explained: &ExplainedDiff, part: std::ops::Range<usize>, number: &mut usize) -> Markup {
    html! {
        @for at in part {
            @let line = &explained.diff.lines[at];
            @if line.is_change() {
                @let id = { *number += 1; *number };
                div class={ "row change " (class(line)) } id={ "change-" (id) } tabindex="-1" { (cells(explained, at)) }
            } @else {
                div.row { (cells(explained, at)) }
            }
        }
    }
}

fn cells(explained: &ExplainedDiff, at: usize) -> Markup {
    let line = &explained.diff.lines[at];
    html! {
        span.o { (side(&line.old, if sign(line) == '+' { ' ' } else { sign(line) })) }
        span.n { (side(&line.new, if sign(line) == '-' { ' ' } else { sign(line) })) }
        span.y {
            (kind_and_reason(explained, at))
            @if let Some(cost) = change_words::cost(explained, at) { " (" (cost) ")" }
        }
    }
}

fn side(node: &Option<PathNode>, sign: char) -> Markup {
    html! {
        @if let Some(node) = node {
            (sign) " " ("  ".repeat(node.depth.min(200) as usize)) span.f { (shortened(&text::line(node))) }
        }
    }
}

fn class(line: &DiffLine) -> &'static str {
    match line.change {
        Change::Moved { .. } | Change::Renamed { .. } | Change::Times { .. } => "mod",
        _ if line.new.is_some() => "new",
        _ => "gone",
    }
}
