//! Which files of an image were found whole, and what they looked like then: while they look the same, they need not be read
//! again. An image is a hundred megabytes; looking takes microseconds.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::kernel::write_best_effort;

const CHECKED_FILE: &str = "checked.json";

/// A file changed more recently than this may be changed again without its time telling: file systems count time in steps of
/// some milliseconds.
const RECENT: Duration = Duration::from_secs(2);

/// What tells that a file was not written to (inode(7)): nobody can set the time of the last change of status.
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

/// How the files look now; `None` if one is not there.
fn look(folder: &Path, digests: &[(String, String)]) -> Option<Vec<FileFingerprint>> {
    let looks = digests.iter().map(|(name, digest)| {
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
    looks.collect()
}

/// Whether these files, with these digests, were found whole and have not been written to since.
pub(super) fn is_verified(folder: &Path, digests: &[(String, String)]) -> bool {
    let Ok(text) = fs::read(folder.join(CHECKED_FILE)) else { return false };
    let known: Option<Vec<FileFingerprint>> = serde_json::from_slice(&text).ok();
    known.is_some() && known == look(folder, digests)
}

/// Checks the files, and remembers that they were found whole. A folder that cannot be written to only costs the next
/// process another check.
pub(super) fn check_and_remember<E>(
    folder: &Path,
    digests: &[(String, String)],
    check: impl FnOnce() -> Result<(), E>,
) -> Result<(), E> {
    // Before they are read: what is written to them meanwhile is not to be taken for what was checked.
    let looks = look(folder, digests);
    check()?;
    if let Some(looks) = looks.filter(|looks| looks.iter().all(is_old)) {
        write_best_effort(&folder.join(CHECKED_FILE), &serde_json::to_vec(&looks).unwrap_or_default());
    }
    Ok(())
}

fn is_old(looks: &FileFingerprint) -> bool {
    let (Ok(seconds), Ok(nanoseconds)) = (u64::try_from(looks.changed.0), u32::try_from(looks.changed.1)) else {
        return false;
    };
    let changed = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds);
    changed.elapsed().is_ok_and(|age| age > RECENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_whole_until_it_is_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("quiet.image");
        fs::write(&file, [1; 5000]).unwrap();
        let digests = [("quiet.image".to_owned(), "d".to_owned())];
        let whole = || Ok::<(), ()>(());

        check_and_remember(folder.path(), &digests, whole).unwrap();
        assert!(!is_verified(folder.path(), &digests), "it was changed a moment ago");
        // The change of status cannot be set back: only time makes it old.
        std::thread::sleep(RECENT + Duration::from_millis(50));
        assert_eq!(check_and_remember(folder.path(), &digests, || Err(())), Err(()));
        assert!(!is_verified(folder.path(), &digests), "it was found damaged");
        check_and_remember(folder.path(), &digests, whole).unwrap();
        assert!(is_verified(folder.path(), &digests));
        assert!(
            !is_verified(folder.path(), &[("quiet.image".to_owned(), "e".to_owned())]),
            "another digest is expected"
        );

        // The same length, and the time of the last modification set back: the change of status tells.
        let modified = fs::metadata(&file).unwrap().modified().unwrap();
        fs::write(&file, [2; 5000]).unwrap();
        fs::File::options().write(true).open(&file).unwrap().set_modified(modified).unwrap();
        assert!(!is_verified(folder.path(), &digests));
        fs::remove_file(&file).unwrap();
        assert!(!is_verified(folder.path(), &digests));
    }
}
