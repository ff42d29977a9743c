//! The difference of two paths, line by line.

use std::sync::Arc;

use crate::path::{CallPath, PathNode};

/// Two paths, aligned.
///
/// Every node of the old path stands in exactly one line, in its order, and so does every node of the new one: leaving out
/// the lines without an old side gives the old path, leaving out those without a new side gives the new one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PathDiff {
    /// In preorder.
    pub lines: Vec<DiffLine>,
}

/// One line of a diff.
#[derive(Clone, Debug, PartialEq)]
pub struct DiffLine {
    /// What happened to it.
    pub change: Change,
    /// The node in the old path.
    pub old: Option<PathNode>,
    /// The node in the new path.
    pub new: Option<PathNode>,
}

/// What happened to a line from the old path to the new one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// Nothing.
    Same,
    /// It is only in the new path.
    New,
    /// It is only in the old path.
    Gone,
    /// The same work under another name (what stands beneath is compared in lines of its own).
    Renamed {
        /// The name in the old path.
        from: Arc<str>,
        /// The name in the new path.
        to: Arc<str>,
    },
    /// It stands elsewhere in the other path, with everything beneath it or nearly (what changed beneath it is in lines of
    /// its own). It has a line on each side.
    Moved {
        /// Index of the line where its counterpart stands.
        counterpart: usize,
    },
    /// A level appeared: what stood here already now stands beneath this new line.
    SplicedIn,
    /// A level disappeared (it was inlined, most likely): what stood beneath it now stands in its place.
    SplicedOut,
    /// It comes more or less often in a row.
    Times {
        /// How often in the old path.
        from: u32,
        /// How often in the new path.
        to: u32,
    },
}

impl DiffLine {
    /// Nesting at which to show the line: that of the new path if it stands there, else that of the old one.
    pub fn depth(&self) -> u32 {
        self.new.as_ref().or(self.old.as_ref()).map_or(0, |node| node.depth)
    }

    /// The node on the new side, or else on the old one. `None` only for a line without sides, which no diff has.
    pub fn node(&self) -> Option<&PathNode> {
        self.new.as_ref().or(self.old.as_ref())
    }

    /// Whether anything changed in this line.
    pub fn is_change(&self) -> bool {
        self.change != Change::Same
    }
}

impl PathDiff {
    /// Whether both paths are the same.
    pub fn is_same(&self) -> bool {
        !self.lines.iter().any(DiffLine::is_change)
    }

    /// The lines that changed.
    pub fn changes(&self) -> impl Iterator<Item = &DiffLine> {
        self.lines.iter().filter(|line| line.is_change())
    }

    /// The old path.
    pub fn old(&self) -> CallPath {
        CallPath { nodes: self.lines.iter().filter_map(|line| line.old.clone()).collect() }
    }

    /// The new path.
    pub fn new_path(&self) -> CallPath {
        CallPath { nodes: self.lines.iter().filter_map(|line| line.new.clone()).collect() }
    }

    /// The indices of the lines to show with `context` unchanged lines around each change, and with the lines above a
    /// change that it stands beneath (so that a reader sees where he is), as ascending ranges.
    pub fn hunks(&self, context: usize) -> Vec<std::ops::Range<usize>> {
        let mut shown = vec![false; self.lines.len()];
        let mut above: Vec<usize> = Vec::new();
        for (index, line) in self.lines.iter().enumerate() {
            while above.last().is_some_and(|last| self.lines[*last].depth() >= line.depth()) {
                above.pop();
            }
            if line.is_change() {
                shown[index.saturating_sub(context)..(index + context + 1).min(self.lines.len())].fill(true);
                // Above a line that is shown already, everything is.
                for ancestor in above.iter().rev() {
                    shown[*ancestor] = true;
                }
            }
            above.push(index);
        }
        let mut hunks: Vec<std::ops::Range<usize>> = Vec::new();
        for index in (0..shown.len()).filter(|index| shown[*index]) {
            match hunks.last_mut() {
                Some(last) if last.end == index => last.end += 1,
                _ => hunks.push(index..index + 1),
            }
        }
        hunks
    }
}
