//! The page of a case: its description, the picture, and the paths of each operation on each kernel.

use maud::{Markup, html};

use super::case_picture::picture;
use super::index_page::bands;
use super::layout::{band, difference_file, page as whole_page, scrolled, shortened, slug, verdict};
use super::path_tree::{Numbers, section_id, tree, tree_id};
use super::problem_words::problems;
use crate::path::CallPath;
use crate::report::change_words::{count, grouped, percent};
use crate::report::overview::{CaseView, KernelView, Overview};
use crate::suite::{DriftedTiming, SavedPath};

pub(super) fn page(overview: &Overview, case: &CaseView) -> String {
    let body = html! {
        h1 { (shortened(case.name)) }
        @if !case.title().is_empty() { p.lead { (case.title()) } }
        @if !case.about().is_empty() { p.text { (case.about()) } }
        (contents(overview, case))
        (picture(overview, case))
        h2 id="kernels" { "Kernels" }
        (verdicts(overview, case))
        @for (at, section) in case.sections.iter().enumerate() { (section_of(overview, case, at, section)) }
        @if case.sections.is_empty() { p { "Nothing was recorded of this case: no kernel ran it to the end." } }
    };
    whole_page(case.name, "search functions", &body)
}

/// Links to the operations, and the choice of a kernel whose paths the page opens.
fn contents(overview: &Overview, case: &CaseView) -> Markup {
    html! {
        nav.contents aria-label="on this page" {
            @if !case.sections.is_empty() {
                div {
                    strong { (count(case.sections.len(), "operation")) }
                    @for section in &case.sections { a href={ "#" (section_id(section)) } { (shortened(section)) } }
                }
            }
            div {
                strong { "kernel" }
                @for (at, kernel) in case.kernels.iter().enumerate() {
                    @if kernel.is_some() { a data-kernel href={ "#" (kernel_id(overview, at)) } { (overview.kernel(at)) } }
                }
            }
        }
    }
}

/// The id of a kernel's row. The page's script opens the paths of the kernel whose row is the target.
fn kernel_id(overview: &Overview, at: usize) -> String {
    format!("kernel-{}", slug(overview.kernel(at)))
}

fn verdicts(overview: &Overview, case: &CaseView) -> Markup {
    let table = html! {
        table {
            thead {
                tr {
                    th scope="col" { "kernel" } th scope="col" { "verdict" }
                    @if !case.sections.is_empty() { th scope="col" { "paths" } th scope="col" { "what changed" } }
                }
            }
            tbody {
                @for (at, kernel) in case.kernels.iter().enumerate() {
                    @if let Some(kernel) = kernel {
                        tr id=(kernel_id(overview, at)) {
                            th scope="row" { (overview.kernel(at)) " " span.soft { (shortened(&overview.results.kernels[at].version)) } }
                            td { (verdict(kernel.result.verdict)) }
                            @if !case.sections.is_empty() {
                                td { (bands(case, kernel)) }
                                td { (links(overview, case, at, kernel)) }
                            }
                        }
                    }
                }
            }
        }
    };
    html! {
        (scrolled("verdicts by kernel", &table))
        @if case.sections.len() > 1 {
            p.soft { "One letter for each operation, in the order of this page. Equal letters in a column of letters are equal paths." }
        }
        @for kernel in case.kernels.iter().flatten() {
            (problems(kernel.result))
            @if let Some(drift) = &kernel.result.drift {
                p.soft { (kernel.result.kernel) ": within the tolerance: " (drift.timings.iter().map(DriftedTiming::to_string).collect::<Vec<_>>().join("; ")) }
            }
            @for note in &kernel.result.notes { p.soft { (kernel.result.kernel) ": " (note) } }
        }
    }
}

fn links(overview: &Overview, case: &CaseView, at: usize, kernel: &KernelView) -> Markup {
    html! {
        @if kernel.result.accepted.is_some() {
            a href=(difference_file(case.name, "accepted", overview.kernel(at))) { "from the accepted paths" } " "
        }
        @for (old, new) in case.differing() {
            @if new == at {
                a href=(difference_file(case.name, overview.kernel(old), overview.kernel(new))) { "from " (overview.kernel(old)) } " "
            }
        }
    }
}

/// Shows a section: a tree for each class of kernels with equal paths.
fn section_of(overview: &Overview, case: &CaseView, at: usize, section: &str) -> Markup {
    let most = case.kernels.iter().flatten().filter_map(|kernel| kernel.classes[at]).max();
    let id = section_id(section);
    html! {
        section aria-labelledby=(id) {
            h2 id=(id) { (shortened(section)) }
            (costs(overview, case, section))
            @for class in 0..=most.unwrap_or(0) {
                @let of_class: Vec<usize> = columns(case, at, class);
                @if let Some((first, path)) = of_class.first().and_then(|first| Some((*first, path_of(case, *first, section)?))) {
                    @let names: Vec<&str> = of_class.iter().map(|column| overview.kernel(*column)).collect();
                    @let label = format!("call tree of {} on {}", shortened(section), names.join(", "));
                    @let numbers = costs_of_calls(case, &of_class, section);
                    // Readers usually want the newest path; the others are one click away.
                    details.class open[Some(class) == newest(case, at)] data-kernels=(of_class.iter().map(|column| kernel_id(overview, *column)).collect::<Vec<_>>().join(" ")) {
                        summary {
                            (band(Some(class), section)) " "
                            @for (index, name) in names.iter().enumerate() {
                                @if index > 0 { ", " }
                                strong id=[(index > 0).then(|| tree_id(section, name))] { (name) }
                            }
                            " " span.soft { (count(path.nodes.len(), "line")) (agreement(case, first, section)) }
                        }
                        (tree(path, &tree_id(section, names[0]), &label, &sleepers(overview, case, first), numbers.map(|(column, saved)| Numbers { kernel: overview.kernel(column), saved })))
                    }
                }
            }
        }
    }
}

/// The id of the tree of a section on the kernel in a column.
pub(super) fn tree_of(overview: &Overview, case: &CaseView, section: &str, column: usize) -> Option<String> {
    let at = case.sections.iter().position(|name| name == section)?;
    let class = case.kernels[column].as_ref()?.classes[at]?;
    Some(tree_id(section, overview.kernel(*columns(case, at, class).first()?)))
}

fn newest(case: &CaseView, section: usize) -> Option<usize> {
    case.kernels.iter().flatten().rev().find_map(|kernel| kernel.classes[section])
}

fn columns(case: &CaseView, section: usize, class: usize) -> Vec<usize> {
    let is_of_class =
        |column: &usize| case.kernels[*column].as_ref().is_some_and(|kernel| kernel.classes[section] == Some(class));
    (0..case.kernels.len()).filter(is_of_class).collect()
}

fn path_of<'c>(case: &'c CaseView, column: usize, section: &str) -> Option<&'c CallPath> {
    case.kernels[column].as_ref()?.path(section)
}

fn agreement(case: &CaseView, column: usize, section: &str) -> String {
    let saved = case.kernels[column].as_ref().and_then(|kernel| saved_path(kernel, section));
    match saved {
        Some(saved) if saved.agreeing < saved.iterations => {
            format!(", {} of {} iterations", saved.agreeing, saved.iterations)
        }
        _ => String::new(),
    }
}

fn saved_path<'r>(kernel: &KernelView<'r>, section: &str) -> Option<&'r SavedPath> {
    kernel.result.paths.iter().find(|saved| saved.name == section)
}

/// The targets of links to a woken actor: the trees of the same kernel in which it sleeps.
pub(super) fn sleepers(overview: &Overview, case: &CaseView, column: usize) -> Vec<(String, String)> {
    let Some(kernel) = &case.kernels[column] else { return Vec::new() };
    let of_section = |(at, (name, class)): (usize, (&String, &Option<usize>))| {
        let first = columns(case, at, (*class)?).first().copied()?;
        Some((name.clone(), tree_id(name, overview.kernel(first))))
    };
    let sections = case.sections.iter().zip(&kernel.classes).enumerate();
    sections.filter(|(_, (name, _))| kernel.sleeps_in(name)).filter_map(of_section).collect()
}

/// The path with the costs of calls on the newest of these kernels that has them, with its column.
fn costs_of_calls<'c>(case: &'c CaseView, columns: &[usize], section: &str) -> Option<(usize, &'c SavedPath)> {
    columns.iter().rev().find_map(|column| {
        let saved = saved_path(case.kernels[*column].as_ref()?, section)?;
        (!saved.costs.is_empty()).then_some((*column, saved))
    })
}

/// Shows the cost of the operation on each kernel, and its change from one to the next.
fn costs(overview: &Overview, case: &CaseView, section: &str) -> Markup {
    let unit = if overview.results.mode == "exact" { "instructions" } else { "ns" };
    let costs: Vec<(&str, u64)> = case
        .kernels
        .iter()
        .enumerate()
        .filter_map(|(at, kernel)| Some((overview.kernel(at), kernel.as_ref()?.result.timing(section)?.cost)))
        .collect();
    let table = html! {
        table.costs {
            thead { tr { th scope="col" { "kernel" } @for (kernel, _) in &costs { th.number scope="col" { (kernel) } } } }
            tbody {
                tr { th scope="row" { (unit) } @for (_, cost) in &costs { td.number { (grouped(*cost)) } } }
                @if costs.len() > 1 {
                    tr.soft {
                        th scope="row" { "change" }
                        td {}
                        @for pair in costs.windows(2) {
                            td.number { @if pair[0].1 == pair[1].1 { "same" } @else { (percent(pair[0].1, pair[1].1)) } }
                        }
                    }
                }
            }
        }
    };
    html! { @if !costs.is_empty() { (scrolled(&format!("cost of {}", shortened(section)), &table)) } }
}
