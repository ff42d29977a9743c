//! What a shell and `man` read: completions and manual pages.

use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;

use super::command_line::Arguments;
use super::error::CommandError;
use crate::output;

/// Prints the completions for a shell.
pub(crate) fn completions(shell: Shell) -> Result<u8, CommandError> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "rxpath", &mut text);
    output::write(&text).map_err(CommandError::Output)?;
    Ok(0)
}

/// Prints the manual page of the program, or of one of its commands.
pub(crate) fn man(command: Option<&str>) -> Result<u8, CommandError> {
    let mut all = Arguments::command();
    all.build();
    let page = match command {
        None => all,
        Some(name) => {
            let names = || all.get_subcommands().map(clap::Command::get_name).collect::<Vec<_>>().join(", ");
            let unknown =
                || CommandError::Request(format!("`{name}` is not a command of rxpath: expected {}", names()));
            all.find_subcommand(name).ok_or_else(unknown)?.clone()
        }
    };
    let mut text = Vec::new();
    Man::new(page).render(&mut text).map_err(CommandError::Output)?;
    output::write(&text).map_err(CommandError::Output)?;
    Ok(0)
}
