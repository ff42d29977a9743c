//! Compares what operations cost in two kernels.

/// The cost of one operation in one kernel: the lower quartile of its iterations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OperationCost {
    /// In instructions (exact mode) or nanoseconds (native mode).
    pub cost: u64,
    /// Context switches away from its task. If there are any, the cost is the task's time on the CPU.
    pub switches: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TimingLine {
    /// The operation (such as `receiver.recv`) or the measure.
    pub name: String,
    /// `None` if it was not measured in the old kernel.
    pub old: Option<OperationCost>,
    /// `None` if it was not measured in the new kernel.
    pub new: Option<OperationCost>,
}

impl TimingLine {
    /// New minus old. `None` if one was not measured, or if the difference does not fit into 64 bits.
    pub(crate) fn difference(&self) -> Option<i64> {
        i64::try_from(i128::from(self.new?.cost) - i128::from(self.old?.cost)).ok()
    }

    /// The difference as a share of the old cost. `None` if the old cost is 0.
    pub(crate) fn share(&self) -> Option<f64> {
        let old = self.old.filter(|old| old.cost > 0)?;
        Some(self.difference()? as f64 / old.cost as f64)
    }
}

/// Pairs the operations of two kernels: first those of the old kernel in its order, then those that only the new one
/// has.
pub(crate) fn side_by_side(old: &[(String, OperationCost)], new: &[(String, OperationCost)]) -> Vec<TimingLine> {
    let of = |side: &[(String, OperationCost)], name: &str| {
        side.iter().find(|(known, _)| known == name).map(|(_, cost)| *cost)
    };
    let only_new = new.iter().filter(|(name, _)| of(old, name).is_none());
    old.iter()
        .chain(only_new)
        .map(|(name, _)| TimingLine { name: name.clone(), old: of(old, name), new: of(new, name) })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_paired_by_name_in_their_order() {
        let cost = |name: &str, cost, switches| (name.to_owned(), OperationCost { cost, switches });
        let old = [cost("b", 1000, 1), cost("gone", 5, 0), cost("a", 7, 0)];
        let new = [cost("a", 7, 0), cost("new", 0, 0), cost("b", 1100, 1)];
        let lines = side_by_side(&old, &new);
        let found: Vec<_> = lines.iter().map(|line| (&*line.name, line.difference())).collect();
        assert_eq!(found, [("b", Some(100)), ("gone", None), ("a", Some(0)), ("new", None)]);
        assert_eq!(lines[0].share(), Some(0.1));
    }
}
