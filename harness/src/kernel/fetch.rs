//! Makes kernels and QEMU ready, from the cache, a folder of packages, or the archive.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::cache_folder::{Cache, CacheError};
use super::digest::Sha256;
use super::download::{Group, Sources};
use super::error::KernelError;
use super::lock::{Lock, LockedKernel, LockedQemu};
use super::pinning::Resolver;
use super::pins::Pins;
use super::qemu::Qemu;
use super::releases::ReleaseRef;
use super::series::Series;
use super::store::{Kernel, Unstored};
use super::verified::Damage;
use crate::error_chain;

/// How many things to make at the same time: one downloads while others unpack, which is bound by the CPU.
const AT_A_TIME: usize = 3;

/// Where to take kernels and QEMU from.
#[derive(Debug, Clone, Default)]
pub struct FetchOptions {
    /// A folder of package files to use instead of downloading them (`--packages DIR`).
    pub from: Option<PathBuf>,
    /// Take the newest version of each series instead of the locked one (`--unlocked`).
    pub unlocked: bool,
    /// A QEMU of the host to use instead of the pinned one (`--qemu PATH`).
    pub host_qemu: Option<PathBuf>,
}

/// What `fetch` is doing. Names are for messages: `kernel 6.12`, `QEMU`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress<'a> {
    /// Looking up the newest versions in the archive's indexes.
    Resolving,
    /// Another process is making it.
    Waiting {
        name: &'a str,
    },
    /// It was in the cache, and is made again.
    Damaged {
        name: &'a str,
        reason: &'a str,
    },
    Downloading {
        name: &'a str,
        /// In bytes.
        done: u64,
        /// In bytes.
        total: u64,
    },
    Unpacking {
        name: &'a str,
    },
    /// It was fetched just now. Things that were in the cache already are not reported.
    Ready {
        name: &'a str,
    },
}

/// Kernels and QEMU, ready to run.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// In the order requested.
    pub kernels: Vec<Kernel>,
    pub qemu: Qemu,
}

/// Makes the kernels of the given series and QEMU ready. If all of them are in the cache, it neither uses the network nor
/// writes anything.
/// Fails when a pin is wrong or has left the archive, the network fails, a package has an unknown layout, or the cache cannot be
/// written. After the first error, nothing new is started; what is finished stays in the cache.
pub(crate) fn fetch(
    pins: &Pins,
    lock: &Lock,
    series: &[Series],
    cache: &Cache,
    options: &FetchOptions,
    progress: &(dyn Fn(Progress<'_>) + Sync),
) -> Result<Fetched, KernelError> {
    let host_qemu = options.host_qemu.as_deref().map(Qemu::of_host).transpose()?;
    let wanted = Wanted::new(pins, lock, series, cache, options, progress)?;
    let sources = Sources::new(cache, Some(lock), options.from.as_deref())?;
    let missing = wanted.missing(cache);
    if !missing.is_empty() {
        let work = Work { cache, sources: &sources, progress };
        work.make_all(missing)?;
    }
    let opened: Option<Vec<Kernel>> =
        wanted.kernels.iter().map(|locked| Kernel::open(cache, locked, options.unlocked).ok()).collect();
    let pinned_qemu = || Qemu::open(cache, wanted.qemu.as_ref()?, options.unlocked).ok();
    let qemu = host_qemu.or_else(pinned_qemu);
    match (opened, qemu) {
        (Some(kernels), Some(qemu)) => Ok(Fetched { kernels, qemu }),
        _ => Err(vanished(cache)),
    }
}

/// The image of a pinned kernel as its package has it, packed. The cache keeps only what is in it, so the package is fetched again
/// the first time.
pub(crate) fn packed_image(
    pins: &Pins,
    lock: &Lock,
    series: Series,
    cache: &Cache,
    options: &FetchOptions,
    progress: &(dyn Fn(Progress<'_>) + Sync),
) -> Result<PathBuf, KernelError> {
    let thing = Thing::Kernel(lock.kernel(pins, series)?);
    let place = cache.root().join("packed-images").join(thing.digest().to_string());
    if place.is_file() {
        return Ok(place);
    }
    let (owner, name) = (thing.owner(), thing.name());
    let group = thing.group(&owner, &name);
    let waiting = || progress(Progress::Waiting { name: &owner });
    let held = cache.lock(&format!("packed-image-{}", thing.digest()), &waiting)?;
    let staging = held.staging()?;
    let sources = Sources::new(cache, Some(lock), options.from.as_deref())?;
    let downloading = |done, total| progress(Progress::Downloading { name: &owner, done, total });
    let files = sources.files(group, &held, staging.path(), &downloading)?;
    let image = Kernel::packed_image(staging.path(), &files, &owner)?;
    held.publish_file(&image, &place)?;
    sources.remove_cached(group);
    Ok(place)
}

/// The packages to make ready.
struct Wanted {
    kernels: Vec<LockedKernel>,
    /// `None` with a QEMU of the host.
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
        let with_qemu = options.host_qemu.is_none();
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
        let resolver = Resolver::open(cache, &pins.flavour, &suites, &waiting)?;
        for kernel in wanted {
            kernels.push(resolver.kernel(kernel)?);
        }
        Ok(Self { kernels, qemu: with_qemu.then(|| resolver.qemu(&pins.qemu)).transpose()? })
    }

    /// The things that are not in the cache, the largest first, so that a small one finishes last.
    fn missing(&self, cache: &Cache) -> Vec<Thing<'_>> {
        let kernels = self.kernels.iter().map(Thing::Kernel);
        missing(kernels.chain(self.qemu.iter().map(Thing::Qemu)), cache)
    }
}

fn missing<'a>(things: impl Iterator<Item = Thing<'a>>, cache: &Cache) -> Vec<Thing<'a>> {
    let mut missing: Vec<Thing<'_>> = things.filter(|thing| thing.find(cache).is_err()).collect();
    missing
        .sort_by_key(|thing| std::cmp::Reverse(thing.group("", "").packages.iter().map(|pin| pin.size).sum::<u64>()));
    missing
}

/// Makes releases ready, each named as its reference. Without missing ones, it neither uses the network nor writes anything.
pub(super) fn fetch_locked(
    releases: &[(ReleaseRef, LockedKernel)],
    cache: &Cache,
    from: Option<&Path>,
    progress: &(dyn Fn(Progress<'_>) + Sync),
) -> Result<Vec<Kernel>, KernelError> {
    let sources = Sources::new(cache, None, from)?;
    let things = releases.iter().map(|(reference, locked)| Thing::Release(reference, locked));
    let missing = missing(things, cache);
    if !missing.is_empty() {
        Work { cache, sources: &sources, progress }.make_all(missing)?;
    }
    let open = |(reference, locked): &(ReleaseRef, LockedKernel)| {
        let kernel = Kernel::open(cache, locked, false).ok()?;
        Some(Kernel { name: reference.as_str().into(), ..kernel })
    };
    let opened: Option<Vec<Kernel>> = releases.iter().map(open).collect();
    opened.ok_or_else(|| vanished(cache))
}

fn vanished(cache: &Cache) -> KernelError {
    let gone = std::io::Error::other("something that was stored just now is missing; is the cache being cleared?");
    CacheError::io("read", cache.root())(gone).into()
}

/// One thing to make ready.
#[derive(Clone, Copy)]
enum Thing<'a> {
    Kernel(&'a LockedKernel),
    Release(&'a ReleaseRef, &'a LockedKernel),
    Qemu(&'a LockedQemu),
}

impl<'a> Thing<'a> {
    fn owner(self) -> String {
        match self {
            Self::Kernel(kernel) => format!("kernel {}", kernel.series),
            Self::Release(reference, _) => format!("kernel {reference}"),
            Self::Qemu(_) => "QEMU".to_owned(),
        }
    }

    fn name(self) -> String {
        match self {
            Self::Kernel(kernel) => kernel.series.to_string(),
            Self::Release(reference, _) => reference.to_string(),
            Self::Qemu(_) => "qemu".to_owned(),
        }
    }

    fn digest(self) -> Sha256 {
        match self {
            Self::Kernel(kernel) | Self::Release(_, kernel) => Kernel::digest_of(kernel),
            Self::Qemu(qemu) => Qemu::digest_of(qemu),
        }
    }

    fn find(self, cache: &Cache) -> Result<(), Unstored> {
        match self {
            Self::Kernel(kernel) | Self::Release(_, kernel) => Kernel::open(cache, kernel, false).map(drop),
            Self::Qemu(qemu) => Qemu::open(cache, qemu, false).map(drop),
        }
    }

    fn group(self, owner: &'a str, name: &'a str) -> Group<'a> {
        match self {
            Self::Kernel(LockedKernel { suite, archive, packages, .. })
            | Self::Release(_, LockedKernel { suite, archive, packages, .. })
            | Self::Qemu(LockedQemu { suite, archive, packages, .. }) => {
                Group { owner, name, suite, archive: *archive, packages }
            }
        }
    }
}

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
        match thing.find(self.cache) {
            Ok(()) => return Ok(()), // made by another process in the meantime
            Err(Unstored::Absent) => {}
            Err(Unstored::Damaged(Damage::Unreadable { name, source })) if source.kind() != ErrorKind::NotFound => {
                return Err(CacheError::io("read", Path::new(&name))(source).into());
            }
            Err(damage) => (self.progress)(Progress::Damaged { name: &owner, reason: &error_chain(&damage) }),
        }
        let staging = held.staging()?;
        let downloading = |done, total| (self.progress)(Progress::Downloading { name: &owner, done, total });
        let files = self.sources.files(group, &held, staging.path(), &downloading)?;
        (self.progress)(Progress::Unpacking { name: &owner });
        match thing {
            Thing::Kernel(kernel) | Thing::Release(_, kernel) => {
                Kernel::make(self.cache, &held, staging.path(), kernel, &files)?
            }
            Thing::Qemu(qemu) => Qemu::make(self.cache, &held, staging.path(), qemu, &files)?,
        }
        // The packages are no longer needed and would double the size of the cache.
        self.sources.remove_cached(group);
        (self.progress)(Progress::Ready { name: &owner });
        Ok(())
    }
}
