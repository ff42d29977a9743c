//! Reads the data files that are part of the binary.

use serde::de::DeserializeOwned;
use thiserror::Error;

/// A data file has invalid contents.
#[derive(Debug, Error)]
pub enum DataFileError {
    #[error("{file} is not valid")]
    Yaml { file: &'static str, source: serde_yaml::Error },
    #[error("profiles.yaml: {0:?} is the name of both a group and a profile")]
    AmbiguousProfile(String),
    #[error("profiles.yaml: profile {profile:?} contains {group:?}, which is not a group")]
    UnknownGroup { profile: String, group: String },
    #[error("profiles.yaml: no profile is called {0:?}")]
    NoProfile(&'static str),
}

/// Parses the text of a data file.
pub(crate) fn parse<T: DeserializeOwned>(file: &'static str, text: &str) -> Result<T, DataFileError> {
    serde_yaml::from_str(text).map_err(|source| DataFileError::Yaml { file, source })
}
