//! What left one part of a case for another: work that a kernel does in the softirq where the other did it in the system call.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::model::DiffLine;
use super::reason::{Absence, ExplainedDiff, Reason};
use crate::path::{PathEntry, PathNode};

/// How often each function stands in each part.
type Counts = BTreeMap<String, HashMap<Arc<str>, usize>>;

/// Replaces the reason "not seen here" by the part of the case where the other kernel does it: where it stands there more
/// often than in the kernel that has it here.
pub fn point_elsewhere(parts: &mut [(&str, &mut ExplainedDiff)]) {
    let old = counts(parts, |line| line.old.as_ref());
    let new = counts(parts, |line| line.new.as_ref());
    for (part, explained) in parts {
        for (line, reason) in explained.diff.lines.iter().zip(&mut explained.reasons) {
            let Some(Reason::Absent { absence: Absence::NotSeen, kernel }) = reason else { continue };
            let (own, other) = if line.old.is_some() { (&old, &new) } else { (&new, &old) };
            let Some(PathEntry::Call(function)) = line.node().map(|node| &node.what) else { continue };
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
            if let PathEntry::Call(function) = &node.what {
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
    fn what_left_the_system_call_for_the_softirq_says_so() {
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
        let told =
            |diff: &ExplainedDiff| -> Vec<String> { diff.reasons.iter().flatten().map(Reason::sentence).collect() };
        assert_eq!(
            told(&recv),
            ["in 7.3 seen in softirq instead", "traceable in 7.3, not seen here: not called, or inlined"]
        );
        assert_eq!(told(&softirq), ["in 5.10 seen in receiver.recv instead"]);
    }
}
