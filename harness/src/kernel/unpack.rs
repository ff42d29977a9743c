//! Reads Debian package files: dpkg-deb writes their content as a tar stream, which is taken apart here.

use std::io;
use std::path::Path;

use super::apt;
use super::error::KernelError;

/// One file, link or folder of a package.
pub type Entry<'a> = tar::Entry<'a, duct::ReaderHandle>;

/// Calls `visit` with each entry of a package and its path, relative and without `./`.
///
/// An error of `visit` ends the reading.
pub fn each_entry(
    package: &Path,
    visit: &mut dyn FnMut(&str, &mut Entry<'_>) -> io::Result<()>,
) -> Result<(), KernelError> {
    let problem = |error: io::Error| KernelError::content(package.display().to_string(), error.to_string());
    let command = duct::cmd!("dpkg-deb", "--fsys-tarfile", package).env("LC_ALL", "C").stdin_null().stderr_capture();
    let reader = command.unchecked().reader().map_err(|error| apt::not_started("dpkg-deb", &error))?;
    let mut archive = tar::Archive::new(reader);
    archive.set_preserve_mtime(false);
    archive.set_unpack_xattrs(false);
    let read = archive.entries().and_then(|entries| {
        for entry in entries {
            let mut entry = entry?;
            let path = entry.path()?.to_string_lossy().trim_start_matches("./").to_owned();
            visit(&path, &mut entry)?;
        }
        Ok(())
    });
    let mut reader = archive.into_inner();
    // Read to the end (the stream is padded), or else dpkg-deb would complain of a broken pipe.
    let rest = read.and_then(|()| io::copy(&mut reader, &mut io::sink()).map(drop));
    match reader.try_wait() {
        Ok(Some(output)) if !output.status.success() => {
            let complaint = apt::tail(&String::from_utf8_lossy(&output.stderr));
            Err(problem(io::Error::other(format!("dpkg-deb failed ({}): {complaint}", output.status))))
        }
        _ => rest.map_err(problem),
    }
}
