//! `rxpath cases`: lists, checks and creates cases.

use std::path::Path;
use std::{fs, io};

use super::command_line::{CasesArguments, CasesCommand, Common, Packages};
use super::error::CommandError;
use super::print;
use crate::case::{self, Case, CaseName, WORD};
use crate::kernel::KernelName;
use crate::plural::count;
use crate::report::listings;
use crate::suite::{Project, ProjectError, check_functions_in_cache, find_root};

/// Lists or checks the cases, creates one, or prints the schema.
pub(crate) fn cases(common: &Common, arguments: &CasesArguments) -> Result<u8, CommandError> {
    if let CasesCommand::Schema = arguments.command {
        print(case::schema_file())?;
        return Ok(0);
    }
    let root = find_root(common.root.as_deref())?;
    if let CasesCommand::New { name } = &arguments.command {
        return create(&root.repository()?, name);
    }
    let cases = case::load_all(&root.folder).map_err(ProjectError::from)?;
    match arguments.command {
        CasesCommand::List => print(listings::cases(&cases))?,
        _ => check(common, &cases)?,
    };
    Ok(0)
}

/// Checks the functions that the cases name, and prints what was checked. Returns whether standard output still has a reader.
fn check(common: &Common, cases: &[Case]) -> Result<bool, CommandError> {
    let project = Project::open(&common.project(&Packages::default()))?;
    let checked = check_functions_in_cache(&project, cases)?;
    if !checked.wrong.all.is_empty() {
        return Err(ProjectError::from(checked.wrong).into());
    }
    let mut text = format!("{}, no errors\n", count(cases.len(), "case"));
    for (kernel, checked) in &checked.kernels {
        text += &format!(
            "functions checked on {kernel}: those of {}, whose images are in the cache\n",
            count(*checked, "case")
        );
    }
    if !checked.unknown.is_empty() {
        let names: Vec<String> = checked.unknown.iter().map(KernelName::to_string).collect();
        text += &format!("functions not checked on {}: no image in the cache\n", names.join(", "));
    }
    print(text)
}

/// Creates a case that runs, so that its author changes something that works.
fn create(root: &Path, name: &str) -> Result<u8, CommandError> {
    if !CaseName::is_valid(name) {
        return Err(CommandError::Request(format!(
            "invalid case name {name:?}: expected GROUP/NAME in {WORD}, such as recv/tcp-peek"
        )));
    }
    let shown = format!("cases/{name}.yaml");
    let file = root.join(&shown);
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            CommandError::Request(format!("{shown} already exists: choose a different name, or change that file"))
        }
        _ => CommandError::Write { path: file.clone(), source: error },
    };
    fs::create_dir_all(file.parent().unwrap_or(root)).map_err(failed)?;
    let mut new = fs::File::options().write(true).create_new(true).open(&file).map_err(failed)?;
    io::Write::write_all(&mut new, case::TEMPLATE.as_bytes()).map_err(failed)?;
    print(format!(
        "created {shown}, a case that runs; change it, then:\n  rxpath cases check\n  rxpath show {name} --kernel 6.12\n  \
         rxpath run --case {name}\n"
    ))?;
    Ok(0)
}
