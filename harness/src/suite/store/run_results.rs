//! The results of a run: a verdict for each case and kernel, with its reasons.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::case::{Case, CaseName};
use crate::kernel::config::Config;
use crate::kernel::{Kernel, KernelName};
use crate::path::sequence::Sequence;
use crate::path::{CallPath, text};
use crate::suite::store::measured_with::MeasuredWith;
use crate::suite::store::path_document::read_document;
use crate::suite::store::saved::{Drift, OperationTiming, SavedFunctions, SavedPath, SavedWakeup};

/// The version of [`Results`] as JSON. It is raised when a field changes its meaning or is removed; a new field is optional
/// instead, and older files are read without it.
pub const RESULTS_VERSION: u32 = 2;

/// The outcome of one case on one kernel, best first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// All expectations hold, and the paths and timings match the snapshots.
    #[default]
    Pass,
    /// All expectations hold, and the kernel has no snapshots to compare with.
    New,
    /// The case does not run on this kernel.
    Skipped,
    /// All expectations hold, but a snapshot differs or is missing.
    Changed,
    /// The iterations do not agree, or records were lost, so the run proves nothing.
    Inconclusive,
    /// An expectation of the case does not hold: in any iteration if they agree, in all of them if they do not.
    Failed,
    /// The guest's kernel, the agent or QEMU failed.
    Crashed,
    /// The guest made no progress.
    Hung,
    /// rxpath or its environment failed; the guest is not the cause.
    Broken,
}

impl Verdict {
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::New => "new",
            Self::Skipped => "skipped",
            Self::Changed => "changed",
            Self::Failed => "failed",
            Self::Inconclusive => "inconclusive",
            Self::Crashed => "crashed",
            Self::Hung => "hung",
            Self::Broken => "broken",
        }
    }

    /// The exit code of a command whose worst verdict this is: 0 if all is well, 1 if something changed or failed, 3 if rxpath
    /// failed.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Pass | Self::New | Self::Skipped => 0,
            Self::Changed | Self::Failed | Self::Inconclusive | Self::Crashed | Self::Hung => 1,
            Self::Broken => 3,
        }
    }
}

/// How the message of a problem starts if there is nothing to compare with.
pub(crate) const NO_SNAPSHOT: &str = "there is no snapshot yet";

/// A reason why a case did not pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// Where it is: an operation (`receiver.recv`), a context (`softirq`), a snapshot, or a pass.
    pub place: String,
    /// What was expected, what was found, and what to do about it. May have several lines.
    pub message: String,
    /// Further evidence, such as a diff or the end of the console. May be empty.
    pub evidence: String,
}

impl Problem {
    /// A problem without further evidence.
    pub(crate) fn new(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { place: place.into(), message: message.into(), evidence: String::new() }
    }

    /// Whether the evidence is a diff of what was found with what was accepted.
    pub(crate) fn is_difference(&self) -> bool {
        self.evidence.starts_with("@@ ")
    }
}

/// One case on one kernel.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CaseResult {
    pub case: CaseName,
    pub kernel: KernelName,
    pub verdict: Verdict,
    /// Why it did not pass.
    pub problems: Vec<Problem>,
    /// Remarks that do not affect the verdict.
    pub notes: Vec<String>,
    /// Digest of the traced pass's capture; empty if there is none.
    pub capture_digest: String,
    /// Digest of the timing pass's capture; empty if there is none.
    pub timing_digest: String,
    /// Host time from the start of the first pass to the verdict, in milliseconds.
    pub took_ms: u64,
    /// What happens in the case, in one line.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// What the kernel does there, in a few sentences.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// The path that the iterations agree on, for each operation and context. Empty if nothing was recorded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<SavedPath>,
    /// The text of the accepted paths, if they differ from those of this run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<String>,
    /// What the operations, measures and milestones cost, in the order of the case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub timings: Vec<OperationTiming>,
    /// What the timings were measured with. Unknown outside exact mode, and for a kernel without snapshots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured_with: Option<MeasuredWith>,
    /// What the accepted timings were measured with, if the timings differ from them and their snapshot says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_with: Option<MeasuredWith>,
    /// The timings that differ from the accepted ones within the tolerance, if there are any. They do not affect the verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<Drift>,
    /// Who wakes whom.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wakeups: Vec<SavedWakeup>,
    /// One iteration over time; only in exact mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<Sequence>,
}

impl CaseResult {
    /// The accepted paths, by name, if they differ from those of this run.
    pub fn accepted_paths(&self) -> Option<Vec<(String, CallPath)>> {
        read_document(self.accepted.as_ref()?).ok()
    }

    /// The paths of this run, by name, without those that no majority of the iterations agrees on.
    pub fn found_paths(&self) -> Vec<(String, CallPath)> {
        let steady = self.paths.iter().filter(|saved| saved.is_steady());
        steady.filter_map(|saved| Some((saved.name.clone(), text::parse(&saved.path).ok()?))).collect()
    }

    /// The timing of an operation, measure or milestone, by name.
    pub fn timing(&self, name: &str) -> Option<&OperationTiming> {
        self.timings.iter().find(|timing| timing.name == name)
    }

    /// Whether timings differ from the accepted ones, so that the verdict is not better than changed.
    pub fn has_other_timings(&self) -> bool {
        self.timings.iter().any(|timing| timing.accepted.is_some_and(|accepted| accepted != timing.cost))
    }

    /// A result that passed, without anything measured.
    pub(crate) fn new(case: &Case, kernel: KernelName) -> Self {
        Self {
            case: case.name.clone(),
            kernel,
            title: case.title.clone(),
            about: case.about.trim().to_owned(),
            ..Self::default()
        }
    }

    /// Adds a problem; the verdict gets worse, never better.
    pub(crate) fn downgrade(&mut self, verdict: Verdict, problem: Problem) {
        self.verdict = self.verdict.max(verdict);
        self.problems.push(problem);
    }
}

/// A kernel that cases ran on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunKernel {
    pub name: KernelName,
    /// Its package's exact version.
    pub version: String,
    /// Whether it is the newest of its series instead of the locked one.
    pub unlocked: bool,
    /// The options that are set and change what every function costs. Empty if the kernel's configuration is unknown.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
}

impl RunKernel {
    pub(crate) fn of(kernel: &Kernel, config: Option<&Config>) -> Self {
        let options = config.map(Config::costly).unwrap_or_default();
        Self { name: kernel.name(), version: kernel.version.clone(), unlocked: kernel.unlocked, options }
    }
}

/// A whole run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Results {
    /// [`RESULTS_VERSION`].
    pub version: u32,
    pub kernels: Vec<RunKernel>,
    /// QEMU's version; several, separated by commas, in merged results.
    pub qemu: String,
    /// `exact` or `native`; both, separated by a comma, in merged results.
    pub mode: String,
    /// What the kernels were compared with instead of snapshots: one of them, or the kernel and file of saved results.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<String>,
    /// Ordered by case, then by kernel.
    pub cases: Vec<CaseResult>,
    /// Which functions of the paths each kernel has, to explain differences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<SavedFunctions>,
}

impl Results {
    /// Merges the results of several runs, ordered by case and kernel. Of results that two runs have, the later run's are kept.
    pub fn merge(runs: Vec<Self>) -> Option<Self> {
        let mut runs = runs.into_iter();
        let mut all = runs.next()?;
        for run in runs {
            all.kernels.retain(|kernel| !run.kernels.iter().any(|other| other.name == kernel.name));
            all.kernels.extend(run.kernels);
            let is_again = |one: &CaseResult| {
                run.cases.iter().any(|other| (&other.case, &other.kernel) == (&one.case, &one.kernel))
            };
            all.cases.retain(|one| !is_again(one));
            all.cases.extend(run.cases);
            all.functions.retain(|one| !run.functions.iter().any(|other| other.kernel == one.kernel));
            all.functions.extend(run.functions);
            all.against = all.against.or(run.against);
            for (all, one) in [(&mut all.qemu, run.qemu), (&mut all.mode, run.mode)] {
                if !all.split(", ").any(|known| known == one) {
                    all.push_str(&format!(", {one}"));
                }
            }
        }
        all.kernels.sort_by(|one, other| one.name.cmp(&other.name));
        all.cases.sort_by(|one, other| (&one.case, &one.kernel).cmp(&(&other.case, &other.kernel)));
        Some(all)
    }

    /// Which functions of the paths a kernel has.
    pub fn functions_of(&self, kernel: &KernelName) -> Option<&SavedFunctions> {
        self.functions.iter().find(|one| one.kernel == *kernel)
    }

    /// The worst verdict of the cases that were run. The run is skipped only if all of its cases are; an empty run passes.
    pub fn worst(&self) -> Verdict {
        let verdicts = || self.cases.iter().map(|case| case.verdict);
        let of_those_run = verdicts().filter(|verdict| *verdict != Verdict::Skipped).max();
        of_those_run.or_else(|| verdicts().max()).unwrap_or(Verdict::Pass)
    }

    /// The number of cases with each verdict, best first, without verdicts that no case has.
    pub fn tally(&self) -> Vec<(Verdict, usize)> {
        let mut counts = BTreeMap::new();
        self.cases.iter().for_each(|case| *counts.entry(case.verdict).or_default() += 1);
        counts.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_in_all_iterations_outweighs_iterations_that_disagree() {
        for order in [[Verdict::Failed, Verdict::Inconclusive], [Verdict::Inconclusive, Verdict::Failed]] {
            let mut result = CaseResult::default();
            order.into_iter().for_each(|verdict| result.downgrade(verdict, Problem::new("receiver.recv", "")));
            assert_eq!((result.verdict, result.problems.len()), (Verdict::Failed, 2));
        }
    }
}
