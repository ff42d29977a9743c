//! Where commands write: files, folders, and `-` for standard output.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::error::CommandError;
use crate::output;
use crate::suite::Results;

/// Whether a file is standard output.
pub(super) fn is_stdout(file: &Path) -> bool {
    file.as_os_str() == "-"
}

/// Checks that what a command writes can be written, before guests run for it. Leaves no file behind.
pub(super) fn check(files: &[&Option<PathBuf>], folders: &[&Option<PathBuf>]) -> Result<(), CommandError> {
    let files: Vec<&PathBuf> = files.iter().copied().flatten().collect();
    if files.iter().filter(|file| is_stdout(file)).count() > 1 {
        return Err(CommandError::Request("only one output can be `-`, standard output: name a file".to_owned()));
    }
    for file in files.into_iter().filter(|file| !is_stdout(file)) {
        check_file(file).map_err(CommandError::write(file))?;
    }
    for folder in folders.iter().copied().flatten() {
        let check = std::fs::create_dir_all(folder).and_then(|()| tempfile::tempfile_in(folder));
        check.map_err(CommandError::write(folder))?;
    }
    Ok(())
}

fn check_file(file: &Path) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let is_new = file.symlink_metadata().is_err();
    File::options().append(true).create(true).open(file)?;
    if is_new { std::fs::remove_file(file) } else { Ok(()) }
}

/// Writes a file; `-` is standard output.
pub(super) fn write(file: &Path, bytes: &[u8]) -> Result<(), CommandError> {
    if is_stdout(file) {
        return output::write(bytes).map(drop).map_err(CommandError::Output);
    }
    std::fs::write(file, bytes).map_err(CommandError::write(file))
}

/// Writes results as JSON; `-` is standard output.
pub(super) fn write_results(file: &Path, results: &Results) -> Result<(), CommandError> {
    if is_stdout(file) {
        return write(file, format!("{}\n", serde_json::to_string_pretty(results)?).as_bytes());
    }
    results.save(file).map_err(CommandError::write(file))
}
