//! Folded stacks for FlameGraph and inferno: `task;outer;inner COUNT`.

use std::collections::BTreeMap;

use crate::suite::{Thread, Timeline};

/// Formats every stack with the instructions that its innermost call ran itself. An operation is a frame around its calls.
pub fn folded(timeline: &Timeline) -> String {
    let mut spent: BTreeMap<String, u64> = BTreeMap::new();
    for thread in &timeline.threads {
        let mut stacks: BTreeMap<usize, u64> = BTreeMap::new();
        for slice in &thread.slices {
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

/// Replaces the characters that separate frames.
fn frame(name: &str) -> String {
    name.replace([';', '\n', '\r'], "_")
}
