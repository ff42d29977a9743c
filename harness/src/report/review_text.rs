//! The text of `rxpath review`: decisions, their snapshots and what changed in them.

use std::fmt::Write as _;

use super::change_words::{count, kind_and_reason, sign};
use super::diff_terminal::write_line;
use super::diff_words::Words;
use super::styled::{ADDED, MARK, Styled, of_sign};
use crate::diff::runs;
use crate::path::text;
use crate::suite::{Decision, Pending, Refreshed, SectionDiff, SnapshotKind};

/// The number of snapshots that are listed by name; the others are counted.
const NAMED: usize = 6;
/// The number of lines shown of a snapshot that has nothing to be compared with.
const WHOLE_LINES: usize = 40;

/// Formats a decision: its snapshots, and the changed lines of the first one.
pub(crate) fn decision(
    number: usize,
    total: usize,
    decision: &Decision,
    all: &[Pending],
    differences: &[Vec<SectionDiff>],
) -> Styled {
    let mut out = Styled::default();
    let snapshots = count(decision.snapshots.len(), "snapshot");
    let _ = write!(out, "\ndecision {number} of {total}: {snapshots}");
    if !decision.elsewhere.is_empty() {
        let _ = write!(out, ", and part of {} more", decision.elsewhere.len());
    }
    let _ = writeln!(out, "\n  {}", names(&decision.snapshots, all, NAMED));
    let first = decision.snapshots[0];
    write_lines(&all[first], &differences[first], Some(decision), &mut out);
    out
}

/// Formats one snapshot with everything that changed in it.
pub(crate) fn alone(one: &Pending, differences: &[SectionDiff]) -> Styled {
    let mut out = Styled::from(format!("\n{}\n", name(one)));
    write_lines(one, differences, None, &mut out);
    out
}

/// Formats all decisions.
pub(crate) fn list(decisions: &[Decision], all: &[Pending], differences: &[Vec<SectionDiff>]) -> Styled {
    let (decided, pending) = (count(decisions.len(), "decision"), count(all.len(), "pending snapshot"));
    let mut out = Styled::from(format!("{decided} in {pending}\n"));
    for (index, one) in decisions.iter().enumerate() {
        let _ = out.write_str(decision(index + 1, decisions.len(), one, all, differences).raw());
    }
    out
}

/// Says what a refresh did.
pub(crate) fn refreshed(done: &Refreshed) -> String {
    let Refreshed { drifted, measured_again, up_to_date, left } = *done;
    let mut out = format!(
        "timings of {}: {drifted} accepted within the tolerance, {measured_again} the same but measured with something else, \
         {up_to_date} up to date, {left} left as they are\n",
        count(drifted + measured_again + up_to_date + left, "pair")
    );
    if left > 0 {
        out.push_str(
            "those left did not pass, or their snapshot was changed since: `rxpath review` shows what changed\n",
        );
    }
    out
}

/// Lists at most `most` snapshots by name: `recv/tcp-blocking on 6.12, recv/tcp-peek on 6.12, and 3 more`.
pub(crate) fn names(which: &[usize], all: &[Pending], most: usize) -> String {
    let mut names: Vec<String> = which.iter().take(most).map(|at| name(&all[*at])).collect();
    if which.len() > most {
        names.push(format!("and {} more", which.len() - most));
    }
    names.join(", ")
}

fn name(one: &Pending) -> String {
    let timing = if one.kind == SnapshotKind::Timing { " (timings)" } else { "" };
    let against = match one.old {
        None => " (the first snapshot)".to_owned(),
        Some(_) if one.against != one.kernel => format!(" (new; compared with {})", one.against),
        Some(_) => String::new(),
    };
    format!("{} on {}{timing}{against}", one.case, one.kernel)
}

/// Writes the lines that a decision is about, or all changed lines.
fn write_lines(one: &Pending, differences: &[SectionDiff], decision: Option<&Decision>, out: &mut Styled) {
    let mut is_empty = true;
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
        is_empty = false;
        let _ = writeln!(out, "{MARK}@@ {} of {} on {}{MARK:#}", section.name, one.case, one.kernel);
        for hunk in explained.diff.hunks(1).into_iter().filter(|hunk| hunk.clone().any(|at| mine.contains(&at))) {
            for at in hunk {
                let line = &explained.diff.lines[at];
                let Some(node) = line.node() else { continue };
                let words = Words {
                    sign: sign(line),
                    line: format!("{}{}", "  ".repeat(line.depth() as usize), text::line(node)),
                    why: kind_and_reason(explained, at),
                    is_mark: node.entry.function().is_none(),
                };
                write_line(&words, out);
            }
        }
    }
    if is_empty {
        write_plain_lines(one.old.as_deref().unwrap_or(""), &one.new, out);
    }
}

/// Writes a diff line by line, for texts that are not paths. If there is no old text, writes the new one.
fn write_plain_lines(old: &str, new: &str, out: &mut Styled) {
    if old.is_empty() {
        for line in new.lines().take(WHOLE_LINES) {
            let _ = writeln!(out, "{ADDED}+ {line}{ADDED:#}");
        }
        let more = new.lines().count().saturating_sub(WHOLE_LINES);
        if more > 0 {
            let _ = writeln!(out, "  ... and {more} more lines");
        }
        return;
    }
    let input = imara_diff::InternedInput::new(old, new);
    let mut diff = imara_diff::Diff::compute(imara_diff::Algorithm::Histogram, &input);
    diff.postprocess_lines(&input);
    let printer = imara_diff::BasicLineDiffPrinter(&input.interner);
    let unified = diff.unified_diff(&printer, imara_diff::UnifiedDiffConfig::default(), &input).to_string();
    for line in unified.lines() {
        let style = if line.starts_with('@') { MARK } else { of_sign(line.chars().next().unwrap_or(' ')) };
        let _ = writeln!(out, "{style}{line}{style:#}");
    }
}
