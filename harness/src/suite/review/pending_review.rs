//! All pending snapshots of a repository, with what there is to decide, and the choice of some of them by name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::suite::compare::sides::SectionDiff;
use crate::suite::review::decisions::{Decision, Decisions};
use crate::suite::review::pending::{Pending, PendingError, pending};
use crate::suite::selection::chooses;
use crate::suite::store::run_results::Results;
use crate::suite::store::snapshot::SnapshotKind;
use crate::wildcard;

/// The pending snapshots, which go by their index in `all`.
#[derive(Debug)]
pub(crate) struct Review {
    pub all: Vec<Pending>,
    /// The changes of each, by section.
    pub differences: Vec<Vec<SectionDiff>>,
    /// The names of the changes of each.
    changes: Vec<BTreeSet<String>>,
    /// What there is to decide at the start: paths first, then timings, the largest movement first.
    pub decisions: Vec<Decision>,
    /// The index in `decisions` of each change.
    numbers: BTreeMap<String, usize>,
}

/// A request that no pending snapshot answers.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReviewError {
    #[error("`{pattern}` matches none of the {pending} pending snapshots: `rxpath review --list` lists them")]
    NoMatch { pattern: String, pending: usize },
    #[error("there is no change `{name}`{}: `rxpath review --list` lists them", .last.as_ref().map_or(String::new(), |last| format!(", only A to {last}")))]
    UnknownChange { name: String, last: Option<String> },
    #[error(
        "the snapshots with change {name} also have {others}: accept them together, with `--accept-change {together}`"
    )]
    NeedsOthers { name: String, others: String, together: String },
    #[error("{snapshot} is both to be accepted and to be rejected")]
    Both { snapshot: String },
}

impl Review {
    /// Reads the pending snapshots of the repository at `root`. Changes have reasons as far as `results` know the functions of
    /// the kernels.
    pub(crate) fn open(root: &Path, results: Option<&Results>) -> Result<Self, PendingError> {
        let all = pending(root)?;
        let differences: Vec<Vec<SectionDiff>> = all.iter().map(|one| one.differences(results)).collect();
        let changes: Vec<_> = all.iter().zip(&differences).map(|(one, differences)| one.changes(differences)).collect();
        let decisions = Decisions::ranked(&changes, ranks(&all, &changes)).all();
        let numbers = decisions.iter().enumerate();
        let numbers =
            numbers.flat_map(|(at, one)| one.changes.iter().map(move |change| (change.clone(), at))).collect();
        Ok(Self { all, differences, changes, decisions, numbers })
    }

    /// The decisions, all of them open.
    pub(crate) fn undecided(&self) -> Decisions {
        Decisions::ranked(&self.changes, ranks(&self.all, &self.changes))
    }

    /// The letters of changes: `A`; `A+B` if what was decided meanwhile has left several together.
    pub(crate) fn label(&self, decision: &Decision) -> String {
        let numbers: BTreeSet<usize> =
            decision.changes.iter().filter_map(|one| self.numbers.get(one).copied()).collect();
        joined(&numbers, "+")
    }

    /// The other decisions that the snapshots of a decision need.
    pub(crate) fn needs(&self, number: usize) -> BTreeSet<usize> {
        let snapshots = self.decisions[number].snapshots.iter();
        let mut needed: BTreeSet<usize> = snapshots.flat_map(|at| self.numbers_of(*at)).collect();
        needed.remove(&number);
        needed
    }

    fn numbers_of(&self, at: usize) -> BTreeSet<usize> {
        self.changes[at].iter().filter_map(|change| self.numbers.get(change).copied()).collect()
    }

    /// The snapshots that a pattern chooses: one for cases, as `--case` takes it, optionally with `@` and one for kernels.
    pub(crate) fn matching(&self, pattern: &str) -> Result<Vec<usize>, ReviewError> {
        let (case, kernel) = pattern.rsplit_once('@').unwrap_or((pattern, "*"));
        let matches = |one: &Pending| chooses(case, &one.case) && wildcard::matches(kernel, one.kernel.as_str());
        let found: Vec<usize> = (0..self.all.len()).filter(|at| matches(&self.all[*at])).collect();
        match found.is_empty() {
            true => Err(ReviewError::NoMatch { pattern: pattern.to_owned(), pending: self.all.len() }),
            false => Ok(found),
        }
    }

    /// The snapshots that have no changes but these, by their letters.
    pub(crate) fn with_changes(&self, letters: &[String]) -> Result<Vec<usize>, ReviewError> {
        let number = |name: &String| {
            let found = (0..self.decisions.len()).find(|number| letter(*number).eq_ignore_ascii_case(name));
            let last = self.decisions.len().checked_sub(1).map(letter);
            found.ok_or_else(|| ReviewError::UnknownChange { name: name.clone(), last })
        };
        let chosen = letters.iter().map(number).collect::<Result<BTreeSet<usize>, _>>()?;
        for number in &chosen {
            let others = self.needs(*number);
            if !others.is_subset(&chosen) {
                return Err(ReviewError::NeedsOthers {
                    name: letter(*number),
                    others: joined(&others, " and "),
                    together: joined(&chosen.union(&others).copied().collect(), ","),
                });
            }
        }
        Ok((0..self.all.len()).filter(|at| self.numbers_of(*at).is_subset(&chosen)).collect())
    }
}

/// The name of a decision: `A` to `Z`, then `AA`, `AB`, …
pub(crate) fn letter(number: usize) -> String {
    let last = char::from(b'A' + (number % 26) as u8);
    if number < 26 { last.to_string() } else { format!("{}{last}", letter(number / 26 - 1)) }
}

fn joined(numbers: &BTreeSet<usize>, by: &str) -> String {
    numbers.iter().map(|number| letter(*number)).collect::<Vec<_>>().join(by)
}

/// The order in which snapshots are decided: paths, then timings by the largest movement of their group, then first timings.
fn ranks(all: &[Pending], changes: &[BTreeSet<String>]) -> Vec<usize> {
    let mut groups: BTreeMap<&BTreeSet<String>, f64> = BTreeMap::new();
    for (one, changes) in all.iter().zip(changes).filter(|(one, _)| one.kind == SnapshotKind::Timing) {
        let shares = one.pending_timings().into_iter().map(|moved| moved.share().abs());
        let largest = shares.filter(|share| share.is_finite()).fold(0.0, f64::max);
        let group = groups.entry(changes).or_default();
        *group = group.max(largest);
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    let rank = |changes| groups.iter().position(|(group, _)| *group == changes).map_or(0, |at| at + 1);
    changes.iter().map(rank).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const TIMINGS: &str = "# instructions, lower quartile of 32 iterations\n";

    fn put(root: &Path, name: &str, text: &str) {
        let file = root.join("snapshots").join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, format!("---\nsource: a.rs\n---\n{text}")).unwrap();
    }

    /// `g/small` has change A, `g/both` changes A and B; three timings moved, and one is new.
    fn review(root: &Path) -> Review {
        for (case, old, new) in [("g/both", "f\nh\n", "f\n  g\nh\n  i\n"), ("g/small", "f\nh\n", "f\n  g\nh\n")] {
            put(root, &format!("{case}/6.12.snap"), &format!("# a.b\n{old}"));
            put(root, &format!("{case}/6.12.snap.new"), &format!("# a.b\n{new}"));
        }
        for (case, kernel, old, new) in [
            ("g/small", "6.12", Some("a.recv: 1000\n"), "a.recv: 1010\n"),
            ("g/large", "6.12", Some("a.recv: 1000\n"), "a.recv: 873\n"),
            ("g/large", "7.3", Some("a.recv: 1000\n"), "a.recv: 1020\n"),
            ("h/new", "7.3", None, "a.recv: 1000\n"),
        ] {
            if let Some(old) = old {
                put(root, &format!("{case}/{kernel}.timing.snap"), &format!("{TIMINGS}{old}"));
            }
            put(root, &format!("{case}/{kernel}.timing.snap.new"), &format!("{TIMINGS}{new}"));
        }
        Review::open(root, None).unwrap()
    }

    fn names(review: &Review, which: &[usize]) -> Vec<String> {
        let name = |at: &usize| {
            let Pending { case, kernel, kind, .. } = &review.all[*at];
            format!("{case}@{kernel} {kind:?}")
        };
        which.iter().map(name).collect()
    }

    #[test]
    fn paths_come_first_then_timings_by_movement_then_first_timings() {
        let root = tempfile::tempdir().unwrap();
        let review = review(root.path());
        let decided: Vec<Vec<String>> = review.decisions.iter().map(|one| names(&review, &one.snapshots)).collect();
        let expected: [&[&str]; 5] = [
            &["g/small@6.12 Path"],
            &["g/both@6.12 Path"],
            &["g/large@6.12 Timing"],
            &["g/large@7.3 Timing", "g/small@6.12 Timing"],
            &["h/new@7.3 Timing"],
        ];
        assert_eq!(decided, expected);
        assert_eq!(review.decisions[2].changes.first().unwrap(), "timings: recv is cheaper");
    }

    #[test]
    fn a_pattern_is_one_of_cases_with_or_without_one_of_kernels() {
        let root = tempfile::tempdir().unwrap();
        let review = review(root.path());
        let matching = |pattern: &str| review.matching(pattern).map(|found| names(&review, &found));
        assert_eq!(matching("*").unwrap().len(), 6);
        assert_eq!(matching("g/large").unwrap(), ["g/large@6.12 Timing", "g/large@7.3 Timing"]);
        assert_eq!(matching("g@7.*").unwrap(), ["g/large@7.3 Timing"]);
        assert_eq!(matching("*@7.3").unwrap().len(), 2);
        let error = matching("h@6.12").unwrap_err().to_string();
        assert_eq!(error, "`h@6.12` matches none of the 6 pending snapshots: `rxpath review --list` lists them");
    }

    #[test]
    fn a_change_is_accepted_with_those_that_its_snapshots_also_have() {
        let root = tempfile::tempdir().unwrap();
        let review = review(root.path());
        let chosen = |letters: &[&str]| {
            let letters: Vec<String> = letters.iter().map(|one| (*one).to_owned()).collect();
            review.with_changes(&letters).map(|found| names(&review, &found)).map_err(|error| error.to_string())
        };
        assert_eq!(chosen(&["A"]).unwrap(), ["g/small@6.12 Path"]);
        assert_eq!(chosen(&["a", "B"]).unwrap(), ["g/both@6.12 Path", "g/small@6.12 Path"]);
        assert_eq!(chosen(&["C", "E"]).unwrap(), ["g/large@6.12 Timing", "h/new@7.3 Timing"]);
        let needs = "the snapshots with change B also have A: accept them together, with `--accept-change A,B`";
        assert_eq!(chosen(&["B"]).unwrap_err(), needs);
        let unknown = "there is no change `F`, only A to E: `rxpath review --list` lists them";
        assert_eq!(chosen(&["A", "F"]).unwrap_err(), unknown);
    }

    #[test]
    fn there_are_letters_for_any_number_of_changes() {
        assert_eq!([0, 25, 26, 51, 52, 701, 702].map(letter), ["A", "Z", "AA", "AZ", "BA", "ZZ", "AAA"]);
    }
}
