//! The page of a case: its description, the paths of each kernel, who wakes whom.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::index_page::bands;
use super::layout::{band, cut, difference_file, page as whole_page, shortened, slug, verdict};
use super::path_tree::{is_of, sleep_id, tree, tree_id};
use crate::path::CallPath;
use crate::path::cost::Costs;
use crate::report::change_words::{about_costs, grouped};
use crate::report::overview::{CaseView, KernelView, Overview};
use crate::suite::DriftedTiming;

pub(super) fn page(overview: &Overview, case: &CaseView) -> String {
    let body = html! {
        h1 { (shortened(case.name)) }
        @if !case.title().is_empty() { p { strong { (case.title()) } } }
        @if !case.about().is_empty() { p { (case.about()) } }
        (verdicts(overview, case))
        (arrows(case))
        @for (at, section) in case.sections.iter().enumerate() { (section_of(overview, case, at, section)) }
    };
    whole_page(case.name, "search functions", &body)
}

fn verdicts(overview: &Overview, case: &CaseView) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="verdicts by kernel" {
            table {
                thead { tr { th scope="col" { "kernel" } th scope="col" { "verdict" } th scope="col" { "what changed" } } }
                tbody {
                    @for (at, kernel) in case.kernels.iter().enumerate() {
                        @if let Some(kernel) = kernel {
                            tr id={ "kernel-" (slug(overview.kernel(at))) } {
                                th scope="row" { (overview.kernel(at)) " " span.soft { (overview.results.kernels[at].version) } }
                                td { (verdict(kernel.result.verdict)) (bands(case, kernel)) }
                                td { (links(overview, case, at, kernel)) }
                            }
                        }
                    }
                }
            }
        }
        @for kernel in case.kernels.iter().flatten() {
            @for problem in &kernel.result.problems {
                details {
                    summary { (kernel.result.kernel) ": " (shortened(&problem.place)) ": " (shortened(problem.message.lines().next().unwrap_or(""))) }
                    pre tabindex="0" { (problem.message) "\n" (problem.evidence) }
                }
            }
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
    html! {
        section aria-labelledby={ "section-" (at) } {
            h2 id={ "section-" (at) } { (shortened(section)) }
            (costs(overview, case, section))
            @for class in 0..=most.unwrap_or(0) {
                @let of_class: Vec<usize> = columns(case, at, class);
                @if let Some((first, path)) = of_class.first().and_then(|first| Some((*first, path_of(case, *first, section)?))) {
                    @let names: Vec<&str> = of_class.iter().map(|column| overview.kernel(*column)).collect();
                    @let names = names.join(", ");
                    @let label = format!("call tree of {} on {names}", shortened(section));
                    // Readers usually want the newest path; the others are one click away.
                    details open[Some(class) == newest(case, at)] id={ (tree_id(section, class)) "-kernels" } {
                        summary { (band(Some(class), section)) " " strong { (names) } " " span.soft { (path.nodes.len()) " lines" (agreement(case, first, section)) } }
                        @let costs = costs_of_calls(case, &of_class, section);
                        @if let Some((column, costs)) = costs {
                            p.soft { "Numbers (" (overview.kernel(column)) "): " (about_costs(path, costs).unwrap_or("")) "." }
                        }
                        (tree(path, &tree_id(section, class), &label, &sleepers(case, first), costs.map_or(&Costs::new(), |(_, costs)| costs)))
                    }
                }
            }
        }
    }
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
    let saved =
        case.kernels[column].as_ref().and_then(|kernel| kernel.result.paths.iter().find(|one| one.name == section));
    match saved {
        Some(saved) if saved.agreeing < saved.iterations => {
            format!(", {} of {} iterations", saved.agreeing, saved.iterations)
        }
        _ => String::new(),
    }
}

/// The targets of links to a woken actor: the trees of the same kernel in which it sleeps.
fn sleepers(case: &CaseView, column: usize) -> Vec<(String, String)> {
    let Some(kernel) = &case.kernels[column] else { return Vec::new() };
    case.sections
        .iter()
        .zip(&kernel.classes)
        .filter(|(name, _)| kernel.sleeps_in(name))
        .filter_map(|(name, class)| Some((name.clone(), tree_id(name, (*class)?))))
        .collect()
}

/// The costs of calls on the newest of these kernels that has them, with its column.
fn costs_of_calls<'c>(case: &'c CaseView, columns: &[usize], section: &str) -> Option<(usize, &'c Costs)> {
    columns.iter().rev().find_map(|column| {
        let paths = &case.kernels[*column].as_ref()?.result.paths;
        let saved = paths.iter().find(|saved| saved.name == section && !saved.costs.is_empty())?;
        Some((*column, &saved.costs))
    })
}

/// Shows the cost of the operation on each kernel.
fn costs(overview: &Overview, case: &CaseView, section: &str) -> Markup {
    let unit = if overview.results.mode == "exact" { "instructions" } else { "ns" };
    let costs: Vec<(&str, u64)> = case
        .kernels
        .iter()
        .enumerate()
        .filter_map(|(at, kernel)| Some((overview.kernel(at), kernel.as_ref()?.result.timing(section)?.cost)))
        .collect();
    html! {
        @if !costs.is_empty() {
            p.soft {
                "Cost (" (unit) ", lower quartile): "
                @for (index, (kernel, cost)) in costs.iter().enumerate() {
                    @if index > 0 { ", " } (kernel) " " strong { (grouped(*cost)) }
                }
            }
        }
    }
}

/// The width of a box, in pixels.
const BOX: usize = 170;
/// The distance from one box to the next, in pixels.
const STEP: usize = 230;

/// Shows who wakes whom, as boxes and arrows.
fn arrows(case: &CaseView) -> Markup {
    let columns = case.kernels.iter().enumerate().filter_map(|(at, kernel)| Some((at, kernel.as_ref()?)));
    let Some((column, kernel)) = columns.rev().find(|(_, kernel)| !kernel.result.wakeups.is_empty()) else {
        return html! {};
    };
    let mut boxes: Vec<String> = case.sections.clone();
    let mut arrows: BTreeSet<(usize, usize, &str)> = BTreeSet::new();
    for wakeup in &kernel.result.wakeups {
        let Some(from) = boxes.iter().position(|name| *name == wakeup.path) else { continue };
        let is_woken = |name: &String| is_of(name, &wakeup.wakes);
        let to = boxes
            .iter()
            .position(|name| is_woken(name) && kernel.sleeps_in(name))
            .or_else(|| boxes.iter().position(|name| is_woken(name) || *name == wakeup.wakes));
        let to = to.unwrap_or_else(|| {
            boxes.push(wakeup.wakes.clone());
            boxes.len() - 1
        });
        arrows.insert((from, to, &wakeup.function));
    }
    let sleepers = sleepers(case, column);
    let label: Vec<String> = arrows
        .iter()
        .map(|(from, to, function)| {
            format!("{} wakes {} in {}", shortened(&boxes[*from]), shortened(&boxes[*to]), shortened(function))
        })
        .collect();
    let height = 70 + 26 * arrows.len();
    let width = STEP * boxes.len();
    let middle = |at: usize| at * STEP + BOX / 2 + 4;
    html! {
        h2 { "Who wakes whom" }
        div.scroll tabindex="0" role="region" aria-label="who wakes whom" {
            svg role="img" aria-label=(label.join("; ")) width=(width) height=(height) viewBox={ "0 0 " (width) " " (height) } {
                @for (at, name) in boxes.iter().enumerate() {
                    rect.box x=(at * STEP + 4) y="4" width=(BOX) height="28" rx="4" {}
                    text x=(middle(at)) y="23" text-anchor="middle" { (clipped(name)) }
                }
                @for (index, (from, to, function)) in arrows.iter().enumerate() {
                    @let y = 58 + 26 * index;
                    @let (x1, x2) = (middle(*from), middle(*to));
                    path.arrow d={ "M" (x1) " 32 V" (y) " H" (x2) " V40" } {}
                    path.head d={ "M" (x2.saturating_sub(5)) " 41 L" (x2) " 32 L" (x2 + 5) " 41 Z" } {}
                    text x=((x1 + x2) / 2) y=(y.saturating_sub(4)) text-anchor="middle" { (clipped(function)) }
                }
            }
        }
        ul {
            @for (from, to, function) in &arrows {
                li {
                    (shortened(&boxes[*from])) " wakes "
                    @match sleepers.iter().find(|(name, _)| *name == boxes[*to]) {
                        Some((_, tree)) => a href={ "#" (sleep_id(tree)) } { (shortened(&boxes[*to])) },
                        None => (shortened(&boxes[*to])),
                    }
                    " in " code { (shortened(function)) }
                }
            }
        }
    }
}

/// Cuts a name to the width of a box.
fn clipped(name: &str) -> String {
    const FITS: usize = 24;
    cut(name, FITS)
}
