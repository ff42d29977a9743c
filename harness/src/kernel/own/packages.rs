//! Debian packages that are not from the archive, such as those of `make bindeb-pkg`.

use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};

use super::error::OwnError;
use crate::kernel::cache_folder::{Cache, CacheError, touch};
use crate::kernel::digest::Sha256;
use crate::kernel::error::KernelError;
use crate::kernel::store;
use crate::kernel::unpack;

pub(super) fn is_package(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "deb") && !path.is_dir()
}

/// Unpacks what belongs to a kernel into the cache, under the digest of the packages, and returns the folder.
pub(super) fn unpack(packages: &[PathBuf], cache: &Cache) -> Result<PathBuf, KernelError> {
    let digest = digest(packages)?;
    let folder = folder(digest, cache);
    if folder.is_dir() {
        touch(&folder);
        return Ok(folder);
    }
    let held = cache.lock(&format!("unpacked-{digest}"), &|| ())?;
    if folder.is_dir() {
        return Ok(folder); // unpacked by another process in the meantime
    }
    let staging = held.staging()?;
    let staged = staging.path().join("kernel");
    fs::create_dir_all(&staged).map_err(CacheError::io("create", &staged))?;
    for package in packages {
        unpack::each_entry(package, staging.path(), &mut |path, entry| {
            if !entry.header().entry_type().is_file() || !store::is_part(path) || !is_plain(path) {
                return Ok(());
            }
            let path = staged.join(path);
            fs::create_dir_all(path.parent().unwrap_or(&staged))?;
            io::copy(entry, &mut File::create(path)?).map(drop)
        })?;
    }
    held.publish(&staged, &folder)?;
    Ok(folder)
}

/// The combined digest of packages.
pub(super) fn digest(packages: &[PathBuf]) -> Result<Sha256, OwnError> {
    let mut digests = Vec::new();
    for package in packages {
        let (digest, _size) = Sha256::of_file(package).map_err(OwnError::read(package))?;
        digests.push(digest);
    }
    Ok(Sha256::of_all("rxpath packages", digests))
}

/// Where packages with this digest are unpacked.
pub(super) fn folder(digest: Sha256, cache: &Cache) -> PathBuf {
    cache.root().join("unpacked").join(digest.to_string())
}

/// Whether a path cannot leave the folder that it is joined to.
fn is_plain(path: &str) -> bool {
    Path::new(path).components().all(|part| matches!(part, Component::Normal(_)))
}
