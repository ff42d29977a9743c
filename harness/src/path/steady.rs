//! Finds the steady path: the one on which the iterations of a stream agree.
//!
//! The threshold is a strict majority: more than half of all iterations must have the same path. This is the weakest
//! rule under which at most one path can be steady, however many variants there are. With a plurality, one more
//! iteration could change the result; a stricter rule would make a case inconclusive because of the occasional timer or
//! allocation that any long run meets. The result says how many iterations agree, so that a caller can ask for more.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::fmt;

use super::{CallPath, PathEntry, text};

#[derive(Clone, Debug, PartialEq)]
pub enum Steadiness {
    Steady(SteadyPath),
    Inconclusive(Unstable),
}

/// The path that most iterations agree on, and the others.
#[derive(Clone, Debug, PartialEq)]
pub struct SteadyPath {
    pub path: CallPath,
    pub agreeing: usize,
    pub iterations: usize,
    /// The other paths, most frequent first, then by first iteration.
    pub variants: Vec<Variant>,
}

/// A path that some iterations took instead of the steady one.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    pub path: CallPath,
    /// In order.
    pub seen_in: Vec<u32>,
    pub place: Divergence,
}

/// The result of iterations that do not agree.
#[derive(Clone, Debug, PartialEq)]
pub struct Unstable {
    pub iterations: usize,
    /// The most frequent path (the earliest of equals), with which `places` compares; `None` if there was no iteration.
    pub most_frequent: Option<CallPath>,
    pub agreeing: usize,
    /// Where the other paths first differ, most frequent first, with the number of iterations that differ there.
    pub places: Vec<(Divergence, usize)>,
}

/// The place where two paths start to differ.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Divergence {
    /// Index, in both paths, of the first node that differs.
    pub node: usize,
    /// The functions around that node, outermost first.
    pub beneath: Vec<String>,
    /// The line of the first path; `None` if it has no more.
    pub expected: Option<String>,
    /// The line of the second path; `None` if it has no more.
    pub found: Option<String>,
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |line: &Option<String>| line.clone().unwrap_or_else(|| "nothing more".to_owned());
        write!(f, "line {}", self.node + 1)?;
        if let Some(function) = self.beneath.last() {
            write!(f, ", in {function}")?;
        }
        write!(f, ": {} instead of {}", line(&self.found), line(&self.expected))
    }
}

/// Finds the path on which more than half of the iterations agree.
pub fn steady(paths: &BTreeMap<u32, CallPath>) -> Steadiness {
    let mut seen: HashMap<&CallPath, Vec<u32>> = HashMap::new();
    for (iteration, path) in paths {
        seen.entry(path).or_default().push(*iteration);
    }
    let mut seen: Vec<(&CallPath, Vec<u32>)> = seen.into_iter().collect();
    seen.sort_by_key(|(_, iterations)| (Reverse(iterations.len()), iterations.first().copied()));
    let total = paths.len();
    let Some((most_frequent, agreeing)) = seen.first().map(|(path, iterations)| (*path, iterations.len())) else {
        return Steadiness::Inconclusive(Unstable {
            iterations: 0,
            most_frequent: None,
            agreeing: 0,
            places: Vec::new(),
        });
    };
    let others = seen.into_iter().skip(1).filter_map(|(path, seen_in)| {
        first_difference(most_frequent, path).map(|place| Variant { path: path.clone(), seen_in, place })
    });
    let path = most_frequent.clone();
    if agreeing * 2 > total {
        let variants = others.collect();
        return Steadiness::Steady(SteadyPath { path, agreeing, iterations: total, variants });
    }
    let mut places: BTreeMap<Divergence, usize> = BTreeMap::new();
    for variant in others {
        *places.entry(variant.place).or_default() += variant.seen_in.len();
    }
    let mut places: Vec<(Divergence, usize)> = places.into_iter().collect();
    places.sort_by_key(|(_, iterations)| Reverse(*iterations));
    Steadiness::Inconclusive(Unstable { iterations: total, most_frequent: Some(path), agreeing, places })
}

/// Finds where two paths start to differ; `None` if they are equal.
pub fn first_difference(expected: &CallPath, found: &CallPath) -> Option<Divergence> {
    let same = expected.nodes.iter().zip(&found.nodes).take_while(|(one, other)| one == other).count();
    if same == expected.nodes.len() && same == found.nodes.len() {
        return None;
    }
    let line = |path: &CallPath| path.nodes.get(same).map(text::line);
    Some(Divergence {
        node: same,
        beneath: beneath(expected, found, same),
        expected: line(expected),
        found: line(found),
    })
}

/// The functions around the deeper one of both paths' nodes, as far as the paths are still equal.
fn beneath(expected: &CallPath, found: &CallPath, node: usize) -> Vec<String> {
    let depth = |path: &CallPath| path.nodes.get(node).map_or(0, |node| node.depth);
    let mut below = depth(expected).max(depth(found));
    let mut names = Vec::new();
    for earlier in expected.nodes[..node].iter().rev() {
        if earlier.depth < below {
            below = earlier.depth;
            if let PathEntry::Call(name) | PathEntry::In(name) = &earlier.entry {
                names.push(name.to_string());
            }
        }
    }
    names.reverse();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::text::parse;

    fn check(paths: &[&str]) -> Steadiness {
        let numbered = (0..).zip(paths.iter().map(|text| parse(text).unwrap()));
        steady(&numbered.collect())
    }

    const A: &str = "f\n  g\n  h\n";
    const B: &str = "f\n  g\n    x\n  h\n";
    const C: &str = "f\n  g\n";

    #[test]
    fn a_majority_is_steady_and_the_others_are_variants_with_their_place() {
        let Steadiness::Steady(steady) = check(&[B, A, A, C, A, B, A]) else { panic!("not steady") };
        assert_eq!((steady.agreeing, steady.iterations), (4, 7));
        assert_eq!(steady.path, parse(A).unwrap());
        let variants: Vec<_> = steady.variants.iter().map(|v| (v.seen_in.clone(), v.place.to_string())).collect();
        assert_eq!(
            variants,
            [
                (vec![0, 5], "line 3, in g: x instead of h".to_owned()),
                (vec![3], "line 3, in f: nothing more instead of h".to_owned())
            ]
        );
    }

    #[test]
    fn half_of_the_iterations_are_not_enough() {
        let Steadiness::Inconclusive(unstable) = check(&[A, B, A, C]) else { panic!("steady") };
        assert_eq!((unstable.agreeing, unstable.iterations), (2, 4));
        assert_eq!(unstable.most_frequent, Some(parse(A).unwrap()));
        assert_eq!(unstable.places.len(), 2);
    }

    #[test]
    fn no_iterations_are_inconclusive() {
        assert!(matches!(check(&[]), Steadiness::Inconclusive(Unstable { iterations: 0, .. })));
    }

    #[test]
    fn one_iteration_agrees_with_itself() {
        let Steadiness::Steady(steady) = check(&[A]) else { panic!("not steady") };
        assert!(steady.variants.is_empty());
    }
}
