//! One function of a run as text, as `rxpath calls` prints it.

use std::fmt::Write as _;

use super::change_words::{count, grouped};
use super::functions::{FunctionView, Neighbour, OnKernel, Place, Presence};
use super::styled::{MARK, Styled};

/// Formats where a function is called, by what, and what it costs. `all_cases` is the number of cases of the run.
pub(crate) fn calls_text(view: &FunctionView, all_cases: usize) -> Styled {
    let mut out = Styled::from(format!("{}\n\n", headline(view, all_cases)));
    let kernels: Vec<&str> = view.kernels.iter().map(|one| one.kernel).collect();
    let header = ["kernel", "version", "cases", "self", "total", "source"];
    write_table(&mut out, header, view.kernels.iter().map(kernel_row));
    if view.places.is_empty() {
        return out;
    }
    let _ = writeln!(out, "\n{ABOUT_COSTS}");
    for (title, neighbours) in [("callers", &view.callers), ("callees", &view.callees)] {
        if !neighbours.is_empty() {
            let _ = writeln!(out);
            write_table(
                &mut out,
                [title, "cases", "kernels"],
                neighbours.iter().map(|one| neighbour_row(one, &kernels)),
            );
        }
    }
    let _ = writeln!(out);
    let header = ["case", "called in", "calls", "self", "total", "kernels"];
    write_table(&mut out, header, view.places.iter().map(|place| place_row(place, &kernels)));
    out
}

/// What the columns of costs hold.
pub(super) const ABOUT_COSTS: &str = "self: instructions of a call without the calls that the path shows beneath it; total: with all calls; both are medians of the places on that kernel, or, in a place, those of its newest kernel. ~ is too high: a sleep or a wake-up is beneath the call or, for self, in it, or another CPU ran in it.";

/// Says how many cases call the function.
pub(super) fn headline(view: &FunctionView, all_cases: usize) -> String {
    let on = view.kernels.iter().filter(|one| one.presence == Presence::Called).count();
    match view.cases {
        0 => format!("{}: not called in {}", view.function, count(all_cases, "case")),
        cases => {
            format!("{}: called in {cases} of {} on {}", view.function, count(all_cases, "case"), count(on, "kernel"))
        }
    }
}

/// Says why a kernel does not call it; empty if it does.
pub(super) fn absence(presence: Presence) -> &'static str {
    match presence {
        Presence::Called => "",
        Presence::NotCalled => "not called",
        Presence::NotTraceable => "cannot be traced",
        Presence::Absent => "no such function",
        Presence::Unknown => "not called, maybe absent",
    }
}

/// What runs the function: the operation or context, and what ran that.
pub(super) fn context(place: &Place) -> String {
    match place.run_by.is_empty() {
        true => place.section.to_owned(),
        false => format!("{} in {}", place.section, Vec::from_iter(place.run_by.iter().copied()).join(", ")),
    }
}

/// Names some of all kernels.
pub(super) fn named(kernels: &[&str], all: &[&str]) -> String {
    match (kernels.len(), all.len()) {
        (some, many) if some == many && many > 1 => "all".to_owned(),
        _ => kernels.join(", "),
    }
}

/// The name of a caller.
pub(super) fn caller<'r>(neighbour: &Neighbour<'r>) -> &'r str {
    neighbour.function.unwrap_or("(nothing above it)")
}

fn kernel_row(on: &OnKernel) -> [String; 6] {
    let [self_cost, total] = on.cost.words();
    let source = on.source.clone().unwrap_or_default();
    match on.presence {
        Presence::Called => {
            [on.kernel.to_owned(), on.version.to_owned(), on.cases.to_string(), self_cost, total, source]
        }
        // A function that a kernel lacks has no source there either.
        Presence::Absent => [on.kernel, on.version, "-", "-", "-", absence(on.presence)].map(str::to_owned),
        _ => [on.kernel, on.version, "-", "-", "-", &format!("{source} ({})", absence(on.presence))].map(str::to_owned),
    }
}

fn neighbour_row(one: &Neighbour, all: &[&str]) -> [String; 3] {
    [caller(one).to_owned(), one.cases.to_string(), named(&one.kernels, all)]
}

fn place_row(place: &Place, all: &[&str]) -> [String; 6] {
    let kernels: Vec<&str> = place.kernels.iter().map(|one| one.kernel).collect();
    let newest = place.kernels.last();
    let [self_cost, total] = newest.map_or_else(Default::default, |one| one.cost.words());
    let calls = newest.map_or(0, |one| one.calls);
    [place.case.to_owned(), context(place), grouped(calls), self_cost, total, named(&kernels, all)]
}

/// Writes a table with aligned columns; numbers are on the right.
fn write_table<const N: usize>(out: &mut Styled, header: [&str; N], rows: impl Iterator<Item = [String; N]>) {
    let rows: Vec<[String; N]> = rows.collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0).max(header[column].chars().count())
    };
    let is_number = |column: usize| matches!(header[column], "cases" | "calls" | "self" | "total");
    let line = |cells: [&str; N]| {
        let mut text = String::new();
        for (column, cell) in cells.into_iter().enumerate() {
            let width = width(column);
            let _ = match is_number(column) {
                true => write!(text, "{cell:>width$}  "),
                false => write!(text, "{cell:<width$}  "),
            };
        }
        text.trim_end().to_owned()
    };
    let _ = writeln!(out, "{MARK}{}{MARK:#}", line(header));
    for row in &rows {
        let _ = writeln!(out, "{}", line(row.each_ref().map(String::as_str)));
    }
}

#[cfg(test)]
mod tests {
    use super::super::functions::{functions, tests::sample};
    use super::super::overview::Overview;
    use super::*;

    #[test]
    fn a_function_is_its_kernels_then_its_neighbours_then_its_places() {
        let results = sample();
        let overview = Overview::of(&results);
        let all = functions(&overview);
        let text = calls_text(&all["f"], 2).to_string();
        let expected = "\
f: called in 2 of 2 cases on 2 kernels

kernel  version     cases  self  total  source
6.2     6.2.1-1         1   100  1,000  https://elixir.bootlin.com/linux/v6.2.1/A/ident/f
6.12    6.12.117-1      2   120  1,400  https://elixir.bootlin.com/linux/v6.12.117/A/ident/f
";
        assert!(text.starts_with(expected), "{text}");
        let expected = "
callers  cases  kernels
recv         2  all
rx           1  6.12

callees  cases  kernels
g            2  all

case   called in          calls    self   total  kernels
g/one  a.recv                 1     120   1,200  all
g/one  softirq in b.send      6  ~9,000  90,000  6.12
g/two  a.recv                 1     140   1,400  6.12
";
        assert!(text.ends_with(expected), "{text}");
        let text = calls_text(&all["gone"], 2).to_string();
        assert!(
            text.starts_with("gone: not called in 2 cases\n")
                && text.contains("6.12    6.12.117-1      -     -      -  no such function\n"),
            "{text}"
        );
    }
}
