//! What came of a run: one verdict for each case and kernel, with what led to it.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::case::{Case, CaseName};
use crate::kernel::KernelName;
use crate::replace_file::replace_file;
use crate::suite::store::results_v1::ResultsV1;
use crate::suite::store::saved::{OperationTiming, SavedFunctions, SavedPath, SavedWakeup};

/// The version of [`Results`] as JSON. It is raised when a field changes its meaning or is removed; a new field is optional
/// instead, and older files are read without it.
pub const RESULTS_VERSION: u32 = 2;

/// What a run has to say of one case on one kernel. Each means one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Everything expected holds, and path and timing are those of the snapshots.
    Pass,
    /// The case does not run on this kernel.
    Skipped,
    /// What is expected holds, but a snapshot differs or is missing.
    Changed,
    /// Something that the case expects does not hold.
    Failed,
    /// The iterations do not agree, or records were lost: nothing can be said.
    Inconclusive,
    /// The guest's kernel, agent or QEMU broke.
    Crashed,
    /// The guest made no progress.
    Hung,
    /// rxpath or its surroundings broke: the guest was never to blame.
    Broken,
}

impl Verdict {
    /// All verdicts, best first.
    pub const ALL: [Self; 8] = [
        Self::Pass,
        Self::Skipped,
        Self::Changed,
        Self::Failed,
        Self::Inconclusive,
        Self::Crashed,
        Self::Hung,
        Self::Broken,
    ];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Skipped => "skipped",
            Self::Changed => "changed",
            Self::Failed => "failed",
            Self::Inconclusive => "inconclusive",
            Self::Crashed => "crashed",
            Self::Hung => "hung",
            Self::Broken => "broken",
        }
    }

    /// Exit code of a command whose worst verdict this is: 0 all well, 1 something changed or failed, 3 the machinery broke.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Pass | Self::Skipped => 0,
            Self::Changed | Self::Failed | Self::Inconclusive | Self::Crashed | Self::Hung => 1,
            Self::Broken => 3,
        }
    }
}

/// Something that kept a case from passing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// Where: an operation (`receiver.recv`), a context (`softirq`), a snapshot file, or the guest.
    pub place: String,
    /// What was expected, what was found, and what to do about it. May have several lines.
    pub message: String,
    /// Further evidence: a diff, the console's tail. Empty if there is none.
    pub evidence: String,
}

/// One case on one kernel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// Who wakes whom.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wakeups: Vec<SavedWakeup>,
}

impl CaseResult {
    /// The accepted paths that a changed result was held against.
    pub fn accepted_paths(&self) -> Option<Vec<(String, crate::path::CallPath)>> {
        crate::suite::judge::observe::read_document(self.accepted.as_ref()?).ok()
    }

    /// The paths that were found, by name; none of those that no majority of the iterations agrees on.
    pub fn found_paths(&self) -> Vec<(String, crate::path::CallPath)> {
        let steady = self.paths.iter().filter(|saved| 2 * saved.agreeing > saved.iterations);
        steady.filter_map(|saved| Some((saved.name.clone(), crate::path::text::parse(&saved.path).ok()?))).collect()
    }

    /// The timing of an operation, measure or milestone, by name.
    pub fn timing(&self, name: &str) -> Option<&OperationTiming> {
        self.timings.iter().find(|timing| timing.name == name)
    }

    /// Whether timings differ from the accepted ones.
    pub fn has_other_timings(&self) -> bool {
        self.timings.iter().any(|timing| timing.accepted.is_some())
    }

    /// A result with nothing in it but the verdict and why.
    pub fn new(case: &Case, kernel: KernelName, verdict: Verdict, problems: Vec<Problem>) -> Self {
        Self {
            case: case.name.clone(),
            kernel,
            verdict,
            problems,
            notes: Vec::new(),
            capture_digest: String::new(),
            timing_digest: String::new(),
            took_ms: 0,
            title: case.title.clone(),
            about: case.about.trim().to_owned(),
            paths: Vec::new(),
            accepted: None,
            timings: Vec::new(),
            wakeups: Vec::new(),
        }
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
}

/// A whole run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Results {
    /// [`RESULTS_VERSION`].
    pub version: u32,
    pub kernels: Vec<RunKernel>,
    /// QEMU's version.
    pub qemu: String,
    /// `exact` or `native`.
    pub mode: String,
    /// By case, then by kernel.
    pub cases: Vec<CaseResult>,
    /// What each kernel has of the functions that stand in any path, for the reasons of differences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<SavedFunctions>,
}

/// Why saved results cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    /// The file.
    #[error("reading results from {file}: {why}")]
    Unreadable {
        /// Which.
        file: String,
        /// Why not.
        why: std::io::Error,
    },
    /// Not what `rxpath run --json` writes.
    #[error("{file} holds no results of a run, as `rxpath run --json FILE` writes them: {why}")]
    NotResults {
        /// Which.
        file: String,
        /// What is wrong.
        why: serde_json::Error,
    },
    /// From a later rxpath.
    #[error(
        "{file} is of version {found}, and this rxpath reads up to {RESULTS_VERSION}: use the rxpath that wrote it"
    )]
    TooNew {
        /// Which.
        file: String,
        /// Its version.
        found: u32,
    },
}

impl Results {
    /// Reads what [`Self::save`] wrote, now or in an earlier version.
    pub fn load(file: &Path) -> Result<Self, ResultsError> {
        let name = || file.display().to_string();
        let text = std::fs::read_to_string(file).map_err(|why| ResultsError::Unreadable { file: name(), why })?;
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        // The version first: what a later one holds need not be readable at all.
        let not_results = |why| ResultsError::NotResults { file: name(), why };
        let Version { version } = serde_json::from_str(&text).map_err(not_results)?;
        if version > RESULTS_VERSION {
            return Err(ResultsError::TooNew { file: name(), found: version });
        }
        match version {
            1 => serde_json::from_str::<ResultsV1>(&text).map(Self::from),
            _ => serde_json::from_str(&text),
        }
        .map_err(not_results)
    }

    /// Writes the results as JSON, whole or not at all; makes the folder.
    pub fn save(&self, file: &Path) -> std::io::Result<()> {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        replace_file(file, &json)
    }

    /// The results of several runs as one: kernels by version, cases by name. What two runs both have is the later one's.
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

    /// What a kernel of the run has of the functions in the paths.
    pub fn functions_of(&self, kernel: &KernelName) -> Option<&SavedFunctions> {
        self.functions.iter().find(|one| one.kernel == *kernel)
    }

    /// The worst verdict of what was run: a case that a kernel cannot have does not turn a run that passes into a skipped
    /// one, unless nothing else was asked for. A run of nothing passes.
    pub fn worst(&self) -> Verdict {
        let verdicts = || self.cases.iter().map(|case| case.verdict);
        let of_those_run = verdicts().filter(|verdict| *verdict != Verdict::Skipped).max();
        of_those_run.or_else(|| verdicts().max()).unwrap_or(Verdict::Pass)
    }

    /// How many cases ended in each verdict, best first; verdicts that none ended in are left out.
    pub fn tally(&self) -> Vec<(Verdict, usize)> {
        let count = |verdict| self.cases.iter().filter(|case| case.verdict == verdict).count();
        Verdict::ALL.into_iter().map(|verdict| (verdict, count(verdict))).filter(|(_, count)| *count > 0).collect()
    }
}
