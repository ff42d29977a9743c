//! The pictures on the page of a case: one iteration over time, for each set of kernels that take the same paths.

use std::collections::BTreeSet;

use maud::{Markup, PreEscaped, html};

use super::case_page::{sleepers, tree_of};
use super::layout::shortened;
use super::path_tree::{is_of, line_id, sleep_id};
use crate::path::{CallPath, text};
use crate::report::overview::{CaseView, Overview};
use crate::report::sequence::{LEGEND, SCRIPT, STYLE, sequence_figure};

/// Shows the pictures, the newest kernel's first and open, and who wakes whom in words.
pub(super) fn picture(overview: &Overview, case: &CaseView) -> Markup {
    let groups = groups(case);
    html! {
        @if !groups.is_empty() {
            style { (PreEscaped(STYLE)) }
            h2 id="picture" { "One iteration over time" }
            p.soft { (LEGEND) }
            p.soft.seq-zoom hidden {
                "Zoom: " button type="button" data-zoom="0.5" { "−" } " " button type="button" data-zoom="2" { "+" } " "
                button type="button" data-zoom="0" { "all" } " or Shift and a click on a call. A click on a call goes to its line in the call tree, and ⇱ there back."
            }
            @for (index, columns) in groups.iter().enumerate() {
                details.seq-of open[index == 0] {
                    summary { @for (at, column) in columns.iter().enumerate() { @if at > 0 { ", " } strong { (overview.kernel(*column)) } } }
                    (figure(overview, case, columns[0]))
                }
            }
        }
        (wakeups(overview, case))
        @if !groups.is_empty() { script type="module" { (PreEscaped(SCRIPT)) } }
    }
}

/// Lists who wakes whom on the newest kernel that has wake-ups, with links to the sleeps.
fn wakeups(overview: &Overview, case: &CaseView) -> Markup {
    let columns = case.kernels.iter().enumerate().filter_map(|(at, kernel)| Some((at, kernel.as_ref()?)));
    let Some((column, kernel)) = columns.rev().find(|(_, kernel)| !kernel.result.wakeups.is_empty()) else {
        return html! {};
    };
    let sleepers = sleepers(overview, case, column);
    let wakeups: BTreeSet<_> = kernel.result.wakeups.iter().collect();
    html! {
        h2 { "Who wakes whom" }
        ul {
            @for wakeup in wakeups {
                li {
                    (shortened(&wakeup.path)) " wakes "
                    @match sleepers.iter().find(|(name, _)| is_of(name, &wakeup.wakes)) {
                        Some((name, tree)) => a href={ "#" (sleep_id(tree)) } { (shortened(name)) },
                        None => (shortened(&wakeup.wakes)),
                    }
                    " in " code { (shortened(&wakeup.function)) }
                }
            }
        }
    }
}

fn figure(overview: &Overview, case: &CaseView, column: usize) -> Markup {
    let Some(kernel) = &case.kernels[column] else { return html! {} };
    let Some(sequence) = &kernel.result.sequence else { return html! {} };
    let title = format!("{} on {} over time", shortened(case.name), overview.kernel(column));
    let href = |path: &str, line: usize| {
        let same_path = !sequence.other_paths.contains_key(path);
        tree_of(overview, case, path, column).filter(|_| same_path).map(|tree| format!("#{}", line_id(&tree, line)))
    };
    // The paths of the page are the steady ones; the picture has the others too.
    let others = kernel.result.paths.iter().filter(|saved| kernel.path(&saved.name).is_none());
    let others = others.filter_map(|saved| Some((saved.name.clone(), text::parse(&saved.path).ok()?)));
    let paths: Vec<(String, CallPath)> = kernel.paths.iter().cloned().chain(others).collect();
    let svg = sequence_figure(sequence, &format!("k{column}"), &title, &paths, &href);
    html! { div.scroll tabindex="0" role="region" aria-label=(title) { (PreEscaped(svg)) } }
}

/// The columns with a sequence whose paths are all equal, the newest first.
fn groups(case: &CaseView) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let classes = |column: usize| case.kernels[column].as_ref().map(|kernel| &kernel.classes);
    for (column, kernel) in case.kernels.iter().enumerate().rev() {
        if kernel.as_ref().is_none_or(|kernel| kernel.result.sequence.is_none()) {
            continue;
        }
        match groups.iter_mut().find(|group| classes(group[0]) == classes(column)) {
            Some(group) => group.push(column),
            None => groups.push(vec![column]),
        }
    }
    groups
}
