//! Guest tests with one test for each kernel, distinguished by name: `…::v6_12`.

#[path = "../common/mod.rs"]
mod common;
mod timers;
mod trace_cmd;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use rxpath::kernel::Series;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let kernels = match common::project() {
        Ok(project) => project.pins.series(),
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(101);
        }
    };
    let timers = kernels.iter().map(|&series| {
        let name = format!("timers::no_two_timers_of_a_guest_come_due_together::{}", version(series));
        Trial::test(name, move || timers::no_two_timers_come_due_together(series))
    });
    libtest_mimic::run(&arguments, timers.chain(trace_cmd::trials(&kernels)).collect()).exit_code()
}

/// 6.12 is v6_12 in the names of tests.
fn version(series: Series) -> String {
    format!("v{}_{}", series.major, series.minor)
}
