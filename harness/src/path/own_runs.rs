//! When calls ran themselves: their own time, divided among the gaps between the calls beneath them.
//!
//! What a call took itself is known ([`super::own_times::OwnTime::took`]). How much of that was before, between and after the
//! calls beneath it is approximated: the tracer's share is assumed to be half after a stamp and half before the next one, and
//! what remains is scaled so that the sum is exact.

/// A period in which a call ran itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OwnRun {
    /// The index of the call's node.
    pub node: usize,
    /// The trace clock at its start, in nanoseconds.
    pub start: u64,
    /// Its length without the tracer's share, in nanoseconds (instructions in exact mode).
    pub took: u64,
}

/// The time between two stamps in a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Gap {
    /// The trace clock at its start.
    pub start: u64,
    /// Its length on the CPU's own clock.
    pub length: u64,
    /// The part of it that the tracer probably took.
    pub of_tracer: f64,
}

/// Divides what a call took itself among its gaps.
pub(super) fn runs(node: usize, took: u64, gaps: &[Gap]) -> impl Iterator<Item = OwnRun> {
    let weight = |gap: &Gap| (gap.length as f64 - gap.of_tracer).max(0.0);
    let total: f64 = gaps.iter().map(weight).sum();
    let count = gaps.len();
    let (mut weights, mut given) = (0.0, 0);
    gaps.iter().enumerate().map(move |(at, gap)| {
        weights += weight(gap);
        let until = match at + 1 == count {
            true => took,
            false if total > 0.0 => ((weights / total * took as f64).round() as u64).min(took),
            false => 0,
        };
        let run = OwnRun { node, start: gap.start, took: until.saturating_sub(given) };
        given = given.max(until);
        run
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn divided(took: u64, gaps: &[(u64, f64)]) -> Vec<u64> {
        let gaps: Vec<Gap> =
            gaps.iter().map(|(length, of_tracer)| Gap { start: 0, length: *length, of_tracer: *of_tracer }).collect();
        runs(0, took, &gaps).map(|run| run.took).collect()
    }

    #[test]
    fn the_gaps_of_a_call_add_up_to_what_it_took() {
        assert_eq!(divided(100, &[(150, 50.0), (50, 50.0)]), [100, 0]);
        assert_eq!(divided(100, &[(90, 40.0), (190, 40.0)]), [25, 75]);
        assert_eq!(divided(10, &[(1, 0.0), (1, 0.0), (1, 0.0)]), [3, 4, 3]);
        assert_eq!(divided(7, &[(10, 50.0), (10, 50.0)]), [0, 7]);
        assert!(divided(7, &[]).is_empty());
    }
}
