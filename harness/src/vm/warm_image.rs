//! A warm image: a saved machine, checked before it is trusted.

use std::borrow::Cow;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::boot::MakingTimes;
use super::cores::Core;
use super::error::VmError;
use super::machine::{GuestKernel, Machine, QemuProgram};
use crate::kernel::verified::{self, Damage, Digests};
use crate::kernel::{Cache, touch};

/// What describes the kernel, packed with LZ4 to a third.
pub(super) const FACTS_FILE: &str = "facts.lz4";
pub(super) const TRACED_MODULES_FILE: &str = "traced-modules";
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
    pub(super) const fn file(self) -> &'static str {
        match self {
            Self::Untraced => "untraced.image",
            Self::Traced => "traced.image",
        }
    }
}

/// What is stored beside an image: what it is, and how to know that it is whole.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ImageInfo {
    /// The kernel's name.
    pub(crate) kernel: String,
    /// The digest of the kernel's bytes; `None` in the description of an earlier rxpath.
    #[serde(default)]
    pub(crate) kernel_digest: Option<String>,
    /// QEMU's version.
    pub(crate) qemu: String,
    /// Describes CPUs, memory, network devices and modules, for `rxpath cache`.
    pub(crate) machine: String,
    /// The key of the image that it is derived from, if it was not booted.
    #[serde(default)]
    pub(crate) base: Option<String>,
    #[serde(alias = "boot")]
    pub(crate) times: MakingTimes,
    pub(super) digests: Digests,
    /// The digests of its base's files: it holds only what differs from them.
    #[serde(default)]
    pub(super) base_digests: Digests,
}

/// A warm image that can be run.
#[derive(Clone, Debug)]
pub struct WarmImage {
    pub(super) cache: Cache,
    /// Keeps the kernel from being removed (see [`in_use`]).
    pub(super) _in_use: Option<Arc<File>>,
    pub(super) folder: PathBuf,
    /// The folder of the image that it is derived from, if it was not booted.
    pub(super) base: Option<PathBuf>,
    pub(super) kernel: GuestKernel,
    pub(super) machine: Machine,
    pub(super) qemu: QemuProgram,
}

/// The name of the lock that processes share while they use a kernel's images. Who removes the kernel needs it alone.
pub(crate) fn in_use(kernel_digest: &str) -> String {
    format!("in-use-{kernel_digest}")
}

/// Why an image on disk cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    #[error("no warm image yet")]
    Absent,
    #[error("the warm image is damaged: invalid {DESCRIPTION_FILE}")]
    Description(#[source] serde_json::Error),
    #[error("the warm image is damaged")]
    Damaged(#[from] Damage),
    #[error("the warm image that it is derived from is damaged or missing")]
    Base(#[source] Damage),
}

impl WarmImage {
    /// Checks that the image in its folder is whole, and so is the one that it is derived from.
    pub(super) fn verify(&self) -> Result<(), Unusable> {
        let ImageInfo { digests, base_digests, .. } = self.info()?;
        verified::verify(&self.folder, &digests)?;
        self.base.iter().try_for_each(|base| verified::verify(base, &base_digests)).map_err(Unusable::Base)
    }

    pub(super) fn info(&self) -> Result<ImageInfo, Unusable> {
        let text = fs::read(self.folder.join(DESCRIPTION_FILE)).map_err(|_| Unusable::Absent)?;
        serde_json::from_slice(&text).map_err(Unusable::Description)
    }

    /// The region that a guest of the untraced image filled with what describes its kernel as a whole (see
    /// `rxpath_guest::sections`).
    pub(crate) fn facts(&self) -> Result<Vec<u8>, VmError> {
        let path = self.kernel_folder().join(FACTS_FILE);
        let packed = fs::read(&path).map_err(VmError::io("reading", &path))?;
        let damaged = |error| VmError::io("unpacking", &path)(std::io::Error::other(error));
        lz4_flex::block::decompress_size_prepended(&packed).map_err(damaged)
    }

    /// The region in which a guest of the traced image says where it has loaded its modules; empty without modules.
    pub(crate) fn traced_modules(&self) -> Result<Vec<u8>, VmError> {
        let path = self.folder.join(TRACED_MODULES_FILE);
        fs::read(&path).map_err(VmError::io("reading", &path))
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The digest of everything that went into the image, which names its folder.
    pub(crate) fn key(&self) -> Cow<'_, str> {
        self.folder.file_name().unwrap_or_default().to_string_lossy()
    }

    pub(crate) fn qemu_version(&self) -> &str {
        &self.qemu.version
    }

    /// The folder of what describes its kernel: only modules add to what a kernel says of itself, so that an image without
    /// modules has the description of its base.
    pub(crate) fn kernel_folder(&self) -> &Path {
        self.base.as_ref().filter(|_| !self.kernel.has_modules()).unwrap_or(&self.folder)
    }

    pub(super) fn file(&self, kind: ImageKind) -> PathBuf {
        self.folder.join(kind.file())
    }

    /// The file with the memory that a restore starts from: that of the base, if there is one.
    pub(super) fn memory(&self, kind: ImageKind) -> PathBuf {
        self.base.as_ref().unwrap_or(&self.folder).join(kind.file())
    }

    /// The names of its files.
    pub(super) fn files(&self) -> impl Iterator<Item = &'static str> {
        let facts = (self.kernel_folder() == self.folder).then_some(FACTS_FILE);
        [ImageKind::Untraced.file(), ImageKind::Traced.file(), TRACED_MODULES_FILE].into_iter().chain(facts)
    }

    /// Notes that the image is used now, and the one that it is derived from, for `cache prune`.
    pub(super) fn touch(&self) {
        [Some(&self.folder), self.base.as_ref()].into_iter().flatten().for_each(|folder| touch(folder));
    }

    /// A host CPU for a guest of this image, if it needs one to itself.
    pub(super) fn core(&self) -> Option<Core> {
        Core::take(&self.cache, self.machine.accelerator)
    }
}

#[cfg(test)]
mod tests {
    use rxpath_guest::Preparation;

    use super::*;
    use crate::error_chain::error_chain;

    /// An image with a description and one file.
    fn image(folder: &Path, base: Option<&Path>) -> WarmImage {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join("untraced.image"), "pages").unwrap();
        let digests = |folder: &Path| verified::digests(folder, ["untraced.image"]).unwrap();
        let info = ImageInfo {
            kernel: "6.12".to_owned(),
            kernel_digest: None,
            qemu: "10".to_owned(),
            machine: String::new(),
            base: None,
            times: MakingTimes { untraced_ms: 1, traced_ms: 1 },
            digests: digests(folder),
            base_digests: base.map_or(Vec::new(), digests),
        };
        fs::write(folder.join(DESCRIPTION_FILE), serde_json::to_vec(&info).unwrap()).unwrap();
        WarmImage {
            cache: Cache::at(folder).unwrap(),
            _in_use: None,
            folder: folder.to_owned(),
            base: base.map(Path::to_owned),
            kernel: GuestKernel {
                series: "6.12".to_owned(),
                vmlinux: PathBuf::new(),
                digest: String::new(),
                files: Vec::new(),
                booted: Preparation::default(),
                derived: base.map(|_| Preparation::default()),
            },
            machine: Machine::default(),
            qemu: QemuProgram {
                program: PathBuf::new(),
                leading: Vec::new(),
                environment: Vec::new(),
                digest: String::new(),
                version: String::new(),
            },
        }
    }

    #[test]
    fn an_image_is_whole_only_with_the_base_that_it_was_derived_from() {
        let folder = tempfile::tempdir().unwrap();
        let [base, derived] = ["base", "derived"].map(|name| folder.path().join(name));
        image(&base, None).verify().unwrap();
        let image = image(&derived, Some(&base));
        image.verify().unwrap();
        assert_eq!(image.memory(ImageKind::Traced), base.join("traced.image"));
        assert_eq!(image.kernel_folder(), base);
        let reason = || error_chain(&image.verify().unwrap_err());
        fs::write(base.join("untraced.image"), "PAGES").unwrap();
        assert!(
            reason().starts_with("the warm image that it is derived from is damaged or missing: untraced.image has")
        );
        fs::remove_dir_all(&base).unwrap();
        assert!(reason().starts_with("the warm image that it is derived from is damaged or missing: cannot read"));
        fs::write(derived.join("untraced.image"), "PAGES").unwrap();
        assert!(reason().starts_with("the warm image is damaged: untraced.image has"));
    }
}
