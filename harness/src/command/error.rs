//! Why a command failed, and its exit code.

use std::io;
use std::path::PathBuf;

use super::bench::MeasurementError;
use super::decode::DecodeFileError;
use crate::case::Diagnostics;
use crate::kernel::{KernelError, KernelName};
use crate::report::source_url::SourceUrlError;
use crate::suite::benchmark::BenchError;
use crate::suite::native::NativeError;
use crate::suite::{
    CompareError, ExcerptError, MetadataError, PassError, PendingError, ProjectError, PruneError, RecordError,
    ResultsError, ReviewError, SaveCaptureError, SavedError, SelectionError, SnapshotError,
};
use crate::vm::VmError;

/// Exit code of an invalid request.
pub(super) const EXIT_REQUEST: u8 = 2;
/// Exit code if rxpath or its surroundings broke.
const EXIT_BROKEN: u8 = 3;

#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    #[error(transparent)]
    Project(#[from] ProjectError),
    #[error(transparent)]
    Kernel(#[from] KernelError),
    #[error(transparent)]
    Selection(#[from] SelectionError),
    #[error(transparent)]
    Vm(#[from] VmError),
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    #[error(transparent)]
    Bench(#[from] BenchError),
    #[error(transparent)]
    Prune(#[from] PruneError),
    #[error(transparent)]
    Native(#[from] NativeError),
    #[error(transparent)]
    Pass(#[from] PassError),
    #[error(transparent)]
    Compare(#[from] CompareError),
    #[error(transparent)]
    Pending(#[from] PendingError),
    #[error(transparent)]
    Review(#[from] ReviewError),
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    #[error(transparent)]
    Results(#[from] ResultsError),
    #[error(transparent)]
    Saved(#[from] SavedError),
    #[error(transparent)]
    SaveCapture(#[from] SaveCaptureError),
    #[error(transparent)]
    DecodeFile(#[from] DecodeFileError),
    #[error(transparent)]
    SourceUrl(#[from] SourceUrlError),
    #[error(transparent)]
    Measurement(#[from] MeasurementError),
    #[error(transparent)]
    Excerpt(#[from] ExcerptError),
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error("could not write JSON")]
    Json(#[from] serde_json::Error),
    #[error("could not write JUnit XML")]
    JUnit(#[from] quick_junit::SerializeError),
    #[error("could not write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("could not write to standard output")]
    Output(#[source] io::Error),
    #[error("could not talk to the terminal")]
    Terminal(#[source] io::Error),
    #[error("could not restart rxpath with insta's settings")]
    Restart(#[source] io::Error),
    #[error("{0} was not fetched")]
    NotFetched(KernelName),
    /// An invalid request, in words.
    #[error("{0}")]
    Request(String),
}

impl CommandError {
    /// For `map_err`: a file or folder that could not be written.
    pub(super) fn write(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Write { path, source }
    }

    /// The errors in case files, which begin with `error:` themselves.
    pub(super) fn diagnostics(&self) -> Option<&Diagnostics> {
        match self {
            Self::Project(ProjectError::Cases(diagnostics)) => Some(diagnostics),
            _ => None,
        }
    }

    pub(super) fn exit_code(&self) -> u8 {
        let is_request = match self {
            Self::Project(ProjectError::Kernel(error)) | Self::Kernel(error) => error.is_request(),
            Self::Prune(error) => error.is_request(),
            Self::Native(error) => matches!(error, NativeError::NoKvm { .. }),
            Self::Compare(error) => error.is_request(),
            Self::Record(RecordError::Setup { .. }) => true,
            Self::Excerpt(error) => !matches!(error, ExcerptError::Pass(_)),
            Self::Project(_)
            | Self::Selection(_)
            | Self::Results(_)
            | Self::Review(_)
            | Self::Saved(_)
            | Self::DecodeFile(_)
            | Self::SourceUrl(_)
            | Self::Measurement(_)
            | Self::Request(_) => true,
            Self::Vm(_)
            | Self::Metadata(_)
            | Self::Bench(_)
            | Self::SaveCapture(_)
            | Self::Pass(_)
            | Self::Pending(_)
            | Self::Snapshot(_)
            | Self::Record(_)
            | Self::Json(_)
            | Self::JUnit(_)
            | Self::Write { .. }
            | Self::Output(_)
            | Self::Terminal(_)
            | Self::Restart(_)
            | Self::NotFetched(_) => false,
        };
        if is_request { EXIT_REQUEST } else { EXIT_BROKEN }
    }
}
