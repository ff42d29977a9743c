//! What came of a run: one verdict for each case and kernel, with what led to it.

use serde::{Deserialize, Serialize};

/// The version of [`Results`] as JSON; raised when a field changes its meaning or goes.
pub const RESULTS_VERSION: u32 = 1;

/// What a run has to say of one case on one kernel. Each means one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Where: an operation (`receiver.recv`), a context (`softirq`), a snapshot file, or the guest.
    pub place: String,
    /// What was expected, what was found, and what to do about it. May have several lines.
    pub message: String,
    /// Further evidence: a diff, the console's tail. Empty if there is none.
    pub evidence: String,
}

/// One case on one kernel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseResult {
    /// `group/name`.
    pub case: String,
    /// The kernel's series.
    pub kernel: String,
    /// What came of it.
    pub verdict: Verdict,
    /// Why, if it did not pass.
    pub problems: Vec<Problem>,
    /// Things worth saying that change no verdict.
    pub notes: Vec<String>,
    /// Digest of the traced pass's capture, empty if there is none.
    pub capture_digest: String,
    /// Digest of the timing pass's capture, empty if there is none.
    pub timing_digest: String,
    /// Median cost of each timed operation or measure, in instructions (exact mode), by name.
    pub costs: Vec<(String, u64)>,
    /// Median context switches of each timed operation, by name.
    #[serde(default)]
    pub switches: Vec<(String, u32)>,
    /// Host time from the start of the first pass to the verdict, in milliseconds.
    pub took_ms: u64,
}

/// A whole run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// [`RESULTS_VERSION`].
    pub version: u32,
    /// `(series, exact version, whether it is not the locked one)` of each kernel.
    pub kernels: Vec<(String, String, bool)>,
    /// QEMU's version.
    pub qemu: String,
    /// `exact` or `native`.
    pub mode: String,
    /// By case, then by kernel.
    pub cases: Vec<CaseResult>,
}

impl Results {
    /// The worst verdict; a run of nothing passes.
    pub fn worst(&self) -> Verdict {
        self.cases.iter().map(|case| case.verdict).max().unwrap_or(Verdict::Pass)
    }

    /// How many cases ended in each verdict, best first; verdicts that none ended in are left out.
    pub fn tally(&self) -> Vec<(Verdict, usize)> {
        let count = |verdict| self.cases.iter().filter(|case| case.verdict == verdict).count();
        Verdict::ALL.into_iter().map(|verdict| (verdict, count(verdict))).filter(|(_, count)| *count > 0).collect()
    }
}
