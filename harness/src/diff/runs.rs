//! The runs of changed lines of a diff, by names that are the same wherever the same change recurs.

use std::ops::Range;

use super::PathDiff;
use crate::path::{PathNode, text};

/// The runs of changed lines of a diff: their names and line numbers.
pub(crate) fn runs(diff: &PathDiff) -> Vec<(String, Range<usize>)> {
    let mut out: Vec<(String, Range<usize>)> = Vec::new();
    let mut above: Vec<usize> = Vec::new();
    // Indentation is relative to the run's first line, because the same change may be at any depth.
    let mut outermost = 0;
    for (at, line) in diff.lines.iter().enumerate() {
        while above.last().is_some_and(|last| diff.lines[*last].depth() >= line.depth()) {
            above.pop();
        }
        if line.is_change() {
            let text = |node: &Option<PathNode>| node.as_ref().map(text::line).unwrap_or_default();
            let words = format!("{} > {}", text(&line.old), text(&line.new));
            let inner = |outermost: u32| " ".repeat(line.depth().saturating_sub(outermost) as usize);
            match out.last_mut().filter(|(_, run)| run.end == at) {
                Some((name, run)) => {
                    name.push_str(&format!("\n{}{words}", inner(outermost)));
                    run.end = at + 1;
                }
                None => {
                    let beneath = above.iter().rev().find(|above| !diff.lines[**above].is_change());
                    let beneath =
                        beneath.and_then(|above| diff.lines[*above].node()).map(|node| text::entry(&node.entry));
                    outermost = line.depth();
                    let name = format!("{}: {words}", beneath.unwrap_or_default());
                    out.push((name, at..at + 1));
                }
            }
        }
        above.push(at);
    }
    out
}
