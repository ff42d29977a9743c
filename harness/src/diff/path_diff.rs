//! The difference of two paths, line by line.

use std::ops::Range;
use std::sync::Arc;

#[cfg(test)]
use crate::path::CallPath;
use crate::path::PathNode;

/// Two aligned paths.
///
/// Every node of each path is in exactly one line, in order. So the lines' old sides are the old path, and their new
/// sides the new one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PathDiff {
    /// In preorder.
    pub lines: Vec<DiffLine>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct DiffLine {
    pub change: Change,
    pub old: Option<PathNode>,
    pub new: Option<PathNode>,
}

/// How a line differs between the two paths.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    Same,
    /// Only in the new path.
    New,
    /// Only in the old path.
    Gone,
    /// The same work under a different name. The lines beneath it are compared one by one.
    Renamed {
        from: Arc<str>,
        to: Arc<str>,
    },
    /// It is elsewhere in the other path, with all or nearly all of what is beneath it. It has a line on each side, and
    /// changes beneath it have lines of their own.
    Moved {
        /// Index of its line on the other side.
        counterpart: usize,
    },
    /// A level appeared: what was here already is now beneath this new line.
    SplicedIn,
    /// A level disappeared (most likely it was inlined): what was beneath it is now in its place.
    SplicedOut,
    /// It runs more or fewer times in a row.
    Times {
        from: u32,
        to: u32,
    },
}

impl DiffLine {
    /// The nesting level at which to show the line: that of the new path if it is there, else that of the old one.
    pub fn depth(&self) -> u32 {
        self.new.as_ref().or(self.old.as_ref()).map_or(0, |node| node.depth)
    }

    /// The node on the new side, else the one on the old side. `None` only for a line without sides, which no diff has.
    pub fn node(&self) -> Option<&PathNode> {
        self.new.as_ref().or(self.old.as_ref())
    }

    pub fn is_change(&self) -> bool {
        self.change != Change::Same
    }
}

impl PathDiff {
    pub fn is_same(&self) -> bool {
        !self.lines.iter().any(DiffLine::is_change)
    }

    pub fn changes(&self) -> impl Iterator<Item = &DiffLine> {
        self.lines.iter().filter(|line| line.is_change())
    }

    #[cfg(test)]
    pub(crate) fn old_path(&self) -> CallPath {
        CallPath { nodes: self.lines.iter().filter_map(|line| line.old.clone()).collect() }
    }

    #[cfg(test)]
    pub(crate) fn new_path(&self) -> CallPath {
        CallPath { nodes: self.lines.iter().filter_map(|line| line.new.clone()).collect() }
    }

    /// The lines to show, as ascending ranges of indices: each change with `context` unchanged lines around it and with
    /// the lines that it is nested in.
    pub fn hunks(&self, context: usize) -> Vec<Range<usize>> {
        let mut shown = vec![false; self.lines.len()];
        let mut above: Vec<usize> = Vec::new();
        for (index, line) in self.lines.iter().enumerate() {
            while above.last().is_some_and(|last| self.lines[*last].depth() >= line.depth()) {
                above.pop();
            }
            if line.is_change() {
                shown[index.saturating_sub(context)..(index + context + 1).min(self.lines.len())].fill(true);
                above.iter().for_each(|ancestor| shown[*ancestor] = true);
            }
            above.push(index);
        }
        let mut hunks: Vec<Range<usize>> = Vec::new();
        for index in (0..shown.len()).filter(|index| shown[*index]) {
            match hunks.last_mut() {
                Some(last) if last.end == index => last.end += 1,
                _ => hunks.push(index..index + 1),
            }
        }
        hunks
    }
}
