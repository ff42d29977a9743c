//! The suite: cases by kernels, each brought from a plan to a verdict, with the snapshots it is compared with.
//!
//! This is where the folders meet: it takes kernels from kernel/, runs them through vm/, decodes with trace/, compares with
//! path/, and leaves how anything looks to report/.

pub mod benchmark;
mod compare;
mod judge;
mod kernel_metadata;
mod project;
mod review;
mod run;
mod selection;
mod store;

pub(crate) use compare::sides::section_matrix;
pub use compare::sides::{CaseDiff, CompareError, SectionDiff, Side, accepted, accepted_costs, compare, facts_of};
pub use compare::timeline::{Slice, Span, Thread, Timeline, Wake};
pub use judge::observe::{Observation, Section, read_document};
pub use judge::timings::{Timing, TimingComparison, Timings};
pub use kernel_metadata::{FactsError, KernelMetadata};
pub use project::{Project, ProjectError, ProjectOptions, find_root, last_results};
pub use review::decisions::{Decision, Decisions, changes_of, runs};
pub use review::explained::{SavedSide, explain_saved};
pub use review::pending::{Pending, PendingError, pending};
pub use run::matrix::{MatrixOptions, Silent, Watcher, run_matrix};
pub use run::native;
pub use run::passes::{PassError, Recorded};
pub use run::record::{Capture, record_case};
pub use run::test_bed::{image_for_machine, image_with_files};
pub use run::tracer::TracerError;
pub use selection::{Selection, SelectionError, choose};
pub use store::prune::{PruneError, Pruned, prune};
pub use store::results::{CaseResult, Problem, RESULTS_VERSION, Results, ResultsError, Verdict};
pub use store::saved::{SavedFunctions, SavedPath, SavedTiming, SavedWakeup, wakeups};
pub use store::saved_capture::{CaptureMetadata, SAVED_VERSION, SavedCapture, SavedCpu, SavedError, saved_captures};
pub use store::snapshot::{SnapshotKind, Snapshots, body};
