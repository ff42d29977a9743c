//! Diffs and the matrix of kernels as text for a terminal, a log or a pipe.

use std::fmt::Write as _;

use super::change_words::count;
use super::diff_words::{self, DiffView, EXCERPT, FUNCTION_COLUMNS, Words};
use super::styled::{MARK, Styled, of_sign};
use crate::diff::{Matrix, TimingLine};
use crate::suite::{CaseDiff, KernelDiff, SharedChange};

/// The column at which reasons start, behind lines that are no longer than that.
const REASONS_AT: usize = 60;

/// Formats what changed from one kernel to another: the answer, then the tables, then the details.
pub(crate) fn diff_terminal(diff: &KernelDiff, view: DiffView) -> Styled {
    let (old, new) = (diff_words::kernel(&diff.old), diff_words::kernel(&diff.new));
    let mut out = Styled::from(format!("from {old} (-) to {new} (+): {}\n", diff_words::headline(diff)));
    if view.paths && !view.each_case {
        write_changes(diff, view.top, &mut out);
    }
    if view.timings && !diff.functions.is_empty() {
        write_functions(diff, view.top, &mut out);
    }
    if !diff.left_out.is_empty() {
        let _ = writeln!(out, "\nnot compared");
        diff.left_out.iter().for_each(|(case, reason)| _ = writeln!(out, "  {case}: {reason}"));
    }
    if view.each_case {
        diff.cases.iter().for_each(|case| write_case(diff, case, view, &mut out));
    } else if view.paths {
        diff.changes.iter().take(view.top).enumerate().for_each(|(at, change)| {
            write_excerpt(diff, at, change, view.context, &mut out);
        });
    }
    out
}

fn write_changes(diff: &KernelDiff, top: usize, out: &mut Styled) {
    if diff.changes.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n    cases  change of paths");
    for (at, change) in diff.changes.iter().take(top).enumerate() {
        let title = diff_words::change_title(diff, change);
        let _ = writeln!(
            out,
            "{:>3}. {:>4}  {title}  ({})",
            at + 1,
            change.cases.len(),
            diff_words::change_cases(diff, change)
        );
    }
    write_rest(diff.changes.len(), top, out);
}

fn write_functions(diff: &KernelDiff, top: usize, out: &mut Styled) {
    let _ = writeln!(out);
    function_table(diff.functions.iter().take(top).map(|cost| diff_words::function_row(diff, cost)), out);
    write_rest(diff.functions.len(), top, out);
}

/// Writes the table of self costs.
pub(super) fn function_table(rows: impl Iterator<Item = [String; 6]>, out: &mut Styled) {
    let rows: Vec<[String; 6]> = std::iter::once(FUNCTION_COLUMNS.map(str::to_owned)).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let [function, before, now, change, cases] = [0, 1, 2, 3, 4].map(width);
    let _ = writeln!(out, "self costs of a call, in instructions: medians of the places where they differ");
    for [a, b, c, d, e, f] in &rows {
        let _ = writeln!(out, "  {a:<function$}  {b:>before$}  {c:>now$}  {d:>change$}  {e:>cases$}  {f}");
    }
}

fn write_rest(all: usize, top: usize, out: &mut Styled) {
    if all > top {
        let _ = writeln!(out, "  and {} more (--top {all} lists all)", all - top);
    }
}

/// Writes one place with a change that is listed once.
fn write_excerpt(diff: &KernelDiff, at: usize, change: &SharedChange, context: usize, out: &mut Styled) {
    let section = diff_words::section_of(diff, change);
    let lines = diff_words::excerpt(diff, change, context);
    let _ = writeln!(out, "\n{}. {} {}", at + 1, diff.cases[change.case].case, section.name);
    for at in lines.iter().take(EXCERPT) {
        if let Some(words) = diff_words::line(&section.explained, *at) {
            write_line(&words, out);
        }
    }
    if lines.len() > EXCERPT {
        let _ = writeln!(out, "  and {}", count(lines.len() - EXCERPT, "more line"));
    }
}

fn write_case(diff: &KernelDiff, case: &CaseDiff, view: DiffView, out: &mut Styled) {
    let _ = writeln!(out, "\n{}", case.case);
    if view.timings && !case.timings.is_empty() {
        write_timings(diff, &case.timings, out);
    }
    for section in case.sections.iter().filter(|_| view.paths) {
        let _ = writeln!(out, "\n{}: {}", section.name, diff_words::section(&section.explained));
        for (index, hunk) in section.explained.diff.hunks(view.context).into_iter().enumerate() {
            if index > 0 {
                let _ = writeln!(out, "  ...");
            }
            for words in hunk.filter_map(|at| diff_words::line(&section.explained, at)) {
                write_line(&words, out);
            }
        }
    }
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

fn write_timings(diff: &KernelDiff, timings: &[TimingLine], out: &mut Styled) {
    let mut rows = vec![["instructions", diff.old.name.as_str(), diff.new.name.as_str(), "change"].map(str::to_owned)];
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
    use crate::report::diff_sample::{EACH_CASE, EACH_CHANGE, sample};

    #[test]
    fn each_change_is_listed_once_before_its_place() {
        let text = diff_terminal(&sample(), EACH_CHANGE).to_string();
        let expected = "\
from 5.10 (5.10.262-1) (-) to 7.3 (7.3.4-1~bpo13+1) (+): 3 changes of paths in 2 of 2 cases; the self costs of 2 functions differ; 1 case not compared

    cases  change of paths
  1.    2  s: sockfd_lookup_light→fdget  (recv/sample, recv/second)
";
        assert!(text.starts_with(expected), "{text}");
        let functions = "\
self costs of a call, in instructions: medians of the places where they differ
  function  before    now  change   cases  for example in
  kept       1,200      0  -1,200  2 of 2  recv/sample receiver.recv: s > kept
  d             80  1,110  +1,030  2 of 2  recv/sample receiver.recv: … > tcp_recvmsg > tcp_recvmsg_locked > d

not compared
  tun/sample: skipped on 5.10: it has no CONFIG_TUN
";
        assert!(text.contains(functions), "{text}");
        assert!(text.contains("\n1. recv/sample receiver.recv\n~   fdget "), "{text}");
        assert!(
            text.ends_with("~   x ×2                                                      once before, now twice\n"),
            "{text}"
        );
    }

    #[test]
    fn a_named_case_is_shown_in_full_with_each_reason_in_its_place() {
        let text = diff_terminal(&sample(), EACH_CASE).to_string();
        let expected = "\
recv/sample

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
";
        assert!(text.contains(expected), "{text}");
        assert!(!text.contains("change of paths\n"), "{text}");
    }
}
