//! Markdown for a pull request, a comment or a job summary: the answer first, the evidence folded below it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::change_words::{count, grouped, kind, kind_and_reason, percent, sign};
use super::drift::drift_sentence;
use super::overview::{KernelView, Overview, class_letter};
use crate::diff::{ExplainedDiff, runs};
use crate::path::text;
use crate::suite::{CaseResult, Decision, Decisions, Results, RunKernel, SectionDiff, Verdict, changes_of};

/// The maximum size of a GitHub job summary, in bytes: 1 MiB for each step.
pub const SUMMARY_LIMIT: usize = 1 << 20;

/// The number of rows of the table, and of diffs, that are not folded.
const ROWS: usize = 8;
/// The maximum number of lines of the diff that is not folded.
const OPEN_LINES: usize = 14;
/// A cost that moved by less than this share since the earlier results is left out, unless it differs from the accepted
/// one.
const MOVED: f64 = 0.005;

/// A changed case on a kernel, with what changed.
struct Changed<'r> {
    result: &'r CaseResult,
    sections: Vec<SectionDiff>,
}

/// Formats the report in at most `limit` bytes: it leaves out the last parts if they do not fit, and says so.
pub fn report(overview: &Overview, limit: usize) -> String {
    let results = overview.results;
    let changed = changed_paths(overview);
    let names: Vec<BTreeSet<String>> = changed.iter().map(names_of).collect();
    let decisions = Decisions::new(&names).all();
    let mut blocks = vec![headline(results, &decisions, changed.len())];
    blocks.extend(broken(results));
    blocks.extend(table(&changed, &decisions));
    for (index, decision) in decisions.iter().take(ROWS).enumerate() {
        blocks.push(diff(&changed[decision.snapshots[0]], decision, index == 0));
    }
    if decisions.len() > ROWS {
        let rest = decisions.iter().skip(ROWS);
        let rest: String = rest.map(|decision| diff(&changed[decision.snapshots[0]], decision, false)).collect();
        blocks.push(details(&format!("{} more diffs", decisions.len() - ROWS), &rest));
    }
    blocks.extend(timings(results, overview.earlier));
    blocks.extend(kernels(overview));
    cut(blocks, limit)
}

fn names_of(one: &Changed) -> BTreeSet<String> {
    let names = changes_of(&one.sections);
    // A snapshot that was never accepted has no differences to group by: it is a decision of its own.
    if names.is_empty() { BTreeSet::from([format!("{} {}", one.result.case, one.result.kernel)]) } else { names }
}

/// The cases whose paths changed or were never accepted. Cases with only different timings are in the table of timings.
fn changed_paths<'r>(overview: &Overview<'r>) -> Vec<Changed<'r>> {
    let changed = overview.results.cases.iter().filter(|one| one.verdict == Verdict::Changed);
    let changed = changed.map(|result| Changed { sections: overview.accepted_diffs(result), result });
    changed.filter(|one| !one.sections.is_empty() || !one.result.has_other_timings()).collect()
}

fn headline(results: &Results, decisions: &[Decision], changed: usize) -> String {
    let tally: Vec<String> =
        results.tally().iter().map(|(verdict, count)| format!("{count} {}", verdict.word())).collect();
    let kernels: Vec<String> =
        results.kernels.iter().map(|one| format!("{} ({})", code(&one.name), plain(&one.version))).collect();
    let mut out = format!("## rxpath: {}\n\n", results.worst().word());
    let _ = write!(out, "{} on {}. ", tally.join(", "), kernels.join(", "));
    if changed > 0 {
        let (snapshots, changes) = (count(changed, "changed snapshot"), count(decisions.len(), "distinct change"));
        let _ = write!(out, "{snapshots} with {changes}. ");
    }
    let moved = results.cases.iter().filter(|one| one.has_other_timings()).count();
    if moved > 0 {
        let _ = write!(out, "Timings differ from the accepted ones in {}. ", count(moved, "case"));
    }
    let _ = writeln!(out, "Mode: {}. QEMU: {}.", plain(&results.mode), plain(&results.qemu));
    for RunKernel { name, version, .. } in results.kernels.iter().filter(|kernel| kernel.unlocked) {
        let _ = writeln!(out, "\n{} is {}, the newest version and not the locked one.", code(name), plain(version));
    }
    if let Some(sentence) = drift_sentence(results) {
        let _ = writeln!(out, "\n{sentence}");
    }
    out
}

/// Lists the cases that neither passed nor changed, each with its evidence folded.
fn broken(results: &Results) -> Vec<String> {
    let worse = results.cases.iter().filter(|one| one.verdict > Verdict::Changed);
    let block = |one: &CaseResult| {
        let mut out = format!("**{}**: {} on {}\n\n", one.verdict.word(), code(&one.case), code(&one.kernel));
        for problem in &one.problems {
            let first = problem.message.lines().next().unwrap_or("");
            let _ = writeln!(out, "- {}: {}", code(&problem.place), plain(first));
        }
        let evidence: Vec<&str> = one
            .problems
            .iter()
            .flat_map(|problem| problem.message.lines().skip(1).chain(problem.evidence.lines()))
            .collect();
        if !evidence.is_empty() {
            out.push_str(&details("evidence", &fenced("text", &evidence.join("\n"))));
        }
        out
    };
    worse.map(block).collect()
}

fn table(changed: &[Changed], decisions: &[Decision]) -> Vec<String> {
    if decisions.is_empty() {
        return Vec::new();
    }
    let head = "| what changed | in | snapshots |\n|---|---|---:|\n";
    let row = |decision: &Decision| {
        let first = &changed[decision.snapshots[0]];
        let place = format!("{} on {}", code(&first.result.case), code(&first.result.kernel));
        let more = decision.snapshots.len() - 1;
        let others = if more > 0 { format!(" and {more} more") } else { String::new() };
        let count = decision.snapshots.len() + decision.elsewhere.len();
        format!("| {} | {place}{others} | {count} |\n", summary(first, decision))
    };
    let mut out = vec![head.to_owned() + &decisions.iter().take(ROWS).map(row).collect::<String>()];
    if decisions.len() > ROWS {
        let rest: String = decisions.iter().skip(ROWS).map(row).collect();
        out.push(details(&format!("{} more", decisions.len() - ROWS), &format!("{head}{rest}")));
    }
    out
}

/// Names the first functions of a decision.
fn summary(first: &Changed, decision: &Decision) -> String {
    const NAMED: usize = 3;
    let mut named: Vec<String> = Vec::new();
    let mut all = 0usize;
    for (explained, at) in lines_of(first, decision) {
        let line = &explained.diff.lines[at];
        let Some(node) = line.node() else { continue };
        all += 1;
        let words = format!("{} {}", code(&text::entry(&node.entry)), plain(&kind(line)));
        if named.len() < NAMED && !named.contains(&words) {
            named.push(words);
        }
    }
    match (named.is_empty(), all.saturating_sub(named.len())) {
        (true, _) => "no snapshot was accepted yet".to_owned(),
        (false, 0) => named.join(", "),
        (false, more) => format!("{}, {more} more lines", named.join(", ")),
    }
}

/// The lines of a snapshot that belong to a decision.
fn lines_of<'c>(one: &'c Changed, decision: &'c Decision) -> impl Iterator<Item = (&'c ExplainedDiff, usize)> {
    one.sections.iter().flat_map(|section| {
        let all = runs(&section.explained.diff);
        let wanted = all.into_iter().filter(|(name, _)| decision.changes.contains(name));
        wanted.flat_map(|(_, run)| run).map(|at| (&section.explained, at))
    })
}

/// Formats the changed parts of the paths of the decision's first snapshot.
fn diff(one: &Changed, decision: &Decision, open: bool) -> String {
    let mut text = String::new();
    for section in &one.sections {
        let diff = &section.explained.diff;
        let runs = runs(diff);
        let mine: Vec<usize> =
            runs.into_iter().filter(|(name, _)| decision.changes.contains(name)).flat_map(|(_, run)| run).collect();
        if mine.is_empty() {
            continue;
        }
        let _ = writeln!(text, "@@ {} @@", section.name);
        for hunk in diff.hunks(1) {
            if hunk.clone().any(|at| mine.contains(&at)) {
                hunk.for_each(|at| diff_line(&section.explained, at, &mut text));
            }
        }
    }
    if text.is_empty() {
        text = one.result.paths.iter().map(|saved| format!("@@ {} @@\n{}", saved.name, saved.path)).collect();
    }
    let name = format!("{} on {}", html_code(&one.result.case), html_code(&one.result.kernel));
    if open && text.lines().count() <= OPEN_LINES {
        return format!("{name}:\n\n{}", fenced("diff", &text));
    }
    details(&name, &fenced("diff", &text))
}

fn diff_line(explained: &ExplainedDiff, at: usize, out: &mut String) {
    let line = &explained.diff.lines[at];
    let Some(node) = line.node() else { return };
    // GitHub colours lines by their first character; `!` marks a changed line.
    let sign = if sign(line) == '~' { '!' } else { sign(line) };
    let text = format!("{sign} {}{}", "  ".repeat(line.depth() as usize), text::line(node));
    let why = kind_and_reason(explained, at);
    let _ = if why.is_empty() { writeln!(out, "{text}") } else { writeln!(out, "{text:<48}  # {why}") };
}

/// Lists the costs that differ from the accepted ones or moved since earlier results.
fn timings(results: &Results, earlier: Option<&Results>) -> Option<String> {
    let mut rows: Vec<(f64, String)> = Vec::new();
    for one in &results.cases {
        let same = |other: &&CaseResult| (&other.case, &other.kernel) == (&one.case, &one.kernel);
        let earlier = earlier.and_then(|earlier| earlier.cases.iter().find(same));
        for timing in &one.timings {
            let earlier = || earlier?.timing(&timing.name).map(|earlier| earlier.cost);
            let Some(before) = timing.accepted.or_else(earlier) else { continue };
            let share = (timing.cost as f64 - before as f64).abs() / (before as f64).max(1.0);
            if share > MOVED || timing.accepted.is_some_and(|accepted| accepted != timing.cost) {
                let row = format!(
                    "| {} {} | {} | {} | {} | {} |\n",
                    code(&one.case),
                    code(&timing.name),
                    code(&one.kernel),
                    grouped(before),
                    grouped(timing.cost),
                    percent(before, timing.cost)
                );
                rows.push((share, row));
            }
        }
    }
    if rows.is_empty() {
        return None;
    }
    rows.sort_by(|one, other| other.0.total_cmp(&one.0));
    let unit = if results.mode == "exact" { "instructions" } else { "ns" };
    let head = format!("| operation | kernel | before, {unit} | now | |\n|---|---|---:|---:|---:|\n");
    let count = rows.len();
    let rows: String = rows.into_iter().map(|(_, row)| row).collect();
    Some(details(&format!("{count} timings moved, largest change first"), &(head + &rows)))
}

/// Shows with letters, by case and kernel, which paths are equal; folded.
fn kernels(overview: &Overview) -> Option<String> {
    if overview.results.kernels.len() < 2 {
        return None;
    }
    let names: Vec<String> = overview.results.kernels.iter().map(|kernel| code(&kernel.name)).collect();
    let mut out = format!("| case | {} |\n|---|{}\n", names.join(" | "), "---|".repeat(names.len()));
    for case in &overview.cases {
        let cell = |kernel: &Option<KernelView>| match kernel {
            None => "-".to_owned(),
            Some(kernel) => {
                let letters: String = kernel.classes.iter().map(|class| class.map_or('-', class_letter)).collect();
                format!("{} {letters}", kernel.result.verdict.word())
            }
        };
        let cells: Vec<String> = case.kernels.iter().map(cell).collect();
        let _ = writeln!(out, "| {} | {} |", code(case.name), cells.join(" | "));
    }
    Some(details("all verdicts, with a letter for each operation or context: equal letters are equal paths", &out))
}

/// Joins the blocks that fit, and adds a note if some do not.
fn cut(blocks: Vec<String>, limit: usize) -> String {
    let note = |left: usize, of: usize| {
        format!("\n> Cut to {limit} bytes: {left} of {of} parts are left out. The HTML report has all parts.\n")
    };
    let count = blocks.len();
    let room = limit.saturating_sub(note(count, count).len());
    let mut out = String::new();
    let mut left = 0;
    for block in blocks {
        // A part after one that was left out would make the report look complete.
        if left > 0 || out.len() + block.len() + 1 > room {
            left += 1;
        } else {
            if !out.is_empty() {
                out.push('\n');
            }
            out.push_str(&block);
        }
    }
    if left > 0 {
        out.push_str(&note(left, count));
    }
    out
}

fn details(summary: &str, body: &str) -> String {
    format!("<details><summary>{summary}</summary>\n\n{body}\n</details>\n")
}

/// Formats a fenced block whose fence is longer than any run of backticks inside.
fn fenced(language: &str, text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat((longest + 1).max(3));
    format!("{fence}{language}\n{}\n{fence}\n", text.trim_end_matches('\n'))
}

/// The maximum length of a name in a line of text.
const LONGEST: usize = 120;

/// Formats a name as code; it may contain any characters.
fn code(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-/.:=[]@ ".contains(c);
    let is_short = !name.trim().is_empty() && name.len() <= LONGEST;
    if is_short && name.chars().all(is_plain) { format!("`{name}`") } else { html_code(name) }
}

/// Formats a name as code where Markdown is not interpreted, as in a summary.
fn html_code(name: &str) -> String {
    format!("<code>{}</code>", plain(name))
}

/// Escapes a text for Markdown and HTML, in one line and shortened.
fn plain(text: &str) -> String {
    let mut out = String::new();
    for (index, c) in text.chars().enumerate() {
        match c {
            _ if index == LONGEST => {
                out.push('…');
                break;
            }
            c if c.is_control() => out.push(' '),
            c if c.is_ascii_punctuation()
                && !matches!(c, '-' | '/' | '.' | ',' | ':' | '(' | ')' | '+' | '=' | ';' | '%') =>
            {
                let _ = write!(out, "&#{};", c as u32);
            }
            c => out.push(c),
        }
    }
    out
}
