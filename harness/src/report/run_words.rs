//! The words of what changed in a run, in every format.

use std::collections::BTreeSet;

use super::change_words::{count, kind_and_reason};
use super::diff_words::{callers, cost_row, kernel, run_title};
use crate::diff::FunctionCost;
use crate::path::text;
use crate::suite::{CaseResult, ChangedPaths, MovedTiming, PathChange, Place, Results, RunChanges, Verdict};

/// The number of places that name a change.
const NAMED_PLACES: usize = 3;

/// How many results ended in each verdict: `3 pass, 24 changed`.
pub(super) fn tally(results: &Results, word: impl Fn(Verdict) -> String) -> String {
    let tally = results.tally();
    tally.iter().map(|(verdict, count)| format!("{count} {}", word(*verdict))).collect::<Vec<_>>().join(", ")
}

/// The kernels with their exact versions, and what they were compared with.
pub(super) fn kernels(results: &Results) -> String {
    let kernels = results.kernels.iter().map(kernel).collect::<Vec<_>>().join(", ");
    let against = results.against.as_ref().map(|against| format!(", compared with {against}"));
    kernels + &against.unwrap_or_default()
}

/// `3 changes of paths in 8 cases`.
pub(super) fn path_headline(changes: &RunChanges) -> String {
    let cases = distinct(changes.changed.iter().map(|one| &*one.result.case));
    format!("{} of paths in {}", count(changes.changes.len(), "change"), count(cases, "case"))
}

/// Names a change by its first lines: `tcp_queue_rcv: +tcp_rcv_sne_update; tcp_ack: -tcp_replace_ts_recent`.
pub(super) fn title(changes: &RunChanges, change: &PathChange) -> String {
    let first = first_of(changes, change);
    let place = |at: &Place| run_title(&first.sections[at.section].explained.diff, &at.lines);
    let mut named: Vec<String> = Vec::new();
    let mut left = 0;
    for place in change.places.iter().map(place) {
        match named.len() < NAMED_PLACES {
            true if !named.contains(&place) => named.push(place),
            true => {}
            false => left += 1,
        }
    }
    let more = if left == 0 { String::new() } else { format!("; and {}", count(left, "more place")) };
    named.join("; ") + &more
}

/// Why the first explained line of a change is there: `tcp_replace_ts_recent: gone: no such symbol in 6.18`.
pub(super) fn reason(changes: &RunChanges, change: &PathChange) -> Option<String> {
    let first = first_of(changes, change);
    let lines = change.places.iter().flat_map(|place| {
        let explained = &first.sections[place.section].explained;
        place.lines.clone().map(move |at| (explained, at))
    });
    let explained = lines.filter(|(explained, at)| explained.reasons[*at].is_some()).find_map(|(explained, at)| {
        let node = explained.diff.lines[at].node()?;
        Some(format!("{}: {}", text::entry(&node.entry), kind_and_reason(explained, at)))
    });
    explained
}

/// The first result with a change.
pub(super) fn first_of<'c, 'r>(changes: &'c RunChanges<'r>, change: &PathChange) -> &'c ChangedPaths<'r> {
    &changes.changed[change.results[0]]
}

/// The number of cases with a change, and their names, at most `most`: `recv/tcp-peek, recv/tcp-ready and 6 more`. Kernels are
/// named if the run has several.
pub(super) fn cases(
    results: &Results,
    changes: &RunChanges,
    change: &PathChange,
    most: usize,
    name: fn(&str) -> String,
) -> (usize, String) {
    let mut found: Vec<(&str, Vec<&str>)> = Vec::new();
    for one in change.results.iter().map(|at| changes.changed[*at].result) {
        match found.last_mut().filter(|(case, _)| one.case == *case) {
            Some((_, kernels)) => kernels.push(&one.kernel),
            None => found.push((&one.case, vec![&one.kernel])),
        }
    }
    let number = found.len();
    let names = found.into_iter().map(|(case, kernels)| match results.kernels.len() {
        0..=1 => name(case),
        _ => format!("{} ({})", name(case), kernels.into_iter().map(name).collect::<Vec<_>>().join(", ")),
    });
    (number, some(names, most))
}

/// Names results, at most `most`: `recv/tcp-peek on 6.12, recv/tcp-peek on 6.18 and 3 more`.
pub(super) fn results(which: &[&CaseResult], most: usize) -> String {
    some(which.iter().map(|one| format!("{} on {}", one.case, one.kernel)), most)
}

/// A row of the table of self costs.
pub(super) fn function_row(results: &Results, cost: &FunctionCost) -> [String; 6] {
    let (case, section) = &cost.example;
    let mut found = results.cases.iter().filter(|one| one.case == case.as_str()).flat_map(|one| &one.paths);
    let saved = found.find(|saved| saved.name == *section && saved.self_costs.contains_key(&cost.function));
    let path = saved.and_then(|saved| text::parse(&saved.path).ok());
    cost_row(cost, path.and_then(|path| callers(path.nodes.iter(), &cost.function)))
}

/// The first `most` texts, and how many are left.
pub(super) fn some(texts: impl IntoIterator<Item = String>, most: usize) -> String {
    let mut texts = texts.into_iter();
    let named: Vec<String> = texts.by_ref().take(most).collect();
    let more = match texts.count() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    named.join(", ") + &more
}

/// `23 timings moved in 20 cases, -12.7 % to +5.9 %`.
pub(super) fn moved_headline(moved: &[MovedTiming]) -> String {
    let cases = distinct(moved.iter().map(|one| &*one.result.case));
    let shares = || moved.iter().map(MovedTiming::share);
    let (low, high) = (shares().fold(f64::MAX, f64::min), shares().fold(f64::MIN, f64::max));
    let range = if moved.len() == 1 { share(high) } else { format!("{} to {}", share(low), share(high)) };
    format!("{} moved in {}, {range}", count(moved.len(), "timing"), count(cases, "case"))
}

/// What the timings that moved were accepted with, as far as that differs: `6.18 was accepted with kernel 6.18.13-1`.
pub(super) fn accepted_with(moved: &[MovedTiming]) -> Option<String> {
    let mut found: BTreeSet<String> = BTreeSet::new();
    for result in moved.iter().map(|one| one.result) {
        let (Some(then), Some(now)) = (&result.accepted_with, &result.measured_with) else { continue };
        let values = then.differences(now).into_iter().map(|name| match name {
            "kernel" => format!("kernel {}", then.kernel),
            "compiler" => format!("compiler {}", then.compiler.as_deref().unwrap_or("unknown")),
            "QEMU" => format!("QEMU {}", then.qemu),
            "rxpath" => format!("rxpath {}", then.rxpath),
            other => format!("a different {other}"),
        });
        let values: Vec<String> = values.collect();
        if !values.is_empty() {
            found.insert(format!("{} was accepted with {}", result.kernel, values.join(", ")));
        }
    }
    (!found.is_empty()).then(|| found.into_iter().collect::<Vec<_>>().join("; "))
}

/// Names a timing: `recv/tcp-peek receiver.recv`, with the kernel if the run has several.
pub(super) fn timing_name(results: &Results, one: &MovedTiming) -> String {
    let kernel = if results.kernels.len() > 1 { format!(" on {}", one.result.kernel) } else { String::new() };
    format!("{} {}{kernel}", one.result.case, one.timing.name)
}

/// Formats a share in percent: `+4.2 %`; small ones with two digits.
pub(super) fn share(share: f64) -> String {
    let percent = share * 100.0;
    if percent.abs() < 0.5 { format!("{percent:+.2} %") } else { format!("{percent:+.1} %") }
}

fn distinct<'n>(names: impl Iterator<Item = &'n str>) -> usize {
    names.collect::<BTreeSet<_>>().len()
}
