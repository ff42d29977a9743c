//! Everything a command works with: the repository's cases, pins and snapshots, and the cache.

use std::path::{Path, PathBuf};

use crate::case::{self, Case, Diagnostics};
use crate::kernel::{self, Cache, FetchOptions, Fetched, KernelError, Lock, Pins, Progress, Series};
use crate::vm::Images;

use crate::suite::selection::{choose, may_choose};
use crate::suite::store::snapshot::Snapshots;

/// How to open a [`Project`].
#[derive(Clone, Debug, Default)]
pub struct ProjectOptions {
    /// The repository; looked for from the current folder upwards if `None`.
    pub root: Option<PathBuf>,
    /// Where packages and QEMU come from.
    pub fetch: FetchOptions,
}

/// A repository with its cache.
#[derive(Debug)]
pub struct Project {
    /// The repository's root.
    pub root: PathBuf,
    /// Which kernels are wanted.
    pub pins: Pins,
    /// What exactly they are.
    pub lock: Lock,
    /// The cache.
    pub cache: Cache,
    /// Where packages and QEMU come from.
    pub fetch: FetchOptions,
}

/// Why a workshop cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// No repository.
    #[error(
        "no kernels/kernels.yaml and cases/ here or above {from}: run rxpath inside its repository, or name that with --root"
    )]
    NoRepository {
        /// Where the search began.
        from: PathBuf,
    },
    /// Pins, lock or cache.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// Cases.
    #[error("{0}")]
    Cases(#[from] Diagnostics),
}

impl Project {
    /// Opens the repository and its cache; reads pins and lock, writes nothing.
    pub fn open(options: &ProjectOptions) -> Result<Self, ProjectError> {
        let root = find_root(options.root.as_deref())?;
        let pins = Pins::load(&root)?;
        let lock = Lock::load(&root)?;
        Ok(Self { pins, lock, cache: Cache::locate().map_err(KernelError::from)?, root, fetch: options.fetch.clone() })
    }

    /// All cases, checked.
    pub fn cases(&self) -> Result<Vec<Case>, ProjectError> {
        Ok(case::load_all(&self.root)?)
    }

    /// At least the cases that these names choose, checked; all of them where one of the names chooses none, so that the
    /// error can name what may have been meant.
    pub fn cases_for(&self, names: &[String]) -> Result<Vec<Case>, ProjectError> {
        if names.is_empty() {
            return self.cases();
        }
        let cases = case::load_some(&self.root, &|file| may_choose(names, file))?;
        if choose(&cases, names).is_ok() { Ok(cases) } else { self.cases() }
    }

    /// Makes kernels and QEMU ready.
    pub fn fetch(&self, series: &[Series], progress: &(dyn Fn(Progress<'_>) + Sync)) -> Result<Fetched, KernelError> {
        kernel::fetch(&self.pins, &self.lock, series, &self.cache, &self.fetch, progress)
    }

    /// The warm images of the cache.
    pub fn images(&self) -> Images {
        Images::new(self.cache.clone())
    }

    /// Where the results of the last run lie.
    pub fn last_results(&self) -> PathBuf {
        last_results(&self.root)
    }

    /// The snapshots of the repository.
    pub fn snapshots(&self) -> Snapshots {
        Snapshots::new(&self.root)
    }
}

/// Where the results of the last run of the repository at `root` lie.
pub fn last_results(root: &Path) -> PathBuf {
    root.join("target/rxpath/results.json")
}

/// The repository: as named, or the nearest folder from here upwards that holds pins and cases.
pub fn find_root(named: Option<&Path>) -> Result<PathBuf, ProjectError> {
    let is_root = |folder: &Path| folder.join("kernels/kernels.yaml").is_file() && folder.join("cases").is_dir();
    let from = match named {
        Some(named) => named.to_owned(),
        None => std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
    };
    let from = std::path::absolute(&from).unwrap_or(from);
    let mut candidates = from.ancestors().take(if named.is_some() { 1 } else { usize::MAX });
    candidates
        .find(|folder| is_root(folder))
        .map(Path::to_owned)
        .ok_or(ProjectError::NoRepository { from: from.clone() })
}
