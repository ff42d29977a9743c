//! The first page: what changed and what did not pass, then the verdict of each case on each kernel.

use chrono::DateTime;
use maud::{Markup, html};

use super::function_page;
use super::index_changes;
use super::layout::{band, verdict};
use super::matrix_table::{filters, groups, table};
use crate::report::change_words::count;
use crate::report::functions::FunctionView;
use crate::report::overview::{CaseView, KernelView, Overview};
use crate::report::run_words;
use crate::suite::RunChanges;

pub(super) fn page(overview: &Overview, functions: &[FunctionView]) -> String {
    let results = overview.results;
    let groups = groups(overview);
    let changes = RunChanges::of(results, overview.earlier);
    let body = html! {
        h1 { "rxpath: " (verdict(results.worst())) }
        p.lead { (index_changes::headline(results, &changes)) }
        (facts(overview))
        (index_changes::changes(results, &changes))
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
            (run_words::kernels(results)) ". QEMU " (results.qemu) ", " (results.mode) " mode"
            @if let Some(finished) = results.finished.and_then(utc) { ", " (finished) }
            "."
            @for kernel in results.kernels.iter().filter(|kernel| kernel.unlocked) {
                " " (kernel.name) " is the newest version, not the locked one."
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

/// Formats seconds since 1970: `2026-11-30 21:52 UTC`. `None` if no calendar has that day.
fn utc(seconds: u64) -> Option<String> {
    let time = DateTime::from_timestamp(i64::try_from(seconds).ok()?, 0)?;
    Some(time.format("%Y-%m-%d %H:%M UTC").to_string())
}

#[cfg(test)]
mod tests {
    use super::utc;

    #[test]
    fn seconds_are_a_date_and_a_time_unless_no_calendar_has_them() {
        assert_eq!(utc(1_796_075_520).as_deref(), Some("2026-11-30 21:52 UTC"));
        assert_eq!(utc(u64::MAX), None);
    }
}
