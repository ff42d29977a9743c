//! Replaces files atomically.

use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Writes a file atomically: readers see the old content or the new, never a part, even after a crash.
///
/// The file keeps its mode; a new one gets 0644. Its folder must exist. A link stays, and what it leads to is replaced. What is not
/// a regular file, such as a device or a pipe, is written to.
pub(crate) fn replace_file(path: &Path, content: &[u8]) -> io::Result<()> {
    replace_file_with(path, |file| file.write_all(content))
}

/// The same with content that is written piece by piece.
pub(crate) fn replace_file_with(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let buffered = |file: &mut File| {
        let mut buffered = BufWriter::new(file);
        write(&mut buffered)?;
        buffered.flush()
    };
    let path = &match fs::metadata(path) {
        Ok(data) if data.is_file() => fs::canonicalize(path)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !path.is_symlink() => path.to_owned(),
        _ => return buffered(&mut File::create(path)?),
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".rxpath-").tempfile_in(folder)?;
    buffered(file.as_file_mut())?;
    // Temporary files have mode 0600.
    let permissions = fs::metadata(path).map_or_else(|_| Permissions::from_mode(0o644), |old| old.permissions());
    file.as_file().set_permissions(permissions)?;
    file.as_file().sync_all()?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_stays_and_a_pipe_is_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link, dangling] = ["file", "link", "dangling"].map(|name| folder.path().join(name));
        fs::write(&file, "one").unwrap();
        symlink("file", &link).unwrap();
        symlink("new", &dangling).unwrap();
        replace_file(&link, b"two").unwrap();
        replace_file(&dangling, b"three").unwrap();
        assert!(link.is_symlink() && dangling.is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "two");
        assert_eq!(fs::read_to_string(folder.path().join("new")).unwrap(), "three");
        let (mut reader, writer) = std::io::pipe().unwrap();
        let fd = std::os::fd::AsRawFd::as_raw_fd(&writer);
        replace_file(Path::new(&format!("/proc/self/fd/{fd}")), b"four").unwrap();
        drop(writer);
        assert_eq!(io::read_to_string(&mut reader).unwrap(), "four");
        assert_eq!(replace_file(Path::new("/dev/full"), b"five").unwrap_err().kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn a_replaced_file_keeps_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        replace_file(&path, b"one").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        fs::set_permissions(&path, Permissions::from_mode(0o664)).unwrap();
        replace_file(&path, b"two").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o664);
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
