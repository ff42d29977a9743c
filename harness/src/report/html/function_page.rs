//! The page of a function: where it is called, by what, and what it costs on each kernel.

use maud::{Markup, html};

use super::layout::{case_file, function_file, page as whole_page, shortened};
use crate::report::calls_text::{ABOUT_COSTS, absence, caller, context, headline, named};
use crate::report::change_words::{count, grouped};
use crate::report::functions::{FunctionView, Neighbour, OnKernel, Place, Presence};

/// Makes the page of a function. `all_cases` is the number of cases of the run.
pub(super) fn page(view: &FunctionView, all_cases: usize) -> String {
    let kernels: Vec<&str> = view.kernels.iter().map(|one| one.kernel).collect();
    let body = html! {
        h1 { code { (shortened(view.function)) } }
        p { (shortened(&headline(view, all_cases))) "." }
        div.scroll tabindex="0" role="region" aria-label="costs by kernel" {
            table {
                thead {
                    tr {
                        th scope="col" { "kernel" } th.number scope="col" { "cases" } th.number scope="col" { "self" }
                        th.number scope="col" { "total" } th scope="col" { "source" }
                    }
                }
                tbody { @for on in &view.kernels { (kernel_row(on)) } }
            }
        }
        p.soft { (ABOUT_COSTS) }
        (neighbours("Callers", &view.callers, &kernels))
        (neighbours("Callees", &view.callees, &kernels))
        h2 { "Where it is called" }
        div.scroll tabindex="0" role="region" aria-label="where it is called" {
            table {
                thead {
                    tr {
                        th scope="col" { "case" } th scope="col" { "called in" } th.number scope="col" { "calls" }
                        th.number scope="col" { "self" } th.number scope="col" { "total" } th scope="col" { "kernels" }
                    }
                }
                tbody { @for place in &view.places { (place_row(place, &kernels)) } }
            }
        }
    };
    whole_page(view.function, "search cases", &body)
}

/// Lists all functions with links to their pages, for the search of the first page.
pub(super) fn list<'v>(views: impl ExactSizeIterator<Item = &'v FunctionView<'v>>) -> Markup {
    html! {
        details id="functions" {
            summary { (count(views.len(), "function")) }
            ul {
                @for view in views {
                    li data-row { a href=(function_file(view.function)) { (shortened(view.function)) } " in " (count(view.cases, "case")) }
                }
            }
        }
    }
}

fn kernel_row(on: &OnKernel) -> Markup {
    let [self_cost, total] = on.cost.words();
    html! {
        tr {
            th scope="row" { (on.kernel) " " span.soft { (shortened(on.version)) } }
            @match on.presence {
                Presence::Called => { td.number { (on.cases) } td.number { (self_cost) } td.number { (total) } }
                other => { td.soft colspan="3" { (absence(other)) } }
            }
            td {
                @if let (Some(link), true) = (&on.source, on.presence != Presence::Absent) { a href=(link) { "source" } }
            }
        }
    }
}

fn neighbours(title: &str, all: &[Neighbour], kernels: &[&str]) -> Markup {
    html! {
        @if !all.is_empty() {
            h2 { (title) }
            ul {
                @for one in all {
                    li {
                        @match one.function {
                            Some(function) => a.f href=(function_file(function)) { (shortened(function)) },
                            None => (caller(one)),
                        }
                        " in " (count(one.cases, "case"))
                        @if one.kernels.len() < kernels.len() { span.soft { " on " (named(&one.kernels, kernels)) } }
                    }
                }
            }
        }
    }
}

fn place_row(place: &Place, kernels: &[&str]) -> Markup {
    let on: Vec<&str> = place.kernels.iter().map(|one| one.kernel).collect();
    html! {
        tr data-row {
            th.name scope="row" { a href=(case_file(place.case)) { (shortened(place.case)) } }
            td { (shortened(&context(place))) }
            @if let Some(newest) = place.kernels.last() {
                @let [self_cost, total] = newest.cost.words();
                td.number { (grouped(newest.calls)) } td.number { (self_cost) } td.number { (total) }
            }
            td { (named(&on, kernels)) }
        }
    }
}
