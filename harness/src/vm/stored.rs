//! Lists and removes the warm images in a cache.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use super::error::VmError;
use super::images::{Images, KEY_DIGITS, image_lock};
use super::warm_image::{DESCRIPTION_FILE, ImageInfo};
use crate::kernel::{bytes_on_disk, last_use};

/// A warm image in a cache. Whether it is whole is checked only when it is used.
#[derive(Clone, Debug)]
pub struct StoredImage {
    pub(crate) key: String,
    /// Its description; `None` if that cannot be read.
    pub(crate) info: Option<ImageInfo>,
    /// Its size on the disk without holes.
    pub(crate) bytes: u64,
    pub(crate) used: SystemTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removal {
    Removed,
    /// Another process is making it, so it was left alone.
    InUse,
}

impl Images {
    /// Lists every image, sorted by kernel, machine and key. Leaves out files that rxpath did not make. Writes nothing.
    pub(crate) fn stored(&self) -> Result<Vec<StoredImage>, VmError> {
        let folder = self.folder();
        let listing = match fs::read_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            listing => listing.map_err(VmError::io("listing", &folder))?,
        };
        let mut out = Vec::new();
        for entry in listing.flatten().filter(|entry| is_image(&entry.path())) {
            let description = fs::read(entry.path().join(DESCRIPTION_FILE)).ok();
            out.push(StoredImage {
                key: entry.file_name().to_string_lossy().into_owned(),
                info: description.and_then(|text| serde_json::from_slice(&text).ok()),
                bytes: bytes_on_disk(&entry.path()),
                used: last_use(&entry.path()),
            });
        }
        out.sort_by_cached_key(|image| {
            let info = image.info.as_ref();
            (info.map(|info| (info.kernel.clone(), info.machine.clone())), image.key.clone())
        });
        Ok(out)
    }

    /// Removes an image, unless another process is making it. Guests that run from it continue, because their QEMU has the file open.
    pub(crate) fn remove(&self, key: &str) -> Result<Removal, VmError> {
        let Some(lock) = self.cache().try_lock(&image_lock(key))? else { return Ok(Removal::InUse) };
        lock.withdraw(&self.folder().join(key))?;
        Ok(Removal::Removed)
    }
}

/// Whether a folder is an image, by its name and by a file that each has.
fn is_image(folder: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default().as_encoded_bytes();
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    name.len() == KEY_DIGITS && name.iter().all(is_digit) && folder.join(DESCRIPTION_FILE).is_file()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Cache;

    #[test]
    fn an_image_is_removed_as_a_whole_unless_it_is_being_made() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path()).unwrap();
        let images = Images::new(cache.clone());
        assert!(images.stored().unwrap().is_empty());
        let key = "0058236de8ba6ee7f573e4fac66717f5";
        let place = images.folder().join(key);
        fs::create_dir_all(&place).unwrap();
        fs::create_dir_all(images.folder().join("holiday-2024")).unwrap();
        fs::create_dir_all(images.folder().join(key.replace('0', "1"))).unwrap();
        fs::write(place.join(DESCRIPTION_FILE), "damaged").unwrap();
        fs::write(place.join("quiet.image"), [1; 5000]).unwrap();
        let stored = images.stored().unwrap();
        assert_eq!((stored.len(), stored[0].key.as_str(), stored[0].info.is_none()), (1, key, true));
        assert!(stored[0].bytes >= 5000, "{stored:?}");

        let making = cache.lock(&image_lock(key), &|| ()).unwrap();
        assert_eq!(images.remove(key).unwrap(), Removal::InUse);
        assert!(place.exists());
        drop(making);
        assert_eq!(images.remove(key).unwrap(), Removal::Removed);
        assert!(!place.exists() && images.stored().unwrap().is_empty());
        assert_eq!(images.remove(key).unwrap(), Removal::Removed);
    }
}
