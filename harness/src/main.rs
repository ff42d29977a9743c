//! The `rxpath` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    rxpath::vm::run_launcher_if_requested();
    rxpath::command::run()
}
