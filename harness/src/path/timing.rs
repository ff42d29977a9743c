//! What operations and functions cost: summaries of samples, overheads taken off, and comparisons that know noise from
//! change. All samples are nanoseconds of guest time, which in exact mode are instructions.

use std::collections::BTreeMap;

use rxpath_guest::{ActorIndex, RunReport, StepIndex};
use thiserror::Error;

use crate::trace::{CallForests, NodeKind, TaskKey};

/// The largest share by which two exact timings may differ and still count as the same: half a percent.
pub const WIDEST_BAND: f64 = 0.005;

/// Samples in short. All but `count` are in the samples' unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// How many samples there were, at least 1.
    pub count: usize,
    /// The smallest.
    pub min: u64,
    /// The middle one, the lower of two: always a value that was really seen.
    pub median: u64,
    /// The smallest that at least 90 % of the samples do not exceed.
    pub p90: u64,
    /// The largest.
    pub max: u64,
    /// Median of the absolute differences from the median.
    pub mad: u64,
}

impl Summary {
    /// Sums samples up; `None` if there are none.
    pub fn of(samples: &[u64]) -> Option<Self> {
        let mut sorted = samples.to_vec();
        sorted.sort_unstable();
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let median = lower_median(&sorted);
        let mut away: Vec<u64> = sorted.iter().map(|sample| sample.abs_diff(median)).collect();
        away.sort_unstable();
        let p90 = sorted[(sorted.len() * 9).div_ceil(10) - 1];
        Some(Self { count: sorted.len(), min, median, p90, max, mad: lower_median(&away) })
    }
}

fn lower_median(sorted: &[u64]) -> u64 {
    sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(0)
}

/// Samples with a constant overhead taken off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Net {
    /// What is left; 0 where the overhead was greater.
    pub samples: Vec<u64>,
    /// How many samples the overhead was greater than: if there are any, it was measured too high.
    pub below_overhead: usize,
}

/// Takes a measured overhead off every sample.
pub fn subtract(samples: &[u64], overhead: u64) -> Net {
    let below_overhead = samples.iter().filter(|sample| **sample < overhead).count();
    Net { samples: samples.iter().map(|sample| sample.saturating_sub(overhead)).collect(), below_overhead }
}

/// Per operation, the time that each iteration took from before to after the call, the clock's own cost taken off.
pub fn operation_times(report: &RunReport) -> BTreeMap<(ActorIndex, StepIndex), Net> {
    let mut samples: BTreeMap<(ActorIndex, StepIndex), Vec<u64>> = BTreeMap::new();
    for result in &report.results {
        let took = result.end_ns.saturating_sub(result.start_ns);
        samples.entry((result.actor, result.step)).or_default().push(took);
    }
    samples.into_iter().map(|(key, samples)| (key, subtract(&samples, report.clock_overhead_ns))).collect()
}

/// From the moment somebody began to wake this task to the moment it ran again, for every sleep, in nanoseconds.
pub fn wakeup_latencies(forests: &CallForests, pid: i32) -> Vec<u64> {
    let nodes = || forests.by_task.values().flat_map(|forest| &forest.nodes);
    let mut wakings: Vec<u64> = nodes()
        .filter(|node| matches!(node.what, NodeKind::Waking { pid: woken } if woken == pid))
        .map(|node| node.start)
        .collect();
    wakings.sort_unstable();
    let Some(own) = forests.by_task.get(&TaskKey::Task(pid)) else { return Vec::new() };
    let mut asleep_since = None;
    let mut latencies = Vec::new();
    for node in &own.nodes {
        match node.what {
            NodeKind::SwitchOut { state, .. } if state != 'R' => asleep_since = Some(node.start),
            NodeKind::SwitchIn { .. } => {
                let Some(since) = asleep_since.take() else { continue };
                let waking = wakings.partition_point(|waking| *waking < since);
                if let Some(waking) = wakings.get(waking).filter(|waking| **waking <= node.start) {
                    latencies.push(node.start - waking);
                }
            }
            _ => {}
        }
    }
    latencies
}

/// What an exact timing is against a stored one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Exact {
    /// The same to the instruction.
    Same,
    /// Within the band: another QEMU version may count a few instructions differently. To be told when it happens.
    WithinBand {
        /// Found minus stored.
        difference: i64,
        /// The same as a share of the stored value.
        share: f64,
    },
    /// Not the same.
    Changed {
        /// Found minus stored.
        difference: i64,
        /// The same as a share of the stored value; infinite if that is 0.
        share: f64,
    },
}

/// A band that is wider than [`WIDEST_BAND`], negative, or no number.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[error("a band of {asked} is no band for exact timings: expected a share between 0 and {WIDEST_BAND}")]
pub struct NoBand {
    /// What was asked for.
    pub asked: f64,
}

/// Compares an exact timing with a stored one. `band` is a share of the stored value, at most [`WIDEST_BAND`].
pub fn compare_exact(stored: u64, found: u64, band: f64) -> Result<Exact, NoBand> {
    if !(0.0..=WIDEST_BAND).contains(&band) {
        return Err(NoBand { asked: band });
    }
    if stored == found {
        return Ok(Exact::Same);
    }
    let difference = i64::try_from(i128::from(found) - i128::from(stored)).unwrap_or(if found > stored {
        i64::MAX
    } else {
        i64::MIN
    });
    let share = difference as f64 / stored as f64;
    Ok(if share.abs() <= band { Exact::WithinBand { difference, share } } else { Exact::Changed { difference, share } })
}

/// An interval that holds a true median with at least the probability asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// The probability it really has, from the ranks of the samples that are its ends.
    pub confidence: f64,
}

/// The confidence interval of the median that needs no assumption about the samples' distribution but that they are
/// independent: from the k-th smallest to the k-th largest sample, with the binomial probability of as many coin tosses.
///
/// `None` if there are too few samples for this confidence (for 95 %: fewer than 6), or it is not between 0 and 1.
pub fn median_interval(samples: &[f64], confidence: f64) -> Option<Interval> {
    if !(confidence > 0.0 && confidence < 1.0) || samples.iter().any(|sample| sample.is_nan()) {
        return None;
    }
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let count = sorted.len();
    // P(fewer than k of n tosses are heads), summed in logarithms: 2^-n leaves what an f64 can hold at n = 1075.
    let mut tail = 0.0;
    let mut ln_term = -(count as f64) * std::f64::consts::LN_2;
    let mut best = None;
    for k in 1..=count / 2 {
        tail += ln_term.exp();
        ln_term += ((count - k + 1) as f64 / k as f64).ln();
        let covered = 1.0 - 2.0 * tail;
        if covered < confidence {
            break;
        }
        best = Some(Interval { low: sorted[k - 1], high: sorted[count - k], confidence: covered });
    }
    best
}

/// What A/B measuring says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interleaved {
    /// Median of all pairs' differences, B minus A.
    pub difference: f64,
    /// The same as a share of A's median.
    pub share: f64,
    /// The interval of that difference.
    pub interval: Interval,
    /// What it comes to.
    pub verdict: AbVerdict,
}

/// The outcome of an A/B comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AbVerdict {
    /// B takes less, beyond noise and beyond what was asked to matter.
    Faster,
    /// B takes more, beyond noise and beyond what was asked to matter.
    Slower,
    /// The interval lies within what was asked to matter: the same, for this purpose.
    Same,
    /// The interval reaches from what matters to what does not: more samples are needed to tell.
    Undecided,
}

/// Why A/B samples cannot be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AbError {
    /// Not taken in turns.
    #[error("A has {a} samples and B has {b}: expected pairs taken in turns")]
    Unpaired {
        /// Samples of A.
        a: usize,
        /// Samples of B.
        b: usize,
    },
    /// Too few.
    #[error("{pairs} pairs are too few for a confidence interval: expected at least {needed}")]
    TooFew {
        /// How many there are.
        pairs: usize,
        /// How many it takes.
        needed: usize,
    },
}

/// The confidence of A/B comparisons.
pub const AB_CONFIDENCE: f64 = 0.95;

/// Compares samples of A and B that were taken in turns on one host: `a[i]` and `b[i]` next to each other in time, so what
/// drifts (frequency, neighbours) falls on both and cancels in their difference. `matters` is the share of A's median from
/// which a difference is of interest.
pub fn compare_interleaved(a: &[u64], b: &[u64], matters: f64) -> Result<Interleaved, AbError> {
    if a.len() != b.len() {
        return Err(AbError::Unpaired { a: a.len(), b: b.len() });
    }
    let mut differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| *b as f64 - *a as f64).collect();
    let interval = median_interval(&differences, AB_CONFIDENCE);
    let interval = interval.ok_or(AbError::TooFew { pairs: a.len(), needed: 6 })?;
    differences.sort_by(f64::total_cmp);
    let middle = differences.len() / 2;
    let difference = match differences.len() % 2 {
        0 => (differences[middle - 1] + differences[middle]) / 2.0,
        _ => differences[middle],
    };
    let base = Summary::of(a).map_or(0.0, |summary| summary.median as f64);
    let enough = base * matters.max(0.0);
    let verdict = if interval.high < -enough {
        AbVerdict::Faster
    } else if interval.low > enough {
        AbVerdict::Slower
    } else if interval.low >= -enough && interval.high <= enough {
        AbVerdict::Same
    } else {
        AbVerdict::Undecided
    };
    Ok(Interleaved { difference, share: difference / base, interval, verdict })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::sample::Sample;
    use proptest::prelude::*;

    #[test]
    fn a_summary_names_values_that_were_seen() {
        assert_eq!(Summary::of(&[]), None);
        let summary = Summary::of(&[7]).unwrap();
        assert_eq!((summary.min, summary.median, summary.p90, summary.max, summary.mad), (7, 7, 7, 7, 0));
        let samples: Vec<u64> = (1..=10).rev().collect();
        let summary = Summary::of(&samples).unwrap();
        assert_eq!((summary.min, summary.median, summary.p90, summary.max, summary.mad), (1, 5, 9, 10, 2));
    }

    #[test]
    fn an_overhead_greater_than_a_sample_is_told() {
        assert_eq!(subtract(&[100, 5, 80], 80), Net { samples: vec![20, 0, 0], below_overhead: 1 });
    }

    #[test]
    fn a_wakeup_is_timed_from_the_waking_to_the_switch() {
        let text = "task 10 r\nf\n  @out S 0\n  @in 0\n  @out R 0\n  @in 0\n";
        let mut sample = Sample::parse(text);
        let waker = Sample::parse("task 20 s\ng\n  @waking 10\n");
        sample.forests.by_task.extend(waker.forests.by_task);
        let at = |sample: &mut Sample, pid, times: &[u64]| {
            let nodes = &mut sample.forests.by_task.get_mut(&TaskKey::Task(pid)).unwrap().nodes;
            nodes.iter_mut().zip(times).for_each(|(node, time)| node.start = *time);
        };
        at(&mut sample, 10, &[0, 100, 900, 950, 990]);
        at(&mut sample, 20, &[500, 600]);
        assert_eq!(wakeup_latencies(&sample.forests, 10), [300]);
        assert_eq!(wakeup_latencies(&sample.forests, 11), Vec::<u64>::new());
    }

    #[test]
    fn exact_timings_differ_beyond_the_band_and_say_so_within_it() {
        assert_eq!(compare_exact(1000, 1000, 0.0), Ok(Exact::Same));
        assert_eq!(compare_exact(1000, 1005, 0.005), Ok(Exact::WithinBand { difference: 5, share: 0.005 }));
        assert!(matches!(compare_exact(1000, 1006, 0.005), Ok(Exact::Changed { difference: 6, .. })));
        assert!(matches!(compare_exact(1000, 999, 0.0), Ok(Exact::Changed { difference: -1, .. })));
        assert!(matches!(compare_exact(0, 1, 0.005), Ok(Exact::Changed { .. })));
        for band in [0.0051, -0.1, f64::NAN] {
            assert!(compare_exact(1, 1, band).is_err());
        }
    }

    #[test]
    fn the_interval_of_the_median_has_the_ranks_of_the_binomial_table() {
        // Tables of the sign test at 95 %: n = 5 none, 6 ranks 1 and 6, 20 ranks 6 and 15, 100 ranks 40 and 61.
        let numbers = |count: usize| (1..=count).map(|number| number as f64).collect::<Vec<_>>();
        assert_eq!(median_interval(&numbers(5), 0.95), None);
        let ends = |count| median_interval(&numbers(count), 0.95).map(|interval| (interval.low, interval.high));
        assert_eq!(ends(6), Some((1.0, 6.0)));
        assert_eq!(ends(20), Some((6.0, 15.0)));
        assert_eq!(ends(100), Some((40.0, 61.0)));
        let many = median_interval(&numbers(4000), 0.95).unwrap();
        assert!(many.low > 1900.0 && many.high < 2100.0 && many.confidence > 0.95, "{many:?}");
    }

    #[test]
    fn interleaving_finds_a_small_change_under_a_large_drift() {
        let drift = |i: u64| 10_000 + i * 500 + (i * 7919) % 90;
        let a: Vec<u64> = (0..40).map(drift).collect();
        let slower: Vec<u64> = (0..40).map(|i| drift(i) + 300 + (i * 31) % 50).collect();
        assert_eq!(compare_interleaved(&a, &slower, 0.005).unwrap().verdict, AbVerdict::Slower);
        assert_eq!(compare_interleaved(&slower, &a, 0.005).unwrap().verdict, AbVerdict::Faster);
        assert_eq!(compare_interleaved(&a, &slower, 0.1).unwrap().verdict, AbVerdict::Same);
        assert_eq!(compare_interleaved(&a, &a, 0.0).unwrap().verdict, AbVerdict::Same);
        let noise: Vec<u64> = (0..40).map(|i| drift(i) + (i % 2) * 2000).collect();
        assert_eq!(compare_interleaved(&a, &noise, 0.005).unwrap().verdict, AbVerdict::Undecided);
    }

    #[test]
    fn what_is_not_paired_or_too_few_is_refused() {
        assert_eq!(compare_interleaved(&[1, 2], &[1], 0.0), Err(AbError::Unpaired { a: 2, b: 1 }));
        assert_eq!(compare_interleaved(&[1; 5], &[1; 5], 0.0), Err(AbError::TooFew { pairs: 5, needed: 6 }));
        assert_eq!(compare_interleaved(&[], &[], 0.0), Err(AbError::TooFew { pairs: 0, needed: 6 }));
    }

    proptest! {
        #[test]
        fn summaries_are_ordered_and_independent_of_the_order_of_samples(mut samples in prop::collection::vec(any::<u64>(), 1..50)) {
            let one = Summary::of(&samples).unwrap();
            prop_assert!(one.min <= one.median && one.median <= one.p90 && one.p90 <= one.max);
            samples.reverse();
            prop_assert_eq!(Some(one), Summary::of(&samples));
        }

        #[test]
        fn any_two_exact_timings_compare(stored in any::<u64>(), found in any::<u64>()) {
            let outcome = compare_exact(stored, found, WIDEST_BAND).unwrap();
            prop_assert_eq!(outcome == Exact::Same, stored == found);
        }
    }
}
