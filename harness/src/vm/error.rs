//! What can go wrong with a guest, and with the machinery around it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use rxpath_guest::RegionError;

use super::console::Splat;
use crate::kernel::{CacheError, KernelError};

/// Why a guest did not deliver what it was asked for. Never a difference between kernels: a verdict of its own.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct GuestFault {
    pub kind: FaultKind,
    /// The last lines of the serial console.
    pub console: String,
    /// QEMU's command line, quoted for a shell.
    pub command: String,
    /// The folder that holds what the guest left behind, if it was kept.
    pub kept: Option<PathBuf>,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultKind {
    /// The console holds a report that a healthy kernel never prints.
    #[error("the kernel reported {0}")]
    Kernel(Splat),
    #[error("the guest hung while {doing}: {hang}")]
    Hung { doing: &'static str, hang: Hang },
    /// QEMU ended although the agent had not asked it to.
    #[error("QEMU ended early ({how}) while {doing}")]
    QemuDied {
        doing: &'static str,
        /// The exit status, and what QEMU printed.
        how: String,
    },
    #[error(
        "QEMU ended while {doing}, because this machine lacks something ({how}): see `ulimit -a`, and the space in /dev/shm"
    )]
    Host {
        doing: &'static str,
        /// The exit status, and what QEMU printed.
        how: String,
    },
    /// The agent gave up.
    #[error("the guest agent failed: {0}")]
    Agent(String),
    /// A step of the setup in the image: those of the setup and of the step, from 0.
    #[error("step {} of the setup failed in the guest with errno {errno}", step + 1)]
    Setup { setup: usize, step: u16, errno: i32 },
    #[error("the guest could not load the module {name}: errno {errno}")]
    Module { name: String, errno: i32 },
    #[error("the guest stopped while {doing}, before its agent asked for it")]
    Stopped { doing: &'static str },
    #[error("the guest's capture cannot be read: {0}")]
    Capture(RegionError),
}

/// How the harness knows that a guest will not end by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Hang {
    #[error("QEMU has used no CPU time for {} s", .0.as_secs())]
    Stalled(Duration),
    #[error("it was not done after {} s of CPU time", .0.as_secs())]
    Endless(Duration),
}

/// What the machinery itself can fail with.
#[derive(Debug, thiserror::Error)]
pub enum VmError {
    #[error(transparent)]
    Guest(#[from] Box<GuestFault>),
    #[error("{doing} {path}")]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("cannot start {}", program.display())]
    Start { program: PathBuf, source: io::Error },
    #[error("QEMU's monitor failed while {doing}")]
    Monitor { doing: &'static str, source: MonitorError },
    #[error("{path}: expected {expected}; rxpath does not know the format of this QEMU's saved machines")]
    ImageFormat { path: PathBuf, expected: String },
    #[error("the plan takes {bytes} bytes, but a guest reads at most {most}: shorten the case")]
    PlanTooLong { bytes: usize, most: usize },
    #[error(transparent)]
    Cache(#[from] CacheError),
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// The user cancelled the command (Ctrl-C, SIGTERM).
    #[error("interrupted")]
    Interrupted,
}

#[derive(Debug, thiserror::Error)]
pub enum MonitorError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("invalid message")]
    Message(#[from] serde_json::Error),
    /// QEMU answered with an error.
    #[error("QEMU refused: {0}")]
    Refused(String),
}

impl VmError {
    /// For `map_err`: a failed file operation.
    pub(super) fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }
}
