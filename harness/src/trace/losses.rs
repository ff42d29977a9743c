//! The three faces of loss, told in words: overwritten or dropped records by the page, by the CPU's own statistics, and
//! calls that did not fit on a task's shadow stack.

use super::page::Missed;
use std::collections::BTreeMap;

/// What was lost, gathered while decoding.
#[derive(Clone, Debug, Default)]
pub(super) struct Losses {
    words: Vec<String>,
    /// Most calls missing by one task's own count.
    shadow_stacks: BTreeMap<i32, u64>,
}

impl Losses {
    /// A task's count of calls that had no room on its shadow stack (the exit record's `overrun`).
    #[cold]
    pub(super) fn shadow_stack_overrun(&mut self, pid: i32, calls: u64) {
        let most = self.shadow_stacks.entry(pid).or_default();
        *most = calls.max(*most);
    }

    /// All of it, one sentence each.
    pub(super) fn into_words(self) -> Vec<String> {
        let stacks = self.shadow_stacks.into_iter().map(|(pid, calls)| {
            format!("task {pid}: {calls} calls were nested too deep for its shadow stack and not recorded")
        });
        self.words.into_iter().chain(stacks).collect()
    }
}

/// Adds what the pages of one CPU say was missed before them.
pub(super) fn of_pages(losses: &mut Losses, cpu: u16, pages: usize, missed: &[(usize, Missed)]) {
    let Some((first, _)) = missed.first() else { return };
    let counts = missed.iter().map(|(_, missed)| match missed {
        Missed::Records(count) => Some(*count),
        Missed::Nothing | Missed::Unknown => None,
    });
    let known = counts.clone().flatten().fold(0_u64, u64::saturating_add);
    let records = match (counts.clone().all(|count| count.is_some()), known) {
        (true, known) => format!("{known} records"),
        (false, 0) => "an unknown number of records".to_owned(),
        (false, known) => format!("at least {known} records"),
    };
    let places = missed.len();
    losses.words.push(format!(
        "cpu {cpu}: {records} were overwritten before they were read, at {places} of {pages} pages, first before page {first}"
    ));
}

/// Adds what `per_cpu/cpuN/stats` counts (kernel: `tracing_stats_read` in `kernel/trace/trace.c`).
pub(super) fn of_stats(losses: &mut Losses, cpu: u16, stats: &str) {
    for line in stats.lines() {
        let Some((name, count)) = line.split_once(':') else { continue };
        let Ok(count) = count.trim().parse::<u64>() else { continue };
        let what = match name.trim() {
            "overrun" => "records were overwritten before they were read",
            "commit overrun" => "records were dropped because a writer was interrupted for a whole buffer",
            "dropped events" => "records were dropped because the buffer was full",
            _ => continue,
        };
        if count != 0 {
            losses.words.push(format!("cpu {cpu}: {count} {what}, by the kernel's own count (stats: {})", name.trim()));
        }
    }
}
