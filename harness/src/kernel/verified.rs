//! Files of the cache that are verified by digest before they are used.
//!
//! A file that was found whole is remembered with a fingerprint. While the fingerprint stays the same, it need not be read again: an
//! image has a hundred megabytes, and a fingerprint takes microseconds.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::SeekFrom;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::cache_folder::write_best_effort;

/// The digests of a folder's files are stored in this file, unless something else has them.
const DIGESTS_FILE: &str = "digests.json";

const CHECKED_FILE: &str = "checked.json";

/// A file that changed more recently than this may change again without a change of its time, which file systems count in steps of
/// some milliseconds.
const RECENT: Duration = Duration::from_secs(2);

/// XXH3 digests of files, by their names in a folder.
pub(crate) type Digests = Vec<(String, String)>;

/// A file that is not as it was when it was stored.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    #[error("{name} has digest {found}, expected {expected}")]
    Digest { name: String, found: String, expected: String },
    #[error("cannot read {name}")]
    Unreadable { name: String, source: io::Error },
}

/// The digests of these files of a folder.
pub(crate) fn digests<N: Into<String>>(folder: &Path, names: impl IntoIterator<Item = N>) -> io::Result<Digests> {
    let of = |name: String| Ok((digest(&folder.join(&name))?, name));
    names.into_iter().map(|name| of(name.into()).map(|(digest, name)| (name, digest))).collect()
}

/// Checks that the files of a folder have these digests.
pub(crate) fn verify(folder: &Path, digests: &Digests) -> Result<(), Damage> {
    if is_verified(folder, digests) {
        return Ok(());
    }
    check_and_remember(folder, digests, || check_digests(folder, digests))
}

/// Stores the digests of these files beside them.
pub(super) fn store_digests(folder: &Path, names: Vec<String>) -> io::Result<()> {
    fs::write(folder.join(DIGESTS_FILE), serde_json::to_vec(&digests(folder, names)?)?)
}

/// Checks the files whose digests are stored beside them. Those that an earlier rxpath stored have none: theirs are taken now.
pub(super) fn verify_stored(folder: &Path, names: impl Fn() -> io::Result<Vec<String>>) -> Result<(), Damage> {
    let unreadable = |name: &str| {
        let name = name.to_owned();
        |source| Damage::Unreadable { name, source }
    };
    match fs::read(folder.join(DIGESTS_FILE)) {
        Ok(text) => {
            let digests = serde_json::from_slice(&text).map_err(|error| unreadable(DIGESTS_FILE)(error.into()))?;
            verify(folder, &digests)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let found = names().and_then(|names| digests(folder, names)).map_err(unreadable("one of its files"))?;
            write_best_effort(&folder.join(DIGESTS_FILE), &serde_json::to_vec(&found).unwrap_or_default());
            Ok(())
        }
        Err(error) => Err(unreadable(DIGESTS_FILE)(error)),
    }
}

/// Checks one file, if its digest is stored beside it.
pub(super) fn verify_one(folder: &Path, name: &str) -> Result<(), Damage> {
    let digests =
        fs::read(folder.join(DIGESTS_FILE)).ok().and_then(|text| serde_json::from_slice::<Digests>(&text).ok());
    let one = digests.into_iter().flatten().filter(|(known, _)| known == name).collect();
    check_digests(folder, &one)
}

/// Writes a file of the cache that only saves time, with its own digest at the end.
pub(crate) fn write_with_digest(path: &Path, mut bytes: Vec<u8>) {
    bytes.extend(xxh3_128(&bytes).to_le_bytes());
    write_best_effort(path, &bytes);
}

/// Reads a file that [`write_with_digest`] wrote; `None` if it is missing or damaged.
pub(crate) fn read_with_digest(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = fs::read(path).ok()?;
    let end = bytes.len().checked_sub(size_of::<u128>())?;
    let digest = bytes.split_off(end);
    (xxh3_128(&bytes).to_le_bytes() == *digest).then_some(bytes)
}

/// A fingerprint, which stays the same while a file is not written to (inode(7)). No process can set the time of the last status change.
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
fn is_verified(folder: &Path, digests: &[(String, String)]) -> bool {
    let Ok(text) = fs::read(folder.join(CHECKED_FILE)) else { return false };
    let known: Option<Vec<FileFingerprint>> = serde_json::from_slice(&text).ok();
    known.is_some() && known == fingerprints(folder, digests)
}

/// Checks the files and remembers that they were found whole. In a folder that cannot be written to, the next process checks them
/// again.
fn check_and_remember<E>(
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

/// Checks that the files are as they were when their digests were taken. They are read at the same time, by a few threads.
fn check_digests(folder: &Path, digests: &Digests) -> Result<(), Damage> {
    const AT_A_TIME: usize = 4;
    let check = |(name, expected): &(String, String)| match digest(&folder.join(name)) {
        Ok(found) if found == *expected => Ok(()),
        Ok(found) => Err(Damage::Digest { name: name.clone(), found, expected: expected.clone() }),
        Err(source) => Err(Damage::Unreadable { name: name.clone(), source }),
    };
    std::thread::scope(|scope| {
        let share = |first: usize| move || digests.iter().skip(first).step_by(AT_A_TIME).try_for_each(check);
        let checks: Vec<_> = (0..AT_A_TIME).map(|first| scope.spawn(share(first))).collect();
        checks.into_iter().try_for_each(|one| one.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// XXH3 of a file's data and of its places in the file. Holes are skipped, so a sparse image is read as fast as its data.
fn digest(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut hash = Xxh3::new();
    hash.update(&length.to_le_bytes());
    let mut buffer = vec![0; 256 * 1024];
    let mut at = 0;
    while at < length {
        // Beyond the last data there is only a hole (lseek(2): ENXIO). Without support for holes, a file has none.
        let Ok(from) = rustix::fs::seek(file.as_fd(), SeekFrom::Data(at)) else {
            break;
        };
        let to = rustix::fs::seek(file.as_fd(), SeekFrom::Hole(from)).unwrap_or(length);
        rustix::fs::seek(file.as_fd(), SeekFrom::Start(from))?;
        let mut left = to - from;
        while left > 0 {
            let want = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            file.read_exact(&mut buffer[..want])?;
            hash_nonzero(&mut hash, from + (to - from - left), &buffer[..want]);
            left -= want as u64;
        }
        at = to;
    }
    Ok(format!("{:032x}", hash.digest128()))
}

/// Adds a stretch of data, page by page. A page of zeros counts as a hole, whether or not the file system made it one.
fn hash_nonzero(hash: &mut Xxh3, at: u64, data: &[u8]) {
    const PAGE: usize = 4096;
    for (index, page) in data.chunks(PAGE).enumerate() {
        if page.iter().any(|byte| *byte != 0) {
            hash.update(&(at + (index * PAGE) as u64).to_le_bytes());
            hash.update(page);
        }
    }
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

    #[test]
    fn stored_files_are_verified_by_their_content() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        let names = || Ok(vec!["a".to_owned(), "b".to_owned()]);
        write("a", "1234");
        write("b", "");
        // As an earlier rxpath left it.
        verify_stored(folder.path(), names).unwrap();
        write("a", "1235");
        let error = verify_stored(folder.path(), names).unwrap_err().to_string();
        assert!(error.starts_with("a has digest "), "{error}");
        store_digests(folder.path(), names().unwrap()).unwrap();
        verify_stored(folder.path(), names).unwrap();
        fs::remove_file(folder.path().join("b")).unwrap();
        assert_eq!(verify_stored(folder.path(), names).unwrap_err().to_string(), "cannot read b");
    }

    #[test]
    fn a_file_with_its_own_digest_is_read_only_if_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("symbols");
        assert_eq!(read_with_digest(&path), None);
        write_with_digest(&path, b"recv".to_vec());
        assert_eq!(read_with_digest(&path).unwrap(), b"recv");
        let mut bytes = fs::read(&path).unwrap();
        bytes[0] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert_eq!(read_with_digest(&path), None);
        fs::write(&path, "short").unwrap();
        assert_eq!(read_with_digest(&path), None);
    }
}
