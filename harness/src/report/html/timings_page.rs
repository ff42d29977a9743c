//! The page of timings: the cost of each operation on each kernel, as plots and as a table.

use maud::{Markup, html};

use super::layout::{case_file, page as whole_page, shortened};
use crate::report::change_words::{grouped, percent};
use crate::report::overview::{CaseView, Overview};

/// One operation on all kernels.
struct Row<'o> {
    case: &'o str,
    name: &'o str,
    /// By kernel.
    costs: Vec<Option<u64>>,
}

pub(super) fn page(overview: &Overview) -> String {
    let rows: Vec<Row> = overview.cases.iter().flat_map(rows).collect();
    let unit = if overview.results.mode == "exact" { "instructions" } else { "nanoseconds" };
    let kernels: Vec<&str> = (0..overview.results.kernels.len()).map(|at| overview.kernel(at)).collect();
    let body = html! {
        h1 { "Timings" }
        p.soft { "Lower quartiles of the iterations without tracing, in " (unit) ". Each plot starts at 0." }
        @if rows.is_empty() { p { "These results have no timings." } }
        div.plots { @for row in &rows { (plot(row, &kernels)) } }
        h2 { "The figures" }
        div.scroll tabindex="0" role="region" aria-label="the figures" {
            table {
                thead {
                    tr {
                        th scope="col" { "operation" }
                        @for kernel in &kernels { th.number scope="col" { (kernel) } }
                        th.number scope="col" { "first to last" }
                    }
                }
                tbody {
                    @for row in &rows {
                        tr data-row {
                            th.name scope="row" { a href=(case_file(row.case)) { (shortened(row.case)) } " " (shortened(row.name)) }
                            @for cost in &row.costs { td.number { @if let Some(cost) = cost { (grouped(*cost)) } @else { "-" } } }
                            td.number { (first_to_last(row)) }
                        }
                    }
                }
            }
        }
    };
    whole_page("timings", "search operations", &body)
}

fn rows<'o>(case: &'o CaseView<'_>) -> Vec<Row<'o>> {
    let mut names: Vec<&str> = Vec::new();
    for timing in case.kernels.iter().flatten().flat_map(|kernel| &kernel.result.timings) {
        if !names.contains(&timing.name.as_str()) {
            names.push(&timing.name);
        }
    }
    let cost = |name: &str, at: usize| case.kernels[at].as_ref()?.result.timing(name).map(|timing| timing.cost);
    let row = |name| Row { case: case.name, name, costs: (0..case.kernels.len()).map(|at| cost(name, at)).collect() };
    names.into_iter().map(row).collect()
}

fn first_to_last(row: &Row) -> String {
    let mut known = row.costs.iter().flatten();
    match (known.next(), known.next_back()) {
        (Some(first), Some(last)) => percent(*first, *last),
        _ => String::new(),
    }
}

const WIDTH: usize = 320;
const HEIGHT: usize = 120;
const LEFT: usize = 56;
const BOTTOM: usize = 98;
const TOP: usize = 12;

fn plot(row: &Row, kernels: &[&str]) -> Markup {
    let most = row.costs.iter().flatten().max().copied().unwrap_or(0).max(1);
    let step = (WIDTH - LEFT - 24) / kernels.len().saturating_sub(1).max(1);
    let x = |at: usize| LEFT + 8 + at * step;
    let y = |cost: u64| BOTTOM - ((BOTTOM - TOP) as u64 * cost / most) as usize;
    let points: Vec<String> = row
        .costs
        .iter()
        .enumerate()
        .filter_map(|(at, cost)| cost.map(|cost| format!("{},{}", x(at), y(cost))))
        .collect();
    html! {
        figure data-row {
            figcaption { a href=(case_file(row.case)) { (shortened(row.case)) } " " (shortened(row.name)) }
            // The table below has the same figures as text.
            svg aria-hidden="true" width=(WIDTH) height=(HEIGHT) viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } {
                line.axis x1=(LEFT) y1=(BOTTOM) x2=(WIDTH) y2=(BOTTOM) {}
                line.axis x1=(LEFT) y1=(TOP) x2=(WIDTH) y2=(TOP) {}
                text x=(LEFT - 4) y=(TOP + 4) text-anchor="end" { (grouped(most)) }
                text x=(LEFT - 4) y=(BOTTOM + 4) text-anchor="end" { "0" }
                @for (at, kernel) in kernels.iter().enumerate() {
                    text x=(x(at)) y=(BOTTOM + 17) text-anchor="middle" { (kernel) }
                }
                polyline.plot points=(points.join(" ")) {}
                @for (at, cost) in row.costs.iter().enumerate() {
                    @if let Some(cost) = cost {
                        circle.dot cx=(x(at)) cy=(y(*cost)) r="3.5" { title { (kernels[at]) ": " (grouped(*cost)) } }
                    }
                }
            }
        }
    }
}
