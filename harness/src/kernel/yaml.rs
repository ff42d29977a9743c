//! Reads the two YAML files of `kernels/`. Every error names the file, the line and the column.

use std::io;
use std::path::Path;

use serde::de::DeserializeOwned;

use super::error::KernelError;
use crate::read_file::read_text;

/// The most bytes of such a file.
const MOST_BYTES: u64 = 16 << 20;

/// Reads a file. Returns its text and the value parsed from it; `advice` says what to do if the file is missing.
pub(super) fn read<T: DeserializeOwned>(path: &Path, advice: &'static str) -> Result<(String, T), KernelError> {
    let text = read_text(path, MOST_BYTES).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => KernelError::NoFile { path: path.to_owned(), advice },
        io::ErrorKind::InvalidData => at(path, 1, 1, "expected YAML in UTF-8, found other bytes"),
        _ => KernelError::io("read", path, error),
    })?;
    let value = parse(path, &text)?;
    Ok((text, value))
}

/// Parses `text`, the content of `path`.
pub(super) fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, KernelError> {
    serde_yaml::from_str(text).map_err(|error| {
        let message = error.to_string();
        match error.location() {
            Some(place) => {
                // The place comes before the message, as in a compiler's errors.
                let suffix = format!(" at line {} column {}", place.line(), place.column());
                at(path, place.line(), place.column(), message.replacen(&suffix, "", 1))
            }
            None => at(path, 1, 1, message),
        }
    })
}

/// An error at a line and column, both from 1.
pub(super) fn at(path: &Path, line: usize, column: usize, message: impl Into<String>) -> KernelError {
    KernelError::File { path: path.to_owned(), line, column, message: message.into() }
}

/// The line and column, both from 1, of the `nth` line (from 0) that contains `needle` and is not a comment.
pub(super) fn place_of(text: &str, needle: &str, nth: usize) -> Option<(usize, usize)> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim_start().starts_with('#'))
        .filter_map(|(index, line)| line.find(needle).map(|column| (index + 1, column + 1)))
        .nth(nth)
}
