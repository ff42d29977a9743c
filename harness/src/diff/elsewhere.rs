//! Finds work that moved to a different part of a case: one kernel does it in the softirq, the other in the system
//! call.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::path_diff::DiffLine;
use super::reason::{Absence, ExplainedDiff, Reason};
use crate::path::{PathEntry, PathNode};

/// By part, how many lines each function has.
type Counts = BTreeMap<String, HashMap<Arc<str>, usize>>;

/// Replaces the reason "not seen here" if the other kernel calls the function in a different part of the case. The reason
/// then names a part in which that kernel has more lines of the function than this one.
pub(crate) fn point_elsewhere(parts: &mut [(&str, &mut ExplainedDiff)]) {
    let old = counts(parts, |line| line.old.as_ref());
    let new = counts(parts, |line| line.new.as_ref());
    for (part, explained) in parts {
        for (line, reason) in explained.diff.lines.iter().zip(&mut explained.reasons) {
            let Some(Reason::Absent { absence: Absence::NotSeen, kernel }) = reason else { continue };
            let (own, other) = if line.old.is_some() { (&old, &new) } else { (&new, &old) };
            let Some(PathEntry::Call(function)) = line.node().map(|node| &node.entry) else { continue };
            let more = |there: &&String| {
                let in_part = |counts: &Counts| counts.get(*there).and_then(|part| part.get(function)).copied();
                in_part(other).unwrap_or(0) > in_part(own).unwrap_or(0)
            };
            if let Some(there) = other.keys().filter(|there| *there != part).find(more) {
                *reason = Some(Reason::OtherPart { kernel: kernel.clone(), part: there.as_str().into() });
            }
        }
    }
}

fn counts(parts: &[(&str, &mut ExplainedDiff)], side: impl Fn(&DiffLine) -> Option<&PathNode>) -> Counts {
    let mut all = Counts::new();
    for (part, explained) in parts {
        let counts = all.entry((*part).to_owned()).or_default();
        for node in explained.diff.lines.iter().filter_map(&side) {
            if let PathEntry::Call(function) = &node.entry {
                *counts.entry(function.clone()).or_default() += 1;
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::{Knowledge, Renames, SymbolSet, align, explain};
    use crate::path::cost::Costs;
    use crate::path::text::parse;

    #[test]
    fn a_function_that_moved_from_the_system_call_to_the_softirq_is_reported_so() {
        let facts = |kernel| SymbolSet::new(kernel, [], ["dst_release", "inlined", "f", "g"]);
        let (old, new) = (facts("5.10"), facts("7.3"));
        let renames = Renames::default();
        let compared = |one: &str, other: &str| {
            let knowledge = Knowledge { renames: &renames, plausible: &|_, _| false };
            let diff = align(&parse(one).unwrap(), &parse(other).unwrap(), &knowledge);
            explain(diff, (&old, &Costs::new()), (&new, &Costs::new()))
        };
        let mut recv = compared("f\n  dst_release\n  inlined\n", "f\n");
        let mut softirq = compared("g\n", "g\n  dst_release\n");
        point_elsewhere(&mut [("receiver.recv", &mut recv), ("softirq", &mut softirq)]);
        let sentences =
            |diff: &ExplainedDiff| -> Vec<String> { diff.reasons.iter().flatten().map(Reason::sentence).collect() };
        assert_eq!(
            sentences(&recv),
            ["in 7.3 seen in softirq instead", "traceable in 7.3, not seen here: not called, or inlined"]
        );
        assert_eq!(sentences(&softirq), ["in 5.10 seen in receiver.recv instead"]);
    }
}
