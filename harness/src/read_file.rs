//! Reads files that may be anything.

use std::fs::File;
use std::io::{self, Error, ErrorKind, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

/// Reads a regular file of at most this many bytes, through links. A pipe would block, and a device may never end.
pub(crate) fn read_file(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let kind = std::fs::metadata(path)?.file_type();
    if kind.is_dir() {
        return Err(Error::new(ErrorKind::IsADirectory, "it is a folder"));
    }
    if !kind.is_file() {
        return Err(Error::new(ErrorKind::InvalidInput, "it is a pipe, a socket or a device"));
    }
    read_at_most(path, most)
}

/// Reads a regular file of text in UTF-8.
pub(crate) fn read_text(path: &Path, most: u64) -> io::Result<String> {
    String::from_utf8(read_file(path, most)?).map_err(|_| Error::new(ErrorKind::InvalidData, "it is not UTF-8"))
}

/// Reads a file that the user names, which may also be a pipe such as standard input.
pub(crate) fn read_named(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let kind = std::fs::metadata(path)?.file_type();
    if kind.is_fifo() { read_at_most(path, most) } else { read_file(path, most) }
}

fn read_at_most(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(Error::new(ErrorKind::FileTooLarge, format!("it has more than {} MiB", most >> 20)));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_within_the_limit_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "1234").unwrap();
        assert_eq!(read_file(&path, 4).unwrap(), b"1234");
        for (path, most, kind) in [
            (&*path, 3, ErrorKind::FileTooLarge),
            (folder.path(), 4, ErrorKind::IsADirectory),
            (Path::new("/dev/zero"), 4, ErrorKind::InvalidInput),
            (Path::new("/nowhere/x"), 4, ErrorKind::NotFound),
        ] {
            assert_eq!(read_named(path, most).unwrap_err().kind(), kind, "{}", path.display());
        }
    }
}
