//! Reads the two YAML files of `kernels/`, so that every error has a file and a line.

use std::fmt;
use std::fs;
use std::io;
use std::marker::PhantomData;
use std::path::Path;
use std::str::FromStr;

use serde::Deserializer;
use serde::de::{self, DeserializeOwned, Visitor};

use super::error::KernelError;

/// The text of a file, and the value it holds.
pub fn read<T: DeserializeOwned>(path: &Path, advice: &'static str) -> Result<(String, T), KernelError> {
    let text = fs::read_to_string(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => KernelError::NoFile { path: path.to_owned(), advice },
        io::ErrorKind::InvalidData => at(path, 1, 1, "expected YAML in UTF-8, found other bytes"),
        _ => KernelError::io("read", path, error),
    })?;
    let value = parse(path, &text)?;
    Ok((text, value))
}

/// The value that `text`, the content of `path`, holds.
pub fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, KernelError> {
    serde_yaml::from_str(text).map_err(|error| {
        let full = error.to_string();
        match error.location() {
            Some(place) => {
                // The place is told before the message, as compilers do.
                let told = format!(" at line {} column {}", place.line(), place.column());
                at(path, place.line(), place.column(), full.replacen(&told, "", 1))
            }
            None => at(path, 1, 1, full),
        }
    })
}

/// Reads a value from its text. Unlike a `String` that is parsed afterwards, this puts an error at the text's own line.
pub fn from_text<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display>,
{
    struct Text<T>(PhantomData<T>);
    impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for Text<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }
    }
    deserializer.deserialize_str(Text(PhantomData))
}

/// An error at a place in a file.
pub fn at(path: &Path, line: usize, column: usize, message: impl Into<String>) -> KernelError {
    KernelError::File { path: path.to_owned(), line, column, message: message.into() }
}

/// The line (from 1) and column (from 1) of the `nth` (from 0) place where `needle` stands in `text`, outside comments.
pub fn place_of(text: &str, needle: &str, nth: usize) -> Option<(usize, usize)> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim_start().starts_with('#'))
        .filter_map(|(index, line)| line.find(needle).map(|column| (index + 1, column + 1)))
        .nth(nth)
}
