//! The page of timings: what each operation costs on each kernel, those that moved most first.

use maud::{Markup, html};

use super::layout::{case_file, page as whole_page, scrolled, shortened};
use crate::report::change_words::{count, grouped, percent};
use crate::report::overview::{CaseView, Overview};

/// The number of operations with a large plot.
const PLOTS: usize = 12;
/// Operations that moved by less than this share between kernels have no plot.
const LEAST_MOVE: f64 = 0.01;

/// One operation on all kernels.
struct Row<'o> {
    case: &'o str,
    name: &'o str,
    /// By kernel.
    costs: Vec<Option<u64>>,
}

impl Row<'_> {
    /// The least and the largest cost.
    fn range(&self) -> (u64, u64) {
        let known = || self.costs.iter().flatten().copied();
        (known().min().unwrap_or(0), known().max().unwrap_or(0))
    }

    /// By how much the costs differ, as a share of the least.
    fn movement(&self) -> f64 {
        let (least, most) = self.range();
        (most - least) as f64 / (least as f64).max(1.0)
    }

    /// The columns and costs of the neighbours that differ most.
    fn largest_step(&self) -> Option<(usize, u64, u64)> {
        let known: Vec<(usize, u64)> =
            self.costs.iter().enumerate().filter_map(|(at, cost)| cost.map(|cost| (at, cost))).collect();
        let steps = known.windows(2).map(|pair| (pair[1].0, pair[0].1, pair[1].1));
        let share = |(_, from, to): &(usize, u64, u64)| to.abs_diff(*from) as f64 / (*from as f64).max(1.0);
        steps.filter(|(_, from, to)| from != to).max_by(|one, other| share(one).total_cmp(&share(other)))
    }
}

pub(super) fn page(overview: &Overview) -> String {
    let mut rows: Vec<Row> = overview.cases.iter().flat_map(rows).collect();
    rows.sort_by(|one, other| other.movement().total_cmp(&one.movement()));
    let unit = if overview.results.mode == "exact" { "instructions" } else { "nanoseconds" };
    let kernels: Vec<&str> = (0..overview.results.kernels.len()).map(|at| overview.kernel(at)).collect();
    let moved = rows.iter().take_while(|row| row.movement() >= LEAST_MOVE).count();
    let body = html! {
        h1 { "Timings" }
        p.text { "What each operation costs on each kernel, in " (unit) ": lower quartiles of the iterations without tracing." }
        @if rows.is_empty() {
            p { "These results have no timings." }
        } @else if kernels.len() < 2 {
            p { "These are the results of one kernel, so there is no movement between kernels." }
        } @else if moved == 0 {
            p { "No operation moved by 1 % or more between kernels." }
        } @else {
            h2 { "What moved most between kernels" }
            p.soft {
                (grouped(moved as u64)) " of " (count(rows.len(), "operation")) " differ by 1 % or more between kernels. The axis of each plot goes from its least cost to its largest, not from 0."
            }
            div.plots { @for row in rows[..moved].iter().take(PLOTS) { (plot(row, &kernels)) } }
        }
        @if !rows.is_empty() {
            h2 { "All operations, largest movement first" }
            (scrolled("all operations", &table(&rows, &kernels)))
            p #nothing hidden { "No operation matches the search." }
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

fn table(rows: &[Row], kernels: &[&str]) -> Markup {
    html! {
        table.wide {
            thead {
                tr {
                    th scope="col" { "operation" }
                    @if kernels.len() > 1 {
                        th.number scope="col" { "largest step" }
                        th.number scope="col" { "first to last" }
                    }
                    @for kernel in kernels { th.number scope="col" { (kernel) } }
                }
            }
            tbody {
                @for row in rows {
                    tr data-row {
                        th.name scope="row" { a href=(case_file(row.case)) { (shortened(row.case)) } " " (shortened(row.name)) }
                        @if kernels.len() > 1 {
                            td.number { (step(row, kernels)) }
                            td.number { (first_to_last(row)) }
                        }
                        @for cost in &row.costs { td.number { @if let Some(cost) = cost { (grouped(*cost)) } @else { "–" } } }
                    }
                }
            }
        }
    }
}

/// The largest step from one kernel to the next: `+35.9 % in 6.12`.
fn step(row: &Row, kernels: &[&str]) -> String {
    row.largest_step().map_or_else(String::new, |(at, from, to)| format!("{} in {}", percent(from, to), kernels[at]))
}

fn first_to_last(row: &Row) -> String {
    let mut known = row.costs.iter().flatten();
    match (known.next(), known.next_back()) {
        (Some(first), Some(last)) if first == last => "same".to_owned(),
        (Some(first), Some(last)) => percent(*first, *last),
        _ => String::new(),
    }
}

const WIDTH: usize = 340;
const HEIGHT: usize = 150;
const LEFT: usize = 64;
const BOTTOM: usize = 124;
const TOP: usize = 26;

fn plot(row: &Row, kernels: &[&str]) -> Markup {
    let (least, most) = row.range();
    let spacing = (WIDTH - LEFT - 56) / kernels.len().saturating_sub(1).max(1);
    let x = |at: usize| LEFT + 28 + at * spacing;
    let y = |cost: u64| BOTTOM - ((BOTTOM - TOP) as u64 * (cost - least) / (most - least).max(1)) as usize;
    let known: Vec<(usize, u64)> =
        row.costs.iter().enumerate().filter_map(|(at, cost)| cost.map(|cost| (at, cost))).collect();
    let points: Vec<String> = known.iter().map(|(at, cost)| format!("{},{}", x(*at), y(*cost))).collect();
    // A change is named at the kernel that brought it, if there is room beside the line.
    let steps: Vec<(usize, u64, String)> = known
        .windows(2)
        .filter(|pair| pair[1].1.abs_diff(pair[0].1) * 8 >= most - least && pair[0].1 != pair[1].1)
        .map(|pair| (pair[1].0, pair[1].1, percent(pair[0].1, pair[1].1)))
        .collect();
    html! {
        figure {
            figcaption { a href=(case_file(row.case)) { (shortened(row.case)) } " " (shortened(row.name)) }
            // The table below has the same figures as text.
            svg aria-hidden="true" viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } {
                @for edge in [least, most] {
                    line.axis x1=(LEFT) y1=(y(edge)) x2=(WIDTH) y2=(y(edge)) {}
                    text x=(LEFT - 6) y=(y(edge) + 4) text-anchor="end" { (grouped(edge)) }
                }
                @for (at, kernel) in kernels.iter().enumerate() {
                    text x=(x(at)) y=(HEIGHT - 6) text-anchor="middle" { (shortened(kernel)) }
                }
                polyline.plot points=(points.join(" ")) {}
                @for (at, cost) in &known {
                    circle.dot cx=(x(*at)) cy=(y(*cost)) r="3.5" { title { (kernels[*at]) ": " (grouped(*cost)) } }
                }
                @for (at, cost, words) in &steps {
                    @let falls = words.starts_with('-');
                    text.step x=(if falls { x(*at) + 8 } else { x(*at) - 7 }) y=(y(*cost) - 5) text-anchor=(if falls { "start" } else { "end" }) { (words) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moved_most_comes_first_and_its_plot_uses_the_whole_height() {
        let row = |costs: &[u64]| Row { case: "g/c", name: "a.recv", costs: costs.iter().copied().map(Some).collect() };
        let (little, there_and_back) = (row(&[10_000, 10_590]), row(&[1000, 2000, 1000]));
        assert!(there_and_back.movement() > little.movement());
        assert_eq!(there_and_back.largest_step(), Some((1, 1000, 2000)));
        assert_eq!(first_to_last(&there_and_back), "same");
        assert_eq!(step(&little, &["6.1", "6.12"]), "+5.9 % in 6.12");
        let picture = plot(&little, &["6.1", "6.12"]).into_string();
        for part in [
            format!(",{BOTTOM} "),
            format!(",{TOP}\""),
            ">10,000<".to_owned(),
            ">10,590<".to_owned(),
            ">+5.9 %<".to_owned(),
        ] {
            assert!(picture.contains(&part), "{part} in {picture}");
        }
    }
}
