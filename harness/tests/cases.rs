//! One test for each case and kernel, such as `recv::tcp_blocking::v6_12`.
//!
//! Listing the tests reads only cases/ and kernels/; a guest is booted or restored when a test runs.

#[path = "common/mod.rs"]
mod common;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

use rxpath::case::{Case, load_some};
use rxpath::error_chain;
use rxpath::kernel::Series;
use rxpath::report::junit::{test_name, test_path};
use rxpath::suite::{MatrixOptions, Silent, Verdict, run_matrix};
use rxpath::vm::RunLimits;

use common::{one_guest, project};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    // nextest starts this program once for each test, and reading every case would take longer than running one.
    let only = arguments.filter.as_deref().filter(|_| arguments.exact);
    let wanted = |file: &str| only.is_none_or(|test| test.starts_with(&test_path(file)));
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
            eprintln!("{}", error_chain(&error));
            return ExitCode::from(101);
        }
    };
    let mut trials = Vec::new();
    for case in &cases {
        for series in project.pins.series() {
            let name = test_name(&case.name, &series.to_string());
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

/// Runs both passes, and fails with the text that `rxpath run` prints.
fn check(case: &Case, series: Series) -> Result<(), Failed> {
    let project = project()?;
    let fetched = project.fetch(&[series], &|_| {})?;
    let keep = project.cache.root().join("failures");
    let limits = RunLimits { keep_failures: Some(keep), ..RunLimits::default() };
    // insta's settings decide whether pending snapshots are written; by default not in a CI job.
    let matrix = MatrixOptions { limits, propose: true, ..one_guest() };
    let results = run_matrix(&[case], &fetched, &project.images(), &project.snapshots(), &matrix, &Silent);
    match results.worst() {
        Verdict::Pass | Verdict::New | Verdict::Skipped => Ok(()),
        _ => Err(rxpath::report::terminal::results(&results, None, rxpath::report::terminal::Detail::Full).into()),
    }
}
