//! Text for a terminal, a log or a pipe.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use super::{change_words, diff_words};
use crate::case::Case;
use crate::diff::Matrix;
use crate::kernel::{self, Fetched, Kernel, Listed};
use crate::path::cost::Costs;
use crate::path::steady::Steadiness;
use crate::path::{self, PathNode, text};
use crate::suite::benchmark::{Bench, Figure};
use crate::suite::{Observation, Pruned, Results, Verdict};
use crate::vm::StoredImage;

/// The answer first: the table of verdicts, then why, then the tally.
pub fn results(results: &Results) -> String {
    let mut out = String::new();
    table(results, &mut out);
    for one in results.cases.iter().filter(|one| one.verdict > Verdict::Skipped) {
        let _ = writeln!(out, "\n{}: {} on {}", one.verdict.word(), one.case, one.kernel);
        for problem in &one.problems {
            let _ = writeln!(out, "  {}: {}", problem.place, problem.message.replace('\n', "\n    "));
            for line in problem.evidence.lines() {
                let _ = writeln!(out, "    {line}");
            }
        }
    }
    let changed = results.cases.iter().any(|one| one.verdict == Verdict::Changed);
    let tally: Vec<String> =
        results.tally().iter().map(|(verdict, count)| format!("{count} {}", verdict.word())).collect();
    let _ = writeln!(
        out,
        "\n{} on {} kernels ({} mode, QEMU {})",
        tally.join(", "),
        results.kernels.len(),
        results.mode,
        results.qemu
    );
    for (series, version, _) in results.kernels.iter().filter(|(_, _, unlocked)| *unlocked) {
        let _ =
            writeln!(out, "note: {series} is {version}, the newest there is and not what the lock says (--unlocked)");
    }
    if changed {
        let _ = writeln!(out, "`rxpath review` shows and accepts what changed");
    }
    out
}

/// One measured figure, with its ratio to an earlier measurement of the same.
pub fn figure(figure: &Figure, earlier: Option<&Bench>) -> String {
    let Figure { name, unit, runs, median, min, max } = figure;
    let before = earlier.and_then(|bench| bench.figures.iter().find(|old| old.name == *name && old.unit == *unit));
    let ratio = before.map_or(String::new(), |old| {
        format!(", {:.2} times the earlier {} {unit}", *median as f64 / old.median.max(1) as f64, old.median)
    });
    format!("{median:>8} {unit:<3}  {name} (median of {runs}, {min} to {max}{ratio})\n")
}

/// Cases down, kernels across.
fn table(results: &Results, out: &mut String) {
    let kernels: Vec<&str> = results.kernels.iter().map(|(series, _, _)| series.as_str()).collect();
    let mut rows: Vec<(&str, Vec<&str>)> = Vec::new();
    for one in &results.cases {
        if rows.last().is_none_or(|(case, _)| *case != one.case) {
            rows.push((&one.case, vec!["-"; kernels.len()]));
        }
        let column = kernels.iter().position(|kernel| *kernel == one.kernel);
        if let (Some(column), Some((_, cells))) = (column, rows.last_mut()) {
            cells[column] = one.verdict.word();
        }
    }
    let first = rows.iter().map(|(case, _)| case.chars().count()).max().unwrap_or(0).max("case".len());
    let widths: Vec<usize> = (0..kernels.len())
        .map(|column| rows.iter().map(|(_, cells)| cells[column].len()).max().unwrap_or(0).max(kernels[column].len()))
        .collect();
    let mut line = |name: &str, cells: &[&str]| {
        let cells: Vec<String> = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        let _ = writeln!(out, "{}", format!("{name:<first$}  {}", cells.join("  ")).trim_end());
    };
    line("case", &kernels);
    for (case, cells) in &rows {
        line(case, cells);
    }
}

/// How often each pair of digests, of the traced pass and of the timing pass, came of a case on a kernel.
pub type Digests = BTreeMap<(String, String), BTreeMap<(String, String), u32>>;

/// What `--repeat` is for: the distinct digests of each case and kernel, each with how often it came where there are several.
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

/// The call trees of a case on a kernel.
pub fn observation(case: &Case, kernel: &Kernel, observation: &Observation) -> String {
    let mut out = format!("{} on {} ({})\n{}\n", case.name, kernel.series, kernel.release, case.title);
    for loss in &observation.losses {
        let _ = writeln!(out, "lost: {loss}");
    }
    let about = observation.sections.iter().filter_map(|section| match &section.steadiness {
        Steadiness::Steady(steady) => change_words::about_costs(&steady.path, &section.costs),
        Steadiness::Inconclusive(_) => None,
    });
    // The longer of the two says what the shorter does.
    if let Some(about) = about.max_by_key(|about| about.len()) {
        let _ = writeln!(out, "Numbers: {about}.");
    }
    for section in &observation.sections {
        match &section.steadiness {
            Steadiness::Steady(steady) => {
                let agreement = match steady.agreeing == steady.iterations {
                    true => format!("all {} iterations", steady.iterations),
                    false => format!("{} of {} iterations", steady.agreeing, steady.iterations),
                };
                let _ = writeln!(out, "\n{} ({agreement})\n{}", section.name, costed(&steady.path, &section.costs));
                for variant in steady.variants.iter().take(3) {
                    let _ = writeln!(out, "  variant in {} iterations: {}", variant.seen_in.len(), variant.place);
                }
            }
            Steadiness::Inconclusive(unstable) => {
                let _ = writeln!(
                    out,
                    "\n{} (no agreement: {} of {})",
                    section.name, unstable.agreeing, unstable.iterations
                );
                for (place, count) in unstable.places.iter().take(5) {
                    let _ = writeln!(out, "  {count} iterations: {place}");
                }
                if let Some(path) = &unstable.most_frequent {
                    let _ = writeln!(out, "{}", costed(path, &section.costs));
                }
            }
        }
    }
    out
}

/// Where the costs end, in columns, if the lines leave room for them.
const COSTS_UNTIL: usize = 72;

/// A path's lines with what their functions take, where that is known.
fn costed(path: &path::CallPath, costs: &Costs) -> String {
    let line = |(text, node): (&str, &PathNode)| match node.entry.function().and_then(|name| costs.get(name)) {
        Some(cost) => {
            let room = COSTS_UNTIL.saturating_sub(text.chars().count());
            format!("  {text} {:>room$}", change_words::grouped(*cost))
        }
        None => format!("  {text}"),
    };
    text::write(path).lines().zip(&path.nodes).map(line).collect::<Vec<_>>().join("\n")
}

/// The kernels in classes of equal paths, and where each change came in.
pub(crate) fn matrix(section: &str, matrix: &Matrix) -> String {
    let mut out = String::new();
    let classes: Vec<String> = matrix
        .classes
        .iter()
        .map(|class| class.iter().map(|index| matrix.kernels[*index].as_str()).collect::<Vec<_>>().join(" "))
        .collect();
    let _ = writeln!(out, "  {section}: {} ({})", count(classes.len(), "path", "paths"), classes.join(" | "));
    for change in &matrix.changes {
        let first: Vec<String> =
            change.first_changed.iter().map(|(change, name)| diff_words::brief(change, name)).collect();
        let lines = count(change.diff.changes().count(), "line", "lines");
        let (before, after) = (&matrix.kernels[change.before], &matrix.kernels[change.after]);
        let _ = writeln!(out, "    since {after} (not yet in {before}): {lines}, first {}", first.join(", "));
    }
    out
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// What is pinned, and what of it is in the cache.
pub fn pinned(listed: &Listed) -> String {
    let mut out = String::new();
    let mut line = |name: &str, version: &str, suite: &str, size: u64, cached: bool| {
        let state = if cached { "in the cache" } else { "not fetched" };
        let _ = writeln!(out, "{name:<8} {version:<26} {suite:<18} {:>6.1} MB  {state}", size as f64 / 1e6);
    };
    for kernel in &listed.kernels {
        line(&kernel.series.to_string(), &kernel.version, &kernel.suite, kernel.size, kernel.cached);
    }
    let qemu = &listed.qemu;
    line("QEMU", &qemu.version, &qemu.suite, qemu.size, qemu.cached);
    out
}

/// What is ready now.
pub fn fetched(fetched: &Fetched) -> String {
    let mut out = String::new();
    for kernel in &fetched.kernels {
        let unlocked = if kernel.unlocked { " (not what the lock says)" } else { "" };
        let _ = writeln!(out, "{:<8} {}{unlocked}", kernel.series, kernel.version);
    }
    if let Some(qemu) = &fetched.qemu {
        let _ = writeln!(out, "QEMU     {}", qemu.version);
    }
    out
}

/// What an update changed.
pub fn changes(changes: &[kernel::Change]) -> String {
    if changes.is_empty() {
        return "nothing changed: every pin is the newest of its series\n".to_owned();
    }
    let mut out = String::new();
    for change in changes {
        let word = |version: &Option<String>| version.clone().unwrap_or_else(|| "nothing".to_owned());
        let _ = writeln!(out, "{:<8} {} -> {}", change.name, word(&change.old), word(&change.new));
        for package in &change.packages {
            let _ = writeln!(out, "           {} {} -> {}", package.package, word(&package.old), word(&package.new));
        }
    }
    out
}

/// All cases, a line each.
pub fn cases(cases: &[Case]) -> String {
    let name = cases.iter().map(|case| case.name.chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    for case in cases {
        let machine = format!("{} CPUs, {:?}", case.machine.cpus, case.machine.nic).to_lowercase();
        let kernels = case.kernels.to_string();
        let kernels = if kernels.is_empty() { "all kernels".to_owned() } else { kernels };
        let _ = writeln!(out, "{:<name$}  {}  ({machine}; {kernels})", case.name, case.title);
    }
    out
}

/// The warm images in a cache.
pub fn images(cache: &Path, images: &[StoredImage]) -> String {
    let mut out = String::new();
    for image in images {
        let _ = writeln!(out, "{}", image_line(image));
    }
    let total: u64 = images.iter().map(|image| image.bytes).sum();
    let _ = writeln!(out, "{} warm images, {} in {}", images.len(), megabytes(total), cache.join("images").display());
    out
}

/// What pruning did.
pub fn pruned(pruned: &Pruned) -> String {
    let mut out = String::new();
    for image in &pruned.removed {
        let _ = writeln!(out, "removed  {}", image_line(image));
    }
    for image in &pruned.in_use {
        let _ = writeln!(out, "left, another rxpath is making it  {}", image_line(image));
    }
    for series in &pruned.unknown {
        let _ = writeln!(
            out,
            "{series} is not in the cache, so its images stay: `rxpath kernels fetch {series}` brings it"
        );
    }
    let total: u64 = pruned.removed.iter().map(|image| image.bytes).sum();
    let _ = writeln!(out, "{} removed ({}), {} kept", pruned.removed.len(), megabytes(total), pruned.kept);
    out
}

fn image_line(image: &StoredImage) -> String {
    let (kernel, machine) = match &image.info {
        Some(info) => (info.kernel.as_str(), info.machine.as_str()),
        None => ("?", "its description cannot be read"),
    };
    format!("{kernel:<8} {machine:<28} {:>9}  {}", megabytes(image.bytes), image.key)
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

/// One thing that `rxpath doctor` looked at.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What.
    pub name: &'static str,
    /// Whether it is as it should be.
    pub good: bool,
    /// What was found.
    pub text: String,
}

impl Finding {
    /// All well.
    pub fn good(name: &'static str, text: String) -> Self {
        Self { name, good: true, text }
    }

    /// Something is missing.
    pub fn bad(name: &'static str, text: String) -> Self {
        Self { name, good: false, text }
    }
}

/// The findings, a line each.
pub fn findings(found: &[Finding]) -> String {
    let mut out = String::new();
    for finding in found {
        let _ =
            writeln!(out, "{} {:<11} {}", if finding.good { "ok     " } else { "missing" }, finding.name, finding.text);
    }
    out
}
