//! Folded stacks: `task;outer;inner COUNT`, as FlameGraph and inferno read them.

use std::collections::BTreeMap;

use crate::suite::{Thread, Timeline};
use crate::trace::TaskKey;

/// Every stack with the instructions that were spent in it, on a CPU. An idle task's own time, in which its CPU waits, is left
/// out; interrupts that come meanwhile are not.
pub fn folded(timeline: &Timeline) -> String {
    let mut spent: BTreeMap<String, u64> = BTreeMap::new();
    for thread in &timeline.threads {
        let mut stacks: BTreeMap<usize, u64> = BTreeMap::new();
        let is_idle = |span: usize| matches!(thread.task, TaskKey::Idle(_)) && thread.spans[span].parent.is_none();
        for slice in thread.slices.iter().filter(|slice| !is_idle(slice.span)) {
            *stacks.entry(slice.span).or_default() += slice.end - slice.start;
        }
        for (span, count) in stacks {
            *spent.entry(stack(thread, span)).or_default() += count;
        }
    }
    spent.into_iter().map(|(stack, count)| format!("{stack} {count}\n")).collect()
}

fn stack(thread: &Thread, span: usize) -> String {
    let calls = std::iter::successors(Some(span), |span| thread.spans[*span].parent);
    let mut names: Vec<String> = calls.map(|span| frame(&thread.spans[span].name)).collect();
    names.push(frame(&thread.name));
    names.reverse();
    names.join(";")
}

/// A name without what separates frames.
fn frame(name: &str) -> String {
    name.replace([';', '\n', '\r'], "_")
}
