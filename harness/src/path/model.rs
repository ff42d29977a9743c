//! The comparable form of a call tree: what a snapshot shows and a diff aligns.

use std::sync::Arc;

use thiserror::Error;

/// A call tree made comparable: canonical names, loops folded, interrupts taken out.
///
/// Preorder: a node's children follow it with a `depth` one greater. A path may have several roots (depth 0).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct CallPath {
    /// Nodes in preorder.
    pub nodes: Vec<PathNode>,
}

/// One line of a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PathNode {
    /// Nesting, from 0.
    pub depth: u32,
    /// What stands there.
    pub what: PathEntry,
    /// How often this node with everything beneath it came in a row (1: once).
    pub times: u32,
}

/// What a line of a path stands for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PathEntry {
    /// A function, by its canonical name (compiler suffixes stripped).
    Call(Arc<str>),
    /// A period of several siblings that was repeated: the children are one period, [`PathNode::times`] says how often.
    Repeat,
    /// Who ran what stands beneath: an operation (`sender.send`), `interrupt`, `ksoftirqd`, … Only in paths of softirqs.
    In(Arc<str>),
    /// Someone was woken here: an actor's name, or a class of other tasks (`ksoftirqd`, `kworker`, `agent`, `other`).
    Wakes(Arc<str>),
    /// The task slept here (a context switch away in any state but runnable).
    Sleeps,
    /// The task was preempted here (a context switch away while runnable).
    Preempted,
}

impl PathEntry {
    /// Whether other lines can stand beneath this one.
    pub fn can_have_children(&self) -> bool {
        matches!(self, Self::Call(_) | Self::Repeat | Self::In(_))
    }

    /// The function's name, if it is a call.
    pub fn function(&self) -> Option<&str> {
        match self {
            Self::Call(name) => Some(name),
            _ => None,
        }
    }
}

impl PathNode {
    /// A node that came once.
    pub fn once(depth: u32, what: PathEntry) -> Self {
        Self { depth, what, times: 1 }
    }
}

/// Why a list of nodes is not a path.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MalformedPath {
    /// A node that is more than one level deeper than the one before it (the first must be at 0).
    #[error("node {node} is at depth {found}, where {most} is the deepest possible")]
    TooDeep {
        /// Index of the node.
        node: usize,
        /// Its depth.
        found: u32,
        /// The deepest it could be.
        most: u32,
    },
    /// A node that came no time at all.
    #[error("node {node} came 0 times: expected at least 1")]
    Never {
        /// Index of the node.
        node: usize,
    },
    /// A repeated period with nothing in it.
    #[error("node {node} repeats a period, but nothing stands beneath it")]
    EmptyPeriod {
        /// Index of the node.
        node: usize,
    },
}

impl CallPath {
    /// Whether the nodes are in preorder, as a path's must be.
    pub fn check(&self) -> Result<(), MalformedPath> {
        let mut most = 0;
        for (index, node) in self.nodes.iter().enumerate() {
            if node.depth > most {
                return Err(MalformedPath::TooDeep { node: index, found: node.depth, most });
            }
            if node.times == 0 {
                return Err(MalformedPath::Never { node: index });
            }
            let has_children = self.nodes.get(index + 1).is_some_and(|next| next.depth > node.depth);
            if node.what == PathEntry::Repeat && !has_children {
                return Err(MalformedPath::EmptyPeriod { node: index });
            }
            most = node.depth + u32::from(node.what.can_have_children());
        }
        Ok(())
    }

    /// For every node, the index just behind its last descendant. Linear.
    pub fn subtree_ends(&self) -> Vec<usize> {
        subtree_ends(self.nodes.iter().map(|node| node.depth))
    }

    /// The names of the functions that stand in this path, each as often as it has a line.
    pub fn functions(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().filter_map(|node| node.what.function())
    }
}

/// For every depth of a preorder list, the index just behind the last descendant of the node it belongs to. Linear.
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
