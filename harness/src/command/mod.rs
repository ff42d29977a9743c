//! The commands: what the command line says, turned into calls, and what comes of them into text and an exit code.

mod arguments;
mod bench;
mod cache;
mod cases;
mod decode;
mod diff;
mod doctor;
mod error;
mod export;
mod kernels;
mod report;
mod review;
mod run;
mod show;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};
use error::CommandError;

/// Exit code of a request that cannot be understood.
const EXIT_REQUEST: u8 = 2;

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(why) => {
            // clap prints help to standard output and errors to standard error; both endings are its own.
            let _ = why.print();
            return ExitCode::from(if why.use_stderr() { EXIT_REQUEST } else { 0 });
        }
    };
    match dispatch(arguments) {
        Ok(code) => ExitCode::from(code),
        Err(why) => {
            eprintln!("rxpath: {why}");
            ExitCode::from(why.exit_code())
        }
    }
}

fn dispatch(arguments: Arguments) -> Result<u8, CommandError> {
    match arguments.command {
        Command::Run(options) => run::run(&arguments.common, &options),
        Command::Show(options) => show::show(&arguments.common, &options),
        Command::Diff(options) => diff::diff(&arguments.common, &options),
        Command::Matrix(options) => diff::matrix(&arguments.common, &options),
        Command::Decode(options) => decode::decode(&options),
        Command::Report(options) => report::report(&arguments.common, &options),
        Command::Review(options) => review::review(&arguments.common, &options),
        Command::Export(options) => export::export(&arguments.common, &options),
        Command::Kernels(options) => kernels::kernels(&arguments.common, &options),
        Command::Cases(options) => cases::cases(&arguments.common, &options),
        Command::Cache(options) => cache::cache(&arguments.common, &options),
        Command::Bench(options) => bench::run(&arguments.common, &options),
        Command::Doctor => doctor::doctor(&arguments.common),
    }
}
