//! A warm image: a saved machine, checked before it is trusted.

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::boot::MakingTimes;
use super::cores::Core;
use super::error::VmError;
use super::machine::{GuestKernel, Machine, QemuProgram};
use crate::kernel::Cache;
use crate::kernel::verified::{self, Damage, Digests};

pub(super) const FACTS_FILE: &str = "facts";
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
    /// The kernel's series.
    pub(crate) kernel: String,
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
    #[error("the warm image is damaged")]
    Damaged(#[from] Damage),
}

impl WarmImage {
    /// Checks that the image in its folder is whole.
    pub(super) fn verify(&self) -> Result<(), Unusable> {
        let text = fs::read(self.folder.join(DESCRIPTION_FILE)).map_err(|_| Unusable::Absent)?;
        let ImageInfo { digests, .. } = serde_json::from_slice(&text).map_err(Unusable::Description)?;
        Ok(verified::verify(&self.folder, &digests)?)
    }

    /// The region that a guest of the untraced image filled with what describes its kernel as a whole (see
    /// `rxpath_guest::sections`).
    pub(crate) fn facts(&self) -> Result<Vec<u8>, VmError> {
        self.read(FACTS_FILE)
    }

    /// The region in which a guest of the traced image says where it has loaded its modules; empty without modules.
    pub(crate) fn traced_modules(&self) -> Result<Vec<u8>, VmError> {
        self.read(TRACED_MODULES_FILE)
    }

    fn read(&self, file: &str) -> Result<Vec<u8>, VmError> {
        let path = self.folder.join(file);
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

    pub(super) fn file(&self, kind: ImageKind) -> PathBuf {
        self.folder.join(kind.file())
    }

    /// A host CPU for a guest of this image, if it needs one to itself.
    pub(super) fn core(&self) -> Option<Core> {
        Core::take(&self.cache, self.machine.accelerator)
    }
}

/// The files of an image.
pub(super) const FILES: [&str; 4] =
    [ImageKind::Untraced.file(), ImageKind::Traced.file(), FACTS_FILE, TRACED_MODULES_FILE];
