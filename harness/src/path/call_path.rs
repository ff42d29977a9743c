//! The comparable form of a call tree, which snapshots show and diffs align.

use std::sync::Arc;

/// A comparable call tree: canonical names, repeats folded, interrupts taken out.
///
/// Preorder: a node's children follow it, with a `depth` greater by one. A path may have several roots (depth 0).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct CallPath {
    /// In preorder.
    pub nodes: Vec<PathNode>,
}

/// One line of a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PathNode {
    /// Nesting level, from 0.
    pub depth: u32,
    pub entry: PathEntry,
    /// How often this node and everything beneath it ran in a row.
    pub times: u32,
}

/// What a line of a path reports.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PathEntry {
    /// A function, by its canonical name.
    Call(Arc<str>),
    /// A sequence of siblings that repeats: the children are one round of it, [`PathNode::times`] is the number of
    /// rounds.
    Repeat,
    /// What ran the calls beneath: an operation (`sender.send`), `interrupt`, `ksoftirqd`, … Only in paths of softirqs
    /// and tasks.
    In(Arc<str>),
    /// A wake-up of an actor (its name) or of another task (its class: `ksoftirqd`, `kworker`, `agent`, `other`).
    Wakes(Arc<str>),
    /// The task slept: a context switch away in any state but runnable.
    Sleeps,
    /// The task was preempted: a context switch away while runnable.
    Preempted,
}

impl PathEntry {
    /// Whether other lines can be beneath this one.
    pub fn can_have_children(&self) -> bool {
        matches!(self, Self::Call(_) | Self::Repeat | Self::In(_))
    }

    /// The function's name, if this is a call.
    pub fn function(&self) -> Option<&str> {
        match self {
            Self::Call(name) => Some(name),
            _ => None,
        }
    }
}

impl PathNode {
    /// A node that ran once.
    pub fn once(depth: u32, entry: PathEntry) -> Self {
        Self { depth, entry, times: 1 }
    }
}

impl CallPath {
    /// For every node, the index just past its last descendant. Linear.
    pub fn subtree_ends(&self) -> Vec<usize> {
        subtree_ends(self.nodes.iter().map(|node| node.depth))
    }

    /// The functions of this path, one per line.
    pub fn functions(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().filter_map(|node| node.entry.function())
    }
}

/// For every node of a preorder list of depths, the index just past its last descendant. Linear.
pub(crate) fn subtree_ends(depths: impl ExactSizeIterator<Item = u32>) -> Vec<usize> {
    let count = depths.len();
    let mut ends = vec![count; count];
    let mut open: Vec<(u32, usize)> = Vec::new();
    for (index, depth) in depths.enumerate() {
        while let Some(&(above, at)) = open.last() {
            if above < depth {
                break;
            }
            ends[at] = index;
            open.pop();
        }
        open.push((depth, index));
    }
    ends
}
/// Sums each node's own time and that of its descendants, for a preorder list with these subtree ends.
pub(crate) fn with_all_beneath(ends: &[usize], own: impl Iterator<Item = u64>) -> Vec<u64> {
    let mut before = vec![0u64];
    before.extend(own.scan(0u64, |sum, own| {
        *sum += own;
        Some(*sum)
    }));
    ends.iter().enumerate().map(|(at, end)| before[*end] - before[at]).collect()
}
