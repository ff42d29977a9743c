//! What the operations of a case cost on a kernel, as a document that a snapshot holds, and against such a document.
//!
//! An operation that nobody interrupts with a sleep costs what passes between its two clock readings. One that sleeps also
//! waits for others, so what counts is what it has spent on the CPU, and how often it was switched away from. In exact
//! mode the unit of both is the instruction.

use std::fmt::Write;

use rxpath_guest::{OpResult, RunReport};

use crate::case::{Case, Failure, Measure, StepRef, evaluate_costs};
use crate::case::{CostFailure, Expectation};
use crate::kernel::KernelName;
use crate::path::timing::{Exact, Summary, compare_exact, subtract};

use crate::suite::store::results::CaseResult;
use crate::suite::store::saved::OperationTiming;

/// Everything that a timing pass measured, in the order of the case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// How many iterations the medians are of.
    pub iterations: u32,
    /// The operations, then the measures.
    pub timings: Vec<OperationTiming>,
}

/// What came of holding timings against a stored document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimingComparison {
    /// The same to the instruction.
    Same,
    /// All within `path::timing::WIDEST_BAND`; the ones that are not the same, in words.
    WithinBand(Vec<String>),
    /// At least one is beyond the band, or other things were measured.
    Different,
}

impl Timings {
    /// What the agent measured of a case.
    pub fn of(case: &Case, report: &RunReport) -> Self {
        let mut steps: Vec<StepRef> =
            report.results.iter().map(|one| StepRef { actor: one.actor, step: one.step }).collect();
        steps.sort_unstable_by_key(|step| (step.actor, step.step));
        steps.dedup();
        let operations = steps.iter().filter_map(|step| operation(case, report, *step));
        let measures = case.measures.iter().filter_map(|measure| span(report, measure));
        Self { iterations: iterations(report), timings: operations.chain(measures).collect() }
    }

    /// The timings as a snapshot holds them: a line each, so that a changed one is a changed line.
    pub fn document(&self) -> String {
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

    /// Reads what [`Timings::document`] wrote; `None` if it is not such a document.
    pub fn parse(document: &str) -> Option<Self> {
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

    /// Holds them against a stored document. The band is for another QEMU version, which may count a few instructions
    /// differently.
    pub fn compare_with(&self, document: &str) -> TimingComparison {
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
                Exact::WithinBand { difference } => {
                    within.push(format!("{}: {} instead of {} ({difference:+})", new.name, new.cost, old.cost));
                }
                Exact::Changed => return TimingComparison::Different,
            }
        }
        if within.is_empty() { TimingComparison::Same } else { TimingComparison::WithinBand(within) }
    }
}

const HEADING: &str = "# instructions, median of ";
const ON_CPU: &str = " on the CPU";

fn iterations(report: &RunReport) -> u32 {
    report.results.iter().map(|one| one.iteration + 1).max().unwrap_or(0)
}

fn operation(case: &Case, report: &RunReport, step: StepRef) -> Option<OperationTiming> {
    let mine: Vec<&OpResult> =
        report.results.iter().filter(|one| (one.actor, one.step) == (step.actor, step.step)).collect();
    let switches: Vec<u64> = mine.iter().map(|one| u64::from(one.switches)).collect();
    let switches = Summary::of(&switches)?.median as u32;
    let net = if switches == 0 {
        let elapsed: Vec<u64> = mine.iter().map(|one| one.end_ns.saturating_sub(one.start_ns)).collect();
        subtract(&elapsed, report.clock_overhead_ns)
    } else {
        let on_cpu: Vec<u64> = mine.iter().map(|one| one.cpu_ns).collect();
        // The two readings of the other clock lie between those of the CPU clock.
        subtract(&on_cpu, report.cpu_overhead_ns + 2 * report.clock_overhead_ns)
    };
    let summary = Summary::of(&net)?;
    Some(OperationTiming::measured(case.step_name(step.actor, step.step), switches, summary))
}

/// From one step's begin to another's end, in the same iteration.
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

/// What does not hold of a case's cost bounds on a kernel, and what could not be judged, given all results of that run.
pub(crate) fn cost_failures(
    case: &Case,
    expectations: &[Expectation],
    kernel: &KernelName,
    results: &[CaseResult],
) -> (Vec<Failure>, Vec<Failure>) {
    let cost = |case: &str, operation: &str| {
        let result = results.iter().find(|one| one.case == case && one.kernel == *kernel)?;
        result.timing(operation).map(|timing| timing.cost as f64)
    };
    let (mut wrong, mut unknown) = (Vec::new(), Vec::new());
    for failure in evaluate_costs(case, expectations, cost) {
        match failure {
            CostFailure::OutOfBounds(failure) => wrong.push(failure),
            CostFailure::Unknown(failure) => unknown.push(failure),
        }
    }
    (wrong, unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timings(recv: u64, switches: u32) -> Timings {
        let one = |name: &str, cost, switches| {
            let name = name.to_owned();
            OperationTiming { name, cost, switches, accepted: None, summary: None }
        };
        Timings { iterations: 32, timings: vec![one("receiver.recv", recv, switches), one("sender.send", 28_470, 0)] }
    }

    #[test]
    fn a_document_reads_back_as_what_it_was_made_of() {
        for timings in [timings(10_000, 0), timings(10_000, 1), timings(10_000, 3)] {
            assert_eq!(Timings::parse(&timings.document()), Some(timings));
        }
        assert_eq!(Timings::parse("receiver.recv: 5\n"), None);
        assert_eq!(Timings::parse("# instructions, median of 32 iterations\nreceiver.recv: many\n"), None);
    }

    #[test]
    fn half_a_percent_is_told_and_more_is_a_change() {
        let stored = timings(10_000, 1).document();
        assert_eq!(timings(10_000, 1).compare_with(&stored), TimingComparison::Same);
        let within = vec!["receiver.recv: 10050 instead of 10000 (+50)".to_owned()];
        assert_eq!(timings(10_050, 1).compare_with(&stored), TimingComparison::WithinBand(within));
        assert_eq!(timings(10_051, 1).compare_with(&stored), TimingComparison::Different);
        assert_eq!(timings(10_000, 2).compare_with(&stored), TimingComparison::Different);
    }
}
