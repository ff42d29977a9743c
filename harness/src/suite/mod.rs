//! The suite: cases by kernels, each brought from a plan to a verdict, with the snapshots it is held against.
//!
//! This is where the folders meet: it takes kernels from kernel/, runs them through vm/, decodes with trace/, compares with
//! path/, and leaves how anything looks to report/.

pub mod bench;
mod blame;
mod capture;
mod captures;
mod compare;
mod decisions;
mod explained;
mod facts;
mod functions;
mod judge;
mod matrix;
mod milestones;
pub mod native;
mod observe;
mod passes;
mod pending;
mod prepare;
mod results;
mod saved;
mod selection;
mod snapshot;
mod timeline;
mod timings;
mod tracer;
mod upkeep;
mod workshop;

pub use capture::{Capture, record_case};
pub use captures::{About, SAVED_VERSION, SavedCapture, SavedCpu, SavedError, saved_captures};
pub use compare::{
    CaseDiff, CompareError, SectionDiff, Side, accepted, accepted_costs, compare, facts_of, section_matrix,
};
pub use decisions::{Decision, Decisions, changes_of, runs};
pub use explained::{SavedSide, explain_saved};
pub use facts::{FactsError, KernelFacts};
pub use matrix::{MatrixOptions, Silent, Watcher, run_matrix};
pub use observe::{Observation, Section, read_document};
pub use passes::{PassError, Recorded};
pub use pending::{Pending, PendingError, pending};
pub use prepare::{bench_for, bench_with};
pub use results::{CaseResult, Problem, RESULTS_VERSION, Results, ResultsError, Verdict};
pub use saved::{SavedFunctions, SavedPath, SavedTiming, SavedWakeup, wakeups};
pub use selection::{Selection, SelectionError, choose};
pub use snapshot::{SnapshotKind, Snapshots, body};
pub use timeline::{Slice, Span, Thread, Timeline, Wake};
pub use timings::{Held, Timing, Timings};
pub use tracer::TracerError;
pub use upkeep::{Pruned, UpkeepError, prune};
pub use workshop::{Workshop, WorkshopError, WorkshopOptions, find_root, last_results};
