//! What several test programs need: the repository as a project, and how to run one guest.

use std::path::PathBuf;

use rxpath::suite::{MatrixOptions, Project, ProjectError, ProjectOptions};
use rxpath::vm::{Accelerator, RunLimits};

/// Opens the repository. Guests are launched through the `rxpath` program: a test program cannot become QEMU itself.
pub(crate) fn project() -> Result<Project, ProjectError> {
    rxpath::vm::launch_through(env!("CARGO_BIN_EXE_rxpath").into());
    let root = Some(PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    Project::open(&ProjectOptions { root, ..ProjectOptions::default() })
}

/// One guest at a time in exact mode, which proposes no snapshots.
pub(crate) fn one_guest() -> MatrixOptions {
    MatrixOptions {
        jobs: 1,
        limits: RunLimits::default(),
        propose: false,
        accelerator: Accelerator::Exact,
        save_captures: None,
    }
}
