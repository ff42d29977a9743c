//! Reads the serial console: what the kernel reports about itself, and what the agent says.

use std::fmt;

use rxpath_guest::AGENT_PREFIX;

/// A kernel's report that something is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Splat {
    pub kind: SplatKind,
    /// The line that shows the kind, without its time stamp.
    pub line: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SplatKind {
    /// KASAN, KFENCE or another sanitizer.
    Sanitizer,
    Lockdep,
    /// An RCU stall, a soft lockup, a hung task.
    Stall,
    Oops,
    /// From `WARN()`.
    Warning,
    Panic,
}

/// What the kernel prints. The first match of a line counts: `WARNING: possible circular locking` is lockdep's.
const REPORTS: [(&str, SplatKind); 15] = [
    ("BUG: KASAN:", SplatKind::Sanitizer),
    ("BUG: KFENCE:", SplatKind::Sanitizer),
    ("UBSAN:", SplatKind::Sanitizer),
    ("WARNING: possible circular locking", SplatKind::Lockdep),
    ("WARNING: possible recursive locking", SplatKind::Lockdep),
    ("WARNING: inconsistent lock state", SplatKind::Lockdep),
    ("INFO: rcu", SplatKind::Stall),
    ("rcu: INFO:", SplatKind::Stall),
    ("watchdog: BUG: soft lockup", SplatKind::Stall),
    ("blocked for more than", SplatKind::Stall),
    ("BUG: ", SplatKind::Oops),
    ("Oops: ", SplatKind::Oops),
    ("general protection fault", SplatKind::Oops),
    ("WARNING: ", SplatKind::Warning),
    ("Kernel panic", SplatKind::Panic),
];

/// Finds the first report: a sanitizer's report ends in a panic, which is only its consequence.
pub(super) fn find_splat(console: &str) -> Option<Splat> {
    console.lines().find_map(|line| {
        let (_, kind) = REPORTS.iter().find(|(text, _)| line.contains(text))?;
        Some(Splat { kind: *kind, line: without_stamp(line).to_owned() })
    })
}

fn without_stamp(line: &str) -> &str {
    let line = line.trim();
    match line.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((stamp, rest)) if stamp.trim().parse::<f64>().is_ok() => rest.trim_start(),
        _ => line,
    }
}

/// The agent's last line, without its prefix.
pub(super) fn last_words(console: &str) -> Option<&str> {
    console.lines().rev().find_map(|line| line.trim().split_once(AGENT_PREFIX).map(|(_, words)| words))
}

/// The last lines of a console that are not empty.
pub(super) fn tail(console: &str) -> String {
    const LINES: usize = 30;
    let lines: Vec<&str> = console.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

impl fmt::Display for Splat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            SplatKind::Sanitizer => "a sanitizer's finding",
            SplatKind::Lockdep => "a locking violation",
            SplatKind::Stall => "a stall",
            SplatKind::Oops => "an oops",
            SplatKind::Warning => "a warning",
            SplatKind::Panic => "a panic",
        };
        write!(f, "{what}: {}", self.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_and_a_warning_have_their_kinds_and_lose_their_stamps() {
        let splat = |text: &str| find_splat(text).map(|splat| (splat.kind, splat.line));
        assert_eq!(
            splat("[    1.234567] Kernel panic - not syncing: sysrq triggered crash\r\n"),
            Some((SplatKind::Panic, "Kernel panic - not syncing: sysrq triggered crash".to_owned()))
        );
        assert_eq!(
            splat("booting\n[    2.000001] WARNING: CPU: 0 PID: 1 at net/core/dev.c:1\n").map(|(kind, _)| kind),
            Some(SplatKind::Warning)
        );
        assert_eq!(splat("rxpath-agent: ready\nrandom: crng init done\n"), None);
    }

    #[test]
    fn a_sanitizer_report_is_not_taken_for_an_oops_or_for_the_panic_it_ends_in() {
        let text =
            "BUG: KASAN: slab-out-of-bounds in tcp_recvmsg\nKernel panic - not syncing: KASAN: panic_on_warn set\n";
        assert_eq!(find_splat(text).map(|splat| splat.kind), Some(SplatKind::Sanitizer));
    }
}
