//! The project that a command works on: the repository's cases, pins and snapshots, and the cache.

use std::io;
use std::path::{Path, PathBuf};

use crate::case::{self, Case, Diagnostics};
use crate::kernel::{
    self, Cache, FetchOptions, Fetched, Kernel, KernelError, KernelName, KernelRef, Lock, Pins, Progress, Series,
};
use crate::vm::Images;

use crate::suite::catalogue;
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
    /// Whether there is no repository, and this is the catalogue in the program.
    pub is_catalogue: bool,
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
    #[error("no kernels/kernels.yaml and cases/ in {from}: name a repository, or make one with `rxpath init {from}`")]
    NoRepository { from: PathBuf },
    #[error("this needs a repository, and there is none at or above the current folder: `rxpath init DIR` makes one")]
    OnlyCatalogue,
    #[error("cannot unpack the catalogue of cases into {folder}")]
    Catalogue { folder: PathBuf, source: io::Error },
    #[error(transparent)]
    Kernel(#[from] KernelError),
    #[error(transparent)]
    Cases(#[from] Diagnostics),
}

impl Project {
    /// Opens the repository and its cache. Reads pins and lock. Outside a repository, it writes the catalogue into the
    /// cache.
    pub fn open(options: &ProjectOptions) -> Result<Self, ProjectError> {
        let Root { folder: root, is_catalogue } = find_root(options.root.as_deref())?;
        let pins = Pins::load(&root)?;
        let lock = Lock::load(&root)?;
        if !options.fetch.unlocked {
            lock.check_pins(&pins)?;
        }
        let cache = Cache::locate().map_err(KernelError::from)?;
        Ok(Self { pins, lock, cache, root, is_catalogue, fetch: options.fetch.clone() })
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

    /// The kernels that these values of `--kernel` name, each once; all pinned ones if there is none. The archive is asked which
    /// releases match a pattern.
    pub(crate) fn kernels(
        &self,
        values: &[String],
        progress: &(dyn Fn(Progress<'_>) + Sync),
    ) -> Result<Vec<KernelRef>, KernelError> {
        kernel::expand(self.pins.references(values)?, &self.cache, progress)
    }

    /// Makes these kernels and QEMU ready, each kernel once: the pinned ones, then releases, then the user's own.
    pub(crate) fn make_ready(
        &self,
        kernels: &[KernelRef],
        progress: &(dyn Fn(Progress<'_>) + Sync),
    ) -> Result<Fetched, KernelError> {
        let mut series = Vec::new();
        let mut releases = Vec::new();
        let mut own: Vec<Kernel> = Vec::new();
        for kernel in kernel::expand(kernels.to_vec(), &self.cache, progress)? {
            match kernel {
                KernelRef::Pinned(pinned) => series.push(pinned),
                KernelRef::Release(release) => releases.push(release),
                other => own.extend(self.open_own(&other)?),
            }
        }
        // Before anything is fetched for a kernel that cannot run.
        own.iter().try_for_each(|kernel| kernel.check_options().map(drop))?;
        let mut fetched = self.fetch(&series, progress)?;
        let from = self.fetch.from.as_deref();
        fetched.kernels.extend(kernel::fetch_releases(&releases, &self.cache, from, progress)?);
        for kernel in own {
            if fetched.kernels.iter().all(|known| known.name() != kernel.name()) {
                fetched.kernels.push(kernel);
            }
        }
        Ok(fetched)
    }

    /// The name of a kernel in results.
    pub(crate) fn name_of(&self, kernel: &KernelRef) -> Result<KernelName, KernelError> {
        match self.open_own(kernel)? {
            Some(own) => Ok(own.name()),
            None => Ok(kernel.to_string().into()),
        }
    }

    /// The kernel at a path or in packages.
    fn open_own(&self, kernel: &KernelRef) -> Result<Option<Kernel>, KernelError> {
        match kernel {
            KernelRef::Path(path) => kernel::own::open(path, &self.cache).map(Some),
            KernelRef::Packages(packages) => kernel::own::open_packages(packages, &self.cache).map(Some),
            KernelRef::Pinned(_) | KernelRef::Release(_) | KernelRef::Releases(_) => Ok(None),
        }
    }

    /// The digests of a kernel, and of the packages that it was unpacked from, as far as they are known without fetching anything.
    pub(crate) fn digests_of(&self, kernel: &KernelRef) -> Vec<String> {
        let own = |paths: &[PathBuf]| kernel::own_digests(paths, &self.cache);
        let digests = match kernel {
            KernelRef::Pinned(series) => kernel::pinned_digest(*series, &self.pins, &self.lock).into_iter().collect(),
            KernelRef::Release(release) => kernel::remembered_digest(release, &self.cache).into_iter().collect(),
            KernelRef::Releases(_) => Vec::new(),
            KernelRef::Path(path) => own(std::slice::from_ref(path)),
            KernelRef::Packages(packages) => own(packages),
        };
        digests.iter().map(ToString::to_string).collect()
    }

    /// Fetches and unpacks kernels and QEMU.
    pub fn fetch(&self, series: &[Series], progress: &(dyn Fn(Progress<'_>) + Sync)) -> Result<Fetched, KernelError> {
        kernel::fetch(&self.pins, &self.lock, series, &self.cache, &self.fetch, progress)
    }

    /// The image of a pinned kernel as its package has it.
    pub(crate) fn packed_image(
        &self,
        series: Series,
        progress: &(dyn Fn(Progress<'_>) + Sync),
    ) -> Result<PathBuf, KernelError> {
        kernel::packed_image(&self.pins, &self.lock, series, &self.cache, &self.fetch, progress)
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

/// A folder with pins, cases and snapshots.
pub(crate) struct Root {
    pub(crate) folder: PathBuf,
    pub(crate) is_catalogue: bool,
}

impl Root {
    /// The folder of a repository, for commands that write into it.
    pub(crate) fn repository(self) -> Result<PathBuf, ProjectError> {
        if self.is_catalogue { Err(ProjectError::OnlyCatalogue) } else { Ok(self.folder) }
    }
}

/// Finds the folder to work on: the named one, that of RXPATH_ROOT, the nearest one at or above the current folder, or the
/// catalogue in the program.
pub(crate) fn find_root(named: Option<&Path>) -> Result<Root, ProjectError> {
    let is_root = |folder: &Path| folder.join("kernels/kernels.yaml").is_file() && folder.join("cases").is_dir();
    let variable = std::env::var_os("RXPATH_ROOT").filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(named) = named.map(Path::to_owned).or(variable) {
        let folder = std::path::absolute(&named).unwrap_or(named);
        return match is_root(&folder) {
            true => Ok(Root { folder, is_catalogue: false }),
            false => Err(ProjectError::NoRepository { from: folder }),
        };
    }
    let current = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
    if let Some(folder) = current.ancestors().find(|folder| is_root(folder)) {
        return Ok(Root { folder: folder.to_owned(), is_catalogue: false });
    }
    let cache = Cache::locate().map_err(KernelError::from)?;
    let folder = catalogue::unpack_once(cache.root())
        .map_err(|source| ProjectError::Catalogue { folder: cache.root().to_owned(), source })?;
    Ok(Root { folder, is_catalogue: true })
}

/// Makes a repository in an empty or new folder: the catalogue, to which users can add their own cases.
pub(crate) fn init(folder: &Path) -> Result<(), ProjectError> {
    let failed = |source| ProjectError::Catalogue { folder: folder.to_owned(), source };
    std::fs::create_dir_all(folder).map_err(failed)?;
    if std::fs::read_dir(folder).map_err(failed)?.next().is_some() {
        return Err(failed(io::Error::new(io::ErrorKind::DirectoryNotEmpty, "the folder is not empty")));
    }
    catalogue::unpack_into(folder).map_err(failed)
}
