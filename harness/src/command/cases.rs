//! `rxpath cases`: what there is to run, whether it is written right, and a beginning for a new one.

use std::fs;
use std::io::Write;
use std::path::Path;

use super::arguments::{CasesCommand, CasesOptions, Common};
use super::error::CommandError;
use crate::case;
use crate::report::terminal;
use crate::suite::{ProjectError, find_root};

/// Lists, checks, begins one, or prints the schema.
pub fn cases(common: &Common, options: &CasesOptions) -> Result<u8, CommandError> {
    if let CasesCommand::Schema = options.command {
        print!("{}", case::schema_file());
        return Ok(0);
    }
    let root = find_root(common.root.as_deref())?;
    if let CasesCommand::New { name } = &options.command {
        return begin(&root, name);
    }
    let cases = case::load_all(&root).map_err(ProjectError::from)?;
    match options.command {
        CasesCommand::List => print!("{}", terminal::cases(&cases)),
        _ => println!("{} cases, nothing wrong", cases.len()),
    }
    Ok(0)
}

/// Writes a case that is right and runs, so that its author changes something that works.
fn begin(root: &Path, name: &str) -> Result<u8, CommandError> {
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    if !name.split_once('/').is_some_and(|(group, name)| is_word(group) && is_word(name)) {
        let why = format!(
            "{name:?} is no name for a case: expected GROUP/NAME in small letters, digits and dashes, like recv/tcp-peek"
        );
        return Err(CommandError::Request(why));
    }
    let shown = format!("cases/{name}.yaml");
    let file = root.join(&shown);
    let failed = |why: std::io::Error| match why.kind() {
        std::io::ErrorKind::AlreadyExists => {
            CommandError::Request(format!("{shown} is there already: choose another name, or change that one"))
        }
        _ => CommandError::Machinery(format!("writing {}: {why}", file.display())),
    };
    fs::create_dir_all(file.parent().unwrap_or(root)).map_err(failed)?;
    let mut new = fs::File::options().write(true).create_new(true).open(&file).map_err(failed)?;
    new.write_all(case::TEMPLATE.as_bytes()).map_err(failed)?;
    println!("{shown} is written; it runs as it is. Change it, then:");
    println!("  rxpath cases check");
    println!("  rxpath show {name} --kernel 6.12");
    println!("  rxpath run --case {name}");
    Ok(0)
}
