//! Warm images: saved machines, stored by a digest of everything that went into them, checked before they are trusted.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::SeekFrom;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use super::boot::{self, BootTimes};
use super::cores::Core;
use super::error::VmError;
use super::machine::{GuestKernel, Machine, QemuProgram};
use super::run::{self, RunLimits};
use super::verified;
use crate::kernel::Cache;

const FACTS_FILE: &str = "facts";
pub(super) const DESCRIPTION_FILE: &str = "image.json";

/// At which of its two pauses a machine was saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageKind {
    /// Ready, with no tracer: for timings.
    Untraced,
    /// With function_graph switched on and nothing recorded yet: for call sequences.
    Traced,
}

impl ImageKind {
    pub(super) fn file(self) -> &'static str {
        match self {
            Self::Untraced => "untraced.image",
            Self::Traced => "traced.image",
        }
    }
}

/// What is written beside an image: what it is, and how to know that it is whole.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ImageInfo {
    /// The kernel's series.
    pub kernel: String,
    /// QEMU's version.
    pub qemu: String,
    /// CPUs, memory, network devices and modules, for `rxpath cache`.
    pub machine: String,
    /// What the boot took.
    pub boot: BootTimes,
    /// XXH3 digests of the files, by name.
    digests: Vec<(String, String)>,
}

/// The warm images of a cache.
#[derive(Clone, Debug)]
pub struct Images {
    cache: Cache,
}

/// A warm image that can be run.
#[derive(Clone, Debug)]
pub struct WarmImage {
    cache: Cache,
    folder: PathBuf,
    kernel: GuestKernel,
    machine: Machine,
    qemu: QemuProgram,
    /// What is known about it.
    pub info: ImageInfo,
}

impl Images {
    /// The images in this cache.
    pub fn new(cache: Cache) -> Self {
        Self { cache }
    }

    /// The warm image of this kernel on this machine; booted and saved first if there is none that is whole.
    ///
    /// `booting` is called before a boot, with the reason.
    pub fn get(
        &self,
        kernel: &GuestKernel,
        machine: &Machine,
        qemu: &QemuProgram,
        booting: &dyn Fn(&str),
    ) -> Result<WarmImage, VmError> {
        let key = machine.image_key(kernel, qemu);
        let place = self.folder().join(&key);
        let open = || WarmImage::open(&self.cache, &place, kernel, machine, qemu);
        if let Ok(image) = open() {
            return Ok(image);
        }
        let lock = self.cache.lock(&image_lock(&key), &|| booting("another rxpath is booting it"))?;
        // Whoever held the lock may have made it meanwhile.
        let reason = match open() {
            Ok(image) => return Ok(image),
            Err(Unusable::Absent) => "no warm image yet".to_owned(),
            Err(Unusable::Damaged(why)) => format!("the warm image is damaged ({why})"),
        };
        booting(&reason);
        let staging = lock.staging()?;
        let folder = staging.path().join("image");
        fs::create_dir(&folder).map_err(VmError::io("creating", &folder))?;
        let core = Core::take(&self.cache, machine.accelerator);
        let boot = boot::boot_and_save(kernel, machine, qemu, &folder, core.as_ref())?;
        drop(core);
        let mut info = ImageInfo {
            kernel: kernel.series.clone(),
            qemu: qemu.version.clone(),
            machine: kernel.on(machine),
            boot,
            digests: Vec::new(),
        };
        let image = WarmImage {
            cache: self.cache.clone(),
            folder: folder.clone(),
            kernel: kernel.clone(),
            machine: machine.clone(),
            qemu: qemu.clone(),
            info: info.clone(),
        };
        let facts = folder.join(FACTS_FILE);
        fs::write(&facts, run::run_facts(&image, &RunLimits::default())?).map_err(VmError::io("writing", &facts))?;
        for name in [ImageKind::Untraced.file(), ImageKind::Traced.file(), FACTS_FILE] {
            info.digests.push((name.to_owned(), digest(&folder.join(name))?));
        }
        let description = folder.join(DESCRIPTION_FILE);
        let text = serde_json::to_string_pretty(&info).unwrap_or_default();
        fs::write(&description, text).map_err(VmError::io("writing", &description))?;
        lock.publish(&folder, &place)?;
        Ok(WarmImage { folder: place, info, ..image })
    }

    /// Boots the kernel as for its images, which are thrown away: how long that takes.
    pub fn measure_boot(
        &self,
        kernel: &GuestKernel,
        machine: &Machine,
        qemu: &QemuProgram,
    ) -> Result<BootTimes, VmError> {
        let core = Core::take(&self.cache, machine.accelerator);
        boot::measure_boot(kernel, machine, qemu, core.as_ref())
    }

    /// The digest that an image of this kernel on this machine goes by.
    pub fn key(kernel: &GuestKernel, machine: &Machine, qemu: &QemuProgram) -> String {
        machine.image_key(kernel, qemu)
    }

    pub(super) fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Where images lie.
    pub fn folder(&self) -> PathBuf {
        self.cache.root().join("images")
    }
}

/// The name of the lock that whoever makes or removes an image holds.
pub(super) fn image_lock(key: &str) -> String {
    format!("image-{key}")
}

/// Why an image on disk cannot be used.
enum Unusable {
    Absent,
    Damaged(String),
}

impl WarmImage {
    fn open(
        cache: &Cache,
        place: &Path,
        kernel: &GuestKernel,
        machine: &Machine,
        qemu: &QemuProgram,
    ) -> Result<Self, Unusable> {
        let text = fs::read(place.join(DESCRIPTION_FILE)).map_err(|_| Unusable::Absent)?;
        let info: ImageInfo =
            serde_json::from_slice(&text).map_err(|why| Unusable::Damaged(format!("{DESCRIPTION_FILE}: {why}")))?;
        if !verified::is_verified(place, &info.digests) {
            verified::check_and_remember(place, &info.digests, || check_digests(place, &info.digests))?;
        }
        Ok(Self {
            cache: cache.clone(),
            folder: place.to_owned(),
            kernel: kernel.clone(),
            machine: machine.clone(),
            qemu: qemu.clone(),
            info,
        })
    }

    /// The region in which the guest left what is true of its kernel as a whole (see `rxpath_guest::sections`).
    pub fn facts(&self) -> Result<Vec<u8>, VmError> {
        let path = self.folder.join(FACTS_FILE);
        fs::read(&path).map_err(VmError::io("reading", &path))
    }

    /// The folder it lies in.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn file(&self, kind: ImageKind) -> PathBuf {
        self.folder.join(kind.file())
    }

    /// A CPU of the host's for a guest of this image, if it needs one to itself.
    pub(super) fn core(&self) -> Option<Core> {
        Core::take(&self.cache, self.machine.accelerator)
    }

    pub(super) fn kernel(&self) -> &GuestKernel {
        &self.kernel
    }

    pub(super) fn machine(&self) -> &Machine {
        &self.machine
    }

    pub(super) fn qemu(&self) -> &QemuProgram {
        &self.qemu
    }
}

/// Whether the files are what they were when the image was made; they are read at the same time, one core each.
fn check_digests(place: &Path, digests: &[(String, String)]) -> Result<(), Unusable> {
    let check = |name: &str, expected: &str| {
        let found = digest(&place.join(name)).map_err(|why| Unusable::Damaged(why.to_string()))?;
        if found == expected {
            return Ok(());
        }
        Err(Unusable::Damaged(format!("{name}: its digest is {found}, expected {expected}")))
    };
    std::thread::scope(|scope| {
        let checks: Vec<_> =
            digests.iter().map(|(name, expected)| scope.spawn(move || check(name, expected))).collect();
        checks.into_iter().try_for_each(|one| {
            one.join().unwrap_or_else(|_| Err(Unusable::Damaged("checking it panicked".to_owned())))
        })
    })
}

/// XXH3 of a file's data and of where it lies; holes are skipped, so that a sparse image is read as fast as its data.
fn digest(path: &Path) -> Result<String, VmError> {
    let read = || VmError::io("reading", path);
    let mut file = File::open(path).map_err(read())?;
    let length = file.metadata().map_err(read())?.len();
    let mut hash = Xxh3::new();
    hash.update(&length.to_le_bytes());
    let mut buffer = vec![0; 256 * 1024];
    let mut at = 0;
    while at < length {
        // Beyond the last data there is only a hole (lseek(2): ENXIO); a file system that knows no holes has none.
        let Ok(from) = rustix::fs::seek(file.as_fd(), SeekFrom::Data(at)) else {
            break;
        };
        let to = rustix::fs::seek(file.as_fd(), SeekFrom::Hole(from)).unwrap_or(length);
        rustix::fs::seek(file.as_fd(), SeekFrom::Start(from)).map_err(|why| read()(why.into()))?;
        let mut left = to - from;
        while left > 0 {
            let want = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            file.read_exact(&mut buffer[..want]).map_err(read())?;
            hash_nonzero(&mut hash, from + (to - from - left), &buffer[..want]);
            left -= want as u64;
        }
        at = to;
    }
    Ok(format!("{:032x}", hash.digest128()))
}

/// Adds a stretch of data, page by page; pages of zeros count as holes, whether or not the file system made them so.
fn hash_nonzero(hash: &mut Xxh3, at: u64, data: &[u8]) {
    const PAGE: usize = 4096;
    for (index, page) in data.chunks(PAGE).enumerate() {
        if page.iter().any(|byte| *byte != 0) {
            hash.update(&(at + (index * PAGE) as u64).to_le_bytes());
            hash.update(page);
        }
    }
}
