//! A warm image: a saved machine, checked before it is trusted.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::SeekFrom;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use super::boot::BootTimes;
use super::cores::Core;
use super::error::VmError;
use super::machine::{GuestKernel, Machine, QemuProgram};
use super::verified;
use crate::kernel::Cache;

pub(super) const FACTS_FILE: &str = "facts";
pub(super) const DESCRIPTION_FILE: &str = "image.json";

/// At which of its two pauses a machine was saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageKind {
    /// Ready, without a tracer: for timings.
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

/// What is stored beside an image: what it is, and how to know that it is whole.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ImageInfo {
    /// The kernel's series.
    pub(crate) kernel: String,
    /// QEMU's version.
    pub(crate) qemu: String,
    /// Describes CPUs, memory, network devices and modules, for `rxpath cache`.
    pub(crate) machine: String,
    pub(crate) boot: BootTimes,
    /// XXH3 digests of the files, by name.
    pub(super) digests: Vec<(String, String)>,
}

/// A warm image that can be run.
#[derive(Clone, Debug)]
pub struct WarmImage {
    pub(super) cache: Cache,
    pub(super) folder: PathBuf,
    pub(super) kernel: GuestKernel,
    pub(super) machine: Machine,
    pub(super) qemu: QemuProgram,
}

/// Why an image on disk cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    #[error("no warm image yet")]
    Absent,
    #[error("the warm image is damaged: invalid {DESCRIPTION_FILE}")]
    Description(#[source] serde_json::Error),
    #[error("the warm image is damaged: {name} has digest {found}, expected {expected}")]
    Digest { name: String, found: String, expected: String },
    #[error("the warm image is damaged")]
    Unreadable(#[source] VmError),
}

impl WarmImage {
    /// Checks that the image in its folder is whole.
    pub(super) fn verify(&self) -> Result<(), Unusable> {
        let text = fs::read(self.folder.join(DESCRIPTION_FILE)).map_err(|_| Unusable::Absent)?;
        let ImageInfo { digests, .. } = serde_json::from_slice(&text).map_err(Unusable::Description)?;
        if verified::is_verified(&self.folder, &digests) {
            return Ok(());
        }
        verified::check_and_remember(&self.folder, &digests, || check_digests(&self.folder, &digests))
    }

    /// The region that the guest filled with what describes its kernel as a whole (see `rxpath_guest::sections`).
    pub(crate) fn facts(&self) -> Result<Vec<u8>, VmError> {
        let path = self.folder.join(FACTS_FILE);
        fs::read(&path).map_err(VmError::io("reading", &path))
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn file(&self, kind: ImageKind) -> PathBuf {
        self.folder.join(kind.file())
    }

    /// A host CPU for a guest of this image, if it needs one to itself.
    pub(super) fn core(&self) -> Option<Core> {
        Core::take(&self.cache, self.machine.accelerator)
    }
}

/// The names and digests of an image's files.
pub(super) fn digests(folder: &Path) -> Result<Vec<(String, String)>, VmError> {
    let names = [ImageKind::Untraced.file(), ImageKind::Traced.file(), FACTS_FILE];
    names.into_iter().map(|name| Ok((name.to_owned(), digest(&folder.join(name))?))).collect()
}

/// Checks that the files are as they were when the image was made. They are read at the same time, each by its own thread.
fn check_digests(folder: &Path, digests: &[(String, String)]) -> Result<(), Unusable> {
    let check = |name: &String, expected: &String| match digest(&folder.join(name)).map_err(Unusable::Unreadable)? {
        found if found == *expected => Ok(()),
        found => Err(Unusable::Digest { name: name.clone(), found, expected: expected.clone() }),
    };
    std::thread::scope(|scope| {
        let checks: Vec<_> =
            digests.iter().map(|(name, expected)| scope.spawn(move || check(name, expected))).collect();
        checks.into_iter().try_for_each(|one| one.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// XXH3 of a file's data and of its places in the file. Holes are skipped, so a sparse image is read as fast as its data.
fn digest(path: &Path) -> Result<String, VmError> {
    let read = || VmError::io("reading", path);
    let mut file = File::open(path).map_err(read())?;
    let length = file.metadata().map_err(read())?.len();
    let mut hash = Xxh3::new();
    hash.update(&length.to_le_bytes());
    let mut buffer = vec![0; 256 * 1024];
    let mut at = 0;
    while at < length {
        // Beyond the last data there is only a hole (lseek(2): ENXIO). Without support for holes, a file has none.
        let Ok(from) = rustix::fs::seek(file.as_fd(), SeekFrom::Data(at)) else {
            break;
        };
        let to = rustix::fs::seek(file.as_fd(), SeekFrom::Hole(from)).unwrap_or(length);
        rustix::fs::seek(file.as_fd(), SeekFrom::Start(from)).map_err(|error| read()(error.into()))?;
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

/// Adds a stretch of data, page by page. A page of zeros counts as a hole, whether or not the file system made it one.
fn hash_nonzero(hash: &mut Xxh3, at: u64, data: &[u8]) {
    const PAGE: usize = 4096;
    for (index, page) in data.chunks(PAGE).enumerate() {
        if page.iter().any(|byte| *byte != 0) {
            hash.update(&(at + (index * PAGE) as u64).to_le_bytes());
            hash.update(page);
        }
    }
}
