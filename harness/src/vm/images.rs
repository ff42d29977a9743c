//! Finds or makes the warm image of a kernel on a machine. An image is stored under a digest of everything that went into it.

use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rxpath_guest::{Order, Preparation};
use sha2::{Digest, Sha256};

use super::boot::{Boot, MakingTimes};
use super::cores::Core;
use super::error::VmError;
use super::guest_folder::GuestFolder;
use super::initramfs;
use super::machine::{GuestKernel, Machine, QemuProgram};
use super::qemu_arguments::{Purpose, qemu_arguments};
use super::run_guest::{RunLimits, encoded, run_facts, run_modules};
use super::warm_image::{DESCRIPTION_FILE, FACTS_FILE, ImageInfo, ImageKind, TRACED_MODULES_FILE, WarmImage, in_use};
use crate::error_chain::error_chain;
use crate::kernel::{Cache, verified};

/// What is done to a saved machine. Part of every image's key, so that a change of it makes new images.
const IMAGE_FORM: &str = "memory to be mapped, what differs from the base, instructions counted from zero";

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

    /// Returns the warm image of this kernel on this machine. Makes and saves it first if the cache has none that is whole: by a
    /// boot, or from the image that it is derived from, which is made first if need be.
    ///
    /// `making` is called with the kernel and the reason before an image is made, and before a wait for one that is being made.
    pub(crate) fn get(
        &self,
        kernel: &GuestKernel,
        machine: &Machine,
        qemu: &QemuProgram,
        making: &dyn Fn(&GuestKernel, &str),
    ) -> Result<WarmImage, VmError> {
        let key = Self::key(kernel, machine, qemu);
        let in_use = self.cache.hold(&in_use(&kernel.digest)).map(Arc::new);
        let image = WarmImage { _in_use: in_use, ..self.image(kernel, machine, qemu) };
        if image.verify().is_ok() {
            image.touch();
            return Ok(image);
        }
        // A process may wait for the lock of the base while it holds this one, never the other way round.
        let lock = self.cache.lock(&image_lock(&key), &|| making(kernel, "it is being made already"))?;
        let base = kernel.base().map(|base| self.get(&base, machine, qemu, making)).transpose()?;
        // The process that held the lock may have made it, or only its base was damaged.
        let reason = match image.verify() {
            Ok(()) => return Ok(image),
            Err(error) => error_chain(&error),
        };
        making(kernel, &reason);
        let staging = lock.staging()?;
        let staged = WarmImage { folder: staging.path().join("image"), ..image.clone() };
        fs::create_dir(staged.folder()).map_err(VmError::io("creating", staged.folder()))?;
        self.make(&staged, base.as_ref())?;
        lock.publish(staged.folder(), image.folder())?;
        Ok(image)
    }

    /// The warm image of this kernel on this machine, if the cache has it.
    pub(crate) fn cached(&self, kernel: &GuestKernel, machine: &Machine, qemu: &QemuProgram) -> Option<WarmImage> {
        let image = self.image(kernel, machine, qemu);
        image.verify().is_ok().then_some(image)
    }

    fn image(&self, kernel: &GuestKernel, machine: &Machine, qemu: &QemuProgram) -> WarmImage {
        WarmImage {
            cache: self.cache.clone(),
            _in_use: None,
            folder: self.folder().join(Self::key(kernel, machine, qemu)),
            base: kernel.base().map(|base| self.folder().join(Self::key(&base, machine, qemu))),
            kernel: kernel.clone(),
            machine: machine.clone(),
            qemu: qemu.clone(),
        }
    }

    /// Makes an image in its empty folder, from its base if it has one.
    fn make(&self, image: &WarmImage, base: Option<&WarmImage>) -> Result<(), VmError> {
        let WarmImage { folder, kernel, machine, qemu, .. } = image;
        let times = self.save(kernel, machine, qemu, base, folder)?;
        let write = |name: &str, bytes: Vec<u8>| {
            let file = folder.join(name);
            fs::write(&file, bytes).map_err(VmError::io("writing", &file))
        };
        if image.kernel_folder() == folder {
            let facts = run_facts(image, &RunLimits::default())?;
            write(FACTS_FILE, lz4_flex::block::compress_prepend_size(&facts))?;
        }
        write(
            TRACED_MODULES_FILE,
            if kernel.has_modules() { run_modules(image, &RunLimits::default())? } else { Vec::new() },
        )?;
        // QEMU makes files that only their owner can read; a cache may be shared.
        let shared = fs::metadata(folder.join(TRACED_MODULES_FILE)).and_then(|data| {
            let images = [ImageKind::Untraced, ImageKind::Traced].map(|kind| image.file(kind));
            images.iter().try_for_each(|image| fs::set_permissions(image, data.permissions()))
        });
        shared.map_err(VmError::io("sharing the images in", folder))?;
        let info = ImageInfo {
            kernel: kernel.series.clone(),
            kernel_digest: Some(kernel.digest.clone()),
            qemu: qemu.version.clone(),
            machine: kernel.on(machine),
            base: kernel.base().map(|base| Self::key(&base, machine, qemu)),
            times,
            digests: verified::digests(folder, image.files()).map_err(VmError::io("reading", folder))?,
            base_digests: base.and_then(|base| base.info().ok()).map_or(Vec::new(), |base| base.digests),
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
    ) -> Result<MakingTimes, VmError> {
        let lock = self.cache.lock("measured-boot", &|| ())?;
        let folder = lock.staging()?;
        self.save(kernel, machine, qemu, None, folder.path())
    }

    fn save(
        &self,
        kernel: &GuestKernel,
        machine: &Machine,
        qemu: &QemuProgram,
        base: Option<&WarmImage>,
        folder: &Path,
    ) -> Result<MakingTimes, VmError> {
        // Given back before a run takes one.
        let core = Core::take(&self.cache, machine.accelerator);
        let boot = Boot { kernel, machine, qemu, core };
        match base {
            None => boot.save(folder),
            Some(base) => boot.derive(base.folder(), folder),
        }
    }

    /// The key of an image: a digest of everything that goes into it, as hexadecimal text.
    pub(crate) fn key(kernel: &GuestKernel, machine: &Machine, qemu: &QemuProgram) -> String {
        let mut parts: Vec<Vec<u8>> = vec![IMAGE_FORM.into()];
        let order = |preparation: &Preparation| encoded(&Order::Prepare(preparation.clone()));
        if let (Some(base), Some(derived)) = (kernel.base(), &kernel.derived) {
            parts.extend([Self::key(&base, machine, qemu).into(), order(derived)]);
        } else {
            parts.extend([kernel.digest.as_str().into(), qemu.digest.as_str().into(), initramfs::AGENT.into()]);
            parts.push(order(&kernel.booted));
            parts.extend(kernel.files.iter().flat_map(|file| [file.path.as_str().into(), file.bytes.clone()]));
            let arguments = qemu_arguments(machine, kernel, &GuestFolder::named(Path::new("guest")), &Purpose::Boot);
            // The kernel's path differs between hosts; nothing else may.
            let arguments = arguments.into_iter().filter(|argument| *argument != kernel.vmlinux.as_os_str());
            parts.extend(arguments.map(OsStringExt::into_vec));
        }
        let mut digest = Sha256::new();
        for part in parts {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
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

#[cfg(test)]
mod tests {
    use rxpath_guest::Module;

    use super::*;

    fn kernel(derived: Option<Preparation>) -> GuestKernel {
        GuestKernel {
            series: "6.12".to_owned(),
            vmlinux: PathBuf::from("/cache/vmlinux"),
            digest: "kernel".to_owned(),
            files: Vec::new(),
            booted: Preparation::default(),
            derived,
        }
    }

    fn key(kernel: &GuestKernel, machine: &Machine) -> String {
        let qemu = QemuProgram {
            program: PathBuf::new(),
            leading: Vec::new(),
            environment: Vec::new(),
            digest: "qemu".to_owned(),
            version: String::new(),
        };
        Images::key(kernel, machine, &qemu)
    }

    #[test]
    fn the_key_of_a_derived_image_follows_from_its_base_and_from_the_bytes_of_its_modules() {
        let with = |byte: u8| Preparation {
            modules: vec![Module { name: "veth".to_owned(), bytes: vec![byte] }],
            setups: Vec::new(),
        };
        let (machine, other) = (Machine::default(), Machine { cpus: 1, ..Machine::default() });
        let derived = kernel(Some(with(1)));
        assert_eq!(key(&derived.base().unwrap(), &machine), key(&kernel(None), &machine));
        let distinct = [
            key(&kernel(None), &machine),
            key(&kernel(None), &other),
            key(&derived, &machine),
            key(&derived, &other),
            key(&kernel(Some(with(2))), &machine),
            key(&GuestKernel { digest: "other".to_owned(), ..derived.clone() }, &machine),
            key(&GuestKernel { booted: with(1), derived: None, ..derived.clone() }, &machine),
        ];
        assert_eq!(std::collections::BTreeSet::from(distinct).len(), 7);
        assert_eq!(key(&derived, &machine), key(&kernel(Some(with(1))), &machine));
        assert_eq!(kernel(None).base().map(|base| base.series), None);
    }
}
