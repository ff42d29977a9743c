//! What changed in a run, each change once, for the first page.

use std::ops::Range;

use maud::{Markup, html};

use super::layout::{case_file, difference_file, scrolled, shortened, verdict};
use super::problem_words::{folded, without_folders};
use crate::report::change_words::{count, grouped, percent};
use crate::report::diff_words::{self, sign_class};
use crate::report::drift::drift_sentence;
use crate::report::run_words;
use crate::suite::{CaseResult, MovedTiming, PathChange, Place, Results, RunChanges};

/// The number of changes, timings and functions that are listed without unfolding.
const LISTED: usize = 10;
/// The number of results that are named without unfolding.
const NAMED: usize = 8;
/// The number of unchanged lines around a change, and the most lines that show it.
const CONTEXT: usize = 2;
const EXCERPT: usize = 24;

/// The answer in one sentence: what changed, or that nothing did.
pub(super) fn headline(results: &Results, changes: &RunChanges) -> String {
    let failed: usize = changes.failed.iter().map(Vec::len).sum();
    let parts: Vec<String> = [
        (failed > 0).then(|| format!("{} failed", count(failed, "result"))),
        (!changes.changes.is_empty()).then(|| run_words::path_headline(changes)),
        (!changes.moved.is_empty()).then(|| run_words::moved_headline(&changes.moved)),
        (!changes.first_seen.is_empty())
            .then(|| format!("{} without a snapshot", count(changes.first_seen.len(), "result"))),
        (!changes.remeasured.is_empty())
            .then(|| format!("{} with different timing snapshots", count(changes.remeasured.len(), "result"))),
    ]
    .into_iter()
    .flatten()
    .collect();
    match (parts.is_empty(), results.cases.is_empty()) {
        (false, _) => format!("{}.", parts.join("; ")),
        (true, false) => "Nothing changed: every path and timing that was compared is the accepted one.".to_owned(),
        (true, true) => "No case was run.".to_owned(),
    }
}

/// Lists what failed, what changed and which timings moved.
pub(super) fn changes(results: &Results, changes: &RunChanges) -> Markup {
    let kernels = results.kernels.len();
    let (first, rest) = changes.changes.split_at(changes.changes.len().min(LISTED));
    html! {
        @if !changes.failed.is_empty() {
            h2 { "What did not pass" }
            ul.plainlist { @for alike in &changes.failed { li { (failure(alike, kernels)) } } }
        }
        @if !first.is_empty() {
            h2 { "What changed, each change once" }
            ol { @for change in first { li { (path_change(changes, change, kernels)) } } }
            @if !rest.is_empty() {
                details {
                    summary { (count(rest.len(), "more change")) }
                    ol start=(LISTED + 1) { @for change in rest { li { (path_change(changes, change, kernels)) } } }
                }
            }
        }
        (functions(results, changes))
        (timings(changes))
        @if let Some(sentence) = drift_sentence(results) { p { (sentence) } }
        @for (of, words) in [(&changes.first_seen, "no snapshot yet"), (&changes.remeasured, "timing snapshots that differ in what was measured")] {
            @if !of.is_empty() {
                details.problem {
                    summary { (count(of.len(), "result")) " with " (words) }
                    p { (named(of, kernels)) }
                    @if let Some(problem) = of[0].problems.first() { p.soft { "The first: " (without_folders(&problem.message)) } }
                }
            }
        }
    }
}

/// What did not pass for the same reasons.
fn failure(alike: &[&CaseResult], kernels: usize) -> Markup {
    let first = alike[0];
    html! {
        (verdict(first.verdict)) " " (named(alike, kernels))
        @for problem in first.problems.iter().filter(|problem| !problem.is_difference()) {
            (folded(&format!("{}: ", shortened(&problem.place)), &without_folders(&problem.message), &problem.evidence))
        }
    }
}

/// Names results with links; most of them are folded if there are many.
fn named(results: &[&CaseResult], kernels: usize) -> Markup {
    let one = |result: &CaseResult| {
        let page = match result.accepted {
            Some(_) => difference_file(&result.case, "accepted", &result.kernel),
            None => case_file(&result.case),
        };
        html! { a href=(page) { (shortened(&result.case)) } @if kernels > 1 { " on " (shortened(&result.kernel)) } }
    };
    let (first, rest) = results.split_at(results.len().min(NAMED));
    html! {
        @for (index, result) in first.iter().enumerate() { @if index > 0 { ", " } (one(result)) }
        @if !rest.is_empty() {
            details {
                summary { "and " (rest.len()) " more" }
                @for (index, result) in rest.iter().enumerate() { @if index > 0 { ", " } (one(result)) }
            }
        }
    }
}

fn path_change(changes: &RunChanges, change: &PathChange, kernels: usize) -> Markup {
    let first = run_words::first_of(changes, change);
    let results: Vec<&CaseResult> = change.results.iter().map(|at| changes.changed[*at].result).collect();
    html! {
        code { (shortened(&run_words::title(changes, change))) }
        @if let Some(reason) = run_words::reason(changes, change) { p.soft { (shortened(&reason)) } }
        p { "In " (count(results.len(), "result")) ": " (named(&results, kernels)) }
        details {
            summary { "the lines in " (shortened(&first.result.case)) " on " (shortened(&first.result.kernel)) }
            @for place in &change.places {
                @let section = &first.sections[place.section];
                div.code.one {
                    div.row.heads { span.o { (shortened(&section.name)) } span.y { "what changed and why" } }
                    @for at in around(place, section.explained.diff.lines.len()) {
                        @if let Some(words) = diff_words::line(&section.explained, at) {
                            div.row {
                                span class={ "f" (sign_class(words.sign)) } { (words.sign) " " (shortened(&words.line)) }
                                span.y { (words.why) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The changed lines with some around them.
fn around(place: &Place, lines: usize) -> Range<usize> {
    let from = place.lines.start.saturating_sub(CONTEXT);
    from..(place.lines.end + CONTEXT).min(lines).min(from + EXCERPT)
}

fn timings(changes: &RunChanges) -> Markup {
    let (first, rest) = changes.moved.split_at(changes.moved.len().min(LISTED));
    html! {
        @if !first.is_empty() {
            h2 { "Timings that moved" }
            p.soft {
                (run_words::moved_headline(&changes.moved)) "; largest first."
                @if let Some(words) = run_words::accepted_with(&changes.moved) { " " (words) "." }
            }
            (scrolled("timings that moved", &timing_table(first)))
            @if !rest.is_empty() {
                details { summary { (count(rest.len(), "more timing")) } (scrolled("more timings that moved", &timing_table(rest))) }
            }
        }
    }
}

fn timing_table(moved: &[MovedTiming]) -> Markup {
    html! {
        table {
            thead {
                tr {
                    th scope="col" { "operation" } th scope="col" { "kernel" }
                    th.number scope="col" { "before" } th.number scope="col" { "now" } th.number scope="col" { "change" }
                }
            }
            tbody {
                @for one in moved {
                    tr {
                        th.name scope="row" { a href=(case_file(&one.result.case)) { (shortened(&one.result.case)) } " " (shortened(&one.timing.name)) }
                        td { (shortened(&one.result.kernel)) }
                        td.number { (grouped(one.before)) } td.number { (grouped(one.timing.cost)) }
                        td.number { (percent(one.before, one.timing.cost)) }
                    }
                }
            }
        }
    }
}

/// Lists the functions whose self costs differ from those of the kernel that the run was compared with.
fn functions(results: &Results, changes: &RunChanges) -> Markup {
    html! {
        @if !changes.functions.is_empty() {
            h2 { "Self costs that moved" }
            (scrolled("self costs that moved", &html! {
                table {
                    thead { tr { @for (at, column) in diff_words::FUNCTION_COLUMNS.iter().enumerate() { th.number[(1..=4).contains(&at)] scope="col" { (column) } } } }
                    tbody {
                        @for cost in changes.functions.iter().take(LISTED) {
                            @let [function, before, now, change, cases, place] = run_words::function_row(results, cost);
                            tr {
                                th.name scope="row" { code { (shortened(&function)) } }
                                td.number { (before) } td.number { (now) } td.number { (change) } td.number { (cases) }
                                td.name { (shortened(&place)) }
                            }
                        }
                    }
                }
            }))
        }
    }
}
