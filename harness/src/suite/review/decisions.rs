//! Many differences as few decisions: the same change in thirty snapshots is decided once.
//!
//! A snapshot can only be accepted whole, but its changes recur. So the changes are decided, smallest set first; a snapshot is
//! done when all of its changes are. Every decision finishes at least one snapshot, so there are never more of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::diff::PathDiff;
use crate::path::text;
use crate::suite::compare::sides::SectionDiff;

/// The changes of some snapshots, by number, and what was decided of them.
#[derive(Clone, Debug, Default)]
pub struct Decisions {
    /// By snapshot: its changes that are not decided yet.
    open: Vec<BTreeSet<usize>>,
    /// Whether a snapshot is done.
    done: Vec<bool>,
    /// The changes as they were named.
    names: Vec<String>,
}

/// A thing to decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Which changes, as they were named.
    pub changes: BTreeSet<String>,
    /// The snapshots that have no other undecided change, by number.
    pub snapshots: Vec<usize>,
    /// The snapshots that have these among others.
    pub elsewhere: Vec<usize>,
    numbers: BTreeSet<usize>,
}

impl Decisions {
    /// From the changes of every snapshot.
    pub fn new(changes: &[BTreeSet<String>]) -> Self {
        let mut numbers: BTreeMap<&String, usize> = BTreeMap::new();
        let mut names = Vec::new();
        let mut number = |name| {
            *numbers.entry(name).or_insert_with(|| {
                names.push(String::clone(name));
                names.len() - 1
            })
        };
        let open = changes.iter().map(|one| one.iter().map(&mut number).collect()).collect();
        Self { open, done: vec![false; changes.len()], names }
    }

    /// What to decide next: the smallest set of changes that finishes a snapshot, of equals the one that finishes most.
    pub fn next(&self) -> Option<Decision> {
        let mut groups: BTreeMap<&BTreeSet<usize>, Vec<usize>> = BTreeMap::new();
        for (at, open) in self.open.iter().enumerate().filter(|(at, _)| !self.done[*at]) {
            groups.entry(open).or_default().push(at);
        }
        let (numbers, snapshots) =
            groups.into_iter().min_by_key(|(open, snapshots)| (open.len(), std::cmp::Reverse(snapshots.len())))?;
        let has_all =
            |at: &usize| !self.done[*at] && self.open[*at].len() > numbers.len() && numbers.is_subset(&self.open[*at]);
        Some(Decision {
            changes: numbers.iter().map(|number| self.names[*number].clone()).collect(),
            elsewhere: (0..self.open.len()).filter(has_all).collect(),
            snapshots,
            numbers: numbers.clone(),
        })
    }

    /// The changes are as they should be: they are no longer open anywhere. Returns the snapshots that have none left.
    pub fn accept(&mut self, decision: &Decision) -> Vec<usize> {
        for (open, _) in self.open.iter_mut().zip(&self.done).filter(|(_, done)| !**done) {
            open.retain(|number| !decision.numbers.contains(number));
        }
        let finished: Vec<usize> =
            (0..self.open.len()).filter(|at| !self.done[*at] && self.open[*at].is_empty()).collect();
        self.finish(&finished);
        finished
    }

    /// These snapshots need no decision any more.
    pub fn finish(&mut self, snapshots: &[usize]) {
        snapshots.iter().for_each(|at| self.done[*at] = true);
    }

    /// All decisions, if each is to accept.
    pub fn all(mut self) -> Vec<Decision> {
        let mut all = Vec::new();
        while let Some(decision) = self.next() {
            self.accept(&decision);
            all.push(decision);
        }
        all
    }
}

/// The changes of a snapshot, each named by what stands in it and beneath what, so that the same change has the same name
/// wherever it comes.
pub fn changes_of(sections: &[SectionDiff]) -> BTreeSet<String> {
    sections.iter().flat_map(|section| runs(&section.explained.diff)).map(|(name, _)| name).collect()
}

/// The runs of changed lines of a diff: name and lines.
pub fn runs(diff: &PathDiff) -> Vec<(String, std::ops::Range<usize>)> {
    let mut out: Vec<(String, std::ops::Range<usize>)> = Vec::new();
    let mut above: Vec<usize> = Vec::new();
    // Nesting is told from the run's first line: the same change may stand at any depth.
    let mut outermost = 0;
    for (at, line) in diff.lines.iter().enumerate() {
        while above.last().is_some_and(|last| diff.lines[*last].depth() >= line.depth()) {
            above.pop();
        }
        if line.is_change() {
            let text = |node: &Option<crate::path::PathNode>| node.as_ref().map(text::line).unwrap_or_default();
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sets(texts: &[&str]) -> Vec<BTreeSet<String>> {
        texts.iter().map(|text| text.split_whitespace().map(str::to_owned).collect()).collect()
    }

    #[test]
    fn a_change_that_comes_in_many_snapshots_is_decided_once() {
        let all = Decisions::new(&sets(&["a", "a", "a b", "a", "a b c"])).all();
        let told: Vec<(Vec<&str>, &[usize])> = all
            .iter()
            .map(|one| (one.changes.iter().map(String::as_str).collect(), one.snapshots.as_slice()))
            .collect();
        assert_eq!(told, [(vec!["a"], &[0, 1, 3][..]), (vec!["b"], &[2]), (vec!["c"], &[4])]);
        assert_eq!(all[0].elsewhere, [2, 4]);
    }

    #[test]
    fn what_was_rejected_or_put_off_leaves_the_same_change_open_elsewhere() {
        let mut decisions = Decisions::new(&sets(&["a", "a b"]));
        let first = decisions.next().unwrap();
        decisions.finish(&first.snapshots);
        assert_eq!(decisions.next().unwrap().changes.len(), 2);
    }

    proptest! {
        #[test]
        fn there_are_never_more_decisions_than_snapshots_and_each_snapshot_is_finished_once(
            changes in prop::collection::vec(prop::collection::btree_set("[a-f]", 0..4), 0..12)
        ) {
            let mut decisions = Decisions::new(&changes);
            let mut finished = Vec::new();
            let mut count = 0;
            while let Some(decision) = decisions.next() {
                finished.extend(decisions.accept(&decision));
                count += 1;
            }
            prop_assert!(count <= changes.len());
            finished.sort_unstable();
            prop_assert_eq!(finished, (0..changes.len()).collect::<Vec<_>>());
        }
    }
}
