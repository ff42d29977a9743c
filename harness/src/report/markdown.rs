//! Markdown for a pull request, a comment or a job summary: the answer first, the evidence folded below it.

use std::fmt::Write as _;

use super::change_words::{count, grouped, kind_and_reason, sign};
use super::diff_words::FUNCTION_COLUMNS;
use super::drift::drift_sentence;
use super::overview::{KernelView, Overview, class_letter};
use super::run_words;
use crate::diff::{ExplainedDiff, FunctionCost};
use crate::path::text;
use crate::suite::{CaseResult, MovedTiming, PathChange, Results, RunChanges, RunKernel};

/// The maximum size of a GitHub job summary, in bytes: 1 MiB for each step.
pub const SUMMARY_LIMIT: usize = 1 << 20;

/// The number of rows of the table, and of diffs, that are not folded.
const ROWS: usize = 8;
/// The maximum number of lines of the diff that is not folded.
const OPEN_LINES: usize = 14;
/// The number of functions whose self costs are not folded.
const FUNCTIONS: usize = 10;
/// The number of cases that are named where many have the same change.
const NAMED_CASES: usize = 5;

/// Formats the report in at most `limit` bytes: it leaves out the last parts if they do not fit, and says so.
pub fn report(overview: &Overview, limit: usize) -> String {
    let results = overview.results;
    let changes = RunChanges::of(results, overview.earlier);
    let mut blocks = vec![headline(results, &changes)];
    blocks.extend(changes.failed.iter().map(|alike| failed(alike)));
    blocks.extend(table(results, &changes));
    for (index, change) in changes.changes.iter().take(ROWS).enumerate() {
        blocks.push(diff(&changes, change, index == 0));
    }
    if let Some(rest) = changes.changes.get(ROWS..).filter(|rest| !rest.is_empty()) {
        let diffs: String = rest.iter().map(|change| diff(&changes, change, false)).collect();
        blocks.push(details(&count(rest.len(), "more diff"), &diffs));
    }
    blocks.extend(functions(results, &changes));
    blocks.extend(timings(results, &changes));
    blocks.extend(kernels(overview));
    cut(blocks, limit)
}

fn headline(results: &Results, changes: &RunChanges) -> String {
    let kernels: Vec<String> =
        results.kernels.iter().map(|one| format!("{} ({})", code(&one.name), plain(&one.version))).collect();
    let mut out = format!("## rxpath: {}\n\n", results.worst().word());
    let tally = run_words::tally(results, |one| one.word().to_owned());
    let against = results.against.as_ref().map(|against| format!(", compared with {}", code(against)));
    let _ = write!(out, "{tally} on {}{}. ", kernels.join(", "), against.unwrap_or_default());
    if !changes.changes.is_empty() {
        let _ = write!(out, "{}. ", run_words::path_headline(changes));
    }
    if !changes.moved.is_empty() {
        let _ = write!(out, "{}. ", run_words::moved_headline(&changes.moved));
    }
    let _ = writeln!(out, "Mode: {}. QEMU: {}.", plain(&results.mode), plain(&results.qemu));
    for (which, what) in [
        (&changes.first_seen, "without a snapshot yet"),
        (&changes.remeasured, "with timings of other operations or iterations than the snapshot"),
    ] {
        if !which.is_empty() {
            let names = which.iter().map(|one| format!("{} on {}", code(&one.case), code(&one.kernel)));
            let _ = writeln!(out, "\n{} {what}: {}.", count(which.len(), "result"), run_words::some(names, ROWS));
        }
    }
    for RunKernel { name, version, .. } in results.kernels.iter().filter(|kernel| kernel.unlocked) {
        let _ = writeln!(out, "\n{} is {}, the newest version and not the locked one.", code(name), plain(version));
    }
    out
}

/// Says why these results failed, with the evidence folded; they have the same problems.
fn failed(alike: &[&CaseResult]) -> String {
    let [one, ..] = alike else { return String::new() };
    let names = alike.iter().map(|one| format!("{} on {}", code(&one.case), code(&one.kernel)));
    let mut out = format!("**{}**: {}\n\n", one.verdict.word(), run_words::some(names, ROWS));
    let problems = || one.problems.iter().filter(|problem| !problem.is_difference());
    for problem in problems() {
        let first = problem.message.lines().next().unwrap_or("");
        let _ = writeln!(out, "- {}: {}", code(&problem.place), plain(first));
    }
    let evidence: Vec<&str> =
        problems().flat_map(|problem| problem.message.lines().skip(1).chain(problem.evidence.lines())).collect();
    if !evidence.is_empty() {
        out.push_str(&details("evidence", &fenced("text", &evidence.join("\n"))));
    }
    out
}

/// Lists each change of paths once, with its cases.
fn table(results: &Results, changes: &RunChanges) -> Vec<String> {
    if changes.changes.is_empty() {
        return Vec::new();
    }
    let head = "| cases | change of paths | in |\n|--:|---|---|\n";
    let row = |change: &PathChange| {
        let (number, cases) = run_words::cases(results, changes, change, NAMED_CASES, code);
        format!("| {number} | {} | {cases} |\n", code(&run_words::title(changes, change)))
    };
    let mut out = vec![head.to_owned() + &changes.changes.iter().take(ROWS).map(row).collect::<String>()];
    if let Some(rest) = changes.changes.get(ROWS..).filter(|rest| !rest.is_empty()) {
        let rows: String = rest.iter().map(row).collect();
        out.push(details(&format!("{} more", rest.len()), &format!("{head}{rows}")));
    }
    out
}

/// Formats the changed lines of the first result with a change, and the lines around them.
fn diff(changes: &RunChanges, change: &PathChange, open: bool) -> String {
    let first = run_words::first_of(changes, change);
    let mut text = String::new();
    for (at, section) in first.sections.iter().enumerate() {
        let mine: Vec<usize> =
            change.places.iter().filter(|place| place.section == at).flat_map(|place| place.lines.clone()).collect();
        if mine.is_empty() {
            continue;
        }
        let _ = writeln!(text, "@@ {} @@", section.name);
        for hunk in section.explained.diff.hunks(1) {
            if hunk.clone().any(|at| mine.contains(&at)) {
                hunk.for_each(|at| diff_line(&section.explained, at, &mut text));
            }
        }
    }
    let name = format!("{} on {}", html_code(&first.result.case), html_code(&first.result.kernel));
    if open && text.lines().count() <= OPEN_LINES {
        return format!("{name}:\n\n{}", fenced("diff", &text));
    }
    details(&format!("{}: {name}", html_code(&run_words::title(changes, change))), &fenced("diff", &text))
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

/// Lists the functions whose self costs differ from those of the kernel that the run was compared with.
fn functions(results: &Results, changes: &RunChanges) -> Vec<String> {
    if changes.functions.is_empty() {
        return Vec::new();
    }
    let head = format!("| {} |\n|---|--:|--:|--:|--:|---|\n", FUNCTION_COLUMNS.join(" | "));
    let row = |cost: &FunctionCost| {
        let [function, before, now, change, cases, place] = run_words::function_row(results, cost);
        format!("| {} | {before} | {now} | {change} | {cases} | {} |\n", code(&function), plain(&place))
    };
    let rows = |functions: &[FunctionCost]| functions.iter().map(row).collect::<String>();
    let (first, rest) = changes.functions.split_at(changes.functions.len().min(FUNCTIONS));
    let title = "Self costs of a call, in instructions: medians of the places where they differ:";
    let mut out = vec![format!("{title}\n\n{head}{}", rows(first))];
    if !rest.is_empty() {
        out.push(details(&count(rest.len(), "more function"), &format!("{head}{}", rows(rest))));
    }
    out
}

/// Lists the timings that moved, and names those that differ within the tolerance.
fn timings(results: &Results, changes: &RunChanges) -> Option<String> {
    let mut out = String::new();
    if !changes.moved.is_empty() {
        let unit = if results.mode == "exact" { "instructions" } else { "ns" };
        let _ = writeln!(out, "| | operation | kernel | before, {unit} | now |\n|--:|---|---|--:|--:|");
        for one in &changes.moved {
            let MovedTiming { result, timing, before } = one;
            let (case, name, kernel) = (code(&result.case), code(&timing.name), code(&result.kernel));
            let (before, now) = (grouped(*before), grouped(timing.cost));
            let _ =
                writeln!(out, "| {} | {case} {name} | {kernel} | {before} | {now} |", run_words::share(one.share()));
        }
        out = details(&format!("{}, largest first", run_words::moved_headline(&changes.moved)), &out);
    }
    if let Some(sentence) = run_words::accepted_with(&changes.moved) {
        let _ = writeln!(out, "\n{}.", plain(&sentence));
    }
    if let Some(sentence) = drift_sentence(results) {
        let _ = writeln!(out, "\n{sentence}");
    }
    Some(out).filter(|out| !out.is_empty())
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
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-/.:;,=[]@+→×… ".contains(c);
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
