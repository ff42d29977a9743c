//! The first screen of a page on what changed in a case: how much changed where, and which functions' self costs moved.

use maud::{Markup, html};

use super::layout::{scrolled, shortened};
use super::path_tree::section_id;
use crate::diff::{Change, DiffLine, FunctionCost, Part, function_costs};
use crate::path::cost::SelfCosts;
use crate::report::change_words::{count, grouped, percent};
use crate::report::diff_words::callers;
use crate::suite::{CaseResult, SectionDiff};

/// A side of a comparison: its name, and its result if it was run.
pub(super) type Named<'a> = (&'a str, Option<&'a CaseResult>);

/// The number of functions that are listed without unfolding.
const FUNCTIONS: usize = 10;

/// Says how much changed, by operation.
pub(super) fn summary(sections: &[SectionDiff], old: Named<'_>, new: Named<'_>) -> Markup {
    let changed = sections.iter().filter(|section| !section.explained.diff.is_same()).count();
    let lines: usize = sections.iter().map(|section| section.explained.diff.changes().count()).sum();
    let of = format!("{changed} of {}", count(sections.len(), "operation"));
    let table = html! {
        table {
            thead {
                tr {
                    th scope="col" { "operation" } th scope="col" { "lines of its path" }
                    th.number scope="col" { "before" } th.number scope="col" { "now" } th.number scope="col" { "change" }
                }
            }
            tbody {
                @for section in sections {
                    tr {
                        th.name scope="row" { a href={ "#" (section_id(&section.name)) } { (shortened(&section.name)) } }
                        td { (kinds(section)) }
                        @match [old, new].map(|side| side.1?.timing(&section.name)).map(|timing| timing.map(|timing| timing.cost)) {
                            [Some(before), Some(now)] => {
                                td.number { (grouped(before)) } td.number { (grouped(now)) } td.number { (change_or_same(before, now)) }
                            },
                            _ => { td {} td {} td {} },
                        }
                    }
                }
            }
        }
    };
    html! {
        @if lines == 0 {
            p { "The paths are the same: nothing changed in " (count(sections.len(), "operation")) "." }
        } @else {
            p { strong { (count(lines, "line")) " changed" } " in " (of) ". " span.keys { kbd { "n" } " and " kbd { "p" } " move to the next and the previous change." } }
        }
        (scrolled("summary", &table))
    }
}

fn change_or_same(before: u64, now: u64) -> String {
    if before == now { "same".to_owned() } else { percent(before, now) }
}

/// The changed lines of a section by kind: `2 new, 1 renamed`.
fn kinds(section: &SectionDiff) -> String {
    const KINDS: [&str; 6] = ["new", "gone", "renamed", "moved", "level", "called more or less often"];
    let mut counts = [0usize; KINDS.len()];
    for line in section.explained.diff.changes() {
        match line.change {
            Change::Same => {}
            Change::New => counts[0] += 1,
            Change::Gone => counts[1] += 1,
            Change::Renamed { .. } => counts[2] += 1,
            // A move has a line at both ends.
            Change::Moved { .. } => counts[3] += usize::from(line.new.is_some()),
            Change::SplicedIn | Change::SplicedOut => counts[4] += 1,
            Change::Times { .. } => counts[5] += 1,
        }
    }
    let words = counts.iter().zip(KINDS).filter(|(number, _)| **number > 0).map(|(number, kind)| match kind {
        "level" => format!("{} more or less", count(*number, kind)),
        kind => format!("{number} {kind}"),
    });
    match words.collect::<Vec<_>>().join(", ") {
        none if none.is_empty() => format!("the same {}", count(section.explained.diff.lines.len(), "line")),
        words => words,
    }
}

/// Lists the functions whose self costs differ, largest change first.
pub(super) fn self_costs(case: &str, sections: &[SectionDiff], old: Named<'_>, new: Named<'_>) -> Markup {
    let costs = |side: Named<'_>, section: &str| -> Option<SelfCosts> {
        Some(side.1?.paths.iter().find(|saved| saved.name == section)?.self_costs.clone())
    };
    let both: Vec<(&SectionDiff, SelfCosts, SelfCosts)> = sections
        .iter()
        .filter_map(|section| Some((section, costs(old, &section.name)?, costs(new, &section.name)?)))
        .filter(|(_, old, new)| !old.is_empty() && !new.is_empty())
        .collect();
    let parts = both.iter().map(|(section, old, new)| Part { case, section: &section.name, old, new });
    let mut functions = function_costs(parts);
    functions.sort_by_key(|cost| std::cmp::Reverse(cost.change().unsigned_abs()));
    let (first, rest) = functions.split_at(functions.len().min(FUNCTIONS));
    html! {
        @if !both.is_empty() {
            h2 id="self-costs" { "Self costs that moved" }
            @if functions.is_empty() {
                p { "No self cost of a function differs by more than the tracer's own variation." }
            } @else {
                p.soft { "Instructions of one call without the calls beneath it. A call that is new or gone costs 0 on the other side." }
                (scrolled("self costs of functions", &table(sections, first)))
                @if !rest.is_empty() {
                    details { summary { (count(rest.len(), "more function")) } (scrolled("self costs of more functions", &table(sections, rest))) }
                }
            }
        }
    }
}

fn table(sections: &[SectionDiff], functions: &[FunctionCost]) -> Markup {
    let callers = |cost: &FunctionCost| {
        let section = sections.iter().find(|section| section.name == cost.example.1)?;
        callers(section.explained.diff.lines.iter().filter_map(DiffLine::node), &cost.function)
    };
    html! {
        table {
            thead {
                tr {
                    th scope="col" { "function" } th.number scope="col" { "before" } th.number scope="col" { "now" }
                    th.number scope="col" { "change" } th scope="col" { "for example in" }
                }
            }
            tbody {
                @for cost in functions {
                    tr {
                        th.name scope="row" { code.f { (shortened(&cost.function)) } }
                        td.number { (grouped(cost.before)) } td.number { (grouped(cost.now)) }
                        td.number { (change_of(cost.before, cost.now)) }
                        td.name {
                            a href={ "#" (section_id(&cost.example.1)) } { (shortened(&cost.example.1)) }
                            @if let Some(callers) = callers(cost) { ": " code { (shortened(&callers)) } }
                        }
                    }
                }
            }
        }
    }
}

/// A change of a cost with its sign.
pub(super) fn change_of(before: u64, now: u64) -> String {
    format!("{}{}", if now < before { "-" } else { "+" }, grouped(now.abs_diff(before)))
}
