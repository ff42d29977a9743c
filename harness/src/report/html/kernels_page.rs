//! The page of what changed between two kernels over all cases.

use maud::{Markup, html};

use super::layout::{difference_file, page as whole_page, scrolled};
use crate::diff::FunctionCost;
use crate::report::change_words::count;
use crate::report::diff_words::{self, FUNCTION_COLUMNS};
use crate::suite::{KernelDiff, SharedChange};

/// The number of functions that are listed without unfolding.
const FUNCTIONS: usize = 10;
/// The number of unchanged lines around a change.
const CONTEXT: usize = 2;

/// Makes the page. Its links lead to the pages that [`super::write`] makes of the results of both kernels.
pub(crate) fn page(diff: &KernelDiff) -> String {
    let (old, new) = (diff_words::kernel(&diff.old), diff_words::kernel(&diff.new));
    let body = html! {
        h1 { "From " (old) " to " (new) }
        p { (diff_words::headline(diff)) ". " a href="index.html" { "All cases" } }
        h2 { "Self costs of functions" }
        @if diff.functions.is_empty() {
            p { "No self cost of a function differs." }
        } @else {
            @let (first, rest) = diff.functions.split_at(diff.functions.len().min(FUNCTIONS));
            p.soft { "What one call takes in instructions, without the calls that the path shows beneath it but with those that it leaves out: medians of the places where it differs. First come those that differ most, times the number of cases; functions that differ in fewer than half of the cases that call them come last." }
            (scrolled("self costs of functions", &functions(diff, first)))
            @if !rest.is_empty() {
                details { summary { (count(rest.len(), "more function")) } (scrolled("self costs of more functions", &functions(diff, rest))) }
            }
        }
        h2 { "Changes of paths, each once" }
        @if diff.changes.is_empty() {
            p { "No path differs." }
        } @else {
            ol { @for change in &diff.changes { li { (shared_change(diff, change)) } } }
        }
        @if !diff.left_out.is_empty() {
            h2 { "Not compared" }
            ul { @for (case, reason) in &diff.left_out { li { (case) ": " (reason) } } }
        }
    };
    whole_page(&format!("from {old} to {new}"), "search functions", &body)
}

fn shared_change(diff: &KernelDiff, change: &SharedChange) -> Markup {
    let section = diff_words::section_of(diff, change);
    let link = |at: &usize| difference_file(&diff.cases[*at].case, &diff.old.name, &diff.new.name);
    html! {
        details {
            summary { code { (diff_words::change_title(diff, change)) } " in " (count(change.cases.len(), "case")) }
            p {
                @for (index, at) in change.cases.iter().enumerate() {
                    @if index > 0 { ", " }
                    a href=(link(at)) { (diff.cases[*at].case) }
                }
            }
            div.code.one {
                div.row.heads { span.o { (diff.cases[change.case].case) " " (section.name) } span.y { "what changed and why" } }
                @for at in diff_words::excerpt(diff, change, CONTEXT) {
                    @if let Some(words) = diff_words::line(&section.explained, at) {
                        div class={ "row" @if words.sign != ' ' { " change" } } {
                            span class={ "f" (sign_class(words.sign)) } { (words.sign) " " (words.line) }
                            span.y { (words.why) }
                        }
                    }
                }
            }
        }
    }
}

fn functions(diff: &KernelDiff, costs: &[FunctionCost]) -> Markup {
    html! {
        table {
            thead { tr { @for (at, column) in FUNCTION_COLUMNS.iter().enumerate() { th.number[(1..=4).contains(&at)] scope="col" { (column) } } } }
            tbody {
                @for cost in costs {
                    @let [function, before, now, change, cases, place] = diff_words::function_row(diff, cost);
                    tr data-row {
                        th.name scope="row" { code { (function) } }
                        td.number { (before) } td.number { (now) } td.number { (change) } td.number { (cases) }
                        td.name { (place) }
                    }
                }
            }
        }
    }
}

/// The class that colours a line with this sign.
fn sign_class(sign: char) -> &'static str {
    match sign {
        '+' => " add",
        '-' => " del",
        '~' => " mod",
        _ => "",
    }
}
