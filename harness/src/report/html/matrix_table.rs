//! The table of cases and kernels on the first page, by groups, with filters.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::layout::{LONGEST, band, case_file, difference_file, mark, scrolled, shortened, slug};
use crate::report::change_words::count;
use crate::report::overview::{CaseView, Overview};
use crate::suite::{Results, Verdict};

/// Cases whose names begin with the same word before a slash.
pub(super) struct Group<'o> {
    name: &'o str,
    cases: Vec<&'o CaseView<'o>>,
}

/// The groups, in the order of the cases.
pub(super) fn groups<'o>(overview: &'o Overview<'o>) -> Vec<Group<'o>> {
    let mut groups: Vec<Group> = Vec::new();
    for case in &overview.cases {
        let name = case.name.split_once('/').map_or("", |(group, _)| group);
        match groups.last_mut().filter(|group| group.name == name) {
            Some(group) => group.cases.push(case),
            None => groups.push(Group { name, cases: vec![case] }),
        }
    }
    groups
}

/// What a filter shows.
fn filter_of(verdict: Verdict) -> Option<&'static str> {
    match verdict {
        Verdict::Pass | Verdict::New | Verdict::Skipped => None,
        Verdict::Changed => Some("changed"),
        _ => Some("failed"),
    }
}

/// Makes the filters, which the page's script shows: they do nothing without it.
pub(super) fn filters(results: &Results, groups: &[Group]) -> Markup {
    let number = |name: &str| -> usize {
        let cases: BTreeSet<&str> = results
            .cases
            .iter()
            .filter(|one| filter_of(one.verdict) == Some(name))
            .map(|one| one.case.as_str())
            .collect();
        cases.len()
    };
    let cases: usize = groups.iter().map(|group| group.cases.len()).sum();
    html! {
        div #filters role="group" aria-label="which cases to show" hidden {
            button type="button" data-filter="" aria-pressed="true" { "all " (cases) }
            @for name in ["changed", "failed"] {
                @let cases = number(name);
                button type="button" data-filter=(name) aria-pressed="false" disabled[cases == 0] { (name) " " (cases) }
            }
            label {
                "group "
                select {
                    option value="" { "all groups" }
                    @for group in groups { option value=(group_id(group)) { (shortened(group.name)) " (" (group.cases.len()) ")" } }
                }
            }
        }
        nav.contents aria-label="groups" {
            div {
                strong { (count(groups.len(), "group")) }
                @for group in groups { a href={ "#" (group_id(group)) } { (shortened(group.name)) } }
            }
        }
        p.soft {
            "In a row, kernels with the same letter take the same paths. An underlined letter links to what changed since the kernel at its left."
        }
    }
}

fn group_id(group: &Group) -> String {
    format!("group-{}", slug(group.name))
}

/// Makes the table.
pub(super) fn table(overview: &Overview, groups: &[Group]) -> Markup {
    let kernels = &overview.results.kernels;
    let table = html! {
        table.matrix {
            thead {
                tr {
                    th scope="col" { "case" }
                    @for kernel in kernels { th scope="col" title=(kernel.version) { (shortened(&kernel.name)) } }
                }
            }
            @for group in groups {
                tbody id=(group_id(group)) {
                    tr.group { th colspan=(kernels.len() + 1) scope="rowgroup" { (shortened(group.name)) " " span.soft { (group.cases.len()) } } }
                    @for case in &group.cases { (row(overview, case)) }
                }
            }
        }
    };
    html! {
        @if groups.is_empty() {
            p { "These results have no cases." }
        } @else {
            (scrolled("cases by kernels", &table))
            p #nothing hidden { "No case matches. " button type="button" { "Show all cases" } }
        }
    }
}

fn row(overview: &Overview, case: &CaseView) -> Markup {
    let (differing, neighbours, classes) = (case.differing(), case.neighbours(), whole_paths(case));
    let filters: BTreeSet<&str> =
        case.kernels.iter().flatten().filter_map(|kernel| filter_of(kernel.result.verdict)).collect();
    let filters = (!filters.is_empty()).then(|| filters.into_iter().collect::<Vec<_>>().join(" "));
    html! {
        tr data-row data-is=[filters] {
            th.name scope="row" {
                a href=(case_file(case.name)) {
                    @match case.name.split_once('/') {
                        // The heading of the group says it where there is little room.
                        Some((group, name)) if case.name.chars().count() <= LONGEST => { span.prefix { (group) "/" } (name) },
                        _ => (shortened(case.name)),
                    }
                }
                " " span.title { (shortened(case.title())) }
            }
            @for (at, kernel) in case.kernels.iter().enumerate() {
                td {
                    @if let Some(kernel) = kernel {
                        (mark(kernel.result.verdict))
                        @if let Some((old, new)) = differing.iter().find(|pair| pair.1 == at && neighbours.contains(*pair)) {
                            a href=(difference_file(case.name, overview.kernel(*old), overview.kernel(*new)))
                                aria-label={ "what changed of " (shortened(case.name)) " from " (overview.kernel(*old)) " to " (overview.kernel(*new)) } { (band(classes[at], "all paths")) }
                        } @else if classes[at].is_some() {
                            (band(classes[at], "all paths"))
                        }
                    } @else {
                        span.soft title="not run" { "·" }
                    }
                }
            }
        }
    }
}

/// By kernel: the number of the class of kernels on which all paths of the case are equal. `None` if it has no paths.
fn whole_paths(case: &CaseView) -> Vec<Option<usize>> {
    let mut known: Vec<&[Option<usize>]> = Vec::new();
    let mut out = Vec::new();
    for kernel in &case.kernels {
        let with_paths = kernel.as_ref().filter(|kernel| !kernel.paths.is_empty());
        out.push(with_paths.map(|kernel| {
            known.iter().position(|classes| *classes == kernel.classes).unwrap_or_else(|| {
                known.push(&kernel.classes);
                known.len() - 1
            })
        }));
    }
    out
}
