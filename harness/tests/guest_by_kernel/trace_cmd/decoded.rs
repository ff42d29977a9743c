//! rxpath and trace-cmd read the same recording: each test runs a case, keeps its capture, decodes the raw pages with rxpath, and lets
//! `trace-cmd report -R` read the trace.dat of the same capture.

use std::path::{Path, PathBuf};

use libtest_mimic::Failed;

use rxpath::kernel::Series;
use rxpath::suite::{MatrixOptions, SavedCapture, Silent, choose, run_matrix};

use super::report::{calls, compare, reported};
use crate::common::{one_guest, project};

pub(super) const CASES: [&str; 3] = ["recv/tcp-blocking", "udp/blocking", "unix/stream-blocking"];

/// A capture with fewer calls would prove nothing.
const LEAST_CALLS: usize = 1000;

pub(super) fn check(case: &str, series: Series, program: &str) -> Result<(), Failed> {
    let kept = tempfile::tempdir()?;
    let folder = record(case, series, kept.path())?;
    let capture = SavedCapture::read(&folder)?;
    let (forests, symbols) = capture.decode()?;
    let ours = calls(&forests, &symbols)?;
    let theirs = reported(program, &folder.join("trace.dat"), &symbols, &capture.kallsyms)?;
    let count: usize = theirs.values().map(Vec::len).sum();
    if count < LEAST_CALLS {
        return Err(format!("trace-cmd reports {count} calls: expected at least {LEAST_CALLS}").into());
    }
    compare(&ours, &theirs, &symbols)
}

/// Runs the case and gives the folder with its capture.
fn record(case: &str, series: Series, keep: &Path) -> Result<PathBuf, Failed> {
    let project = project()?;
    let all = project.cases()?;
    let cases = choose(&all, &[case.to_owned()])?;
    let fetched = project.fetch(&[series], &|_| {})?;
    let matrix = MatrixOptions { save_captures: Some(keep.to_owned()), ..one_guest() };
    let results = run_matrix(&cases, &fetched, &project.images(), &project.snapshots(), &matrix, &Silent);
    let folder = keep.join(case).join(series.to_string());
    if !folder.is_dir() {
        return Err(format!(
            "no capture was kept:\n{}",
            rxpath::report::terminal::results(&results, None, rxpath::report::terminal::Detail::Full)
        )
        .into());
    }
    Ok(folder)
}
