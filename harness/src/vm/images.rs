//! Finds or makes the warm image of a kernel on a machine. An image is stored under a digest of everything that went into it.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::boot::{Boot, BootTimes};
use super::cores::Core;
use super::error::VmError;
use super::guest_folder::GuestFolder;
use super::initramfs;
use super::machine::{GuestKernel, Machine, QemuProgram};
use super::qemu_arguments::{Purpose, qemu_arguments};
use super::run_guest::{RunLimits, run_facts};
use super::warm_image::{DESCRIPTION_FILE, FACTS_FILE, FILES, ImageInfo, ImageKind, WarmImage};
use crate::error_chain::error_chain;
use crate::kernel::{Cache, verified};

/// What is done to a saved machine. Part of every image's key, so that a change of it makes new images.
const IMAGE_FORM: &str = "memory to be mapped, instructions counted from zero";

/// The hexadecimal digits of an image's key.
pub(super) const KEY_DIGITS: usize = 32;

/// The warm images of a cache.
#[derive(Clone, Debug)]
pub struct Images {
    cache: Cache,
}

impl Images {
    pub(crate) fn new(cache: Cache) -> Self {
        Self { cache }
    }

    /// Returns the warm image of this kernel on this machine. Boots and saves it first if the cache has none that is whole.
    ///
    /// `booting` is called with the reason before a boot, and before a wait for another process that boots it.
    pub(crate) fn get(
        &self,
        kernel: &GuestKernel,
        machine: &Machine,
        qemu: &QemuProgram,
        booting: &dyn Fn(&str),
    ) -> Result<WarmImage, VmError> {
        let key = Self::key(kernel, machine, qemu);
        let image_in = |folder: PathBuf| WarmImage {
            cache: self.cache.clone(),
            folder,
            kernel: kernel.clone(),
            machine: machine.clone(),
            qemu: qemu.clone(),
        };
        let image = image_in(self.folder().join(&key));
        if image.verify().is_ok() {
            return Ok(image);
        }
        let lock = self.cache.lock(&image_lock(&key), &|| booting("another rxpath process is booting it"))?;
        // The process that held the lock may have made it.
        match image.verify() {
            Ok(()) => return Ok(image),
            Err(error) => booting(&error_chain(&error)),
        }
        let staging = lock.staging()?;
        let staged = image_in(staging.path().join("image"));
        fs::create_dir(staged.folder()).map_err(VmError::io("creating", staged.folder()))?;
        self.make(&staged)?;
        lock.publish(staged.folder(), image.folder())?;
        Ok(image)
    }

    /// Makes an image in its empty folder.
    fn make(&self, image: &WarmImage) -> Result<(), VmError> {
        let WarmImage { folder, kernel, machine, qemu, .. } = image;
        let boot = self.boot(kernel, machine, qemu, folder)?;
        let write = |name: &str, bytes: Vec<u8>| {
            let file = folder.join(name);
            fs::write(&file, bytes).map_err(VmError::io("writing", &file))
        };
        write(FACTS_FILE, run_facts(image, &RunLimits::default())?)?;
        // QEMU makes files that only their owner can read; a cache may be shared.
        let facts = folder.join(FACTS_FILE);
        let shared = fs::metadata(&facts).and_then(|data| {
            let images = [ImageKind::Untraced, ImageKind::Traced].map(|kind| image.file(kind));
            images.iter().try_for_each(|image| fs::set_permissions(image, data.permissions()))
        });
        shared.map_err(VmError::io("sharing the images in", folder))?;
        let info = ImageInfo {
            kernel: kernel.series.clone(),
            qemu: qemu.version.clone(),
            machine: kernel.on(machine),
            boot,
            digests: verified::digests(folder, FILES).map_err(VmError::io("reading", folder))?,
        };
        // Plain values can always be encoded.
        write(DESCRIPTION_FILE, serde_json::to_vec_pretty(&info).unwrap_or_default())
    }

    /// Measures a boot whose images are thrown away.
    pub(crate) fn measure_boot(
        &self,
        kernel: &GuestKernel,
        machine: &Machine,
        qemu: &QemuProgram,
    ) -> Result<BootTimes, VmError> {
        let lock = self.cache.lock("measured-boot", &|| ())?;
        let folder = lock.staging()?;
        self.boot(kernel, machine, qemu, folder.path())
    }

    fn boot(
        &self,
        kernel: &GuestKernel,
        machine: &Machine,
        qemu: &QemuProgram,
        folder: &Path,
    ) -> Result<BootTimes, VmError> {
        // Given back before a run takes one.
        let core = Core::take(&self.cache, machine.accelerator);
        let boot = Boot { kernel, machine, qemu, core };
        boot.save(&folder.join(ImageKind::Untraced.file()), &folder.join(ImageKind::Traced.file()))
    }

    /// The key of an image: a digest of everything that goes into it, as hexadecimal text.
    pub(crate) fn key(kernel: &GuestKernel, machine: &Machine, qemu: &QemuProgram) -> String {
        let mut digest = Sha256::new();
        let mut add = |bytes: &[u8]| {
            digest.update((bytes.len() as u64).to_le_bytes());
            digest.update(bytes);
        };
        add(IMAGE_FORM.as_bytes());
        add(kernel.digest.as_bytes());
        add(qemu.digest.as_bytes());
        add(initramfs::AGENT);
        add(&initramfs::encoded(&kernel.setups));
        for module in &kernel.modules {
            add(module.name.as_bytes());
        }
        for file in &kernel.files {
            add(file.path.as_bytes());
            add(&file.bytes);
        }
        let arguments = qemu_arguments(machine, kernel, &GuestFolder::named(Path::new("guest")), &Purpose::Boot);
        // The kernel's path differs between hosts; nothing else may.
        for argument in arguments.iter().filter(|argument| *argument != kernel.vmlinux.as_os_str()) {
            add(argument.as_encoded_bytes());
        }
        hex::encode(&digest.finalize()[..KEY_DIGITS / 2])
    }

    pub(super) fn cache(&self) -> &Cache {
        &self.cache
    }

    pub(super) fn folder(&self) -> PathBuf {
        self.cache.root().join("images")
    }
}

/// The name of the lock that a process holds while it makes or removes an image.
pub(super) fn image_lock(key: &str) -> String {
    format!("image-{key}")
}
