//! What is stored: snapshots, results, captures.

pub(crate) mod measured_with;
pub(crate) mod path_document;
pub(crate) mod results_file;
mod results_v1;
pub(crate) mod run_results;
pub(crate) mod saved;
pub(crate) mod saved_capture;
pub(crate) mod snapshot;
