//! Call trees against those of trace-cmd, in two ways:
//!
//! - `record::…`: trace-cmd runs in the guest, as a second recorder (`trace-cmd record -p function_graph`): the trees of the
//!   same operations, recorded once by rxpath and once by trace-cmd, are the same.
//! - the others: `trace-cmd report` on the host and rxpath read one recording, rxpath's, and see the same calls.
//!
//! trace-cmd is the host's (`apt install trace-cmd`), or what RXPATH_TRACE_CMD names. Where there is none the tests are
//! listed as ignored, with the reason as their kind.

mod decoded;
mod operations;
mod program;
mod recorded;
mod report;

use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Failed, Trial};

use rxpath::kernel::Series;
use rxpath::suite::{Project, ProjectOptions};

/// What a test does: case, kernel, the program to call.
type Check = fn(&str, Series, &str) -> Result<(), Failed>;

fn main() -> ExitCode {
    rxpath::vm::run_launcher_if_requested();
    let arguments = Arguments::from_args();
    let program = std::env::var("RXPATH_TRACE_CMD").unwrap_or_else(|_| "trace-cmd".to_owned());
    let there = Command::new(&program).arg("--version").output().is_ok();
    let project = match project() {
        Ok(project) => project,
        Err(why) => {
            eprintln!("{why:?}");
            return ExitCode::from(101);
        }
    };
    let decoded = decoded::CASES.map(|case| ("", case, decoded::check as Check));
    let recorded = recorded::CASES.map(|case| ("record::", case, recorded::check as Check));
    let told = operations::a_missing_call_is_told_with_its_place;
    let mut trials = vec![Trial::test("record::a_missing_call_is_told_with_its_place", told)];
    for series in project.pins.series() {
        for (group, case, check) in decoded.into_iter().chain(recorded) {
            let program = program.clone();
            let case_name = case.replace('/', "::").replace('-', "_");
            let name = format!("{group}{case_name}::v{}_{}", series.major, series.minor);
            let trial = Trial::test(name, move || check(case, series, &program));
            let trial =
                if there { trial } else { trial.with_kind("no trace-cmd on this host").with_ignored_flag(true) };
            trials.push(trial);
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn project() -> Result<Project, Failed> {
    let options = ProjectOptions { root: Some(env!("CARGO_MANIFEST_DIR").into()), ..ProjectOptions::default() };
    Ok(Project::open(&options)?)
}
