//! Compares the self costs of functions in two kernels, over many parts of many cases.

use std::collections::{BTreeMap, BTreeSet};

use crate::path::cost::{SelfCost, SelfCosts};

/// The most that a traced call differed by, in instructions, between two builds of the same code whose functions have different
/// addresses.
const TRACER_VARIES_BY: u64 = 7;

/// Whether two self costs differ by more than the tracer does.
pub(crate) fn differs(before: SelfCost, now: SelfCost) -> bool {
    before.cost.abs_diff(now.cost) > TRACER_VARIES_BY * before.traced.max(now.traced)
}

/// One part of a case on both kernels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part<'a> {
    pub(crate) case: &'a str,
    /// `receiver.recv`, `softirq`.
    pub(crate) section: &'a str,
    /// The old kernel's.
    pub(crate) old: &'a SelfCosts,
    /// The new kernel's.
    pub(crate) new: &'a SelfCosts,
}

/// The self cost of one call of a function, in instructions: the median of the parts in which it differs. 0 if it is not
/// called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FunctionCost {
    pub(crate) function: String,
    pub(crate) before: u64,
    pub(crate) now: u64,
    /// The number of cases in which it differs.
    pub(crate) cases: usize,
    /// The number of cases that call it on either kernel.
    pub(crate) called_in: usize,
    /// A case and section with the median difference.
    pub(crate) example: (String, String),
}

impl FunctionCost {
    pub(crate) fn change(&self) -> i64 {
        self.now as i64 - self.before as i64
    }

    /// How much it matters: its change in all cases with one.
    fn weight(&self) -> u64 {
        self.change().unsigned_abs() * self.cases as u64
    }

    /// Whether it differs in less than half of the cases that call it. Changed code differs in most of them; what one case ran
    /// into, such as a timer or a full cache of objects, only there.
    fn is_rare(&self) -> bool {
        self.cases * 2 < self.called_in
    }
}

/// The cost of one call in one part.
struct Difference<'a> {
    before: u64,
    now: u64,
    case: &'a str,
    section: &'a str,
}

/// The functions whose self costs differ: first those that differ wherever they are called, and of each kind those that matter
/// most. A part in which another CPU had a turn in each call
/// of a function does not count for it.
pub(crate) fn function_costs<'a>(parts: impl IntoIterator<Item = Part<'a>>) -> Vec<FunctionCost> {
    let mut differences: BTreeMap<&str, Vec<Difference>> = BTreeMap::new();
    let mut called: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for Part { case, section, old, new } in parts {
        let functions: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for function in functions {
            let [before, now] = [old, new].map(|side| side.get(function).copied().unwrap_or_default());
            if before.shared || now.shared {
                continue;
            }
            called.entry(function).or_default().insert(case);
            if differs(before, now) {
                let (before, now) = (before.cost, now.cost);
                differences.entry(function).or_default().push(Difference { before, now, case, section });
            }
        }
    }
    let mut costs: Vec<FunctionCost> =
        differences.into_iter().map(|(name, parts)| median(name, parts, called[name].len())).collect();
    costs.sort_by_key(|cost| (cost.is_rare(), std::cmp::Reverse(cost.weight())));
    costs
}

fn median(function: &str, mut parts: Vec<Difference<'_>>, called_in: usize) -> FunctionCost {
    let cases = parts.iter().map(|part| part.case).collect::<BTreeSet<_>>().len();
    parts.sort_by_key(|part| part.now as i64 - part.before as i64);
    let Difference { before, now, case, section } = parts[parts.len() / 2];
    let example = (case.to_owned(), section.to_owned());
    FunctionCost { function: function.to_owned(), before, now, cases, called_in, example }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::cost::SelfCost;

    #[test]
    fn a_function_has_its_median_difference_and_those_in_many_cases_come_first() {
        let side = |costs: &[(&str, u64)]| -> SelfCosts {
            costs
                .iter()
                .map(|(name, cost)| ((*name).to_owned(), SelfCost { cost: *cost, traced: 1, shared: false }))
                .collect()
        };
        let old = side(&[("same", 10), ("f", 100), ("gone", 30)]);
        let new = side(&[("same", 17), ("f", 90), ("new", 8)]);
        let mut shared = side(&[("same", 9000), ("f", 100)]);
        shared.get_mut("same").unwrap().shared = true;
        let (noisy_old, noisy_new) = (side(&[("f", 100)]), side(&[("f", 5000)]));
        let part = |case, section, old, new| Part { case, section, old, new };
        let costs = function_costs([
            part("g/one", "a.recv", &old, &new),
            part("g/one", "softirq", &noisy_old, &noisy_new),
            part("g/two", "a.recv", &old, &new),
            part("g/two", "a.send", &new, &new),
            part("g/two", "b.send", &shared, &noisy_old),
            part("g/two", "c.send", &noisy_old, &shared),
            part("g/two", "b.recv", &old, &new),
        ]);
        let found: Vec<_> = costs.iter().map(|one| (&*one.function, one.before, one.now, one.cases)).collect();
        assert_eq!(found, [("gone", 30, 0, 2), ("f", 100, 90, 2), ("new", 0, 8, 2)]);
        assert_eq!(costs[1].example.0, "g/two");
        assert_eq!(costs[1].change(), -10);
    }

    #[test]
    fn what_differs_in_few_of_the_cases_that_call_it_comes_last() {
        let side = |f, g| -> SelfCosts {
            let cost = |cost| SelfCost { cost, traced: 1, shared: false };
            [("f".to_owned(), cost(f)), ("g".to_owned(), cost(g))].into()
        };
        let (old, both, only_g) = (side(100, 100), side(5000, 130), side(100, 130));
        let part = |case, new| Part { case, section: "a.recv", old: &old, new };
        let costs = function_costs([part("one", &both), part("two", &only_g), part("three", &only_g)]);
        let found: Vec<_> = costs.iter().map(|one| (&*one.function, one.cases, one.called_in)).collect();
        assert_eq!(found, [("g", 3, 3), ("f", 1, 3)]);
    }
}
