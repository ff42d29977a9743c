//! Diffs and the matrix of kernels as text for a terminal, a log or a pipe.

use std::fmt::Write as _;

use super::change_words::count;
use super::diff_words::{self, Words};
use super::styled::{MARK, Styled, of_sign};
use crate::diff::{Matrix, TimingLine};
use crate::suite::CaseDiff;

/// The column at which reasons start, behind lines that are no longer than that.
const REASONS_AT: usize = 60;

/// Formats what changed from the old kernel to the new one, with `context` unchanged lines around each change.
pub(crate) fn diff_terminal(diff: &CaseDiff, context: usize) -> Styled {
    let CaseDiff { case, old, new, .. } = diff;
    let mut out = Styled::from(format!("{case}: from {old} (-) to {new} (+)\n"));
    if let Some(timings) = &diff.timings {
        write_timings(diff, timings, &mut out);
    }
    for section in &diff.sections {
        let _ = writeln!(out, "\n{}: {}", section.name, diff_words::section(&section.explained));
        for (index, hunk) in section.explained.diff.hunks(context).into_iter().enumerate() {
            if index > 0 {
                let _ = writeln!(out, "  ...");
            }
            for words in hunk.filter_map(|at| diff_words::line(&section.explained, at)) {
                write_line(&words, &mut out);
            }
        }
    }
    out
}

/// Writes a line of a diff with its reason, in the colour of its sign.
pub(super) fn write_line(words: &Words, out: &mut Styled) {
    let Words { sign, line, why, is_mark } = words;
    let style = if *sign == ' ' && *is_mark { MARK } else { of_sign(*sign) };
    let text = format!("{sign} {line}");
    let _ = match why.is_empty() {
        true => writeln!(out, "{style}{text}{style:#}"),
        false => writeln!(out, "{style}{text:<REASONS_AT$}  {why}{style:#}"),
    };
}

fn write_timings(diff: &CaseDiff, timings: &[TimingLine], out: &mut Styled) {
    let mut rows = vec![["instructions", diff.old.as_str(), diff.new.as_str(), "change"].map(str::to_owned)];
    rows.extend(timings.iter().map(|line| {
        [line.name.clone(), diff_words::cost(line.old), diff_words::cost(line.new), diff_words::cost_change(line)]
    }));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let [name, old, new] = [width(0), width(1), width(2)];
    let _ = writeln!(out);
    for [a, b, c, d] in &rows {
        let _ = writeln!(out, "{}", format!("{a:<name$}  {b:>old$}  {c:>new$}  {d}").trim_end());
    }
}

/// Formats the groups of kernels with equal paths, and where each change first appeared.
pub(crate) fn matrix(section: &str, matrix: &Matrix) -> String {
    let mut out = String::new();
    let classes: Vec<String> = matrix
        .classes
        .iter()
        .map(|class| class.iter().map(|index| matrix.kernels[*index].as_str()).collect::<Vec<_>>().join(" "))
        .collect();
    let _ = writeln!(out, "  {section}: {} ({})", count(classes.len(), "path"), classes.join(" | "));
    for change in &matrix.changes {
        let first: Vec<String> =
            change.first_changed.iter().map(|(change, name)| diff_words::brief(change, name)).collect();
        let lines = count(change.diff.changes().count(), "line");
        let (before, after) = (&matrix.kernels[change.before], &matrix.kernels[change.after]);
        let _ = writeln!(out, "    since {after} (not yet in {before}): {lines}, first {}", first.join(", "));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::diff_sample::sample;

    #[test]
    fn a_page_shows_costs_then_each_change_with_its_reason_where_it_stands() {
        assert_eq!(
            diff_terminal(&sample(), 0).to_string(),
            "\
recv/sample: from 5.10 (-) to 7.3 (+)

instructions              5.10              7.3  change
receiver.recv  5000 (1 switch)  5500 (1 switch)  +500 (+10.0 %)
sender.send              12000            12000  the same

receiver.recv: 4 of 10 lines changed
  s
~   fdget                                                     renamed from sockfd_lookup_light: the old name is not in 7.3, the new name not in 5.10 (53 instructions before, 49 now)
  ...
    tcp_recvmsg
+     tcp_recvmsg_locked                                      a level appeared: no such symbol in 5.10
  ...
-   kept                                                      gone: traceable in 7.3, not seen here: not called, or inlined (1,200 instructions)
~   x ×2                                                      once before, now twice
"
        );
    }
}
