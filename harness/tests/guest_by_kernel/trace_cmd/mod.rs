//! Compares call trees with those of trace-cmd, in two ways:
//!
//! - `record::…`: trace-cmd runs in the guest, as a second recorder (`trace-cmd record -p function_graph`): the trees of the
//!   same operations, recorded once by rxpath and once by trace-cmd, are the same.
//! - `decode::…`: `trace-cmd report` on the host and rxpath read one recording, rxpath's, and see the same calls.
//!
//! trace-cmd is the host's (`apt install trace-cmd`), or what RXPATH_TRACE_CMD names. Where there is none the tests are
//! listed as ignored, with the reason as their kind.

mod decoded;
mod operations;
mod program;
mod recorded;
mod report;

use std::process::Command;

use libtest_mimic::{Failed, Trial};
use rxpath::kernel::Series;

use super::version;

/// Runs a case on a kernel and compares with this trace-cmd.
type Check = fn(&str, Series, &str) -> Result<(), Failed>;

pub(crate) fn trials(kernels: &[Series]) -> Vec<Trial> {
    let program = std::env::var("RXPATH_TRACE_CMD").unwrap_or_else(|_| "trace-cmd".to_owned());
    let is_there = Command::new(&program).arg("--version").output().is_ok();
    let decoded = decoded::CASES.map(|case| ("decode", case, decoded::check as Check));
    let recorded = recorded::CASES.map(|case| ("record", case, recorded::check as Check));
    let missing = operations::a_missing_call_is_reported_with_its_place;
    let mut trials = vec![Trial::test("trace_cmd::a_missing_call_is_reported_with_its_place", missing)];
    for &series in kernels {
        for (group, case, check) in decoded.into_iter().chain(recorded) {
            let program = program.clone();
            let case_name = case.replace('/', "::").replace('-', "_");
            let name = format!("trace_cmd::{group}::{case_name}::{}", version(series));
            let trial = Trial::test(name, move || check(case, series, &program));
            trials.push(match is_there {
                true => trial,
                false => trial.with_kind("no trace-cmd on this host").with_ignored_flag(true),
            });
        }
    }
    trials
}
