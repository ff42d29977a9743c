//! The costs of a case's operations on a kernel, as the text of a snapshot, and their comparison with such a text.
//!
//! An operation that does not sleep costs the time between its two clock readings. One that sleeps also waits for others, so
//! its cost is its time on the CPU, given with its number of context switches. In exact mode the unit is the instruction.

use std::fmt::Write;

use rxpath_guest::{OpResult, RunReport};

use crate::case::{Case, Measure, StepRef};
use crate::path::timing::{Exact, Summary, compare_exact, subtract};

use crate::suite::store::measured_with::MeasuredWith;
use crate::suite::store::saved::{Drift, DriftedTiming, OperationTiming};
use crate::suite::store::snapshot::AcceptedTimings;

/// The timings of a case, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Timings {
    /// The number of iterations.
    pub(crate) iterations: u32,
    /// The operations, then the measures.
    pub(crate) timings: Vec<OperationTiming>,
}

/// The comparison of timings with accepted ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TimingComparison {
    /// Equal to the instruction.
    Same,
    /// All are within `path::timing::WIDEST_BAND`. Has those that differ.
    WithinBand(Vec<DriftedTiming>),
    /// At least one is beyond the band, or different operations were measured.
    Different,
}

/// The verdict on timings that have accepted ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TimingVerdict {
    /// Equal to the instruction.
    Same,
    /// They differ within the tolerance, which applies because the accepted ones were measured with something else.
    Drifted(Drift),
    /// They differ by more than the tolerance, or have other operations.
    Changed,
    /// They differ within the tolerance, but what they were measured with is the same, so no tolerance applies.
    Inexact,
}

impl Timings {
    /// The timings in the agent's report.
    pub(crate) fn of(case: &Case, report: &RunReport) -> Self {
        let mut steps: Vec<StepRef> =
            report.results.iter().map(|one| StepRef { actor: one.actor, step: one.step }).collect();
        steps.sort_unstable_by_key(|step| (step.actor, step.step));
        steps.dedup();
        let operations = steps.iter().filter_map(|step| operation(case, report, *step));
        let measures = case.measures.iter().filter_map(|measure| span(report, measure));
        Self { iterations: iterations(report), timings: operations.chain(measures).collect() }
    }

    /// The text of a snapshot: one line for each timing, so that a changed timing is a changed line.
    pub(crate) fn document(&self) -> String {
        let mut out = format!("{HEADING}{} iterations\n", self.iterations);
        for one in &self.timings {
            let _ = match one.switches {
                0 => writeln!(out, "{}: {}", one.name, one.cost),
                1 => writeln!(out, "{}: {}{ON_CPU}, 1 switch", one.name, one.cost),
                many => writeln!(out, "{}: {}{ON_CPU}, {many} switches", one.name, one.cost),
            };
        }
        out
    }

    /// Parses the text of a snapshot; `None` if it is not one of timings.
    pub(crate) fn parse(document: &str) -> Option<Self> {
        let mut lines = document.trim_end().lines();
        let iterations = lines.next()?.strip_prefix(HEADING)?.strip_suffix(" iterations")?.parse().ok()?;
        let timings = lines.map(|line| {
            let (name, rest) = line.rsplit_once(": ")?;
            let (cost, switches) = match rest.split_once(ON_CPU) {
                None => (rest, 0),
                Some((cost, rest)) => (cost, rest.strip_prefix(", ")?.split_once(' ')?.0.parse().ok()?),
            };
            let cost = cost.parse().ok()?;
            Some(OperationTiming { name: name.to_owned(), cost, switches, accepted: None, summary: None })
        });
        Some(Self { iterations, timings: timings.collect::<Option<_>>()? })
    }

    /// Compares the timings with the text of a snapshot. The band allows for different QEMU versions, which may count a few
    /// instructions differently.
    pub(crate) fn compare_with(&self, document: &str) -> TimingComparison {
        let Some(stored) = Self::parse(document) else { return TimingComparison::Different };
        let shape = |all: &Self| -> Vec<(String, u32)> {
            all.timings.iter().map(|one| (one.name.clone(), one.switches)).collect()
        };
        if stored.iterations != self.iterations || shape(&stored) != shape(self) {
            return TimingComparison::Different;
        }
        let mut within = Vec::new();
        for (old, new) in stored.timings.iter().zip(&self.timings) {
            match compare_exact(old.cost, new.cost) {
                Exact::Same => {}
                Exact::WithinBand => {
                    within.push(DriftedTiming { name: new.name.clone(), accepted: old.cost, cost: new.cost });
                }
                Exact::Changed => return TimingComparison::Different,
            }
        }
        if within.is_empty() { TimingComparison::Same } else { TimingComparison::WithinBand(within) }
    }
}

impl Timings {
    /// Judges these timings, which were measured with `now`. They must be equal to the instruction if the accepted ones were measured
    /// with the same; otherwise, or if that is unknown, the tolerance applies.
    pub(crate) fn judge_by(&self, accepted: &AcceptedTimings, now: &MeasuredWith) -> TimingVerdict {
        let differences = accepted.measured_with.as_ref().map(|then| then.differences(now));
        match (self.compare_with(&accepted.text), differences) {
            (TimingComparison::Same, _) => TimingVerdict::Same,
            (TimingComparison::Different, _) => TimingVerdict::Changed,
            (TimingComparison::WithinBand(_), Some(differences)) if differences.is_empty() => TimingVerdict::Inexact,
            (TimingComparison::WithinBand(timings), differences) => {
                let because = differences.unwrap_or_default().into_iter().map(str::to_owned).collect();
                TimingVerdict::Drifted(Drift { because, timings })
            }
        }
    }
}

const HEADING: &str = "# instructions, lower quartile of ";
const ON_CPU: &str = " on the CPU";

fn iterations(report: &RunReport) -> u32 {
    report.results.iter().map(|one| one.iteration + 1).max().unwrap_or(0)
}

fn operation(case: &Case, report: &RunReport, step: StepRef) -> Option<OperationTiming> {
    let mine: Vec<&OpResult> =
        report.results.iter().filter(|one| (one.actor, one.step) == (step.actor, step.step)).collect();
    let switches: Vec<u64> = mine.iter().map(|one| u64::from(one.switches)).collect();
    // A task that is woken preempts the one that wakes it in about half of the iterations, which then contain another
    // switch and the work of both tasks.
    let switches = Summary::of(&switches)?.low as u32;
    let alike: Vec<&OpResult> = mine.into_iter().filter(|one| one.switches == switches).collect();
    let net = if switches == 0 {
        let elapsed: Vec<u64> = alike.iter().map(|one| one.end_ns.saturating_sub(one.start_ns)).collect();
        subtract(&elapsed, report.clock_overhead_ns)
    } else {
        let on_cpu: Vec<u64> = alike.iter().map(|one| one.cpu_ns).collect();
        // The other clock is read twice between the two readings of the CPU clock.
        subtract(&on_cpu, report.cpu_overhead_ns + 2 * report.clock_overhead_ns)
    };
    let summary = Summary::of(&net)?;
    Some(OperationTiming::measured(case.step_name(step.actor, step.step), switches, summary))
}

/// The time from the start of one step to the end of another in the same iteration.
fn span(report: &RunReport, measure: &Measure) -> Option<OperationTiming> {
    let at = |step: StepRef, iteration: u32| {
        let mut all = report.results.iter();
        all.find(|one| (one.actor, one.step, one.iteration) == (step.actor, step.step, iteration))
    };
    let spans: Vec<u64> = (0..iterations(report))
        .filter_map(|iteration| {
            let (from, to) = (at(measure.from, iteration)?, at(measure.to, iteration)?);
            to.end_ns.checked_sub(from.start_ns)
        })
        .collect();
    let net = subtract(&spans, report.clock_overhead_ns);
    Some(OperationTiming::measured(measure.name.clone(), 0, Summary::of(&net)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::store::measured_with::tests::sample;

    fn timings(recv: u64, switches: u32) -> Timings {
        let one = |name: &str, cost, switches| {
            let name = name.to_owned();
            OperationTiming { name, cost, switches, accepted: None, summary: None }
        };
        Timings { iterations: 32, timings: vec![one("receiver.recv", recv, switches), one("sender.send", 28_470, 0)] }
    }

    #[test]
    fn a_document_reads_back() {
        for timings in [timings(10_000, 0), timings(10_000, 1), timings(10_000, 3)] {
            assert_eq!(Timings::parse(&timings.document()), Some(timings));
        }
        assert_eq!(Timings::parse("receiver.recv: 5\n"), None);
        assert_eq!(Timings::parse("# instructions, lower quartile of 32 iterations\nreceiver.recv: many\n"), None);
    }

    #[test]
    fn half_a_percent_is_within_the_band_and_more_is_a_change() {
        let stored = timings(10_000, 1).document();
        assert_eq!(timings(10_000, 1).compare_with(&stored), TimingComparison::Same);
        let TimingComparison::WithinBand(within) = timings(10_050, 1).compare_with(&stored) else { panic!() };
        assert_eq!(
            within.iter().map(DriftedTiming::to_string).collect::<Vec<_>>(),
            ["receiver.recv: 10050 instead of 10000 (+50)"]
        );
        assert_eq!(timings(10_051, 1).compare_with(&stored), TimingComparison::Different);
        assert_eq!(timings(10_000, 2).compare_with(&stored), TimingComparison::Different);
    }

    #[test]
    fn timings_must_be_equal_to_the_instruction_if_nothing_they_were_measured_with_differs() {
        use Expected::*;
        enum Expected {
            Same,
            Drifted(&'static [&'static str]),
            Changed,
            Inexact,
        }
        let same = || Some(sample());
        let other_agent = || Some(MeasuredWith { agent: "other".to_owned(), inputs: "other".to_owned(), ..sample() });
        let other_inputs = || Some(MeasuredWith { inputs: "other".to_owned(), ..sample() });
        for (measured_with, cost, switches, expected) in [
            (same(), 10_000, 1, Same),
            (same(), 10_001, 1, Inexact),
            (same(), 10_051, 1, Changed),
            (same(), 10_000, 2, Changed),
            (other_agent(), 10_000, 1, Same),
            (other_agent(), 9_999, 1, Drifted(&["agent"])),
            (other_agent(), 10_050, 1, Drifted(&["agent"])),
            (other_agent(), 10_051, 1, Changed),
            (other_agent(), 10_000, 2, Changed),
            (other_inputs(), 10_001, 1, Drifted(&["case or machine"])),
            (None, 10_000, 1, Same),
            (None, 10_001, 1, Drifted(&[])),
            (None, 10_051, 1, Changed),
        ] {
            let accepted = AcceptedTimings { text: timings(10_000, 1).document(), measured_with };
            let because = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            let expected = match expected {
                Same => TimingVerdict::Same,
                Changed => TimingVerdict::Changed,
                Inexact => TimingVerdict::Inexact,
                Drifted(names) => TimingVerdict::Drifted(Drift {
                    because: because(names),
                    timings: vec![DriftedTiming { name: "receiver.recv".to_owned(), accepted: 10_000, cost }],
                }),
            };
            let found = timings(cost, switches).judge_by(&accepted, &sample());
            assert_eq!(found, expected, "{:?} {cost} {switches}", accepted.measured_with);
        }
    }
}
