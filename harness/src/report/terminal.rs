//! The results of a run as text for a terminal, a log or a pipe.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anstyle::Style;

use crate::kernel::{KernelName, Series};

use super::change_words::count;
use super::drift::drift_sentence;
use super::styled::{Styled, of_verdict, verdict};
use crate::suite::{CaseResult, Results, RunKernel, Verdict};

/// Formats a run: the table of verdicts, then what did not pass and why, then how many cases ended in each verdict.
pub fn results(results: &Results) -> Styled {
    let mut out = Styled::default();
    table(results, &mut out);
    for one in results.cases.iter().filter(|one| one.verdict > Verdict::Skipped) {
        let _ = write!(out, "\n{}: {} on {}\n{}", verdict(one.verdict), one.case, one.kernel, problems(one));
    }
    let tally = results.tally();
    let tally: Vec<String> = tally.iter().map(|(one, count)| format!("{count} {}", verdict(*one))).collect();
    let kernels = count(results.kernels.len(), "kernel");
    let _ = writeln!(out, "\n{} on {kernels} ({} mode, QEMU {})", tally.join(", "), results.mode, results.qemu);
    for RunKernel { name, version, .. } in results.kernels.iter().filter(|kernel| kernel.unlocked) {
        let _ = writeln!(out, "note: {name} is {version}, the newest version and not the locked one (--unlocked)");
    }
    notes(results, &mut out);
    if let Some(sentence) = drift_sentence(results) {
        let _ = writeln!(out, "{sentence}");
    }
    out
}

/// What to do about pending snapshots; empty if there are none.
pub(crate) fn review_hint(results: &Results) -> &'static str {
    match results.cases.iter().any(|one| one.verdict == Verdict::Changed && is_pinned(&one.kernel)) {
        true => "`rxpath review` shows what changed, to accept or to reject\n",
        false => "",
    }
}

/// Writes the notes of cases on kernels that are not pinned, each once: why cases were skipped, and what was not judged.
fn notes(results: &Results, out: &mut Styled) {
    let mut cases: BTreeMap<(&KernelName, &str), Vec<&str>> = BTreeMap::new();
    for one in results.cases.iter().filter(|one| !is_pinned(&one.kernel)) {
        for note in &one.notes {
            cases.entry((&one.kernel, note)).or_default().push(&one.case);
        }
    }
    for ((kernel, note), cases) in cases {
        let of = match cases[..] {
            [case] => case.to_owned(),
            [first, ..] => format!("{} cases, such as {first},", cases.len()),
            [] => continue,
        };
        let _ = writeln!(out, "note: {of} on {kernel}: {note}");
    }
}

/// Whether a kernel has the name of a series.
fn is_pinned(kernel: &KernelName) -> bool {
    kernel.parse::<Series>().is_ok()
}

/// Formats why a case did not pass, with the evidence.
pub(super) fn problems(one: &CaseResult) -> String {
    let mut out = String::new();
    for problem in &one.problems {
        let _ = writeln!(out, "  {}: {}", problem.place, problem.message.replace('\n', "\n    "));
        for line in problem.evidence.lines() {
            let _ = writeln!(out, "    {line}");
        }
    }
    out
}

/// Writes a table with a row for each case and a column for each kernel.
fn table(results: &Results, out: &mut Styled) {
    let kernels: Vec<&str> = results.kernels.iter().map(|kernel| kernel.name.as_str()).collect();
    let mut rows: Vec<(&str, Vec<Option<Verdict>>)> = Vec::new();
    for one in &results.cases {
        if rows.last().is_none_or(|(case, _)| one.case != *case) {
            rows.push((&one.case, vec![None; kernels.len()]));
        }
        let column = kernels.iter().position(|kernel| one.kernel == *kernel);
        if let (Some(column), Some((_, cells))) = (column, rows.last_mut()) {
            cells[column] = Some(one.verdict);
        }
    }
    let word = |cell: Option<Verdict>| cell.map_or("-", Verdict::word);
    let style = |cell: Option<Verdict>| cell.map(of_verdict).unwrap_or_default();
    let names = rows.iter().map(|(case, _)| case.chars().count()).max().unwrap_or(0).max("case".len());
    let widths: Vec<usize> = kernels
        .iter()
        .enumerate()
        .map(|(at, kernel)| rows.iter().map(|(_, cells)| word(cells[at]).len()).max().unwrap_or(0).max(kernel.len()))
        .collect();
    let mut line = |name: &str, cells: Vec<(Style, &str)>| {
        let padded = cells
            .iter()
            .zip(&widths)
            .map(|((style, cell), width)| format!("{style}{cell}{style:#}{}", " ".repeat(width - cell.len())));
        let cells = padded.collect::<Vec<_>>().join("  ");
        let _ = writeln!(out, "{}", format!("{name:<names$}  {cells}").trim_end());
    };
    line("case", kernels.iter().map(|kernel| (Style::new(), *kernel)).collect());
    for (case, cells) in &rows {
        line(case, cells.iter().map(|cell| (style(*cell), word(*cell))).collect());
    }
}

/// How often each pair of digests (traced pass, timing pass) occurred, by case and kernel.
pub type Digests = BTreeMap<(String, String), BTreeMap<(String, String), u32>>;

/// Formats the distinct digests of each case and kernel after `--repeat`, with their counts where they differ.
pub fn digests(repeat: u32, digests: &Digests) -> String {
    let mut out = format!("\ndistinct captures in {repeat} runs (traced pass, timing pass)\n");
    for ((case, kernel), seen) in digests {
        for ((trace, timing), times) in seen {
            let times = if seen.len() > 1 { format!(" ({times} of {repeat} runs)") } else { String::new() };
            let _ = writeln!(out, "{} {case} {kernel} {trace} {timing}{times}", seen.len());
        }
    }
    out
}
