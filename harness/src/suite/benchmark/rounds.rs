//! Rounds of measurements, with a plain boot between any two of them: a slow or busy machine slows both.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::path::timing::Summary;
use crate::suite::benchmark::{BenchError, Figure, Spent, UNIT_KERNEL};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Unit {
    /// Elapsed time.
    #[serde(rename = "ms")]
    Ms,
    /// CPU time.
    #[serde(rename = "CPU ms")]
    CpuMs,
    #[serde(rename = "KiB")]
    Kib,
}

impl Unit {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Ms => "ms",
            Self::CpuMs => "CPU ms",
            Self::Kib => "KiB",
        }
    }

    /// How much of it a plain boot takes.
    fn of(self, boot: Spent) -> Option<u64> {
        match self {
            Self::Ms => Some(boot.elapsed_ms),
            Self::CpuMs => Some(boot.cpu_ms),
            Self::Kib => None,
        }
    }
}

/// One measurement.
pub(super) struct Sample {
    name: String,
    unit: Unit,
    value: u64,
}

impl Sample {
    pub(super) fn new(name: String, unit: Unit, value: u64) -> Self {
        Self { name, unit, value }
    }
}

/// A value, and how many boots it is.
type Measurement = (u64, Option<f64>);

pub(super) struct Rounds<'a> {
    boot: &'a dyn Fn() -> Result<Spent, BenchError>,
    report: &'a dyn Fn(&Figure),
    /// At least one.
    boots: Vec<Spent>,
    figures: Vec<Figure>,
}

impl<'a> Rounds<'a> {
    pub(super) fn new(
        boot: &'a dyn Fn() -> Result<Spent, BenchError>,
        report: &'a dyn Fn(&Figure),
    ) -> Result<Self, BenchError> {
        Ok(Self { boot, report, boots: vec![boot()?], figures: Vec::new() })
    }

    /// Measures this often, each time between two boots, and reports the figures.
    pub(super) fn repeat(
        &mut self,
        times: usize,
        measure: &dyn Fn() -> Result<Vec<Sample>, BenchError>,
    ) -> Result<(), BenchError> {
        let mut all: IndexMap<(String, Unit), Vec<Measurement>> = IndexMap::new();
        for _ in 0..times {
            let samples = measure()?;
            self.boots.push((self.boot)()?);
            for Sample { name, unit, value } in samples {
                let around = self.boots.iter().rev().take(2).map(|boot| unit.of(*boot)).sum::<Option<u64>>();
                let boots = around.map(|around| 2.0 * value as f64 / around.max(1) as f64);
                all.entry((name, unit)).or_default().push((value, boots));
            }
        }
        for ((name, unit), samples) in all {
            self.add(name, unit, &samples);
        }
        Ok(())
    }

    /// All figures, with those of the boots.
    pub(super) fn finish(mut self) -> Vec<Figure> {
        for unit in [Unit::Ms, Unit::CpuMs] {
            let samples: Vec<_> = self.boots.iter().filter_map(|boot| Some((unit.of(*boot)?, Some(1.0)))).collect();
            self.add(format!("a plain boot of {UNIT_KERNEL}"), unit, &samples);
        }
        self.figures
    }

    fn add(&mut self, name: String, unit: Unit, samples: &[Measurement]) {
        let values: Vec<u64> = samples.iter().map(|(value, _)| *value).collect();
        let Some(Summary { count, min, median, max, .. }) = Summary::of(&values) else { return };
        let mut boots: Vec<f64> = samples.iter().filter_map(|(_, boots)| *boots).collect();
        boots.sort_by(f64::total_cmp);
        let boots = boots.get(boots.len() / 2).copied();
        let figure = Figure { name, unit, runs: count, median, min, max, boots };
        (self.report)(&figure);
        self.figures.push(figure);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_time_is_given_in_the_boots_around_it_so_a_machine_that_gets_slower_changes_nothing() {
        let speed = Cell::new(1);
        let boot = || Ok(Spent { elapsed_ms: 4_000 * speed.get(), cpu_ms: 5_000 * speed.get() });
        let mut rounds = Rounds::new(&boot, &|_| ()).unwrap();
        let measure = || {
            let of = |unit, value| Sample::new("it".to_owned(), unit, value);
            let samples = vec![of(Unit::Ms, 400 * speed.get()), of(Unit::CpuMs, 1_000 * speed.get()), of(Unit::Kib, 7)];
            speed.set(2);
            Ok(samples)
        };
        rounds.repeat(3, &measure).unwrap();
        let figures = rounds.finish();
        let shown: Vec<_> = figures.iter().map(|one| (one.unit, one.median, one.runs, one.boots)).collect();
        let expected = [
            (Unit::Ms, 800, 3, Some(0.1)),
            (Unit::CpuMs, 2_000, 3, Some(0.2)),
            (Unit::Kib, 7, 3, None),
            (Unit::Ms, 8_000, 4, Some(1.0)),
            (Unit::CpuMs, 10_000, 4, Some(1.0)),
        ];
        assert_eq!(shown, expected);
    }
}
