//! A diff as Markdown, for a pull request or a job summary.

use std::fmt::Write as _;

use super::diff_words;
use crate::diff::TimingLine;
use crate::suite::CaseDiff;

/// Formats what changed from the old kernel to the new one. GitHub colours the lines of a `diff` block by `+`, `-` and `!`.
pub(crate) fn diff_markdown(diff: &CaseDiff, context: usize) -> String {
    let CaseDiff { case, old, new, .. } = diff;
    let mut out = format!("## `{case}`: from {old} (−) to {new} (+)\n");
    if let Some(timings) = &diff.timings {
        write_timings(diff, timings, &mut out);
    }
    for section in &diff.sections {
        let _ = writeln!(out, "\n### `{}`: {}", section.name, diff_words::section(&section.explained));
        let hunks = section.explained.diff.hunks(context);
        if hunks.is_empty() {
            continue;
        }
        out.push_str("\n```diff\n");
        for (index, hunk) in hunks.into_iter().enumerate() {
            if index > 0 {
                out.push_str("@@ ... @@\n");
            }
            for words in hunk.filter_map(|at| diff_words::line(&section.explained, at)) {
                let sign = if words.sign == '~' { '!' } else { words.sign };
                let why = if words.why.is_empty() { String::new() } else { format!("  # {}", words.why) };
                let _ = writeln!(out, "{sign} {}{why}", words.line);
            }
        }
        out.push_str("```\n");
    }
    out
}

fn write_timings(diff: &CaseDiff, timings: &[TimingLine], out: &mut String) {
    let _ = writeln!(out, "\n| instructions | {} | {} | change |\n|---|--:|--:|---|", diff.old, diff.new);
    for line in timings {
        let (old, new) = (diff_words::cost(line.old), diff_words::cost(line.new));
        let _ = writeln!(out, "| `{}` | {old} | {new} | {} |", line.name, diff_words::cost_change(line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::diff_sample::sample;

    #[test]
    fn a_pull_request_gets_a_table_of_costs_and_a_coloured_block_for_each_part() {
        let text = diff_markdown(&sample(), 0);
        for expected in [
            "## `recv/sample`: from 5.10 (−) to 7.3 (+)\n",
            "| instructions | 5.10 | 7.3 | change |\n|---|--:|--:|---|\n| `receiver.recv` | 5000 (1 switch) | 5500 (1 switch) | +500 (+10.0 %) |\n",
            "### `receiver.recv`: 4 of 10 lines changed\n\n```diff\n  s\n!   fdget  # renamed from sockfd_lookup_light: ",
            "\n@@ ... @@\n",
            "\n+     tcp_recvmsg_locked  # a level appeared: no such symbol in 5.10\n",
            "\n-   kept  # gone: traceable in 7.3, not seen here: not called, or inlined (1,200 instructions)\n",
        ] {
            assert!(text.contains(expected), "{expected}\nis not in\n{text}");
        }
        assert!(text.ends_with("```\n"));
    }
}
