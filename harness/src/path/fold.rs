//! Folds repeats: identical siblings in a row become one line with a count, and a short sequence of siblings that
//! repeats becomes one [`PathEntry::Repeat`]. The order is kept, so folding can be undone.

use std::collections::HashMap;

use super::{CallPath, PathEntry, PathNode};

/// The longest sequence whose repeats are found, in siblings (identical siblings in a row count as one).
const LONGEST_PERIOD: usize = 16;

/// Folds repeats at every level, innermost first. Linear in the number of nodes.
///
/// First, identical siblings in a row are joined. Then, from the left, the sequence whose repeats cover the most
/// siblings is folded. A path that is already folded stays folded, and its equal neighbours are joined.
pub(crate) fn fold(path: &CallPath) -> CallPath {
    let mut subtrees = Subtrees::default();
    // Siblings seen so far at each depth, last one first: in reverse preorder, children come before their parent.
    let mut pending: Vec<Vec<Id>> = vec![Vec::new()];
    for node in path.nodes.iter().rev() {
        let depth = node.depth as usize;
        if pending.len() < depth + 2 {
            pending.resize_with(depth + 2, Vec::new);
        }
        let children = in_order(std::mem::take(&mut pending[depth + 1]));
        let children = subtrees.fold_siblings(&children);
        let id = subtrees.intern(Subtree { entry: node.entry.clone(), times: node.times, children });
        pending[depth].push(id);
    }
    let roots = in_order(std::mem::take(&mut pending[0]));
    let roots = subtrees.fold_siblings(&roots);
    subtrees.write_out(&roots)
}

/// For each line that a path had before it was folded, the index of its line in the folded path; at most `most`.
pub(crate) fn unfolded(path: &CallPath, most: usize) -> Vec<usize> {
    unfolded_with_lift(path, most).into_iter().map(|(at, _)| at).collect()
}

/// The same, with the number of levels that folding added around the line.
fn unfolded_with_lift(path: &CallPath, most: usize) -> Vec<(usize, u32)> {
    enum Job {
        Siblings { at: usize, end: usize, lift: u32 },
        Node { at: usize, left: u32, lift: u32 },
    }
    let ends = path.subtree_ends();
    let mut out = Vec::new();
    let mut jobs = vec![Job::Siblings { at: 0, end: path.nodes.len(), lift: 0 }];
    while let Some(job) = jobs.pop() {
        match job {
            Job::Siblings { at, end, lift } if at < end => {
                jobs.push(Job::Siblings { at: ends[at], end, lift });
                jobs.push(Job::Node { at, left: path.nodes[at].times, lift });
            }
            Job::Siblings { .. } => {}
            Job::Node { left: 0, .. } => {}
            Job::Node { at, left, lift } => {
                jobs.push(Job::Node { at, left: left - 1, lift });
                let is_period = path.nodes[at].entry == PathEntry::Repeat && ends[at] > at + 1;
                if !is_period {
                    if out.len() == most {
                        return out;
                    }
                    out.push((at, lift));
                }
                jobs.push(Job::Siblings { at: at + 1, end: ends[at], lift: lift + u32::from(is_period) });
            }
        }
    }
    out
}

fn in_order(mut backwards: Vec<Id>) -> Vec<Id> {
    backwards.reverse();
    backwards
}

/// Index of a subtree in [`Subtrees`].
type Id = u32;

#[derive(Clone, PartialEq, Eq, Hash)]
struct Subtree {
    entry: PathEntry,
    times: u32,
    children: Vec<Id>,
}

/// All distinct subtrees so far. Equal subtrees have equal ids.
#[derive(Default)]
struct Subtrees {
    all: Vec<Subtree>,
    ids: HashMap<Subtree, Id>,
}

impl Subtrees {
    fn intern(&mut self, subtree: Subtree) -> Id {
        let next = self.all.len() as Id;
        *self.ids.entry(subtree).or_insert_with_key(|subtree| {
            self.all.push(subtree.clone());
            next
        })
    }

    fn fold_siblings(&mut self, siblings: &[Id]) -> Vec<Id> {
        let runs = self.join_runs(siblings);
        let mut out = Vec::with_capacity(runs.len());
        let mut at = 0;
        while at < runs.len() {
            let Some((period, times)) = best_period(&runs[at..]) else {
                out.push(runs[at]);
                at += 1;
                continue;
            };
            let children = runs[at..at + period].to_vec();
            out.push(self.intern(Subtree { entry: PathEntry::Repeat, times, children }));
            at += period * times as usize;
        }
        out
    }

    /// Joins equal neighbours into one with a higher count. Neighbours that differ only in their counts stay apart.
    fn join_runs(&mut self, siblings: &[Id]) -> Vec<Id> {
        let mut out = Vec::with_capacity(siblings.len());
        for run in siblings.chunk_by(|one, next| one == next) {
            let length = u32::try_from(run.len()).ok();
            let joined = length.and_then(|length| self.all[run[0] as usize].times.checked_mul(length));
            match joined {
                Some(times) if run.len() > 1 => {
                    let subtree = Subtree { times, ..self.all[run[0] as usize].clone() };
                    out.push(self.intern(subtree));
                }
                _ => out.extend_from_slice(run),
            }
        }
        out
    }

    fn write_out(&self, roots: &[Id]) -> CallPath {
        let mut nodes = Vec::new();
        let mut next: Vec<(u32, Id)> = roots.iter().rev().map(|root| (0, *root)).collect();
        while let Some((depth, id)) = next.pop() {
            let subtree = &self.all[id as usize];
            nodes.push(PathNode { depth, entry: subtree.entry.clone(), times: subtree.times });
            next.extend(subtree.children.iter().rev().map(|child| (depth + 1, *child)));
        }
        CallPath { nodes }
    }
}

/// The length of the sequence at the list's start whose repeats cover the most of it, and the number of its rounds. The
/// shortest of equals.
fn best_period(list: &[Id]) -> Option<(usize, u32)> {
    let longest = LONGEST_PERIOD.min(list.len() / 2);
    let mut best: Option<(usize, u32)> = None;
    for period in 2..=longest {
        let again = list[period..].iter().zip(list).take_while(|(one, other)| one == other).count();
        let times = u32::try_from(1 + again / period).unwrap_or(u32::MAX);
        let covered = best.map_or(0, |(period, times)| period * times as usize);
        if times > 1 && period * times as usize > covered {
            best = Some((period, times));
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::arbitrary::{is_well_formed, paths};
    use crate::path::text::{parse, write};
    use proptest::prelude::*;

    /// Undoes all folding; `None` if the result would have more than `most` nodes.
    fn unfold(path: &CallPath, most: usize) -> Option<CallPath> {
        let lines = unfolded_with_lift(path, most + 1);
        let node = |(at, lift): &(usize, u32)| {
            let node = &path.nodes[*at];
            PathNode::once(node.depth - lift, node.entry.clone())
        };
        (lines.len() <= most).then(|| CallPath { nodes: lines.iter().map(node).collect() })
    }

    fn folded(text: &str) -> String {
        write(&fold(&parse(text).unwrap()))
    }

    #[test]
    fn only_equal_siblings_in_a_row_become_one_line() {
        assert_eq!(folded("a\na\na\nb\na\n"), "a ×3\nb\na\n");
        assert_eq!(folded("a\n  x\na\n  x\na\n"), "a ×2\n  x\na\n");
    }

    #[test]
    fn a_repeated_sequence_keeps_its_order() {
        assert_eq!(folded("p\nlock\nunlock\nlock\nunlock\nlock\n"), "p\n~ repeats ×2\n  lock\n  unlock\nlock\n");
        assert_eq!(folded("a\na\nb\na\na\nb\n"), "~ repeats ×2\n  a ×2\n  b\n");
    }

    #[test]
    fn recursion_is_not_a_repeat() {
        assert_eq!(folded("f\n  f\n    f\n"), "f\n  f\n    f\n");
    }

    #[test]
    fn near_repeats_fold_in_linear_time() {
        // The worst case for the search: long sequences that fail to repeat only at their end.
        let names = (0..200_000).map(|n| if n % 17 == 16 { format!("x{}\n", n % 5) } else { format!("f{}\n", n % 17) });
        let path = parse(&names.collect::<String>()).unwrap();
        let start = std::time::Instant::now();
        let folded = fold(&path);
        assert!(start.elapsed() < std::time::Duration::from_secs(5), "{:?}", start.elapsed());
        assert_eq!(unfold(&folded, 1 << 20), unfold(&path, 1 << 20));
    }

    #[test]
    fn unfolding_stops_at_the_limit_instead_of_filling_memory() {
        let path = parse("~ repeats ×4000000000\n  a ×4000000000\n  b\n").unwrap();
        assert_eq!(unfold(&path, 1000), None);
        assert_eq!(fold(&path), path);
    }

    #[test]
    fn siblings_whose_counts_would_overflow_are_not_joined() {
        let path = parse("a ×4000000000\na ×4000000000\n").unwrap();
        assert_eq!(fold(&path), path);
    }

    proptest! {
        #[test]
        fn unfolding_gives_back_what_was_folded(path in paths()) {
            let plain = unfold(&path, 1 << 16);
            prop_assume!(plain.is_some());
            let folded = fold(&path);
            prop_assert!(is_well_formed(&folded));
            prop_assert!(folded.nodes.len() <= path.nodes.len() + 1);
            prop_assert_eq!(unfold(&folded, 1 << 16), plain);
        }
    }
}
