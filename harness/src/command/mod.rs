//! The commands: each turns its part of the command line into calls, prints the outcome and gives an exit code.

mod bench;
mod bisect;
mod cache;
mod calls;
mod cases;
mod command_line;
mod decode;
mod diff;
mod doctor;
mod error;
mod export;
mod kernels;
mod report;
mod review;
mod review_dialog;
mod run;
mod show;
mod show_svg;

use std::io;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use crate::case::Case;
use crate::error_chain;
use crate::kernel::{Fetched, Kernel, KernelError, KernelName, KernelRef, Series};
use crate::output::{self, warn};
use crate::report::{FetchBars, Screen, Styled};
use crate::suite::{ImageSpec, Project};
use crate::vm::{Accelerator, VmError, is_cancelled};

use command_line::{Arguments, Command};
use error::{CommandError, EXIT_REQUEST};

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    if bisect::is_requested(std::env::args_os()) {
        return bisect::run();
    }
    let outcome = match Arguments::try_parse() {
        Ok(arguments) => dispatch(arguments),
        Err(error) => {
            // clap reports `--help` as an error too, and prints each to the right stream.
            let printed = error.print();
            match error.use_stderr() {
                true => Ok(EXIT_REQUEST),
                false => printed.map(|()| 0).or_else(ignore_closed).map_err(CommandError::Output),
            }
        }
    };
    ExitCode::from(outcome.unwrap_or_else(|error| {
        // After a cancellation, any error is a consequence of it.
        let error = if is_cancelled() { VmError::Interrupted.into() } else { error };
        match error.diagnostics() {
            Some(diagnostics) => warn(diagnostics),
            None => warn(format_args!("rxpath: {}", error_chain(&error))),
        }
        error.exit_code()
    }))
}

/// A reader that has left, as `head` does, is not an error.
fn ignore_closed(error: io::Error) -> io::Result<u8> {
    if error.kind() == io::ErrorKind::BrokenPipe { Ok(0) } else { Err(error) }
}

fn dispatch(arguments: Arguments) -> Result<u8, CommandError> {
    let Arguments { common, command } = arguments;
    match command {
        Command::Run(arguments) => run::run(&common, &arguments),
        Command::Show(arguments) => show::show(&common, &arguments),
        Command::Calls(arguments) => calls::calls(&common, &arguments),
        Command::Diff(arguments) => diff::diff(&common, &arguments),
        Command::Matrix(arguments) => diff::matrix(&common, &arguments),
        Command::Decode(arguments) => decode::decode(&arguments),
        Command::Report(arguments) => report::report(&common, &arguments),
        Command::Review(arguments) => review::review(&common, &arguments),
        Command::Export(arguments) => export::export(&common, &arguments),
        Command::Kernels(arguments) => kernels::kernels(&common, &arguments),
        Command::Cases(arguments) => cases::cases(&common, &arguments),
        Command::Cache(arguments) => cache::cache(&common, &arguments),
        Command::Bench(arguments) => bench::bench(&common, &arguments),
        Command::Doctor => doctor::doctor(&common),
        Command::Init { folder } => {
            crate::suite::init(&folder)?;
            print(format!("made a repository in {}\n", folder.display()))?;
            Ok(0)
        }
    }
}

/// Fetches kernels and QEMU, with progress bars.
fn fetch(project: &Project, series: &[Series]) -> Result<Fetched, KernelError> {
    let bars = FetchBars::new();
    let fetched = project.fetch(series, &|progress| bars.show(progress));
    bars.finish();
    fetched
}

/// The kernels that these values of `--kernel` name, with progress bars; all pinned ones if there is none.
fn named_kernels(project: &Project, values: &[String]) -> Result<Vec<KernelRef>, KernelError> {
    let bars = FetchBars::new();
    let named = project.kernels(values, &|progress| bars.show(progress));
    bars.finish();
    named
}

/// The one kernel that the value of an option names.
fn one_kernel(project: &Project, option: &str, value: &str) -> Result<KernelRef, CommandError> {
    match <[KernelRef; 1]>::try_from(named_kernels(project, &[value.to_owned()])?) {
        Ok([kernel]) => Ok(kernel),
        Err(several) => {
            let names: Vec<String> = several.iter().map(KernelRef::to_string).collect();
            let text = format!("{option} takes one kernel, and {value} names {}: {}", names.len(), names.join(", "));
            Err(CommandError::Request(text))
        }
    }
}

/// Makes kernels and QEMU ready, with progress bars, and checks the configurations of kernels that are not pinned.
fn make_ready(project: &Project, kernels: &[KernelRef]) -> Result<Fetched, KernelError> {
    let bars = FetchBars::new();
    let fetched = project.make_ready(kernels, &|progress| bars.show(progress));
    bars.finish();
    let fetched = fetched?;
    for kernel in fetched.kernels.iter().filter(|kernel| !kernel.is_pinned()) {
        if let Some(unknown) = kernel.check_options()? {
            warn(format_args!("rxpath: {unknown}"));
        }
    }
    Ok(fetched)
}

/// Checks that the case is for this kernel.
fn check_runs_on(case: &Case, kernel: &Kernel) -> Result<(), CommandError> {
    let spec = ImageSpec::on_kernel(case, kernel, &kernel.known_parts()?, Accelerator::Exact);
    spec.map(drop).map_err(|reason| does_not_run(case, &kernel.name(), &reason))
}

fn does_not_run(case: &Case, kernel: &KernelName, reason: &str) -> CommandError {
    CommandError::Request(format!("{} does not run on {kernel}: {reason}", case.name))
}

/// Warns that the output lacks the costs of functions.
fn warn_no_costs(kernel: &KernelName, error: &dyn std::error::Error) {
    warn(format_args!("rxpath: the costs of functions on {kernel} are unknown: {}", error_chain(error)));
}

/// Writes a file; `-` is standard output.
fn write(file: &Path, bytes: &[u8]) -> Result<(), CommandError> {
    if file.as_os_str() == "-" {
        return output::write(bytes).map(drop).map_err(CommandError::Output);
    }
    std::fs::write(file, bytes).map_err(CommandError::write(file))
}

/// Shows a text on the terminal, through a pager if it is long, or writes it to standard output.
fn show(screen: Screen, text: &Styled) -> Result<(), CommandError> {
    screen.show(text).map_err(CommandError::Output)
}

/// Writes a text to standard output. Returns whether it still has a reader.
fn print(text: impl AsRef<str>) -> Result<bool, CommandError> {
    output::print(text).map_err(CommandError::Output)
}
