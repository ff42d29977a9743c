//! The first page: the verdict of each case on each kernel, and where paths changed.

use maud::{Markup, html};

use super::function_page;
use super::layout::{band, case_file, difference_file, shortened, verdict};
use crate::report::change_words::count;
use crate::report::drift::drift_sentence;
use crate::report::functions::FunctionView;
use crate::report::overview::{CaseView, KernelView, Overview};
use crate::suite::{Results, Verdict};

pub(super) fn page(overview: &Overview, functions: &[FunctionView]) -> String {
    let results = overview.results;
    let body = html! {
        h1 { "rxpath: " (verdict(results.worst())) }
        p { (summary(results)) }
        @if let Some(sentence) = drift_sentence(results) { p { (sentence) } }
        (problems(results))
        h2 { "Cases by kernels" }
        p.soft {
            "The letters after a verdict stand for the paths of the case, one for each operation and context. In a row, equal letters mean "
            "equal paths. " span aria-hidden="true" { "Δ" } " links to the changes since the kernel on the left."
        }
        div.scroll tabindex="0" role="region" aria-label="cases by kernels" {
            table {
                thead {
                    tr {
                        th scope="col" { "case" }
                        @for kernel in &results.kernels {
                            th scope="col" title=(kernel.version) { (kernel.name) @if kernel.unlocked { " (unlocked)" } }
                        }
                    }
                }
                tbody {
                    @for case in &overview.cases { (row(overview, case)) }
                }
            }
        }
        h2 { "Functions" }
        (function_page::list(functions.iter()))
    };
    super::layout::page("matrix", "search cases and functions", &body)
}

fn summary(results: &Results) -> String {
    let tally: Vec<String> =
        results.tally().iter().map(|(verdict, count)| format!("{count} {}", verdict.word())).collect();
    let kernels = count(results.kernels.len(), "kernel");
    format!("{} on {kernels} ({} mode, QEMU {})", tally.join(", "), results.mode, results.qemu)
}

/// Lists the cases that did not pass, with the reason in a line and the evidence folded.
fn problems(results: &Results) -> Markup {
    let worse: Vec<_> = results.cases.iter().filter(|one| one.verdict > Verdict::Skipped).collect();
    html! {
        @if !worse.is_empty() {
            h2 { "What did not pass" }
            ul {
                @for one in worse {
                    li {
                        (verdict(one.verdict)) " "
                        a href=(case_file(&one.case)) { (shortened(&one.case)) } " on " (one.kernel)
                        @if one.accepted.is_some() {
                            ": " a href=(difference_file(&one.case, "accepted", &one.kernel)) { "what changed" }
                        }
                        @for problem in &one.problems {
                            details {
                                summary { (shortened(&problem.place)) ": " (shortened(problem.message.lines().next().unwrap_or(""))) }
                                pre tabindex="0" { (problem.message) "\n" (problem.evidence) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn row(overview: &Overview, case: &CaseView) -> Markup {
    let (differing, neighbours) = (case.differing(), case.neighbours());
    html! {
        tr data-row {
            th.name scope="row" {
                a href=(case_file(case.name)) { (shortened(case.name)) }
                " " span.soft { (shortened(case.title())) }
            }
            @for (at, kernel) in case.kernels.iter().enumerate() {
                td {
                    @if let Some(kernel) = kernel {
                        @if let Some((old, new)) = differing.iter().find(|pair| pair.1 == at && neighbours.contains(*pair)) {
                            a href=(difference_file(case.name, overview.kernel(*old), overview.kernel(*new)))
                                aria-label={ "what changed of " (shortened(case.name)) " from " (overview.kernel(*old)) " to " (overview.kernel(*new)) } { "Δ" }
                            " "
                        }
                        (verdict(kernel.result.verdict))
                        (bands(case, kernel))
                    } @else {
                        span.soft { "not run" }
                    }
                }
            }
        }
    }
}

/// Shows a letter for each section.
pub(super) fn bands(case: &CaseView, kernel: &KernelView) -> Markup {
    html! {
        span.bands {
            @for (name, class) in case.sections.iter().zip(&kernel.classes) { (band(*class, name)) }
        }
    }
}
