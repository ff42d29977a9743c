//! Runs the cases on the kernels, judges them, and compares and reviews the results.
//!
//! A case goes through these folders in this order: `matrix` pairs it with the kernels, `run` runs its two passes in guests,
//! `judge` gives the verdict, and `store` holds results and snapshots. Later, `review` shows pending snapshots, `compare`
//! compares kernels, and `inspect` shows one traced pass in detail. Imports go one way: store, run, judge, then the others.

pub(crate) mod benchmark;
mod cached_kernels;
mod catalogue;
mod compare;
mod function_check;
mod inspect;
mod judge;
mod kernel_metadata;
mod matrix;
pub(crate) mod native;
mod no_keep;
mod partition;
mod project;
mod prune;
mod review;
mod run;
mod selection;
mod store;

pub(crate) use cached_kernels::{CacheContents, CachedKernel, PruneLimits};
pub(crate) use compare::accepted_matrix::{MetadataByImage, kernel_matrix};
pub(crate) use compare::against::{SavedReference, compare_against, is_comparable};
#[cfg(test)]
pub(crate) use compare::kernel_diff::shared_changes;
pub(crate) use compare::kernel_diff::{CaseDiff, KernelDiff, SharedChange, TwoKernels};
pub(crate) use compare::result_cache::ResultCache;
pub(crate) use compare::sides::{CompareError, SectionDiff};
pub(crate) use function_check::check_functions_in_cache;
pub(crate) use inspect::record::{ExcerptError, RecordError};
pub(crate) use inspect::timeline::{Thread, Timeline};
pub(crate) use judge::BOOT;
pub(crate) use judge::observe::{Observation, Section};
#[cfg(test)]
pub(crate) use judge::timings::Timings;
pub(crate) use kernel_metadata::MetadataError;
pub(crate) use no_keep::CacheBefore;
pub(crate) use partition::Partition;
pub(crate) use project::{find_root, init, last_results};
pub(crate) use prune::{PruneError, Pruned, plan, prune};
pub(crate) use review::decisions::{Decision, Decisions};
pub(crate) use review::explained::{SavedSide, explain_saved};
pub(crate) use review::pending::{Pending, PendingError};
pub(crate) use review::pending_review::{Review, ReviewError, letter};
pub(crate) use review::pending_timings::PendingTiming;
pub(crate) use review::refresh::{Refreshed, refresh};
pub(crate) use review::run_changes::{ChangedPaths, MovedTiming, PathChange, Place, RunChanges, accepted_diffs};
pub(crate) use run::image_spec::ImageSpec;
pub(crate) use run::passes::PassError;
pub(crate) use run::watcher::Watcher;
pub(crate) use selection::SelectionError;
#[cfg(test)]
pub(crate) use store::measured_with::tests::sample as measured_with_sample;
#[cfg(test)]
pub(crate) use store::run_results::NO_SNAPSHOT;
pub(crate) use store::saved::SavedFunctions;
pub(crate) use store::snapshot::{SnapshotError, SnapshotKind};

pub use compare::sides::accepted;
pub use inspect::record::{Capture, record_case};
pub use inspect::timeline::Excerpt;
pub use kernel_metadata::KernelMetadata;
pub use matrix::matrix::{MatrixOptions, run_matrix};
pub use project::{Project, ProjectError, ProjectOptions};
pub use run::passes::Recorded;
pub(crate) use run::save_capture::SaveCaptureError;
pub use run::test_bed::{image_for_machine, image_with_files};
pub use run::watcher::Silent;
pub use selection::choose;
pub use store::measured_with::MeasuredWith;
pub use store::results_file::ResultsError;
pub use store::run_results::{CaseResult, Problem, RESULTS_VERSION, Results, RunKernel, Verdict};
pub use store::saved::{Drift, DriftedTiming, OperationTiming, SavedPath, TimingSummary, wakeups};
pub use store::saved_capture::{CaptureMetadata, SAVED_VERSION, SavedCapture, SavedError, saved_captures};
pub use store::snapshot::Snapshots;
