//! Makes kernels and QEMU ready: from the cache, from a folder of packages, or from the archive.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::cache::Cache;
use super::digest::Sha256;
use super::download::{Group, Sources};
use super::error::KernelError;
use super::lock::{Lock, LockedKernel, LockedQemu};
use super::pinning::Resolver;
use super::pins::Pins;
use super::qemu::Qemu;
use super::series::Series;
use super::store::Kernel;

/// How many things are made at a time. One downloads while others unpack, which is bound by the processor.
const AT_A_TIME: usize = 3;

/// From where to take kernels and QEMU.
#[derive(Debug, Clone, Default)]
pub struct FetchOptions {
    /// A folder of package files (`--from DIR`): what it holds is not downloaded.
    pub from: Option<PathBuf>,
    /// Take the newest of each series, resolved now, rather than what is locked (`--unlocked`).
    pub unlocked: bool,
    /// Which QEMU.
    pub qemu: QemuSource,
}

/// Which QEMU to make ready.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum QemuSource {
    /// The pinned one.
    #[default]
    Pinned,
    /// A QEMU of the host (`--qemu PATH`).
    Host(PathBuf),
    /// None: only kernels are wanted.
    None,
}

/// What happens while things are made ready. Names are for people: `kernel 6.12`, `QEMU`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress<'a> {
    /// The archive is asked what is newest.
    Resolving,
    /// Another process is making it.
    Waiting {
        /// What is waited for.
        name: &'a str,
    },
    /// Its packages are coming.
    Downloading {
        /// What is being fetched.
        name: &'a str,
        /// The bytes that are there.
        done: u64,
        /// The bytes there will be.
        total: u64,
    },
    /// Its packages are being unpacked.
    Unpacking {
        /// What is being unpacked.
        name: &'a str,
    },
    /// It was fetched and is in the cache now. What was there already is not told.
    Ready {
        /// What is ready.
        name: &'a str,
    },
}

/// What was asked for, ready to run.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The kernels, in the order asked for.
    pub kernels: Vec<Kernel>,
    /// The QEMU, unless none was wanted.
    pub qemu: Option<Qemu>,
}

/// Makes the kernels of the given series ready, and QEMU. What is in the cache needs no network and writes nothing.
///
/// # Errors
///
/// When a pin is wrong or has left the archive, the network fails, a package has an unknown shape, or the cache cannot be
/// written. The first error ends everything that has not begun; what was finished stays in the cache.
pub fn fetch(
    pins: &Pins,
    lock: &Lock,
    series: &[Series],
    cache: &Cache,
    options: &FetchOptions,
    progress: &(dyn Fn(Progress<'_>) + Sync),
) -> Result<Fetched, KernelError> {
    let wanted = Wanted::new(pins, lock, series, cache, options, progress)?;
    let sources = Sources::new(cache, lock, options.from.as_deref())?;
    let missing = wanted.missing(cache);
    if !missing.is_empty() {
        let work = Work { cache, sources: &sources, progress };
        work.make_all(missing)?;
    }
    let opened: Option<Vec<Kernel>> =
        wanted.kernels.iter().map(|locked| Kernel::open(cache, locked, options.unlocked)).collect();
    let qemu = match (&options.qemu, &wanted.qemu) {
        (QemuSource::Host(path), _) => Some(Some(Qemu::of_host(path)?)),
        (_, Some(locked)) => Qemu::open(cache, locked, options.unlocked).map(Some),
        (_, None) => Some(None),
    };
    match (opened, qemu) {
        (Some(kernels), Some(qemu)) => Ok(Fetched { kernels, qemu }),
        _ => {
            let gone = std::io::Error::other("what was just stored is not there; is something clearing the cache?");
            Err(KernelError::cache("read", cache.root(), gone))
        }
    }
}

/// The pins to go by.
struct Wanted {
    kernels: Vec<LockedKernel>,
    qemu: Option<LockedQemu>,
}

impl Wanted {
    fn new(
        pins: &Pins,
        lock: &Lock,
        series: &[Series],
        cache: &Cache,
        options: &FetchOptions,
        progress: &(dyn Fn(Progress<'_>) + Sync),
    ) -> Result<Self, KernelError> {
        let with_qemu = options.qemu == QemuSource::Pinned;
        let mut kernels = Vec::new();
        if !options.unlocked {
            for series in series {
                kernels.push(lock.kernel(pins, *series)?.clone());
            }
            return Ok(Self { kernels, qemu: with_qemu.then(|| lock.qemu.clone()) });
        }
        let wanted: Vec<_> = series.iter().filter_map(|series| pins.kernel(*series)).collect();
        let mut suites: BTreeSet<&str> = wanted.iter().map(|kernel| kernel.suite.as_str()).collect();
        suites.extend(with_qemu.then_some(pins.qemu.suite.as_str()));
        progress(Progress::Resolving);
        let waiting = || progress(Progress::Waiting { name: "the package indexes" });
        let resolver = Resolver::open(cache, pins, &suites, &waiting)?;
        for kernel in wanted {
            kernels.push(resolver.kernel(kernel)?);
        }
        Ok(Self { kernels, qemu: with_qemu.then(|| resolver.qemu(&pins.qemu)).transpose()? })
    }

    /// What is not in the cache, the largest first, so that the last to finish is a small one.
    fn missing(&self, cache: &Cache) -> Vec<Thing<'_>> {
        let kernels = self.kernels.iter().map(Thing::Kernel);
        let mut missing: Vec<Thing<'_>> =
            kernels.chain(self.qemu.iter().map(Thing::Qemu)).filter(|thing| !thing.is_stored(cache)).collect();
        missing.sort_by_key(|thing| {
            std::cmp::Reverse(thing.group("", "").packages.iter().map(|pin| pin.size).sum::<u64>())
        });
        missing
    }
}

/// One thing to make ready.
#[derive(Clone, Copy)]
enum Thing<'a> {
    Kernel(&'a LockedKernel),
    Qemu(&'a LockedQemu),
}

impl<'a> Thing<'a> {
    fn owner(self) -> String {
        match self {
            Self::Kernel(kernel) => format!("kernel {}", kernel.series),
            Self::Qemu(_) => "QEMU".to_owned(),
        }
    }

    fn name(self) -> String {
        match self {
            Self::Kernel(kernel) => kernel.series.to_string(),
            Self::Qemu(_) => "qemu".to_owned(),
        }
    }

    fn digest(self) -> Sha256 {
        match self {
            Self::Kernel(kernel) => Kernel::digest_of(kernel),
            Self::Qemu(qemu) => Qemu::digest_of(qemu),
        }
    }

    fn is_stored(self, cache: &Cache) -> bool {
        match self {
            Self::Kernel(kernel) => Kernel::open(cache, kernel, false).is_some(),
            Self::Qemu(qemu) => Qemu::open(cache, qemu, false).is_some(),
        }
    }

    fn group(self, owner: &'a str, name: &'a str) -> Group<'a> {
        match self {
            Self::Kernel(LockedKernel { suite, archive, packages, .. })
            | Self::Qemu(LockedQemu { suite, archive, packages, .. }) => {
                Group { owner, name, suite, archive: *archive, packages }
            }
        }
    }
}

/// What the workers share.
struct Work<'a> {
    cache: &'a Cache,
    sources: &'a Sources<'a>,
    progress: &'a (dyn Fn(Progress<'_>) + Sync),
}

impl Work<'_> {
    fn make_all(&self, missing: Vec<Thing<'_>>) -> Result<(), KernelError> {
        let failed = AtomicBool::new(false);
        let first_error = Mutex::new(None);
        let queue = Mutex::new(missing.into_iter());
        let next = || queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).next();
        std::thread::scope(|scope| {
            for _ in 0..AT_A_TIME {
                scope.spawn(|| {
                    while let Some(thing) = next() {
                        if failed.load(Ordering::SeqCst) {
                            return;
                        }
                        if let Err(error) = self.make(thing) {
                            failed.store(true, Ordering::SeqCst);
                            let mut first = first_error.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                            first.get_or_insert(error);
                        }
                    }
                });
            }
        });
        first_error.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()).map_or(Ok(()), Err)
    }

    fn make(&self, thing: Thing<'_>) -> Result<(), KernelError> {
        let (owner, name) = (thing.owner(), thing.name());
        let group = thing.group(&owner, &name);
        let waiting = || (self.progress)(Progress::Waiting { name: &owner });
        let held = self
            .cache
            .lock(&format!("{}-{}", if name == "qemu" { "qemu" } else { "kernel" }, thing.digest()), &waiting)?;
        if thing.is_stored(self.cache) {
            return Ok(()); // another process made it while this one waited
        }
        let staging = held.staging()?;
        let downloading = |done, total| (self.progress)(Progress::Downloading { name: &owner, done, total });
        let files = self.sources.files(group, &held, staging.path(), &downloading)?;
        (self.progress)(Progress::Unpacking { name: &owner });
        match thing {
            Thing::Kernel(kernel) => Kernel::make(self.cache, &held, staging.path(), kernel, &files)?,
            Thing::Qemu(qemu) => Qemu::make(self.cache, &held, staging.path(), qemu, &files)?,
        }
        // The unpacked form is complete and verified; the packages would only double the cache's size.
        self.sources.forget(group);
        (self.progress)(Progress::Ready { name: &owner });
        Ok(())
    }
}
