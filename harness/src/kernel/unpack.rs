//! Reads Debian package files, whose content dpkg-deb writes as a tar stream.

use std::io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
use std::io::{self, Read};
use std::path::Path;

use super::apt;
use super::cache_folder::CacheError;
use super::error::{ContentError, KernelError};

/// A file, link or folder of a package.
pub(super) type Entry<'entry, 'stream> = tar::Entry<'entry, &'stream mut dyn Read>;

/// Calls `visit` with each entry of a package and its path, which is relative and has no leading `./`. Stops at the first error
/// of `visit`. `into` is the folder that `visit` writes to, for errors.
pub(super) fn each_entry(
    package: &Path,
    into: &Path,
    visit: &mut dyn FnMut(&str, &mut Entry<'_, '_>) -> io::Result<()>,
) -> Result<(), KernelError> {
    let unusable = |error: ContentError| KernelError::content(package.display().to_string(), error);
    let command = duct::cmd!("dpkg-deb", "--fsys-tarfile", package).env("LC_ALL", "C");
    let reading = command.stdin_null().stderr_capture().unchecked().reader();
    let mut reader = reading.map_err(apt::not_started("dpkg-deb"))?;
    each_entry_of_tar(&mut reader, visit).map_err(|error| match error.kind() {
        StorageFull | QuotaExceeded | ReadOnlyFilesystem | PermissionDenied => {
            CacheError::io("unpack packages into", into)(error).into()
        }
        _ => unusable(error.into()),
    })?;
    match reader.try_wait() {
        Ok(Some(output)) if !output.status.success() => {
            let stderr = apt::tail(&String::from_utf8_lossy(&output.stderr));
            Err(unusable(ContentError::Dpkg { status: output.status, stderr }))
        }
        _ => Ok(()),
    }
}

fn each_entry_of_tar(
    stream: &mut dyn Read,
    visit: &mut dyn FnMut(&str, &mut Entry<'_, '_>) -> io::Result<()>,
) -> io::Result<()> {
    let mut archive = tar::Archive::new(stream);
    archive.set_preserve_mtime(false);
    archive.set_unpack_xattrs(false);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.to_string_lossy().trim_start_matches("./").to_owned();
        visit(&path, &mut entry)?;
    }
    // Read the padding at the end too, so that dpkg-deb does not fail with a broken pipe.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map(drop)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A file of a test package: path, kind, link target, mode and content.
    pub(crate) type File<'a> = (&'a str, tar::EntryType, &'a str, u32, &'a [u8]);

    /// Calls `visit` with the entries of a test package. Paths are kept as they are, even hostile ones.
    pub(crate) fn visit_files(
        files: &[File<'_>],
        visit: &mut dyn FnMut(&str, &mut Entry<'_, '_>) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, kind, target, mode, content) in files {
            let mut header = tar::Header::new_gnu();
            header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
            header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
            header.set_entry_type(*kind);
            header.set_mode(*mode);
            header.set_size(content.len() as u64);
            header.set_cksum();
            builder.append(&header, *content).unwrap();
        }
        let stream = builder.into_inner().unwrap();
        each_entry_of_tar(&mut &*stream, visit)
    }

    #[test]
    fn entries_have_relative_paths() {
        let kind = tar::EntryType::Regular;
        let files: [File<'_>; 2] = [("./usr/a", kind, "", 0o644, b"A"), ("b", kind, "", 0o644, b"")];
        let mut seen = Vec::new();
        let visit = &mut |path: &str, entry: &mut Entry<'_, '_>| {
            let mut content = String::new();
            entry.read_to_string(&mut content)?;
            seen.push((path.to_owned(), content));
            Ok(())
        };
        visit_files(&files, visit).unwrap();
        assert_eq!(seen, [("usr/a".to_owned(), "A".to_owned()), ("b".to_owned(), String::new())]);
    }

    #[test]
    fn a_file_that_is_not_a_package_is_reported_with_the_message_of_dpkg() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.deb");
        std::fs::write(&file, "no package").unwrap();
        let error = each_entry(&file, folder.path(), &mut |_, _| Ok(())).unwrap_err();
        assert!(error.to_string().contains("x.deb"), "{error}");
    }
}
