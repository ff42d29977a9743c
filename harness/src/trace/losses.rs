//! Describes the three kinds of loss: records that the pages say were overwritten, records that the CPU's statistics say
//! were overwritten or dropped, and calls that did not fit on a task's shadow stack.

use super::{TaskKey, TooDeep, ring_page::Missed};
use std::collections::BTreeMap;

/// Describes the calls that the tasks' own counts (`overrun` in exit records) say are missing.
pub fn shadow_stack_losses<'a>(too_deep: impl IntoIterator<Item = &'a TooDeep>) -> Vec<String> {
    let mut words = Vec::new();
    let mut tasks: BTreeMap<TaskKey, u64> = BTreeMap::new();
    for loss in too_deep {
        let calls = tasks.entry(loss.task).or_default();
        *calls = calls.saturating_add(loss.calls);
    }
    for (task, calls) in tasks {
        let task = match task {
            TaskKey::Task(pid) => format!("task {pid}"),
            TaskKey::Idle(cpu) => format!("idle task of cpu {cpu}"),
        };
        words.push(format!("{task}: {calls} calls were nested too deep for its shadow stack and not recorded"));
    }
    words
}

/// Adds the records that were lost before one CPU's pages, according to the pages.
pub(crate) fn add_page_losses(words: &mut Vec<String>, cpu: u16, pages: usize, missed: &[(usize, Missed)]) {
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
    words.push(format!(
        "cpu {cpu}: {records} were overwritten before they were read, at {places} of {pages} pages, first before page {first}"
    ));
}

/// Adds the losses that `per_cpu/cpuN/stats` counts (kernel: `tracing_stats_read` in `kernel/trace/trace.c`).
pub(crate) fn add_stats_losses(words: &mut Vec<String>, cpu: u16, stats: &str) {
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
            words.push(format!("cpu {cpu}: {count} {what}, by the kernel's own count (stats: {})", name.trim()));
        }
    }
}
