//! Summarises timings and compares them. All samples are nanoseconds of guest time, which in exact mode are
//! instructions.

use std::collections::BTreeMap;

use rxpath_guest::{ActorIndex, RunReport, StepIndex};

/// The largest share of the stored value by which two exact timings may differ and still agree. A different QEMU
/// version may count a few instructions differently.
pub(crate) const WIDEST_BAND: f64 = 0.005;

/// A summary of samples. All values but `count` are in the samples' unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    /// At least 1.
    pub(crate) count: usize,
    pub(crate) min: u64,
    /// The largest sample of the lowest quarter (rounded up). Timings report it as the cost, because what disturbs a
    /// sample only makes it larger (docs/exactness.md, "Timings that moved though nothing in the path did").
    pub(crate) low: u64,
    /// The lower of the two middle samples if their number is even, so it is always one of the samples.
    pub(crate) median: u64,
    /// The smallest sample that at least 90 % of the samples do not exceed.
    pub(crate) p90: u64,
    pub(crate) max: u64,
}

impl Summary {
    /// Summarises samples; `None` if there are none.
    pub(crate) fn of(samples: &[u64]) -> Option<Self> {
        let mut sorted = samples.to_vec();
        sorted.sort_unstable();
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let low = sorted[sorted.len().div_ceil(4) - 1];
        let median = sorted[(sorted.len() - 1) / 2];
        let p90 = sorted[(sorted.len() * 9).div_ceil(10) - 1];
        Some(Self { count: sorted.len(), min, low, median, p90, max })
    }
}

/// Subtracts a measured overhead from every sample, down to 0.
pub(crate) fn subtract(samples: &[u64], overhead: u64) -> Vec<u64> {
    samples.iter().map(|sample| sample.saturating_sub(overhead)).collect()
}

/// Per operation, the time that it took in each iteration, without the cost of reading the clock.
pub(crate) fn operation_times(report: &RunReport) -> BTreeMap<(ActorIndex, StepIndex), Vec<u64>> {
    let mut samples: BTreeMap<(ActorIndex, StepIndex), Vec<u64>> = BTreeMap::new();
    for result in &report.results {
        let took = result.end_ns.saturating_sub(result.start_ns).saturating_sub(report.clock_overhead_ns);
        samples.entry((result.actor, result.step)).or_default().push(took);
    }
    samples
}

/// How an exact timing compares with the stored one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exact {
    Same,
    /// They differ by [`WIDEST_BAND`] or less.
    WithinBand,
    Changed,
}

/// Compares an exact timing with the stored one.
pub(crate) fn compare_exact(stored: u64, found: u64) -> Exact {
    if stored == found {
        return Exact::Same;
    }
    let is_within = found.abs_diff(stored) as f64 / stored as f64 <= WIDEST_BAND;
    if is_within { Exact::WithinBand } else { Exact::Changed }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_value_of_a_summary_is_one_of_the_samples() {
        assert_eq!(Summary::of(&[]), None);
        assert_eq!(Summary::of(&[7]), Some(Summary { count: 1, min: 7, low: 7, median: 7, p90: 7, max: 7 }));
        let samples: Vec<u64> = (1..=10).rev().collect();
        assert_eq!(Summary::of(&samples), Some(Summary { count: 10, min: 1, low: 3, median: 5, p90: 9, max: 10 }));
    }

    #[test]
    fn an_overhead_greater_than_a_sample_leaves_nothing_of_it() {
        assert_eq!(subtract(&[100, 5, 80], 80), [20, 0, 0]);
    }

    #[test]
    fn exact_timings_agree_up_to_the_band() {
        assert_eq!(compare_exact(1000, 1000), Exact::Same);
        assert_eq!(compare_exact(1000, 1005), Exact::WithinBand);
        assert_eq!(compare_exact(1000, 995), Exact::WithinBand);
        assert_eq!(compare_exact(1000, 1006), Exact::Changed);
        assert_eq!(compare_exact(1000, 994), Exact::Changed);
        assert_eq!(compare_exact(0, 1), Exact::Changed);
    }

    proptest! {
        #[test]
        fn summaries_are_ordered_and_independent_of_the_order_of_samples(mut samples in prop::collection::vec(any::<u64>(), 1..50)) {
            let one = Summary::of(&samples).unwrap();
            prop_assert!(one.min <= one.low && one.low <= one.median && one.median <= one.p90 && one.p90 <= one.max);
            samples.reverse();
            prop_assert_eq!(Some(one), Summary::of(&samples));
        }

        #[test]
        fn only_equal_exact_timings_are_the_same(stored in any::<u64>(), found in any::<u64>()) {
            prop_assert_eq!(compare_exact(stored, found) == Exact::Same, stored == found);
        }
    }
}
