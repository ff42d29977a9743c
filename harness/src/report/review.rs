//! What `rxpath review` shows: a decision, what it is about and where it comes.

use std::fmt::Write as _;

use super::change_words::{kind, sign};
use crate::path::text;
use crate::suite::{Decision, Pending, SectionDiff, SnapshotKind, runs};

/// Names shown of a list of snapshots before the rest is counted.
const NAMED: usize = 6;
/// Lines shown of a snapshot that there is nothing to hold against.
const WHOLE_LINES: usize = 40;

/// A decision: how much hangs on it, and the first snapshot's lines.
pub fn decision(
    number: usize,
    about: usize,
    decision: &Decision,
    all: &[Pending],
    differences: &[Vec<SectionDiff>],
) -> String {
    let mut out = format!("\ndecision {number} of {about}: {}", count(decision.snapshots.len(), "snapshot"));
    if !decision.elsewhere.is_empty() {
        let _ = write!(out, ", and part of {} more", decision.elsewhere.len());
    }
    let _ = writeln!(out, "\n  {}", names(&decision.snapshots, all, NAMED));
    let first = decision.snapshots[0];
    out.push_str(&lines(&all[first], &differences[first], Some(decision)));
    out
}

/// One snapshot alone, with all that changed in it.
pub fn alone(one: &Pending, differences: &[SectionDiff]) -> String {
    format!("\n{}\n{}", name(one), lines(one, differences, None))
}

/// All decisions in short.
pub fn list(decisions: &[Decision], all: &[Pending], differences: &[Vec<SectionDiff>]) -> String {
    let mut out = format!("{} in {}\n", count(decisions.len(), "decision"), count(all.len(), "pending snapshot"));
    for (index, one) in decisions.iter().enumerate() {
        out.push_str(&decision(index + 1, decisions.len(), one, all, differences));
    }
    out
}

/// `recv/tcp-blocking on 6.12`, several with commas.
pub fn names(which: &[usize], all: &[Pending], most: usize) -> String {
    let mut told: Vec<String> = which.iter().take(most).map(|at| name(&all[*at])).collect();
    if which.len() > most {
        told.push(format!("and {} more", which.len() - most));
    }
    told.join(", ")
}

fn name(one: &Pending) -> String {
    let timing = if one.kind == SnapshotKind::Timing { " (timings)" } else { "" };
    let against = match one.old {
        None => " (the first snapshot)".to_owned(),
        Some(_) if one.against != one.kernel => format!(" (new; held against {})", one.against),
        Some(_) => String::new(),
    };
    format!("{} on {}{timing}{against}", one.case, one.kernel)
}

fn lines(one: &Pending, differences: &[SectionDiff], decision: Option<&Decision>) -> String {
    let mut out = String::new();
    for section in differences {
        let explained = &section.explained;
        let mine: Vec<usize> = runs(&explained.diff)
            .into_iter()
            .filter(|(name, _)| decision.is_none_or(|decision| decision.changes.contains(name)))
            .flat_map(|(_, run)| run)
            .collect();
        if mine.is_empty() {
            continue;
        }
        let _ = writeln!(out, "@@ {} of {} on {}", section.name, one.case, one.kernel);
        for hunk in explained.diff.hunks(1).into_iter().filter(|hunk| hunk.clone().any(|at| mine.contains(&at))) {
            for at in hunk {
                let line = &explained.diff.lines[at];
                let Some(node) = line.node() else { continue };
                let text = format!("{} {}{}", sign(line), "  ".repeat(line.depth() as usize), text::line(node));
                let reason = explained.reasons[at].as_ref().map(|reason| reason.sentence());
                let why: Vec<String> =
                    [Some(kind(line)).filter(|kind| !kind.is_empty()), reason].into_iter().flatten().collect();
                let _ = if why.is_empty() {
                    writeln!(out, "{text}")
                } else {
                    writeln!(out, "{text:<60}  {}", why.join(": "))
                };
            }
        }
    }
    if out.is_empty() {
        let old = one.old.as_deref().unwrap_or("");
        out = plain_lines(old, &one.new);
    }
    out
}

/// Line by line, for texts that are no paths and for those with nothing to hold them against.
fn plain_lines(old: &str, new: &str) -> String {
    if old.is_empty() {
        let shown = new.lines().take(WHOLE_LINES).map(|line| format!("+ {line}\n"));
        let more = new.lines().count().saturating_sub(WHOLE_LINES);
        let more = if more > 0 { format!("  ... and {more} lines more\n") } else { String::new() };
        return shown.collect::<String>() + &more;
    }
    let input = imara_diff::InternedInput::new(old, new);
    let mut diff = imara_diff::Diff::compute(imara_diff::Algorithm::Histogram, &input);
    diff.postprocess_lines(&input);
    let printer = imara_diff::BasicLineDiffPrinter(&input.interner);
    diff.unified_diff(&printer, imara_diff::UnifiedDiffConfig::default(), &input).to_string()
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
