//! Progress of a run.

use crate::suite::store::run_results::CaseResult;

/// Receives the events of a run, from any thread.
pub trait Watcher: Sync {
    /// An image is about to be booted because of `reason`.
    fn making_image(&self, kernel: &str, machine: &str, reason: &str);
    /// A case has its verdict.
    fn judged(&self, result: &CaseResult);
}

/// A watcher that ignores all events.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Watcher for Silent {
    fn making_image(&self, _: &str, _: &str, _: &str) {}
    fn judged(&self, _: &CaseResult) {}
}
