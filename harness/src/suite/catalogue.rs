//! The catalogue that this program was built with: cases, pins and snapshots, for use outside a repository.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use xxhash_rust::xxh3::xxh3_128;

use crate::kernel::create_folder;

const ARCHIVE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/catalogue.tar.gz"));

/// Unpacks the catalogue below `cache`, unless it is there. Returns its folder, which has the layout of a repository.
pub(crate) fn unpack_once(cache: &Path) -> io::Result<PathBuf> {
    let parent = cache.join("catalogues");
    let folder = parent.join(format!("{:032x}", xxh3_128(ARCHIVE)));
    if folder.is_dir() {
        return Ok(folder);
    }
    create_folder(&parent)?;
    let half = tempfile::tempdir_in(&parent)?;
    unpack_into(half.path())?;
    match fs::rename(half.path(), &folder) {
        // Another process was faster.
        Err(_) if folder.is_dir() => Ok(folder),
        renamed => renamed.map(|()| folder),
    }
}

/// Writes cases, pins and snapshots into `folder`.
pub(crate) fn unpack_into(folder: &Path) -> io::Result<()> {
    tar::Archive::new(GzDecoder::new(ARCHIVE)).unpack(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_unpacks_once_and_is_a_root() {
        let cache = tempfile::tempdir().unwrap();
        let folder = unpack_once(cache.path()).unwrap();
        for file in ["kernels/kernels.yaml", "kernels/kernels.lock.yaml", "cases/recv/tcp-blocking.yaml"] {
            assert!(folder.join(file).is_file(), "{file}");
        }
        assert_eq!(unpack_once(cache.path()).unwrap(), folder);
        assert_eq!(fs::read_dir(cache.path().join("catalogues")).unwrap().count(), 1);
    }
}
