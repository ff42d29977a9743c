//! What calls cost: medians over the calls that a path shows.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Add;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::contexts::Kept;
use super::timing::Summary;
use super::{CallPath, PathEntry, PathNode, subtree_ends, with_all_beneath};
use crate::trace::NodeKind;

/// What a call of each function takes with everything it calls: the median, by canonical name.
pub(crate) type Costs = BTreeMap<String, u64>;

/// The self cost of each function, by canonical name.
pub(crate) type SelfCosts = BTreeMap<String, SelfCost>;

/// The self cost of a call: medians.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SelfCost {
    /// In instructions.
    pub cost: u64,
    /// The number of traced calls in it. The tracer's share of each is known to within a few instructions.
    pub traced: u64,
    /// Whether another CPU had a turn in each of the calls, so that the cost can be far too high.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shared: bool,
}

/// What made a sample too high, from the least to the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Disturbance {
    None,
    /// A hard interrupt came on top of the call. Its entry and exit are not traced, so they stay with the call.
    Interrupt,
    /// Another CPU had turns ([`OwnTime::shared`]).
    Sharing,
}

/// Sums over some calls.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Sums {
    took: u64,
    calls: u64,
    /// The calls on top of which a hard interrupt came.
    interrupted: u64,
    shared: u64,
}

impl Sums {
    fn disturbance(&self) -> Disturbance {
        match (self.shared, self.interrupted) {
            (0, 0) => Disturbance::None,
            (0, _) => Disturbance::Interrupt,
            _ => Disturbance::Sharing,
        }
    }

    fn plus(self, other: Self) -> Self {
        self.combine(other, u64::add)
    }

    fn minus(self, other: Self) -> Self {
        self.combine(other, u64::saturating_sub)
    }

    fn combine(self, other: Self, with: fn(u64, u64) -> u64) -> Self {
        Self {
            took: with(self.took, other.took),
            calls: with(self.calls, other.calls),
            interrupted: with(self.interrupted, other.interrupted),
            shared: with(self.shared, other.shared),
        }
    }
}

/// A call that a path shows.
#[derive(Clone, Debug, PartialEq)]
struct Sample {
    /// The call and all beneath it.
    whole: Sums,
    /// The shown calls directly beneath it, with all beneath them.
    beneath: Sums,
    /// The functions that are shown directly beneath it.
    callees: Vec<Arc<str>>,
}

impl Sample {
    /// The call itself with the calls that the path leaves out.
    fn itself(&self) -> Sums {
        self.whole.minus(self.beneath)
    }
}

/// Samples of what calls took, by function.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct CallSamples(HashMap<Arc<str>, Vec<Sample>>);

impl CallSamples {
    /// Adds the finished calls that a path shows of one context's tree: lines with the index of their nodes.
    pub(crate) fn add<'p>(&mut self, kept: &[Kept], shown: impl Iterator<Item = (usize, &'p PathNode)>) {
        let ends = subtree_ends(kept.iter().map(|kept| kept.depth));
        let sums = |of: fn(&Kept) -> u64| with_all_beneath(&ends, kept.iter().map(of));
        let took = sums(|kept| kept.own.took);
        let calls = sums(|kept| u64::from(matches!(kept.node.kind, NodeKind::Call { .. })));
        let interrupted = sums(|kept| u64::from(kept.interrupted));
        let shared = sums(|kept| u64::from(kept.own.shared));
        // The shown calls around the current line, with their depths, and whether their ends were recorded.
        let mut open: Vec<(u32, Arc<str>, bool, Sample)> = Vec::new();
        for (at, line) in shown {
            self.close_down_to(line.depth, &mut open);
            let PathEntry::Call(name) = &line.entry else { continue };
            let whole = Sums { took: took[at], calls: calls[at], interrupted: interrupted[at], shared: shared[at] };
            if let Some((.., caller)) = open.last_mut() {
                caller.callees.push(name.clone());
                caller.beneath = caller.beneath.plus(whole);
            }
            let finished = matches!(kept[at].node.kind, NodeKind::Call { end: Some(_), .. });
            let sample = Sample { whole, beneath: Sums::default(), callees: Vec::new() };
            open.push((line.depth, name.clone(), finished, sample));
        }
        self.close_down_to(0, &mut open);
    }

    fn close_down_to(&mut self, depth: u32, open: &mut Vec<(u32, Arc<str>, bool, Sample)>) {
        while let Some((_, name, finished, sample)) = open.pop_if(|(above, ..)| *above >= depth) {
            self.0.entry(name).or_default().extend(finished.then_some(sample));
        }
    }

    /// What a call of each function in the path takes with everything it calls.
    pub(crate) fn costs(&self, path: &CallPath) -> Costs {
        let best = self.least_disturbed(path, |sample| sample.whole.disturbance());
        best.map(|(name, _, samples)| (name, median(&samples, |sample| sample.whole.took))).collect()
    }

    /// The same without the calls that the path shows beneath it, but with those that it leaves out.
    pub(crate) fn self_costs(&self, path: &CallPath) -> SelfCosts {
        let best = self.least_disturbed(path, |sample| sample.itself().disturbance());
        let cost = |(name, disturbance, samples): (String, Disturbance, Vec<&Sample>)| {
            let cost = median(&samples, |sample| sample.itself().took);
            let traced = median(&samples, |sample| sample.itself().calls + sample.callees.len() as u64);
            (name, SelfCost { cost, traced, shared: disturbance == Disturbance::Sharing })
        };
        best.map(cost).collect()
    }

    /// The calls of each function in the path that count. These are, of the calls that made most of the calls that the
    /// path shows beneath it, the least disturbed.
    fn least_disturbed<'a>(
        &'a self,
        path: &CallPath,
        disturbance: fn(&Sample) -> Disturbance,
    ) -> impl Iterator<Item = (String, Disturbance, Vec<&'a Sample>)> {
        callees(path).into_iter().filter_map(move |(name, callees)| {
            let mut ranked: BTreeMap<_, Vec<&Sample>> = BTreeMap::new();
            for sample in self.0.get(name)? {
                let called: HashSet<&str> = sample.callees.iter().map(|callee| &**callee).collect();
                let rank = (callees.difference(&called).count(), disturbance(sample));
                ranked.entry(rank).or_default().push(sample);
            }
            ranked.pop_first().map(|((_, disturbance), samples)| (name.to_owned(), disturbance, samples))
        })
    }
}

/// The median of some samples, of which there is at least one.
fn median(samples: &[&Sample], value: impl Fn(&Sample) -> u64) -> u64 {
    let values: Vec<u64> = samples.iter().map(|sample| value(sample)).collect();
    Summary::of(&values).map_or(0, |summary| summary.median)
}

/// The functions of a path, each with those directly beneath it.
fn callees(path: &CallPath) -> BTreeMap<&str, HashSet<&str>> {
    let mut out: BTreeMap<&str, HashSet<&str>> = BTreeMap::new();
    let mut open: Vec<(u32, &str)> = Vec::new();
    for node in &path.nodes {
        let Some(name) = node.entry.function() else { continue };
        while open.pop_if(|(depth, _)| *depth >= node.depth).is_some() {}
        if let Some((_, caller)) = open.last() {
            out.entry(caller).or_default().insert(name);
        }
        out.entry(name).or_default();
        open.push((node.depth, name));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::own_times::OwnTime;
    use crate::path::text;
    use crate::trace::{Interrupted, Node};

    fn call(depth: u32, start: u64, end: u64) -> Node {
        Node {
            depth,
            cpu: 0,
            start,
            interrupted: Interrupted::default(),
            kind: NodeKind::Call { func: 1, end: Some(end) },
        }
    }

    /// What a call of `f` costs, if the roots among these nodes are calls of it.
    fn cost_of_f(kept: &[Kept]) -> u64 {
        let path = text::parse("f\n").unwrap();
        let roots = kept.iter().enumerate().filter(|(_, kept)| kept.depth == 0);
        let mut samples = CallSamples::default();
        samples.add(kept, roots.map(|(at, _)| (at, &path.nodes[0])));
        samples.costs(&path)["f"]
    }

    #[test]
    fn a_call_that_called_what_is_shown_beneath_it_counts_before_one_that_did_not() {
        let sample = |took, shared, callees: &[&str]| {
            let callees = callees.iter().map(|callee| Arc::from(*callee)).collect();
            let whole = Sums { took, calls: 1, interrupted: 0, shared };
            Sample { whole, beneath: Sums { took: took / 2, ..Sums::default() }, callees }
        };
        let samples = vec![
            sample(67, 0, &[]),
            sample(68, 0, &[]),
            sample(7100, 0, &["__release_sock"]),
            sample(9000, 1, &["__release_sock"]),
        ];
        let samples = CallSamples(HashMap::from([("release_sock".into(), samples)]));
        let cost = |path: &str| samples.costs(&text::parse(path).unwrap())["release_sock"];
        assert_eq!(cost("tcp_recvmsg\n  release_sock\n"), 68);
        assert_eq!(
            samples.self_costs(&text::parse("release_sock\n").unwrap())["release_sock"],
            SelfCost { cost: 34, traced: 1, shared: false }
        );
        assert_eq!(cost("tcp_recvmsg\n  release_sock\n    __release_sock\n      tcp_v4_do_rcv\n"), 7100);
        assert_eq!(cost("release_sock\nrelease_sock\n  ~ repeats ×2\n    __release_sock\n    f\n"), 7100);
    }

    #[test]
    fn disturbed_calls_count_only_if_there_are_no_others() {
        let nodes = [call(0, 0, 100), call(0, 200, 457), call(1, 210, 220), call(0, 500, 900)];
        let kept = |at: usize, depth, took, shared, interrupted| Kept {
            depth,
            node: &nodes[at],
            at,
            own: OwnTime { took, shared },
            interrupted,
        };
        let (plain, interrupted) = (kept(0, 0, 100, false, false), kept(1, 0, 257, false, true));
        let shared = kept(3, 0, 300, true, false);
        assert_eq!(cost_of_f(&[plain, interrupted, interrupted, shared, shared]), 100);
        assert_eq!(cost_of_f(&[interrupted, shared, shared]), 257);
        assert_eq!(cost_of_f(&[shared]), 300);
        // What disturbs a call beneath another disturbs that one too.
        assert_eq!(cost_of_f(&[plain, kept(1, 0, 247, false, false), kept(2, 1, 10, false, true)]), 100);
    }

    #[test]
    fn a_self_cost_is_shared_only_if_all_calls_were_disturbed_outside_of_what_is_shown_beneath() {
        let nodes = [call(0, 0, 1000), call(1, 100, 300)];
        let kept = |of: [bool; 2]| -> Vec<Kept<'_>> {
            let own = |at: usize| OwnTime { took: [80, 20][at], shared: of[at] };
            (0..2).map(|at| Kept { depth: at as u32, node: &nodes[at], at, own: own(at), interrupted: false }).collect()
        };
        let path = text::parse("f\n  g\n").unwrap();
        let shared = |all: &[[bool; 2]]| {
            let mut samples = CallSamples::default();
            for one in all {
                samples.add(&kept(*one), path.nodes.iter().enumerate());
            }
            let costs = samples.self_costs(&path);
            (costs["f"], costs["g"])
        };
        let cost = |cost, traced, shared| SelfCost { cost, traced, shared };
        assert_eq!(shared(&[[false, true]]), (cost(80, 2, false), cost(20, 1, true)));
        assert_eq!(shared(&[[true, false]]), (cost(80, 2, true), cost(20, 1, false)));
        assert_eq!(shared(&[[true, true], [false, false]]), (cost(80, 2, false), cost(20, 1, false)));
    }
}
