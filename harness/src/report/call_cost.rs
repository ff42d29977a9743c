//! What a call of a function takes, itself and in total.

use std::collections::BTreeSet;

use serde::Serialize;

use super::change_words::{grouped, is_switch, uncertain};
use crate::path::CallPath;
use crate::path::cost::{Costs, SelfCosts};

/// What a call of a function takes, in instructions. `None` if that is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct CallCost {
    /// Without the calls that the path shows beneath it, but with those that it leaves out.
    pub(crate) self_cost: Option<u64>,
    /// With all calls beneath it.
    pub(crate) total: Option<u64>,
    /// Whether the self cost is too high: by some hundreds if the call itself sleeps or wakes, by far more if another CPU had a
    /// turn in each call.
    pub(crate) self_cost_is_uncertain: bool,
    /// Whether a sleep or a wake-up beneath it makes the total some hundreds too high.
    pub(crate) total_is_uncertain: bool,
}

impl CallCost {
    /// Both numbers, with `~` where they are uncertain and `-` where they are unknown.
    pub(super) fn words(self) -> [String; 2] {
        let number = |cost: Option<u64>, is_uncertain: bool| match cost {
            Some(cost) => format!("{}{}", if is_uncertain { "~" } else { "" }, grouped(cost)),
            None => "-".to_owned(),
        };
        [number(self.self_cost, self.self_cost_is_uncertain), number(self.total, self.total_is_uncertain)]
    }
}

/// The costs of the calls of one path.
pub(super) struct CallCosts<'p> {
    totals: &'p Costs,
    self_costs: &'p SelfCosts,
    /// The functions with a sleep or a wake-up beneath them.
    around_switch: BTreeSet<&'p str>,
    /// The functions that sleep or wake themselves.
    switching: BTreeSet<&'p str>,
}

impl<'p> CallCosts<'p> {
    pub(super) fn new(path: &'p CallPath, totals: &'p Costs, self_costs: &'p SelfCosts) -> Self {
        let mut above: Vec<Option<&str>> = Vec::new();
        let mut switching = BTreeSet::new();
        for node in &path.nodes {
            above.truncate(node.depth as usize);
            if is_switch(node) {
                switching.extend(above.last().copied().flatten());
            }
            above.push(node.entry.function().or(above.last().copied().flatten()));
        }
        Self { totals, self_costs, around_switch: uncertain(path), switching }
    }

    pub(super) fn of(&self, function: &str) -> CallCost {
        let own = self.self_costs.get(function);
        CallCost {
            self_cost: own.map(|own| own.cost),
            total: self.totals.get(function).copied(),
            self_cost_is_uncertain: own.is_some_and(|own| own.shared) || self.switching.contains(function),
            total_is_uncertain: self.around_switch.contains(function),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.totals.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::cost::SelfCost;
    use crate::path::text;

    #[test]
    fn costs_around_a_sleep_and_shared_self_costs_are_marked() {
        let path = text::parse("recv\n  lock\n  wait\n    ~ sleeps\n  lock\n").unwrap();
        let totals =
            Costs::from([("recv", 1500), ("lock", 10), ("wait", 900)].map(|(name, cost)| (name.to_owned(), cost)));
        let own = |cost, shared| SelfCost { cost, traced: 1, shared };
        let self_costs = [("recv", own(580, false)), ("lock", own(10, true)), ("wait", own(900, false))];
        let self_costs = SelfCosts::from(self_costs.map(|(name, cost)| (name.to_owned(), cost)));
        let costs = CallCosts::new(&path, &totals, &self_costs);
        assert_eq!(costs.of("recv").words(), ["580", "~1,500"]);
        assert_eq!(costs.of("lock").words(), ["~10", "10"]);
        assert_eq!(costs.of("wait").words(), ["~900", "~900"]);
        assert_eq!(costs.of("other").words(), ["-", "-"]);
    }
}
