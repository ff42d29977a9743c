//! Results as JSON files.

use std::io;
use std::path::Path;

use serde::Deserialize;

use crate::read_file::read_named;
use crate::replace_file::replace_file_with;
use crate::suite::store::results_v1::ResultsV1;
use crate::suite::store::run_results::{RESULTS_VERSION, Results};

/// The most bytes of saved results: some hundred times those of a full run.
const MOST_BYTES: u64 = 1 << 30;

/// Why stored results cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    #[error("cannot read results from {file}")]
    Unreadable {
        file: String,
        #[source]
        source: io::Error,
    },
    #[error("{file} does not hold the results of a run, as `rxpath run --json FILE` writes them")]
    NotResults {
        file: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("{file} has version {found}, and this rxpath reads versions up to {RESULTS_VERSION}: use a newer rxpath")]
    TooNew { file: String, found: u32 },
    #[error(
        "{file} has the results of {kernels}, expected those of one kernel: save them with `rxpath run -k KERNEL --json FILE`"
    )]
    NotOneKernel {
        file: String,
        /// Separated by commas.
        kernels: String,
    },
    #[error("{file} has results of {found} mode, and this run is in {mode} mode")]
    OtherMode { file: String, found: String, mode: &'static str },
}

impl Results {
    /// Reads results of this version or an earlier one.
    pub fn load(file: &Path) -> Result<Self, ResultsError> {
        let name = || file.display().to_string();
        let text = read_named(file, MOST_BYTES).map_err(|source| ResultsError::Unreadable { file: name(), source })?;
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        // The version is read first, because a later version may not have any other field of this one.
        let not_results = |source| ResultsError::NotResults { file: name(), source };
        let Version { version } = serde_json::from_slice(&text).map_err(not_results)?;
        if version > RESULTS_VERSION {
            return Err(ResultsError::TooNew { file: name(), found: version });
        }
        match version {
            1 => serde_json::from_slice::<ResultsV1>(&text).map(Self::from),
            _ => serde_json::from_slice(&text),
        }
        .map_err(not_results)
    }

    /// Writes the results as JSON, atomically; creates the folder.
    pub fn save(&self, file: &Path) -> io::Result<()> {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        replace_file_with(file, |mut file| {
            serde_json::to_writer_pretty(&mut file, self)?;
            file.write_all(b"\n")
        })
    }
}
