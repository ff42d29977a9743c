//! One test for each case and kernel, with names that nextest can select by: `recv::tcp_blocking::v6_12`.
//!
//! Listing reads only cases/ and kernels/; a guest is booted or restored when a test runs.

#[path = "common/mod.rs"]
mod common;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

use rxpath::case::{Case, load_some};
use rxpath::kernel::Series;
use rxpath::suite::{MatrixOptions, Silent, Verdict, run_matrix};
use rxpath::vm::RunLimits;

use common::{one_guest, project};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    // nextest starts this program once for each test, and reading every case would take longer than running one.
    let only = arguments.filter.as_deref().filter(|_| arguments.exact);
    let wanted = |file: &str| only.is_none_or(|test| test.starts_with(&plain(file)));
    let opened = project().and_then(|project| {
        let cases = match only {
            Some(_) => load_some(&project.root, &wanted)?,
            None => project.cases()?,
        };
        Ok((cases, project))
    });
    let (cases, project) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(101);
        }
    };
    let mut trials = Vec::new();
    for case in &cases {
        for series in project.pins.series() {
            let name = test_name(&case.name, series);
            if only.is_some_and(|test| test != name) {
                continue;
            }
            if case.runs_on(series).is_err() {
                continue;
            }
            let case = case.clone();
            trials.push(Trial::test(name, move || check(&case, series)));
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// `recv/tcp-blocking` on 6.12 is `recv::tcp_blocking::v6_12`; a sweep's values become part of the name.
fn test_name(case: &str, series: Series) -> String {
    format!("{}::v{}_{}", plain(case).trim_end_matches('_'), series.major, series.minor)
}

/// A case's name with only what a test's name may hold.
fn plain(case: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let parts: Vec<String> = case.split('/').map(|part| part.chars().map(plain).collect()).collect();
    parts.join("::")
}

/// Runs both passes and fails with what the command would have said.
fn check(case: &Case, series: Series) -> Result<(), Failed> {
    let project = project()?;
    let fetched = project.fetch(&[series], &|_| {})?;
    let keep = project.cache.root().join("failures");
    let limits = RunLimits { keep_failures: Some(keep), ..RunLimits::default() };
    // Pending snapshots are written as insta's own settings say; in a CI job they say not to by default.
    let matrix = MatrixOptions { limits, propose: true, ..one_guest() };
    let results = run_matrix(&[case], &fetched, &project.images(), &project.snapshots(), &matrix, &Silent)?;
    match results.worst() {
        Verdict::Pass | Verdict::Skipped => Ok(()),
        _ => Err(rxpath::report::terminal::results(&results).into()),
    }
}
