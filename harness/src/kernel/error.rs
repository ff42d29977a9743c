//! Errors about pins and packages, each with what to do next.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use super::cache_folder::CacheError;
use super::config::MissingOptions;
use super::digest::Sha256;
use super::links::LinkError;
use super::name::KernelName;
use super::own::OwnError;
use super::series::Series;
use super::verified::Damage;
use super::vmlinux::ImageError;

/// Why a kernel or QEMU cannot be made ready.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// `kernels.yaml` or `kernels.lock.yaml` is invalid.
    #[error("{}:{line}:{column}: {message}", path.display())]
    File {
        path: PathBuf,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What was expected and what was found.
        message: String,
    },

    #[error("{} is missing: {advice}", path.display())]
    NoFile { path: PathBuf, advice: &'static str },

    #[error("unknown series `{name}`: pinned are {pinned}{}", nearest_series(nearest))]
    UnknownSeries {
        name: String,
        /// All pinned series, separated by commas.
        pinned: String,
        nearest: Option<Series>,
    },

    #[error(
        "unknown kernel `{name}`: there is no file or folder of this name in the current folder, pinned are {pinned}, and \
         releases are named as 6.12.107, 6.18.* or 6.16..6.19{}",
        nearest_series(nearest)
    )]
    UnknownKernel {
        name: String,
        /// All pinned series, separated by commas.
        pinned: String,
        nearest: Option<Series>,
    },

    /// A kernel whose configuration lacks what every case needs.
    #[error("{kernel} cannot run any case")]
    MissingOptions {
        kernel: KernelName,
        #[source]
        source: MissingOptions,
    },

    #[error(
        "{}: series {series} is wanted but not locked in {}: run `rxpath kernels update {series}`",
        pins.display(), lock.display()
    )]
    NotLocked { series: Series, pins: PathBuf, lock: PathBuf },

    #[error(transparent)]
    Contradiction(Box<Contradiction>),

    #[error(
        "the archive has no kernel `{reference}` (cloud-amd64, in {suites}){}; `rxpath kernels available` lists all",
        nearest_names(nearest)
    )]
    UnknownRelease {
        reference: String,
        /// The suites that were searched, separated by commas.
        suites: String,
        /// The closest versions below and above.
        nearest: Vec<String>,
    },

    #[error(transparent)]
    Mismatch(Box<Mismatch>),

    #[error(transparent)]
    LeftArchive(Box<LeftArchive>),

    /// No package in the archive's index matches an entry of `kernels.yaml`.
    #[error("{suite} offers no {what}: {advice}")]
    NothingFits { suite: String, what: String, advice: &'static str },

    /// A module that the kernel neither ships nor has built in.
    #[error("kernel {release} has no module `{name}`{}{}", needed_by(dependent), nearest_names(nearest))]
    UnknownModule {
        release: String,
        name: String,
        /// The module that depends on it, unless it was requested by name.
        dependent: Option<String>,
        /// Modules with similar names.
        nearest: Vec<String>,
    },

    /// An unusable value of an environment variable or an option.
    #[error("{setting} is `{value}`: {problem}")]
    Setting {
        setting: &'static str,
        value: String,
        problem: String,
        #[source]
        source: Option<io::Error>,
    },

    #[error(
        "this machine's apt names no {archive} archive: set {variable} to one, such as the address in sources.list"
    )]
    NoMirror {
        /// `debian` or `debian-security`.
        archive: &'static str,
        variable: &'static str,
    },

    #[error(
        "{program} is not on this machine: packages come through apt and dpkg, which Debian and its derivatives have \
         (a Debian container is enough; with a filled cache, neither is needed)"
    )]
    NoTool { program: String },

    #[error("cannot run {program}")]
    ToolNotStarted {
        program: String,
        #[source]
        source: io::Error,
    },

    #[error("{program} failed ({status}): {stderr}")]
    ToolFailed {
        program: String,
        status: ExitStatus,
        /// The last lines of its standard error.
        stderr: String,
    },

    /// A download that failed for a reason unrelated to the lock.
    #[error("cannot fetch {package} ({owner}) from {origin}: {reason}{}", others(*more))]
    Network {
        /// The kernel or QEMU that the package belongs to.
        owner: String,
        /// The first package that failed.
        package: String,
        origin: String,
        /// apt's message.
        reason: String,
        /// How many other packages failed too.
        more: usize,
    },

    /// A package, kernel image or module that rxpath cannot read.
    #[error("cannot use {what}")]
    Content {
        what: String,
        #[source]
        source: ContentError,
    },

    #[error(transparent)]
    Own(#[from] OwnError),

    #[error(transparent)]
    Cache(#[from] CacheError),

    /// A file outside the cache cannot be read or written.
    #[error("cannot {action} {}", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// What is wrong with a package, a kernel image or a module.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    #[error("expected {0} in its packages, found none")]
    Missing(&'static str),
    #[error("its image does not name its release")]
    NoRelease,
    #[error("expected a .modinfo section, found none")]
    NoModuleInfo,
    #[error("expected a 64-bit ELF file")]
    Elf(#[from] object::read::Error),
    #[error("dpkg-deb failed ({status}): {stderr}")]
    Dpkg {
        status: ExitStatus,
        /// The last lines of its standard error.
        stderr: String,
    },
    /// A file of a stored kernel is missing or unreadable.
    #[error("the cache is damaged (cannot read {0}): delete this folder, and rxpath fetches it again")]
    Damaged(String, #[source] io::Error),
    #[error("the cache is damaged: delete this folder, and rxpath fetches it again")]
    Changed(#[from] Damage),
    #[error(transparent)]
    Image(#[from] ImageError),
    #[error(transparent)]
    Links(#[from] LinkError),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A lock that is not for its `kernels.yaml`.
#[derive(Debug, thiserror::Error)]
#[error(
    "{}:{line}: {owner} is locked with {locked}, but {} wants {wanted}: run `rxpath kernels update{}`",
    lock.display(), pins.display(), if name.is_empty() { String::new() } else { format!(" {name}") }
)]
pub struct Contradiction {
    pub(super) lock: PathBuf,
    /// From 1.
    pub(super) line: usize,
    /// `kernel 6.12` or `QEMU`.
    pub(super) owner: String,
    pub(super) locked: String,
    pub(super) pins: PathBuf,
    pub(super) wanted: String,
    /// The argument of `kernels update` that solves it; empty for everything.
    pub(super) name: String,
}

/// A package whose content differs from its pin.
#[derive(Debug, thiserror::Error)]
#[error(
    "{pin} from {origin} differs from {}: expected sha256 {expected} ({expected_size} bytes), \
     found {found} ({found_size} bytes); {}", pin.expected_by(), pin.after_mismatch()
)]
pub struct Mismatch {
    pub(super) pin: PinPlace,
    /// The address or file of the content.
    pub(super) origin: String,
    pub(super) expected: Sha256,
    pub(super) expected_size: u64,
    pub(super) found: Sha256,
    pub(super) found_size: u64,
}

/// A pinned package that the archive no longer has.
#[derive(Debug, thiserror::Error)]
#[error(
    "{pin}, pinned from {suite}, has left the archive: {origin} does not exist. \
     {}; `--packages DIR` takes packages from a folder{}", pin.successor(), pin.way_on()
)]
pub struct LeftArchive {
    pub(super) pin: PinPlace,
    pub(super) suite: String,
    pub(super) origin: String,
}

/// A pin, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PinPlace {
    pub(super) source: PinSource,
    /// The kernel or QEMU that the package belongs to.
    pub(super) owner: String,
    /// The argument of `kernels update` that updates it (the series, or `qemu`), or of `kernels forget`.
    pub(super) name: String,
    pub(super) package: String,
    pub(super) version: String,
}

/// Where a pin comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PinSource {
    /// A file and a line, from 1.
    Lock(PathBuf, usize),
    /// The archive's current index (`--unlocked`).
    Index,
    /// What the cache remembers of a release.
    Release,
}

impl PinPlace {
    fn expected_by(&self) -> &'static str {
        match self.source {
            PinSource::Release => "what the archive's index named",
            _ => "the lock",
        }
    }

    fn after_mismatch(&self) -> String {
        match self.source {
            PinSource::Release => format!("`rxpath kernels forget {}` makes rxpath look it up again", self.name),
            _ => format!("restore the pin, or run `rxpath kernels update {}`", self.name),
        }
    }

    fn successor(&self) -> String {
        match self.source {
            PinSource::Release => "`rxpath kernels available` lists what it has".to_owned(),
            _ => format!("`rxpath kernels update {}` pins the current version", self.name),
        }
    }

    fn way_on(&self) -> &'static str {
        match self.source {
            PinSource::Release => "",
            _ => "; `--unlocked` runs the newest of the series and says so in every report",
        }
    }
}

impl fmt::Display for PinPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            PinSource::Lock(file, line) => write!(f, "{}:{line}: ", file.display())?,
            PinSource::Index => f.write_str("resolved just now: ")?,
            PinSource::Release => {}
        }
        write!(f, "{} {} ({})", self.package, self.version, self.owner)
    }
}

impl KernelError {
    /// Whether the request is at fault (a name, a file, a pin: exit code 2) rather than the machinery (exit code 3).
    pub(crate) fn is_request(&self) -> bool {
        match self {
            Self::File { .. }
            | Self::NoFile { .. }
            | Self::UnknownSeries { .. }
            | Self::UnknownKernel { .. }
            | Self::MissingOptions { .. }
            | Self::NotLocked { .. }
            | Self::Contradiction(_)
            | Self::UnknownRelease { .. }
            | Self::Mismatch(_)
            | Self::LeftArchive(_)
            | Self::NothingFits { .. }
            | Self::UnknownModule { .. }
            | Self::Own(_)
            | Self::Setting { .. } => true,
            Self::NoMirror { .. }
            | Self::NoTool { .. }
            | Self::ToolNotStarted { .. }
            | Self::ToolFailed { .. }
            | Self::Network { .. }
            | Self::Content { .. }
            | Self::Io { .. } => false,
            Self::Cache(error) => error.is_request(),
        }
    }

    pub(super) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), action, source }
    }

    pub(super) fn content(what: String, source: impl Into<ContentError>) -> Self {
        Self::Content { what, source: source.into() }
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
