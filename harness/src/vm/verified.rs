//! Remembers which files were found whole, with a fingerprint of each. While the fingerprint stays the same, a file need not be read
//! again: an image has a hundred megabytes, and a fingerprint takes microseconds.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::kernel::write_best_effort;

const CHECKED_FILE: &str = "checked.json";

/// A file that changed more recently than this may change again without a change of its time, which file systems count in steps of
/// some milliseconds.
const RECENT: Duration = Duration::from_secs(2);

/// Stays the same while a file is not written to (inode(7)). No process can set the time of the last status change.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct FileFingerprint {
    name: String,
    digest: String,
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// The files' fingerprints; `None` if a file is missing.
fn fingerprints(folder: &Path, digests: &[(String, String)]) -> Option<Vec<FileFingerprint>> {
    let fingerprints = digests.iter().map(|(name, digest)| {
        let data = fs::metadata(folder.join(name)).ok()?;
        Some(FileFingerprint {
            name: name.clone(),
            digest: digest.clone(),
            device: data.dev(),
            inode: data.ino(),
            size: data.size(),
            modified: (data.mtime(), data.mtime_nsec()),
            changed: (data.ctime(), data.ctime_nsec()),
        })
    });
    fingerprints.collect()
}

/// Whether these files were found whole, with these digests, and have not been written to since.
pub(super) fn is_verified(folder: &Path, digests: &[(String, String)]) -> bool {
    let Ok(text) = fs::read(folder.join(CHECKED_FILE)) else { return false };
    let known: Option<Vec<FileFingerprint>> = serde_json::from_slice(&text).ok();
    known.is_some() && known == fingerprints(folder, digests)
}

/// Checks the files and remembers that they were found whole. In a folder that cannot be written to, the next process checks them
/// again.
pub(super) fn check_and_remember<E>(
    folder: &Path,
    digests: &[(String, String)],
    check: impl FnOnce() -> Result<(), E>,
) -> Result<(), E> {
    // Taken before the files are read, so that a change during the check shows.
    let fingerprints = fingerprints(folder, digests);
    check()?;
    if let Some(fingerprints) = fingerprints.filter(|fingerprints| fingerprints.iter().all(is_old)) {
        write_best_effort(&folder.join(CHECKED_FILE), &serde_json::to_vec(&fingerprints).unwrap_or_default());
    }
    Ok(())
}

fn is_old(fingerprint: &FileFingerprint) -> bool {
    let (Ok(seconds), Ok(nanoseconds)) = (u64::try_from(fingerprint.changed.0), u32::try_from(fingerprint.changed.1))
    else {
        return false;
    };
    let changed = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds);
    changed.elapsed().is_ok_and(|age| age > RECENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_verified_until_it_is_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("quiet.image");
        fs::write(&file, [1; 5000]).unwrap();
        let digests = [("quiet.image".to_owned(), "d".to_owned())];
        let whole = || Ok::<(), ()>(());

        check_and_remember(folder.path(), &digests, whole).unwrap();
        assert!(!is_verified(folder.path(), &digests), "it was changed a moment ago");
        // The time of the status change cannot be set back.
        std::thread::sleep(RECENT + Duration::from_millis(50));
        assert_eq!(check_and_remember(folder.path(), &digests, || Err(())), Err(()));
        assert!(!is_verified(folder.path(), &digests), "it was found damaged");
        check_and_remember(folder.path(), &digests, whole).unwrap();
        assert!(is_verified(folder.path(), &digests));
        assert!(
            !is_verified(folder.path(), &[("quiet.image".to_owned(), "e".to_owned())]),
            "the expected digest differs"
        );

        // With the same length and the old modification time, only the status change differs.
        let modified = fs::metadata(&file).unwrap().modified().unwrap();
        fs::write(&file, [2; 5000]).unwrap();
        fs::File::options().write(true).open(&file).unwrap().set_modified(modified).unwrap();
        assert!(!is_verified(folder.path(), &digests));
        fs::remove_file(&file).unwrap();
        assert!(!is_verified(folder.path(), &digests));
    }
}
