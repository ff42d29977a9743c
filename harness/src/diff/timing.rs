//! What operations cost in two kernels, side by side.

/// What one operation costs in one kernel: the median over the iterations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperationCost {
    /// Instructions (exact mode) or nanoseconds (native mode).
    pub cost: u64,
    /// Context switches away from its task: if there are any, the cost is what it spent on the CPU.
    pub switches: u32,
}

/// One operation in both kernels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimingLine {
    /// The operation (`receiver.recv`), or the name of a measure.
    pub name: String,
    /// In the old kernel, if it was measured there.
    pub old: Option<OperationCost>,
    /// In the new kernel, if it was measured there.
    pub new: Option<OperationCost>,
}

impl TimingLine {
    /// New minus old, if both were measured; `None` too where it cannot be held in 64 bits.
    pub fn difference(&self) -> Option<i64> {
        i64::try_from(i128::from(self.new?.cost) - i128::from(self.old?.cost)).ok()
    }

    /// The difference as a share of the old cost; `None` if that is 0.
    pub fn share(&self) -> Option<f64> {
        let old = self.old.filter(|old| old.cost > 0)?;
        Some(self.difference()? as f64 / old.cost as f64)
    }

    /// Whether cost or switches differ, or only one kernel has it.
    pub fn is_change(&self) -> bool {
        self.old != self.new
    }
}

/// Puts the operations of two kernels side by side: in the old kernel's order, then what only the new one has.
pub fn side_by_side(old: &[(String, OperationCost)], new: &[(String, OperationCost)]) -> Vec<TimingLine> {
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
    fn operations_meet_by_name_and_keep_their_order() {
        let cost = |name: &str, cost, switches| (name.to_owned(), OperationCost { cost, switches });
        let old = [cost("b", 1000, 1), cost("gone", 5, 0), cost("a", 7, 0)];
        let new = [cost("a", 7, 0), cost("new", 0, 0), cost("b", 1100, 1)];
        let lines = side_by_side(&old, &new);
        let told: Vec<_> = lines.iter().map(|line| (&*line.name, line.difference(), line.is_change())).collect();
        assert_eq!(told, [("b", Some(100), true), ("gone", None, true), ("a", Some(0), false), ("new", None, true)]);
        assert_eq!(lines[0].share(), Some(0.1));
    }

    #[test]
    fn another_number_of_switches_is_a_change_at_the_same_cost() {
        let side = |switches| vec![("a".to_owned(), OperationCost { cost: 7, switches })];
        assert!(side_by_side(&side(1), &side(2))[0].is_change());
    }
}
