//! A diff as Markdown, for a pull request or a job summary.

use std::fmt::Write as _;

use super::diff_words::{self, DiffView, FUNCTION_COLUMNS};
use crate::diff::{ExplainedDiff, TimingLine};
use crate::suite::{CaseDiff, KernelDiff};

/// Formats what changed from one kernel to another. GitHub colours the lines of a `diff` block by `+`, `-` and `!`.
pub(crate) fn diff_markdown(diff: &KernelDiff, view: DiffView) -> String {
    let (old, new) = (diff_words::kernel(&diff.old), diff_words::kernel(&diff.new));
    let mut out = format!("## From {old} (−) to {new} (+)\n\n{}.\n", diff_words::headline(diff));
    if view.paths && !view.each_case && !diff.changes.is_empty() {
        out.push_str("\n| cases | change of paths | in |\n|--:|---|---|\n");
        for change in diff.changes.iter().take(view.top) {
            let title = diff_words::change_title(diff, change);
            let cases = diff_words::change_cases(diff, change);
            let _ = writeln!(out, "| {} | `{title}` | {cases} |", change.cases.len());
        }
        write_rest(diff.changes.len(), view.top, &mut out);
    }
    if view.timings && !diff.functions.is_empty() {
        let _ = writeln!(out, "\nSelf costs of a call, in instructions: medians of the places where they differ:\n");
        let _ = writeln!(out, "| {} |\n|---|--:|--:|--:|--:|---|", FUNCTION_COLUMNS.join(" | "));
        for cost in diff.functions.iter().take(view.top) {
            let [function, before, now, change, cases, place] = diff_words::function_row(diff, cost);
            let _ = writeln!(out, "| `{function}` | {before} | {now} | {change} | {cases} | {place} |");
        }
        write_rest(diff.functions.len(), view.top, &mut out);
    }
    if !diff.left_out.is_empty() {
        let _ = writeln!(out, "\nNot compared:\n");
        diff.left_out.iter().for_each(|(case, reason)| _ = writeln!(out, "- `{case}`: {reason}"));
    }
    if view.each_case {
        diff.cases.iter().for_each(|case| write_case(diff, case, view, &mut out));
    } else if view.paths {
        for change in diff.changes.iter().take(view.top) {
            let section = diff_words::section_of(diff, change);
            let title = diff_words::change_title(diff, change);
            let place = format!("{} {}", diff.cases[change.case].case, section.name);
            let _ = writeln!(out, "\n<details><summary><code>{title}</code> in {place}</summary>\n\n```diff");
            write_lines(&section.explained, diff_words::excerpt(diff, change, view.context), &mut out);
            out.push_str("```\n\n</details>\n");
        }
    }
    out
}

fn write_rest(all: usize, top: usize, out: &mut String) {
    if all > top {
        let _ = writeln!(out, "\nAnd {} more.", all - top);
    }
}

fn write_case(diff: &KernelDiff, case: &CaseDiff, view: DiffView, out: &mut String) {
    let _ = writeln!(out, "\n### `{}`", case.case);
    if view.timings && !case.timings.is_empty() {
        write_timings(diff, &case.timings, out);
    }
    for section in case.sections.iter().filter(|_| view.paths) {
        let _ = writeln!(out, "\n#### `{}`: {}", section.name, diff_words::section(&section.explained));
        let hunks = section.explained.diff.hunks(view.context);
        if hunks.is_empty() {
            continue;
        }
        out.push_str("\n```diff\n");
        for (index, hunk) in hunks.into_iter().enumerate() {
            if index > 0 {
                out.push_str("@@ ... @@\n");
            }
            write_lines(&section.explained, hunk, out);
        }
        out.push_str("```\n");
    }
}

fn write_lines(explained: &ExplainedDiff, lines: impl IntoIterator<Item = usize>, out: &mut String) {
    for words in lines.into_iter().filter_map(|at| diff_words::line(explained, at)) {
        let sign = if words.sign == '~' { '!' } else { words.sign };
        let why = if words.why.is_empty() { String::new() } else { format!("  # {}", words.why) };
        let _ = writeln!(out, "{sign} {}{why}", words.line);
    }
}

fn write_timings(diff: &KernelDiff, timings: &[TimingLine], out: &mut String) {
    let _ = writeln!(out, "\n| instructions | {} | {} | change |\n|---|--:|--:|---|", diff.old.name, diff.new.name);
    for line in timings {
        let (old, new) = (diff_words::cost(line.old), diff_words::cost(line.new));
        let _ = writeln!(out, "| `{}` | {old} | {new} | {} |", line.name, diff_words::cost_change(line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::diff_sample::{EACH_CASE, EACH_CHANGE, sample};

    #[test]
    fn a_pull_request_gets_tables_and_a_folded_block_for_each_change() {
        let text = diff_markdown(&sample(), EACH_CHANGE);
        for expected in [
            "## From 5.10 (5.10.262-1) (−) to 7.3 (7.3.4-1~bpo13+1) (+)\n\n3 changes of paths in 2 of 2 cases; the self costs of 2 functions differ; 1 case not compared.\n",
            "| 2 | `s: sockfd_lookup_light→fdget` | recv/sample, recv/second |\n",
            "| `kept` | 1,200 | 0 | -1,200 | 2 of 2 | recv/sample receiver.recv: s > kept |\n",
            "- `tun/sample`: skipped on 5.10: it has no CONFIG_TUN\n",
            "<details><summary><code>s: sockfd_lookup_light→fdget</code> in recv/sample receiver.recv</summary>\n\n```diff\n!   fdget  # renamed from sockfd_lookup_light: ",
        ] {
            assert!(text.contains(expected), "{expected}\nis not in\n{text}");
        }
    }

    #[test]
    fn a_named_case_gets_a_table_of_costs_and_a_coloured_block_for_each_part() {
        let text = diff_markdown(&sample(), EACH_CASE);
        for expected in [
            "\n### `recv/sample`\n\n| instructions | 5.10 | 7.3 | change |\n|---|--:|--:|---|\n| `receiver.recv` | 5000 (1 switch) | 5500 (1 switch) | +500 (+10.0 %) |\n",
            "#### `receiver.recv`: 4 of 10 lines changed\n\n```diff\n  s\n!   fdget  # renamed from sockfd_lookup_light: ",
            "\n@@ ... @@\n",
            "\n+     tcp_recvmsg_locked  # a level appeared: no such symbol in 5.10\n",
            "\n-   kept  # gone: traceable in 7.3, not seen here: not called, or inlined (1,200 instructions)\n",
        ] {
            assert!(text.contains(expected), "{expected}\nis not in\n{text}");
        }
        assert!(text.ends_with("```\n"));
    }
}
