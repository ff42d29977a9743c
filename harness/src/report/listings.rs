//! Kernels, cases, images, measurements and findings as lines of text.

use std::fmt::Write as _;

use crate::case::Case;
use crate::kernel::{Change, Fetched, Listed};
use crate::suite::benchmark::{Bench, Figure};

/// Formats a measured figure in its unit and in plain boots, with its ratio to an earlier measurement of the same: that of the
/// boots, so that neither machine's speed counts.
pub(crate) fn figure(figure: &Figure, earlier: Option<&Bench>) -> String {
    let Figure { name, unit, runs, median, min, max, boots } = figure;
    let before = earlier.and_then(|bench| bench.figures.iter().find(|old| old.name == *name && old.unit == *unit));
    let ratio = before.map_or(String::new(), |old| match (*boots, old.boots) {
        (Some(boots), Some(before)) => format!(", {:.2} times the earlier {before:.2} boots", boots / before),
        _ => format!(", {:.2} times the earlier {}", *median as f64 / old.median.max(1) as f64, old.median),
    });
    let boots = boots.map_or(String::new(), |boots| format!("{boots:.2} boots"));
    let unit = unit.word();
    format!("{median:>8} {unit:<6}  {boots:>12}  {name} (median of {runs}, {min} to {max}{ratio})\n")
}

/// Lists the pinned kernels and QEMU, and whether they are in the cache.
pub(crate) fn pinned(listed: &Listed) -> String {
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

/// Lists the kernels and QEMU that are ready to run.
pub(crate) fn fetched(fetched: &Fetched) -> String {
    let mut out = String::new();
    for kernel in &fetched.kernels {
        let unlocked = if kernel.unlocked { " (not the locked version)" } else { "" };
        let _ = writeln!(out, "{:<8} {}{unlocked}", kernel.name(), kernel.version);
    }
    let _ = writeln!(out, "QEMU     {}", fetched.qemu.version);
    out
}

/// Lists what an update changed.
pub(crate) fn changes(changes: &[Change]) -> String {
    if changes.is_empty() {
        return "nothing changed: every pin is the newest version of its series\n".to_owned();
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

/// Lists the cases with their titles, machines and kernels.
pub(crate) fn cases(cases: &[Case]) -> String {
    let name = cases.iter().map(|case| case.name.chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    for case in cases {
        let machine = format!("{} CPUs, {:?}", case.machine.cpus, case.machine.nic).to_lowercase();
        let _ = writeln!(out, "{:<name$}  {}  ({machine}; {})", case.name, case.title, case.kernels);
    }
    out
}

/// One check of `rxpath doctor`.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) name: &'static str,
    pub(crate) is_good: bool,
    pub(crate) text: String,
}

/// Lists the findings of `rxpath doctor`.
pub(crate) fn findings(found: &[Finding]) -> String {
    let mut out = String::new();
    for finding in found {
        let _ = writeln!(
            out,
            "{} {:<11} {}",
            if finding.is_good { "ok     " } else { "missing" },
            finding.name,
            finding.text
        );
    }
    out
}
