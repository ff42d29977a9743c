//! What can go wrong with a guest, and with the machinery around it.

use std::io;
use std::path::PathBuf;

use super::console::Splat;

/// Why a guest did not deliver what it was asked for. Never a difference between kernels: a verdict of its own.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct GuestFault {
    /// What happened.
    #[source]
    pub kind: FaultKind,
    /// The last lines of the serial console.
    pub console: String,
    /// The command line of QEMU, as a shell would take it.
    pub command: String,
    /// Where what the guest left behind was kept, if anything was.
    pub kept: Option<PathBuf>,
}

/// The kinds of faults.
#[derive(Debug, thiserror::Error)]
pub enum FaultKind {
    /// The kernel said something on its console that it never says when all is well.
    #[error("the kernel reported {0}")]
    Kernel(Splat),
    /// Nothing happened for too long, in the host's time.
    #[error("the guest hung: nothing came of {doing} within {seconds} s of host time")]
    HungHost {
        /// What was awaited.
        doing: &'static str,
        /// The limit, in seconds.
        seconds: u64,
    },
    /// QEMU ended without the agent's having asked for it.
    #[error("QEMU ended early ({how}) while {doing}")]
    QemuDied {
        /// What was awaited.
        doing: &'static str,
        /// Its exit status, in words.
        how: String,
    },
    /// The agent gave up.
    #[error("the guest agent failed: {0}")]
    Agent(String),
    /// The capture cannot be read.
    #[error("the guest's capture cannot be read: {0}")]
    Capture(String),
}

/// What the machinery itself can fail with.
#[derive(Debug, thiserror::Error)]
pub enum VmError {
    /// The guest's fault.
    #[error(transparent)]
    Guest(#[from] Box<GuestFault>),
    /// A file or folder.
    #[error("{doing} {path}: {why}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// Why it failed.
        why: io::Error,
    },
    /// QEMU could not be started.
    #[error("starting QEMU ({command}): {why}")]
    Start {
        /// The command line.
        command: String,
        /// Why it failed.
        why: String,
    },
    /// QEMU's monitor said no, or nothing.
    #[error("QEMU's monitor, {doing}: {why}")]
    Monitor {
        /// What was asked of it.
        doing: &'static str,
        /// Why it failed.
        why: String,
    },
    /// A plan does not fit into the shared region.
    #[error("the plan is {bytes} bytes long, the most that a guest takes is {most}; let the case do less")]
    PlanTooLong {
        /// Its length.
        bytes: usize,
        /// The limit.
        most: usize,
    },
    #[error(transparent)]
    Cache(#[from] crate::kernel::CacheError),
    #[error(transparent)]
    Kernel(#[from] crate::kernel::KernelError),
    /// The run was called off (Ctrl-C).
    #[error("interrupted")]
    Interrupted,
}

impl VmError {
    /// For `map_err`: a failed file operation.
    pub(super) fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |why| Self::Io { doing, path, why }
    }
}
