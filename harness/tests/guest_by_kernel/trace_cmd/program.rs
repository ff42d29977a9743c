//! trace-cmd as a guest can run it: the host's program with the loader and the libraries that it needs.

use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::Failed;

use rxpath::vm::GuestFile;

/// The guest's folder for all of it.
const FOLDER: &str = "trace-cmd";

/// A program for a guest.
pub(super) struct Program {
    /// The program, its loader and its libraries.
    pub files: Vec<GuestFile>,
    /// Its command: the loader with the path of the libraries, then the program.
    pub command: Vec<String>,
}

impl Program {
    /// Takes the host's program of this name or path, and the libraries that `ldd` lists.
    pub(super) fn of_host(program: &str) -> Result<Self, Failed> {
        let program = find(program)?;
        let listing = Command::new("ldd").arg(&program).env("LC_ALL", "C").output()?;
        if !listing.status.success() {
            let said = String::from_utf8_lossy(&listing.stderr).into_owned();
            return Err(format!("ldd {}: expected a dynamic executable: {said}", program.display()).into());
        }
        let needed = needed(&String::from_utf8(listing.stdout)?)?;
        let is_loader = |path: &&PathBuf| file_name(path).starts_with("ld-linux");
        let loader = needed.iter().find(is_loader).ok_or("ldd names no ld-linux among what trace-cmd needs")?;
        let in_guest = |path: &Path| format!("/{FOLDER}/{}", file_name(path));
        let folder = format!("/{FOLDER}");
        let command = vec![in_guest(loader), "--library-path".to_owned(), folder, in_guest(&program)];
        let mut files = Vec::new();
        for path in std::iter::once(&program).chain(&needed) {
            let bytes = std::fs::read(path).map_err(|error| format!("reading {}: {error}", path.display()))?;
            files.push(GuestFile { path: in_guest(path)[1..].to_owned(), bytes });
        }
        Ok(Self { files, command })
    }
}

/// Finds a program as a shell does.
fn find(program: &str) -> Result<PathBuf, Failed> {
    if program.contains('/') {
        return Ok(program.into());
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&folders).map(|folder| folder.join(program)).find(|path| path.is_file());
    found.ok_or_else(|| format!("no {program} in any folder of PATH").into())
}

/// The files that ldd (ldd(1)) lists, as `NAME => PATH (ADDRESS)`, or `PATH (ADDRESS)` for the loader. The kernel's own
/// library has no path.
fn needed(listing: &str) -> Result<Vec<PathBuf>, Failed> {
    let mut paths = Vec::new();
    for line in listing.lines().map(str::trim) {
        if line.ends_with("not found") {
            return Err(format!("a library that trace-cmd needs is not on this host: {line}").into());
        }
        let file = line.split_once(" => ").map_or(line, |(_, file)| file);
        let path = file.rsplit_once(" (").map(|(path, _)| path).filter(|path| path.contains('/'));
        paths.extend(path.map(PathBuf::from));
    }
    Ok(paths)
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
