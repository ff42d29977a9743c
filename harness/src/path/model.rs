//! The comparable form of a call tree: what a snapshot shows and a diff aligns.

use std::sync::Arc;

/// A call tree made comparable: canonical names, loops folded, interrupts taken out.
///
/// Preorder: a node's children follow it with a `depth` one greater. A path may have several roots (depth 0).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Path {
    /// Nodes in preorder.
    pub nodes: Vec<PathNode>,
}

/// One line of a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PathNode {
    /// Nesting, from 0.
    pub depth: u32,
    /// What stands there.
    pub what: Step,
    /// How often this node with everything beneath it came in a row (1: once).
    pub times: u32,
}

/// What a line of a path stands for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// A function, by its canonical name (compiler suffixes stripped).
    Call(Arc<str>),
    /// A period of several siblings that was repeated: the children are one period, [`PathNode::times`] says how often.
    Repeat,
    /// Someone was woken here: an actor's name, or a class of other tasks (`ksoftirqd`, `kworker`, `agent`, `other`).
    Wakes(Arc<str>),
    /// The task slept here (a context switch away in any state but runnable).
    Sleeps,
    /// The task was preempted here (a context switch away while runnable).
    Preempted,
}
