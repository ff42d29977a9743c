//! `rxpath decode`: the call trees of saved captures, or of a trace.dat.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use super::arguments::DecodeOptions;
use super::error::CommandError;
use crate::report::call_trees;
use crate::suite::{SavedCapture, SavedError, saved_captures};
use crate::trace::{Symbols, TraceDat, decode as decode_pages};

/// Prints the call trees of what the path names.
pub fn decode(options: &DecodeOptions) -> Result<u8, CommandError> {
    let path = &options.path;
    if !path.is_dir() {
        print_text(&trace_dat(path)?);
        return Ok(0);
    }
    for folder in saved_captures(path).map_err(request)? {
        let capture = SavedCapture::read(&folder).map_err(request)?;
        let (forests, symbols) = capture.decode().map_err(|why| at(&folder, &why))?;
        if !print_text(&format!("{}\n{}\n", folder.display(), call_trees(&forests, &symbols))) {
            break;
        }
    }
    Ok(0)
}

fn trace_dat(path: &Path) -> Result<String, CommandError> {
    let bytes = std::fs::read(path).map_err(|why| at(path, &why))?;
    let dat = TraceDat::parse(&bytes).map_err(|why| at(path, &why))?;
    let mut forests = decode_pages(&dat.text(), &dat.cpu_pages()).map_err(|why| at(path, &why))?;
    let symbols = Symbols::parse(&dat.kallsyms, "").map_err(|why| at(path, &why))?;
    // Scheduler events know better what a task was called then; a file of another's may have none of them.
    let named: BTreeMap<i32, String> = dat
        .cmdlines
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(pid, comm)| Some((pid.parse().ok()?, comm.to_owned())))
        .collect();
    for (pid, comm) in named {
        forests.comms.entry(pid).or_insert(comm);
    }
    Ok(call_trees(&forests, &symbols))
}

/// Whether anybody still reads: `rxpath decode DIR | head` ends early.
fn print_text(text: &str) -> bool {
    std::io::stdout().lock().write_all(text.as_bytes()).is_ok()
}

fn at(path: &Path, why: &dyn std::fmt::Display) -> CommandError {
    CommandError::Request(format!("{}: {why}", path.display()))
}

fn request(why: SavedError) -> CommandError {
    CommandError::Request(why.to_string())
}
