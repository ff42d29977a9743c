//! A time axis that counts only what the calls of a recording took themselves.

/// The start of each period in which a call ran itself, by the trace clock, with the sum of all periods before it.
pub(crate) struct TimeAxis {
    before: Vec<(u64, u64)>,
    length: u64,
}

impl TimeAxis {
    /// `runs` are the starts and lengths of these periods.
    pub(crate) fn of(runs: impl Iterator<Item = (u64, u64)>) -> Self {
        let mut runs: Vec<(u64, u64)> = runs.collect();
        runs.sort_unstable();
        let mut length = 0;
        let before = runs.into_iter().map(|(start, took)| {
            length += took;
            (start, length - took)
        });
        let before = before.collect();
        Self { before, length }
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// The place of a time of the trace clock: the sum of all periods that started before it.
    pub(crate) fn at(&self, time: u64) -> u64 {
        let next = self.before.partition_point(|(start, _)| *start < time);
        self.before.get(next).map_or(self.length, |(_, before)| *before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_periods_that_started_before_a_time_count() {
        let axis = TimeAxis::of([(100, 5), (10, 3), (50, 0)].into_iter());
        let places = [0, 10, 11, 100, 101].map(|time| axis.at(time));
        assert_eq!((places, axis.length()), ([0, 0, 3, 3, 8], 8));
    }
}
