//! The project that a command works on: the repository's cases, pins and snapshots, and the cache.

use std::path::{Path, PathBuf};

use crate::case::{self, Case, Diagnostics};
use crate::kernel::{self, Cache, FetchOptions, Fetched, KernelError, Lock, Pins, Progress, Series};
use crate::vm::Images;

use crate::suite::selection::{choose, may_choose};
use crate::suite::store::snapshot::Snapshots;

/// How to open a [`Project`].
#[derive(Clone, Debug, Default)]
pub struct ProjectOptions {
    /// The repository's root; by default the nearest one at or above the current folder.
    pub root: Option<PathBuf>,
    /// The source of packages and of QEMU.
    pub fetch: FetchOptions,
}

/// A repository with its cache.
#[derive(Debug)]
pub struct Project {
    /// The repository's root.
    pub root: PathBuf,
    /// The wanted kernels.
    pub pins: Pins,
    /// Their exact packages.
    pub lock: Lock,
    pub cache: Cache,
    /// The source of packages and of QEMU.
    pub fetch: FetchOptions,
}

/// Why a project cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    #[error(
        "no kernels/kernels.yaml and cases/ in {from} or above: run rxpath inside its repository, or name that with --root"
    )]
    NoRepository { from: PathBuf },
    #[error(transparent)]
    Kernel(#[from] KernelError),
    #[error(transparent)]
    Cases(#[from] Diagnostics),
}

impl Project {
    /// Opens the repository and its cache. Reads pins and lock, writes nothing.
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

    /// At least the cases that these names choose, checked. If a name chooses none, all cases, so that the error can suggest
    /// similar names.
    pub fn cases_for(&self, names: &[String]) -> Result<Vec<Case>, ProjectError> {
        if names.is_empty() {
            return self.cases();
        }
        let cases = case::load_some(&self.root, &|file| may_choose(names, file))?;
        if choose(&cases, names).is_ok() { Ok(cases) } else { self.cases() }
    }

    /// Fetches and unpacks kernels and QEMU.
    pub fn fetch(&self, series: &[Series], progress: &(dyn Fn(Progress<'_>) + Sync)) -> Result<Fetched, KernelError> {
        kernel::fetch(&self.pins, &self.lock, series, &self.cache, &self.fetch, progress)
    }

    /// The warm images of the cache.
    pub fn images(&self) -> Images {
        Images::new(self.cache.clone())
    }

    /// The results file of the last run.
    pub fn last_results(&self) -> PathBuf {
        last_results(&self.root)
    }

    /// The snapshots of the repository.
    pub fn snapshots(&self) -> Snapshots {
        Snapshots::new(&self.root)
    }
}

/// The results file of the last run of the repository at `root`.
pub(crate) fn last_results(root: &Path) -> PathBuf {
    root.join("target/rxpath/results.json")
}

/// The root of the repository: the named folder, or the nearest one at or above the current folder with pins and cases.
pub(crate) fn find_root(named: Option<&Path>) -> Result<PathBuf, ProjectError> {
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
