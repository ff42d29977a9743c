//! Everything that can go wrong with pins, packages and the cache, in words that say what to do next.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::digest::Sha256;
use super::series::Series;

/// Why a kernel or QEMU could not be had.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// `kernels.yaml` or `kernels.lock.yaml` does not say what it must.
    #[error("{}:{line}:{column}: {message}", path.display())]
    File {
        /// The file at fault.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
        /// The column in that line, from 1.
        column: usize,
        /// What was expected and what was found.
        message: String,
    },

    /// A file of the `kernels/` folder is not there.
    #[error("{} is missing: {advice}", path.display())]
    NoFile {
        /// The file that was looked for.
        path: PathBuf,
        /// What to do about it.
        advice: &'static str,
    },

    /// A name on the command line is no pinned series.
    #[error("unknown series `{name}`: pinned are {pinned}{}", nearest_series(nearest))]
    UnknownSeries {
        /// What was asked for.
        name: String,
        /// The pinned series, joined by commas.
        pinned: String,
        /// The pinned series closest to it, if any is pinned.
        nearest: Option<Series>,
    },

    /// A series is wanted, but the lock has no pin for it.
    #[error(
        "{}: series {series} is wanted but not locked in {}: run `rxpath kernels update {series}`",
        pins.display(), lock.display()
    )]
    NotLocked {
        /// The series without a pin.
        series: Series,
        /// `kernels.yaml`.
        pins: PathBuf,
        /// `kernels.lock.yaml`.
        lock: PathBuf,
    },

    /// A package's content is not what the lock says.
    #[error(transparent)]
    Mismatch(Box<Mismatch>),

    /// The archive does not hold a locked version any more.
    #[error(transparent)]
    LeftArchive(Box<LeftArchive>),

    /// The archive's index offers no package that answers a wish in `kernels.yaml`.
    #[error("{suite} offers no {what}: {advice}")]
    NothingFits {
        /// The suite that was searched.
        suite: String,
        /// What was looked for.
        what: String,
        /// What to do about it.
        advice: String,
    },

    /// A module that the kernel neither ships nor has built in.
    #[error("kernel {kernel} has no module `{name}`{}{}", needed_by(needed_by_module), nearest_names(nearest))]
    UnknownModule {
        /// The kernel's release.
        kernel: String,
        /// The module that was asked for.
        name: String,
        /// The module whose dependency it is, if it was not asked for by name.
        needed_by_module: Option<String>,
        /// Modules with similar names.
        nearest: Vec<String>,
    },

    /// A setting from the environment or the command line that cannot be used.
    #[error("{setting} is `{value}`: {message}")]
    Setting {
        /// The variable or option.
        setting: &'static str,
        /// What it says.
        value: String,
        /// What was expected instead.
        message: String,
    },

    /// This machine's apt does not say where a Debian archive is.
    #[error(
        "this machine's apt names no {archive} archive: set {variable} to one, such as the address in sources.list"
    )]
    NoMirror {
        /// `debian` or `debian-security`.
        archive: &'static str,
        /// The variable that would name it.
        variable: &'static str,
    },

    /// A program of apt, dpkg or QEMU could not be run, or failed.
    #[error("{program} {problem}")]
    Tool {
        /// The program.
        program: String,
        /// What happened, with the end of what it printed.
        problem: String,
    },

    /// Packages could not be fetched for a reason that has nothing to do with the lock.
    #[error("could not fetch {package} ({owner}) from {origin}: {reason}{}", others(*more))]
    Network {
        /// The kernel or QEMU it belongs to.
        owner: String,
        /// The first package that failed.
        package: String,
        /// Where it was to come from.
        origin: String,
        /// What apt said.
        reason: String,
        /// How many other packages failed as well.
        more: usize,
    },

    /// A package, a kernel image or a module has a shape that this program does not know.
    #[error("{what}: {problem}")]
    Content {
        /// The package, image or module.
        what: String,
        /// What was expected and what was found.
        problem: String,
    },

    /// The cache cannot be used for what has to be done.
    #[error("cache folder {}: could not {action}: {source} (RXPATH_CACHE names another folder)", path.display())]
    Cache {
        /// The file or folder in the cache.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        source: io::Error,
    },

    /// A file outside the cache could not be read or written.
    #[error("could not {action} {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

/// A package whose content is not what its pin says.
#[derive(Debug, thiserror::Error)]
#[error(
    "{pin} from {origin} is not what is locked: expected sha256 {expected} ({expected_size} bytes), \
     found {found} ({found_size} bytes); put the right pin back, or run `rxpath kernels update {}`", pin.name
)]
pub struct Mismatch {
    /// The pin.
    pub pin: PinPlace,
    /// The address or file that the content came from.
    pub origin: String,
    /// The digest in the lock.
    pub expected: Sha256,
    /// The size in the lock, in bytes.
    pub expected_size: u64,
    /// The digest of what came.
    pub found: Sha256,
    /// The size of what came, in bytes.
    pub found_size: u64,
}

/// A package that the archive does not hold any more.
#[derive(Debug, thiserror::Error)]
#[error(
    "{pin}, pinned from {suite}, has left the archive: {origin} is not there. \
     Ways out: `rxpath kernels update {}` pins what is there now; `--from DIR` takes packages from a folder; \
     `--unlocked` runs the newest of the series and says so in every report", pin.name
)]
pub struct LeftArchive {
    /// The pin.
    pub pin: PinPlace,
    /// The suite the pin came from.
    pub suite: String,
    /// Where it was looked for.
    pub origin: String,
}

/// A pin, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinPlace {
    /// The lock file.
    pub lock: PathBuf,
    /// The line of the pin's sha256; none for a pin resolved just now.
    pub line: Option<usize>,
    /// The kernel or QEMU it belongs to.
    pub owner: String,
    /// What `kernels update` calls that: the series, or `qemu`.
    pub name: String,
    /// The package's name.
    pub package: String,
    /// The package's version.
    pub version: String,
}

impl fmt::Display for PinPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: ", self.lock.display())?,
            None => f.write_str("resolved just now: ")?,
        }
        write!(f, "{} {} ({})", self.package, self.version, self.owner)
    }
}

impl KernelError {
    /// Whether the request is wrong (a name, a file, a pin: exit code 2) rather than the machinery (exit code 3).
    pub fn is_request(&self) -> bool {
        match self {
            Self::File { .. }
            | Self::NoFile { .. }
            | Self::UnknownSeries { .. }
            | Self::NotLocked { .. }
            | Self::Mismatch(_)
            | Self::LeftArchive(_)
            | Self::NothingFits { .. }
            | Self::UnknownModule { .. }
            | Self::Setting { .. } => true,
            Self::NoMirror { .. }
            | Self::Tool { .. }
            | Self::Network { .. }
            | Self::Content { .. }
            | Self::Cache { .. }
            | Self::Io { .. } => false,
        }
    }

    pub(super) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), action, source }
    }

    pub(super) fn cache(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Cache { path: path.to_owned(), action, source }
    }

    pub(super) fn content(what: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Content { what: what.into(), problem: problem.into() }
    }
}

fn nearest_series(nearest: &Option<Series>) -> String {
    nearest.map_or(String::new(), |series| format!("; nearest is {series}"))
}

fn nearest_names(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!("; nearest are {}", names.join(", ")) }
}

fn needed_by(module: &Option<String>) -> String {
    module.as_ref().map_or(String::new(), |module| format!(" (needed by `{module}`)"))
}

fn others(more: usize) -> String {
    if more == 0 { String::new() } else { format!(" (and {more} more)") }
}
