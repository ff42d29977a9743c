//! The steady path: what the iterations of one stream agree on.
//!
//! The threshold is a strict majority: more than half of all iterations must show the very same path. It is the weakest
//! rule under which at most one path can be the steady one, whatever the number of variants; a plurality could change with
//! one iteration more, and a stricter share would make a case inconclusive for the odd timer or allocation that any
//! long run meets. How far the iterations agree is told with the path, so a caller can ask for more.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use super::{CallPath, PathEntry, text};

/// What came of comparing the iterations of one stream.
#[derive(Clone, Debug, PartialEq)]
pub enum Steadiness {
    /// More than half of the iterations agree.
    Steady(SteadyPath),
    /// They do not.
    Inconclusive(Unstable),
}

/// The path that the iterations agree on, and the others.
#[derive(Clone, Debug, PartialEq)]
pub struct SteadyPath {
    /// What they agree on.
    pub path: CallPath,
    /// How many iterations show it.
    pub agreeing: usize,
    /// How many iterations there were.
    pub iterations: usize,
    /// The other paths, most frequent first, then by first iteration.
    pub variants: Vec<Variant>,
}

/// A path that some iterations took instead of the steady one.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// The path.
    pub path: CallPath,
    /// The iterations that show it, in order.
    pub seen_in: Vec<u32>,
    /// Where it first differs.
    pub place: Place,
}

/// Why there is no steady path.
#[derive(Clone, Debug, PartialEq)]
pub struct Unstable {
    /// How many iterations there were.
    pub iterations: usize,
    /// The most frequent path (the earliest of equals), which the places refer to; `None` if there was no iteration.
    pub most_frequent: Option<CallPath>,
    /// How many iterations show it.
    pub agreeing: usize,
    /// Where the others first differ from it, most frequent first, with the number of iterations that differ there.
    pub places: Vec<(Place, usize)>,
}

/// A place where two paths part.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// Index of the first node that differs, in both paths.
    pub node: usize,
    /// The functions around that node, outermost first.
    pub beneath: Vec<String>,
    /// The line that stands in the path referred to; `None` if that one ends here.
    pub expected: Option<String>,
    /// The line that stands in the other path; `None` if that one ends here.
    pub found: Option<String>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |line: &Option<String>| line.clone().unwrap_or_else(|| "nothing more".to_owned());
        write!(f, "line {}", self.node + 1)?;
        if let Some(function) = self.beneath.last() {
            write!(f, ", in {function}")?;
        }
        write!(f, ": {} instead of {}", line(&self.found), line(&self.expected))
    }
}

/// Finds the path that more than half of the iterations agree on.
pub fn steady(paths: &BTreeMap<u32, CallPath>) -> Steadiness {
    let mut seen: HashMap<&CallPath, Vec<u32>> = HashMap::new();
    for (iteration, path) in paths {
        seen.entry(path).or_default().push(*iteration);
    }
    let mut seen: Vec<(&CallPath, Vec<u32>)> = seen.into_iter().collect();
    seen.sort_by_key(|(_, iterations)| (std::cmp::Reverse(iterations.len()), iterations.first().copied()));
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
    let mut places: BTreeMap<Place, usize> = BTreeMap::new();
    for variant in others {
        *places.entry(variant.place).or_default() += variant.seen_in.len();
    }
    let mut places: Vec<(Place, usize)> = places.into_iter().collect();
    places.sort_by_key(|(_, iterations)| std::cmp::Reverse(*iterations));
    Steadiness::Inconclusive(Unstable { iterations: total, most_frequent: Some(path), agreeing, places })
}

impl SteadyPath {
    /// The first iteration that took another path, and where; `None` if all agree.
    pub fn first_to_differ(&self) -> Option<(u32, &Place)> {
        let firsts = self.variants.iter().filter_map(|variant| Some((*variant.seen_in.first()?, &variant.place)));
        firsts.min_by_key(|(iteration, _)| *iteration)
    }
}

/// Where two paths part, if they do.
pub fn first_difference(expected: &CallPath, found: &CallPath) -> Option<Place> {
    let same = expected.nodes.iter().zip(&found.nodes).take_while(|(one, other)| one == other).count();
    if same == expected.nodes.len() && same == found.nodes.len() {
        return None;
    }
    let line = |path: &CallPath| path.nodes.get(same).map(text::line);
    Some(Place { node: same, beneath: beneath(expected, found, same), expected: line(expected), found: line(found) })
}

/// The functions around both sides' node: those around the deeper one, as far as they have come by then.
fn beneath(expected: &CallPath, found: &CallPath, node: usize) -> Vec<String> {
    let depth = |path: &CallPath| path.nodes.get(node).map_or(0, |node| node.depth);
    let mut below = depth(expected).max(depth(found));
    let mut names = Vec::new();
    for earlier in expected.nodes[..node].iter().rev() {
        if earlier.depth < below {
            below = earlier.depth;
            if let PathEntry::Call(name) | PathEntry::In(name) = &earlier.what {
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
    fn more_than_half_is_steady_and_the_others_are_variants_with_their_place() {
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
        assert_eq!(steady.first_to_differ().unwrap().0, 0);
    }

    #[test]
    fn exactly_half_is_not_enough() {
        let Steadiness::Inconclusive(unstable) = check(&[A, B, A, C]) else { panic!("steady") };
        assert_eq!((unstable.agreeing, unstable.iterations), (2, 4));
        assert_eq!(unstable.most_frequent, Some(parse(A).unwrap()));
        assert_eq!(unstable.places.len(), 2);
    }

    #[test]
    fn no_iteration_at_all_is_inconclusive() {
        assert!(matches!(check(&[]), Steadiness::Inconclusive(Unstable { iterations: 0, .. })));
    }

    #[test]
    fn one_iteration_agrees_with_itself() {
        let Steadiness::Steady(steady) = check(&[A]) else { panic!("not steady") };
        assert!(steady.variants.is_empty() && steady.first_to_differ().is_none());
    }
}
