//! The `rxpath` command: parses the command line and calls; no logic.

use std::process::ExitCode;

fn main() -> ExitCode {
    rxpath::vm::intercept();
    rxpath::command::run()
}
