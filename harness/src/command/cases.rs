//! `rxpath cases`: what there is to run, and whether it is written right.

use super::arguments::{CasesCommand, CasesOptions, Common};
use super::error::CommandError;
use crate::case;
use crate::report::terminal;
use crate::suite::find_root;

/// Lists or checks.
pub fn cases(common: &Common, options: &CasesOptions) -> Result<u8, CommandError> {
    let root = find_root(common.root.as_deref())?;
    let cases = case::load_all(&root).map_err(crate::suite::WorkshopError::from)?;
    match options.command {
        CasesCommand::List => print!("{}", terminal::cases(&cases)),
        CasesCommand::Check => println!("{} cases, nothing wrong", cases.len()),
    }
    Ok(0)
}
