//! `rxpath decode`: the call trees of saved captures, or of a trace.dat file.

use std::io;
use std::path::{Path, PathBuf};

use super::command_line::DecodeArguments;
use super::error::CommandError;
use super::print;
use crate::output::warn;
use crate::read_file::read_named;
use crate::report::call_trees;
use crate::suite::{SavedCapture, SavedError, saved_captures};
use crate::trace::{DecodeError, Symbols, SymbolsError, TraceDat, TraceDatError, decode as decode_pages};

/// The most bytes of a trace.dat.
const MOST_BYTES: u64 = 1 << 30;

/// A capture that cannot be decoded.
#[derive(Debug, thiserror::Error)]
#[error("{}", path.display())]
pub(crate) struct DecodeFileError {
    path: PathBuf,
    source: Box<Problem>,
}

#[derive(Debug, thiserror::Error)]
#[error(transparent)]
enum Problem {
    Io(#[from] io::Error),
    TraceDat(#[from] TraceDatError),
    Pages(#[from] DecodeError),
    Symbols(#[from] SymbolsError),
    Capture(#[from] SavedError),
}

/// Prints the call trees of a trace.dat file, or of all captures in a folder.
pub(crate) fn decode(arguments: &DecodeArguments) -> Result<u8, CommandError> {
    let path = &arguments.path;
    if !path.is_dir() {
        print(trace_dat(path).map_err(at(path))?)?;
        return Ok(0);
    }
    for folder in saved_captures(path)? {
        let capture = SavedCapture::read(&folder)?;
        let (forests, symbols) = capture.decode().map_err(|error| at(&folder)(error.into()))?;
        if !print(format!("{}\n{}\n", folder.display(), call_trees(&forests, &symbols)))? {
            break;
        }
    }
    Ok(0)
}

fn trace_dat(path: &Path) -> Result<String, Problem> {
    let bytes = read_named(path, MOST_BYTES)?;
    let dat = TraceDat::parse(&bytes)?;
    let mut forests = decode_pages(&dat.text(), &dat.cpu_pages())?;
    let symbols = match Symbols::parse(&dat.kallsyms, "") {
        // A kernel that hides its addresses (kernel.kptr_restrict) still records those of the calls.
        Err(error @ (SymbolsError::Hidden | SymbolsError::Empty)) => {
            warn(format_args!("rxpath: {}: functions are shown as addresses: {error}", path.display()));
            Symbols::default()
        }
        parsed => parsed?,
    };
    // Scheduler events have the name of a task at that time, but trace-cmd may have recorded none.
    let names = dat.cmdlines.lines().filter_map(|line| line.split_once(' '));
    for (pid, comm) in names.filter_map(|(pid, comm)| Some((pid.parse().ok()?, comm))) {
        forests.comms.entry(pid).or_insert_with(|| comm.to_owned());
    }
    Ok(call_trees(&forests, &symbols))
}

fn at(path: &Path) -> impl FnOnce(Problem) -> DecodeFileError {
    move |problem| DecodeFileError { path: path.to_owned(), source: Box::new(problem) }
}
