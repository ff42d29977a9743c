//! Why a command ended without doing what was asked, and with which exit code.

use crate::kernel::KernelError;
use crate::suite::benchmark::BenchError;
use crate::suite::native::NativeError;
use crate::suite::{CompareError, MetadataError, PassError, ProjectError, PruneError, RecordError, SelectionError};
use crate::vm::VmError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// Repository, pins, lock, cases.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// Kernels.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// A name on the command line.
    #[error(transparent)]
    Selection(#[from] SelectionError),
    /// A guest.
    #[error(transparent)]
    Vm(#[from] VmError),
    /// A kernel's metadata.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// A recorded case.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A comparison.
    #[error(transparent)]
    Compare(#[from] CompareError),
    /// A benchmark.
    #[error(transparent)]
    Bench(#[from] BenchError),
    /// The cache's upkeep.
    #[error(transparent)]
    Upkeep(#[from] PruneError),
    /// Native mode.
    #[error(transparent)]
    Native(#[from] NativeError),
    /// A pass.
    #[error(transparent)]
    Pass(#[from] PassError),
    /// Something about the request, in words.
    #[error("{0}")]
    Request(String),
    /// Something about the machinery, in words.
    #[error("{0}")]
    Machinery(String),
}

impl CommandError {
    /// 2 if the request is wrong, 3 if the machinery broke.
    pub fn exit_code(&self) -> u8 {
        let is_request = match self {
            Self::Project(ProjectError::Kernel(why)) | Self::Kernel(why) => why.is_request(),
            Self::Project(_) | Self::Selection(_) | Self::Request(_) => true,
            Self::Upkeep(why) => why.is_request(),
            Self::Compare(error) => error.is_request(),
            Self::Native(why) => matches!(why, NativeError::NoKvm { .. }),
            Self::Vm(_) | Self::Metadata(_) | Self::Record(_) | Self::Bench(_) | Self::Pass(_) | Self::Machinery(_) => {
                false
            }
        };
        if is_request { super::EXIT_REQUEST } else { 3 }
    }
}
