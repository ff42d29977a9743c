//! A diff as text for a terminal, a log or a pipe.

use std::fmt::Write as _;

use super::diff_words;
use crate::diff::TimingLine;
use crate::suite::CaseDiff;

/// Where the reasons begin, in columns, if the lines are no longer than that.
const REASONS_AT: usize = 60;

/// What changed from the old kernel to the new one: every change with its kind and reason, where it stands.
pub fn diff_terminal(diff: &CaseDiff, context: usize) -> String {
    let CaseDiff { case, old, new, .. } = diff;
    let mut out = format!("{case}: from {old} (-) to {new} (+)\n");
    if let Some(timings) = &diff.timings {
        write_timings(diff, timings, &mut out);
    }
    for section in &diff.sections {
        let _ = writeln!(out, "\n{}: {}", section.name, diff_words::section(&section.explained));
        for (index, hunk) in section.explained.diff.hunks(context).into_iter().enumerate() {
            if index > 0 {
                out.push_str("  ...\n");
            }
            for words in hunk.filter_map(|at| diff_words::line(&section.explained, at)) {
                let text = format!("{} {}", words.sign, words.line);
                let _ = match words.why.is_empty() {
                    true => writeln!(out, "{text}"),
                    false => writeln!(out, "{text:<REASONS_AT$}  {}", words.why),
                };
            }
        }
    }
    out
}

fn write_timings(diff: &CaseDiff, timings: &[TimingLine], out: &mut String) {
    let mut rows = vec![["instructions", diff.old.as_str(), diff.new.as_str(), "change"].map(str::to_owned)];
    rows.extend(timings.iter().map(|line| {
        [line.name.clone(), diff_words::cost(line.old), diff_words::cost(line.new), diff_words::cost_change(line)]
    }));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let [name, old, new] = [width(0), width(1), width(2)];
    out.push('\n');
    for [a, b, c, d] in &rows {
        let _ = writeln!(out, "{}", format!("{a:<name$}  {b:>old$}  {c:>new$}  {d}").trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::diff_sample::sample;

    #[test]
    fn a_page_shows_costs_then_each_change_with_its_reason_where_it_stands() {
        assert_eq!(
            diff_terminal(&sample(), 0),
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
