//! Compares what functions take themselves in two kernels, over many parts of many cases.

use std::collections::{BTreeMap, BTreeSet};

/// One part of a case on both kernels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part<'a> {
    pub(crate) case: &'a str,
    /// `receiver.recv`, `softirq`.
    pub(crate) section: &'a str,
    /// What each function takes itself in one iteration, by name; of the old kernel.
    pub(crate) old: &'a BTreeMap<String, u64>,
    /// The same of the new kernel.
    pub(crate) new: &'a BTreeMap<String, u64>,
}

/// What one function takes itself, over all parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FunctionCost {
    pub(crate) function: String,
    pub(crate) before: u64,
    pub(crate) now: u64,
    /// The number of cases in which it differs.
    pub(crate) cases: usize,
    /// The case and section in which it differs most.
    pub(crate) most: (String, String),
}

impl FunctionCost {
    pub(crate) fn change(&self) -> i64 {
        self.now as i64 - self.before as i64
    }
}

#[derive(Default)]
struct Sum<'a> {
    before: u64,
    now: u64,
    cases: BTreeSet<&'a str>,
    most: (u64, &'a str, &'a str),
}

/// The functions whose costs differ, the largest difference of the sums first.
pub(crate) fn function_costs<'a>(parts: impl IntoIterator<Item = Part<'a>>) -> Vec<FunctionCost> {
    let mut sums: BTreeMap<&str, Sum> = BTreeMap::new();
    for Part { case, section, old, new } in parts {
        let functions: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for function in functions {
            let [before, now] = [old, new].map(|side| side.get(function).copied().unwrap_or_default());
            let sum = sums.entry(function).or_default();
            sum.before += before;
            sum.now += now;
            let change = before.abs_diff(now);
            if change > 0 {
                sum.cases.insert(case);
                if change > sum.most.0 {
                    sum.most = (change, case, section);
                }
            }
        }
    }
    let differing = sums.into_iter().filter(|(_, sum)| !sum.cases.is_empty());
    let mut costs: Vec<FunctionCost> = differing
        .map(|(function, sum)| FunctionCost {
            function: function.to_owned(),
            before: sum.before,
            now: sum.now,
            cases: sum.cases.len(),
            most: (sum.most.1.to_owned(), sum.most.2.to_owned()),
        })
        .collect();
    costs.sort_by_key(|cost| std::cmp::Reverse(cost.before.abs_diff(cost.now)));
    costs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_summed_over_all_parts_and_sorted_by_change() {
        let side = |costs: &[(&str, u64)]| -> BTreeMap<String, u64> {
            costs.iter().map(|(name, cost)| ((*name).to_owned(), *cost)).collect()
        };
        let (old, new) = (side(&[("same", 7), ("f", 100), ("gone", 30)]), side(&[("same", 7), ("f", 90), ("new", 5)]));
        let (old_softirq, new_softirq) = (side(&[("f", 50)]), side(&[("f", 10)]));
        let part = |case, section, old, new| Part { case, section, old, new };
        let costs = function_costs([
            part("g/one", "a.recv", &old, &new),
            part("g/one", "softirq", &old_softirq, &new_softirq),
            part("g/two", "a.recv", &old, &new),
            part("g/two", "a.send", &new, &new),
        ]);
        let found: Vec<_> = costs.iter().map(|one| (&*one.function, one.before, one.now, one.cases)).collect();
        assert_eq!(found, [("f", 340, 280, 2), ("gone", 60, 0, 2), ("new", 5, 15, 2)]);
        assert_eq!(costs[0].most, ("g/one".to_owned(), "softirq".to_owned()));
        assert_eq!(costs[0].change(), -60);
    }
}
