//! Groups many differences into few decisions: the same change in thirty snapshots is decided once.
//!
//! A snapshot can only be accepted as a whole, but its changes recur in other snapshots. So the changes are decided, the
//! smallest set first, and a snapshot is done when all of its changes are decided. Every decision finishes at least one
//! snapshot, so there are at most as many decisions as snapshots.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::diff::runs;
use crate::suite::compare::sides::SectionDiff;

/// The undecided changes of several snapshots. Snapshots go by their index.
#[derive(Clone, Debug, Default)]
pub(crate) struct Decisions {
    /// The undecided changes of each snapshot, as indices of `names`.
    open: Vec<BTreeSet<usize>>,
    /// The place of each snapshot in the order of decisions: the lowest first.
    ranks: Vec<usize>,
    /// Whether each snapshot is done.
    done: Vec<bool>,
    /// The names of the changes.
    names: Vec<String>,
}

/// A set of changes to decide together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    /// The names of the changes.
    pub changes: BTreeSet<String>,
    /// The snapshots without any other undecided change.
    pub snapshots: Vec<usize>,
    /// The snapshots that have these and other undecided changes.
    pub elsewhere: Vec<usize>,
    numbers: BTreeSet<usize>,
}

impl Decisions {
    /// Starts with the changes of each snapshot, all undecided, in the order of the snapshots' ranks.
    pub(crate) fn ranked(changes: &[BTreeSet<String>], ranks: Vec<usize>) -> Self {
        let mut numbers: BTreeMap<&String, usize> = BTreeMap::new();
        let mut names = Vec::new();
        let mut number = |name| {
            *numbers.entry(name).or_insert_with(|| {
                names.push(String::clone(name));
                names.len() - 1
            })
        };
        let open = changes.iter().map(|one| one.iter().map(&mut number).collect()).collect();
        Self { open, ranks, done: vec![false; changes.len()], names }
    }

    /// The next decision: of the lowest rank, the smallest set of changes that finishes a snapshot; of equally small sets, the one
    /// that finishes most.
    pub(crate) fn next(&self) -> Option<Decision> {
        let mut groups: BTreeMap<&BTreeSet<usize>, Vec<usize>> = BTreeMap::new();
        for (at, open) in self.open.iter().enumerate().filter(|(at, _)| !self.done[*at]) {
            groups.entry(open).or_default().push(at);
        }
        let rank = |snapshots: &[usize]| snapshots.iter().map(|at| self.ranks[*at]).min();
        let order = |(open, snapshots): &(&BTreeSet<usize>, Vec<usize>)| {
            (rank(snapshots), open.len(), Reverse(snapshots.len()))
        };
        let (numbers, snapshots) = groups.into_iter().min_by_key(order)?;
        let has_all =
            |at: &usize| !self.done[*at] && self.open[*at].len() > numbers.len() && numbers.is_subset(&self.open[*at]);
        Some(Decision {
            changes: numbers.iter().map(|number| self.names[*number].clone()).collect(),
            elsewhere: (0..self.open.len()).filter(has_all).collect(),
            snapshots,
            numbers: numbers.clone(),
        })
    }

    /// Accepts the changes in all snapshots. Returns the snapshots that have none left.
    pub(crate) fn accept(&mut self, decision: &Decision) -> Vec<usize> {
        for (open, _) in self.open.iter_mut().zip(&self.done).filter(|(_, done)| !**done) {
            open.retain(|number| !decision.numbers.contains(number));
        }
        let finished: Vec<usize> =
            (0..self.open.len()).filter(|at| !self.done[*at] && self.open[*at].is_empty()).collect();
        self.finish(&finished);
        finished
    }

    /// Marks snapshots as done, whatever changes they have left.
    pub(crate) fn finish(&mut self, snapshots: &[usize]) {
        snapshots.iter().for_each(|at| self.done[*at] = true);
    }

    /// The decisions that remain if all of them are accepted.
    pub(crate) fn all(mut self) -> Vec<Decision> {
        let mut all = Vec::new();
        while let Some(decision) = self.next() {
            self.accept(&decision);
            all.push(decision);
        }
        all
    }
}

/// The names of a snapshot's changes. A name consists of the changed lines and their caller, so the same change has the same
/// name in every snapshot.
pub(crate) fn changes_of(sections: &[SectionDiff]) -> BTreeSet<String> {
    sections.iter().flat_map(|section| runs(&section.explained.diff)).map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unranked(changes: &[BTreeSet<String>]) -> Decisions {
        Decisions::ranked(changes, vec![0; changes.len()])
    }
    use proptest::prelude::*;

    fn sets(texts: &[&str]) -> Vec<BTreeSet<String>> {
        texts.iter().map(|text| text.split_whitespace().map(str::to_owned).collect()).collect()
    }

    #[test]
    fn a_change_in_many_snapshots_is_decided_once() {
        let all = unranked(&sets(&["a", "a", "a b", "a", "a b c"])).all();
        let decided: Vec<(Vec<&str>, &[usize])> = all
            .iter()
            .map(|one| (one.changes.iter().map(String::as_str).collect(), one.snapshots.as_slice()))
            .collect();
        assert_eq!(decided, [(vec!["a"], &[0, 1, 3][..]), (vec!["b"], &[2]), (vec!["c"], &[4])]);
        assert_eq!(all[0].elsewhere, [2, 4]);
    }

    #[test]
    fn a_rejected_change_is_still_undecided_in_other_snapshots() {
        let mut decisions = unranked(&sets(&["a", "a b"]));
        let first = decisions.next().unwrap();
        decisions.finish(&first.snapshots);
        assert_eq!(decisions.next().unwrap().changes.len(), 2);
    }

    proptest! {
        #[test]
        fn there_are_never_more_decisions_than_snapshots_and_each_snapshot_is_finished_once(
            changes in prop::collection::vec(prop::collection::btree_set("[a-f]", 0..4), 0..12)
        ) {
            let mut decisions = unranked(&changes);
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
