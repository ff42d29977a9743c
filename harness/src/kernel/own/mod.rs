//! The user's own kernels: a build tree, an image, a folder or packages become a [`Kernel`] that is ready to boot.
//!
//! The image is copied into the cache under the digest of its bytes, so that nothing that is built meanwhile changes what
//! boots, and two trees with the same bytes share warm images. Modules stay where they are: their bytes enter a warm image's
//! key when they are loaded (see `Images::key`).

mod error;
mod module_files;
mod own_image;
mod packages;
mod place;

pub use error::OwnError;

pub(super) use module_files::read as read_module;
pub(in crate::kernel) use place::names;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use self::own_image::OwnImage;
use self::place::Place;
use super::cache_folder::{Cache, CacheError, touch};
use super::config;
use super::digest::Sha256;
use super::error::KernelError;
use super::name::KernelName;
use super::series::Series;
use super::store::{BootFile, Kernel, ModuleFiles};
use super::verified::{store_digests, verify_stored};

/// Part of the folder's name in the cache. Increase it when the stored files change.
const LAYOUT: u32 = 1;

/// How many digits of the digest a kernel's name has.
const NAME_DIGITS: usize = 8;

/// Makes the kernel at this path ready to boot. The path is a build tree, a `vmlinux`, a bzImage, a folder with boot/ and
/// lib/modules/, or a Debian package.
/// Fails when the path does not lead to an x86-64 kernel, its modules belong to a different one, or the cache cannot be written.
pub(crate) fn open(path: &Path, cache: &Cache) -> Result<Kernel, KernelError> {
    if packages::is_package(path) {
        return open_packages(&[path.to_owned()], cache);
    }
    open_place(&place::find(path)?, cache)
}

/// Makes the kernel in these Debian packages ready to boot: the one with the image, and any with its modules.
/// Fails as [`open`] does, and when a package cannot be read.
pub(crate) fn open_packages(packages: &[PathBuf], cache: &Cache) -> Result<Kernel, KernelError> {
    let folder = packages::unpack(packages, cache)?;
    let place = place::find(&folder).map_err(|error| match error {
        OwnError::Empty { .. } | OwnError::OnlyModules { .. } => OwnError::NoImageInPackages {
            packages: packages.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", "),
        },
        other => other,
    })?;
    open_place(&place, cache)
}

fn open_place(place: &Place, cache: &Cache) -> Result<Kernel, KernelError> {
    let image = own_image::read(&place.image)?;
    let digest = Sha256::of(image.bytes());
    let folder = cache.root().join("kernels").join(format!("{digest}-own{LAYOUT}"));
    let manifest = match Manifest::verified(&folder) {
        Some(manifest) => {
            touch(&folder);
            manifest
        }
        None => store(&image, &place.image, digest, &folder, cache)?,
    };
    let release = manifest.release;
    // A release becomes a part of paths.
    let series = Series::of_version(&release).filter(|_| !release.contains('/'));
    let series = series.ok_or_else(|| OwnError::NoRelease { image: place.image.clone() })?;
    let modules = module_files::find(&place.modules, &place.image, &release)?;
    let config = Some(folder.join("config")).filter(|embedded| embedded.is_file()).or_else(|| place.config.clone());
    Ok(Kernel {
        name: name_of(&release, &digest.to_string()),
        series,
        version: release.clone(),
        release,
        banner: Some(manifest.banner),
        digest,
        unlocked: false,
        boots: manifest.boots,
        config,
        modules: ModuleFiles::InPlace(modules),
        folder,
    })
}

/// The digests of the kernel's image and of the packages that it is in, which name their folders in the cache. What cannot be read
/// has none.
pub(crate) fn digests(paths: &[PathBuf], cache: &Cache) -> Vec<Sha256> {
    let packages = paths.iter().all(|path| packages::is_package(path)).then(|| packages::digest(paths).ok()).flatten();
    let place = match (packages, paths) {
        (Some(digest), _) => place::find(&packages::folder(digest, cache)).ok(),
        (None, [path]) => place::find(path).ok(),
        (None, _) => None,
    };
    let image = place.and_then(|place| own_image::read(&place.image).ok());
    image.map(|image| Sha256::of(image.bytes())).into_iter().chain(packages).collect()
}

/// The name of the kernel in a folder of the cache; `None` if the folder is incomplete.
pub(super) fn stored_name(folder: &Path, digest: &str) -> Option<KernelName> {
    Some(name_of(&Manifest::load(folder)?.release, digest))
}

/// The name of a kernel whose image has this digest.
fn name_of(release: &str, digest: &str) -> KernelName {
    format!("{release}@{}", digest.get(..NAME_DIGITS).unwrap_or(digest)).into()
}

const MANIFEST: &str = "kernel.json";

/// The files of a stored kernel.
fn files(folder: &Path) -> io::Result<Vec<String>> {
    fs::metadata(folder.join(MANIFEST))?;
    let files = [BootFile::Vmlinux.file(), BootFile::BzImage.file(), "config", MANIFEST].into_iter();
    Ok(files.filter(|name| folder.join(name).is_file()).map(str::to_owned).collect())
}

/// The content of `kernel.json`, written last.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    release: String,
    banner: String,
    boots: BootFile,
    /// The size in bytes of the file that boots: a cheap check that it is complete.
    boot_size: u64,
}

impl Manifest {
    /// The manifest of a complete folder.
    fn load(folder: &Path) -> Option<Self> {
        let manifest: Self = serde_json::from_slice(&fs::read(folder.join(MANIFEST)).ok()?).ok()?;
        let size = fs::metadata(folder.join(manifest.boots.file())).ok()?.len();
        (size == manifest.boot_size).then_some(manifest)
    }

    /// The manifest of a folder whose files are whole.
    fn verified(folder: &Path) -> Option<Self> {
        verify_stored(folder, || files(folder)).ok()?;
        Self::load(folder)
    }
}

/// Stores an image's files in the cache. `path` is the image's, for errors.
fn store(image: &OwnImage, path: &Path, digest: Sha256, folder: &Path, cache: &Cache) -> Result<Manifest, KernelError> {
    let held = cache.lock(&format!("kernel-{digest}"), &|| ())?;
    if let Some(manifest) = Manifest::verified(folder) {
        return Ok(manifest); // stored by another process in the meantime
    }
    let vmlinux = image.vmlinux(path)?;
    let boots = image.boots(&vmlinux, path)?;
    let banner = own_image::banner(&vmlinux).ok_or_else(|| OwnError::NoRelease { image: path.to_owned() })?;
    let release = image.release(banner);
    let boot_size = if boots == BootFile::BzImage { image.bytes().len() } else { vmlinux.len() } as u64;
    let manifest = Manifest { release: release.to_owned(), banner: banner.to_owned(), boots, boot_size };
    let staging = held.staging()?;
    let staged = staging.path().join("kernel");
    fs::create_dir_all(&staged).map_err(CacheError::io("create", &staged))?;
    let write = |name: &str, bytes: &[u8]| {
        let path = staged.join(name);
        fs::write(&path, bytes).map_err(CacheError::io("write", &path))
    };
    write(BootFile::Vmlinux.file(), &vmlinux)?;
    if boots == BootFile::BzImage {
        write(boots.file(), image.bytes())?;
    }
    if let Some(config) = config::embedded(&vmlinux) {
        write("config", config.as_bytes())?;
    }
    // A manifest of plain values can always be written.
    write(MANIFEST, &serde_json::to_vec(&manifest).unwrap_or_default())?;
    let digests = files(&staged).and_then(|files| store_digests(&staged, files));
    digests.map_err(CacheError::io("write", &staged))?;
    held.publish(&staged, folder)?;
    Ok(manifest)
}

#[cfg(test)]
mod tests;
