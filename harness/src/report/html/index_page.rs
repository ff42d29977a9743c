//! The first page: what changed and what did not pass, then the verdict of each case on each kernel.

use maud::{Markup, html};

use super::function_page;
use super::layout::{band, shortened, verdict};
use super::matrix_table::{filters, groups, table};
use super::problem_words::problems;
use crate::report::change_words::count;
use crate::report::diff_words;
use crate::report::drift::drift_sentence;
use crate::report::functions::FunctionView;
use crate::report::overview::{CaseView, KernelView, Overview};
use crate::suite::{Results, Verdict};

pub(super) fn page(overview: &Overview, functions: &[FunctionView]) -> String {
    let results = overview.results;
    let groups = groups(overview);
    let body = html! {
        h1 { "rxpath: " (verdict(results.worst())) }
        (facts(overview))
        @if let Some(sentence) = drift_sentence(results) { p { (sentence) } }
        (not_passed(results))
        h2 id="cases" { "Cases by kernels" }
        (filters(results, &groups))
        (table(overview, &groups))
        h2 { "Functions" }
        (function_page::list(functions.iter()))
    };
    super::layout::page("all cases", "search cases and functions", &body)
}

/// How many cases ended in which verdict, and what they ran on.
fn facts(overview: &Overview) -> Markup {
    let results = overview.results;
    html! {
        p.tally {
            @for (one, number) in results.tally() { span { strong { (number) } " " (verdict(one)) } }
            span.soft { (count(overview.cases.len(), "case")) " on " (count(results.kernels.len(), "kernel")) }
        }
        p.soft {
            @for (index, kernel) in results.kernels.iter().enumerate() {
                @if index > 0 { ", " }
                (shortened(&diff_words::kernel(kernel)))
                @if kernel.unlocked { " (the newest version, not the locked one)" }
            }
            ". QEMU " (results.qemu) ", " (results.mode) " mode."
        }
    }
}

/// Lists the cases that did not pass, with the reason in a line and the evidence folded.
fn not_passed(results: &Results) -> Markup {
    let worse: Vec<_> = results.cases.iter().filter(|one| one.verdict > Verdict::Skipped).collect();
    html! { @for one in worse { (problems(one)) } }
}

/// Shows a letter for each section.
pub(super) fn bands(case: &CaseView, kernel: &KernelView) -> Markup {
    html! {
        span.bands {
            @for (name, class) in case.sections.iter().zip(&kernel.classes) { (band(*class, name)) }
        }
    }
}
