//! The text of `rxpath review`: decisions, their snapshots and what changed in them.

use std::fmt::Write as _;

use super::change_words::{count, grouped, kind_and_reason, percent, sign};
use super::diff_terminal::write_line;
use super::diff_words::Words;
use super::styled::{ADDED, MARK, Styled, of_sign};
use crate::diff::runs;
use crate::path::text;
use crate::path::timing::WIDEST_BAND;
use crate::suite::{Decision, Pending, PendingTiming, Refreshed, Review, SectionDiff, SnapshotKind};

/// The number of snapshots or timings of a decision that the dialog shows; the others are counted.
const SHOWN: usize = 12;
/// The number of lines shown of a snapshot that has nothing to be compared with.
const WHOLE_LINES: usize = 40;

/// Formats a decision for the dialog: which of how many it is, some of its snapshots, and what changed in the first one or in all
/// timings.
pub(crate) fn decision(review: &Review, decision: &Decision, (number, total): (usize, usize)) -> Styled {
    let mut out = Styled::from(format!("\ndecision {number} of {total}\n"));
    write_decision(review, decision, SHOWN, &mut out);
    out
}

/// Formats one snapshot with everything that changed in it.
pub(crate) fn alone(review: &Review, at: usize) -> Styled {
    let one = &review.all[at];
    let mut out = Styled::from(format!("\n{}\n", name(one)));
    let rows: Vec<_> = one.pending_timings().into_iter().map(|moved| (one, moved)).collect();
    if rows.is_empty() {
        write_lines(one, &review.differences[at], None, &mut out);
    } else {
        write_table(&rows, usize::MAX, &mut out);
    }
    out
}

/// Formats all decisions in full.
pub(crate) fn list(review: &Review) -> Styled {
    let (changes, pending) = (count(review.decisions.len(), "change"), count(review.all.len(), "pending snapshot"));
    let mut out = Styled::from(format!("{changes} in {pending}\n"));
    for one in &review.decisions {
        let _ = writeln!(out);
        write_decision(review, one, usize::MAX, &mut out);
    }
    out
}

/// Lists the snapshots that a decision is about, and those that also have its changes, one a line.
pub(crate) fn members(review: &Review, decision: &Decision) -> String {
    let line = |at: &usize| format!("  {}\n", name(&review.all[*at]));
    let mut out: String = decision.snapshots.iter().map(line).collect();
    if !decision.elsewhere.is_empty() {
        out.push_str("these have it too, with other changes:\n");
        out.extend(decision.elsewhere.iter().map(line));
    }
    out
}

/// Names a snapshot: `recv/tcp-blocking on 6.12 (timings)`.
pub(crate) fn name(one: &Pending) -> String {
    let timing = if one.kind == SnapshotKind::Timing { " (timings)" } else { "" };
    let against = match one.old {
        None => " (the first snapshot)".to_owned(),
        Some(_) if one.against != one.kernel => format!(" (new; compared with {})", one.against),
        Some(_) => String::new(),
    };
    format!("{} on {}{timing}{against}", one.case, one.kernel)
}

/// Says what a decision is about: `recv is dearer in 3 snapshots`.
pub(crate) fn title(review: &Review, decision: &Decision) -> String {
    let snapshots = count(decision.snapshots.len(), "snapshot");
    let first = &review.all[decision.snapshots[0]];
    let what = match (first.kind, &first.old) {
        (SnapshotKind::Path, None) => "the first paths".to_owned(),
        (SnapshotKind::Timing, None) => "the first timings".to_owned(),
        (SnapshotKind::Path, Some(_)) => "the path changed".to_owned(),
        (SnapshotKind::Timing, Some(_)) => {
            first.pending_timings().first().map_or("the text of timings changed".to_owned(), PendingTiming::kind)
        }
    };
    match decision.elsewhere.len() {
        0 => format!("{what} in {snapshots}"),
        more => format!("{what} in {snapshots}, and with other changes in {more} more"),
    }
}

/// The changed lines of the paths that a decision is about, in its first snapshot.
pub(crate) fn lines(review: &Review, decision: &Decision) -> Styled {
    let first = decision.snapshots[0];
    let mut out = Styled::default();
    write_lines(&review.all[first], &review.differences[first], Some(decision), &mut out);
    out
}

/// The timings that moved in the snapshots of a decision, the largest movement first.
pub(crate) fn moved<'r>(review: &'r Review, decision: &Decision) -> Vec<(&'r Pending, PendingTiming)> {
    let snapshots = decision.snapshots.iter().map(|at| &review.all[*at]);
    let mut rows: Vec<_> =
        snapshots.flat_map(|one| one.pending_timings().into_iter().map(move |moved| (one, moved))).collect();
    rows.sort_by(|(_, one), (_, other)| other.share().abs().total_cmp(&one.share().abs()));
    rows
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

fn write_decision(review: &Review, decision: &Decision, most: usize, out: &mut Styled) {
    let _ = writeln!(out, "{MARK}{}: {}{MARK:#}", review.label(decision), title(review, decision));
    let first = decision.snapshots[0];
    let rows = moved(review, decision);
    if !rows.is_empty() {
        return write_table(&rows, most, out);
    }
    for at in decision.snapshots.iter().take(most) {
        let _ = writeln!(out, "  {}", name(&review.all[*at]));
    }
    if let Some(more) = decision.snapshots.len().checked_sub(most).filter(|more| *more > 0) {
        let _ = writeln!(out, "  and {more} more");
    }
    write_lines(&review.all[first], &review.differences[first], Some(decision), out);
}

/// Writes a table of timings. Those that moved within the tolerance are counted, unless nothing else moved.
fn write_table(rows: &[(&Pending, PendingTiming)], most: usize, out: &mut Styled) {
    let beyond = rows.iter().filter(|(_, moved)| moved.share().abs() > WIDEST_BAND).count();
    let of_interest = if beyond == 0 { rows } else { &rows[..beyond] };
    let shown = &of_interest[..most.min(of_interest.len())];
    let _ = writeln!(out, "{:>10} {:>11} {:>11}  timing", "movement", "before", "now");
    for (one, moved) in shown {
        let cost = |reading: Option<(u64, u32)>| reading.map_or("-".to_owned(), |(cost, _)| grouped(cost));
        let movement = match (moved.before, moved.now) {
            (Some((before, _)), Some((now, _))) => percent(before, now),
            (None, _) => "new".to_owned(),
            (_, None) => "gone".to_owned(),
        };
        let switches = match (moved.before, moved.now) {
            (Some((_, before)), Some((_, now))) if before != now => format!(", {before} to {now} switches"),
            _ => String::new(),
        };
        let name = format!("{} on {} {}{switches}", one.case, one.kernel, moved.name);
        let _ = writeln!(out, "{movement:>10} {:>11} {:>11}  {name}", cost(moved.before), cost(moved.now));
    }
    let (more, within) = (of_interest.len() - shown.len(), rows.len() - of_interest.len());
    if more > 0 {
        let _ = writeln!(out, "and {} more", count(more, "timing"));
    }
    if within > 0 {
        let _ = writeln!(out, "and {} within {} %", count(within, "timing"), WIDEST_BAND * 100.0);
    }
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
