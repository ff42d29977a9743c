//! What stays on disk: snapshots, results, raw captures.

pub(crate) mod prune;
pub(crate) mod results;
mod results_v1;
pub(crate) mod saved;
pub(crate) mod saved_capture;
pub(crate) mod snapshot;
