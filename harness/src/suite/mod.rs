//! Runs the cases on the kernels, judges them, and compares and reviews the results.
//!
//! A case goes through these folders in this order: `matrix` pairs it with the kernels, `run` runs its two passes in guests,
//! `judge` gives the verdict, and `store` holds results and snapshots. Later, `review` shows pending snapshots, `compare`
//! compares kernels, and `inspect` shows one traced pass in detail. Imports go one way: store, run, judge, then the others.

pub mod benchmark;
mod compare;
mod inspect;
mod judge;
mod kernel_metadata;
mod matrix;
pub mod native;
mod project;
mod prune;
mod review;
mod run;
mod selection;
mod store;

pub use compare::case_diff::CaseDiff;
pub(crate) use compare::case_diff::{DiffRequest, KernelKnowledge, diff_case, kernel_matrix, metadata_of};
pub use compare::sides::{CompareError, SectionDiff, accepted};
pub use inspect::record::{Capture, RecordError, record_case};
pub use inspect::timeline::{Slice, Span, Thread, Timeline, Wake};
pub use judge::observe::{Observation, Section};
pub use kernel_metadata::{KernelMetadata, MetadataError};
pub use matrix::matrix::{MatrixOptions, run_matrix};
pub use project::{Project, ProjectError, ProjectOptions, find_root, last_results};
pub use prune::{PruneError, Pruned, prune};
pub use review::decisions::{Decision, Decisions, changes_of, runs};
pub use review::explained::{SavedSide, explain_saved};
pub use review::pending::{Pending, PendingError, pending};
pub use run::passes::{PassError, Recorded};
pub use run::save_capture::SaveCaptureError;
pub use run::test_bed::{TestBedError, image_for_machine, image_with_files};
pub use run::tracer::TracerError;
pub use run::watcher::{Silent, Watcher};
pub use selection::{SelectionError, choose};
pub use store::results::{CaseResult, Problem, RESULTS_VERSION, Results, ResultsError, RunKernel, Verdict};
pub use store::saved::{OperationTiming, SavedFunctions, SavedPath, SavedWakeup, TimingSummary, wakeups};
pub use store::saved_capture::{CaptureMetadata, SAVED_VERSION, SavedCapture, SavedCpu, SavedError, saved_captures};
pub use store::snapshot::{SnapshotKind, Snapshots};
