//! Snapshots: the paths and timings of a case on a kernel that a reviewer accepted.
//!
//! snapshots/GROUP/CASE/KERNEL.snap holds the paths, KERNEL.timing.snap the timings. insta stores them: it writes a
//! difference beside them as `.snap.new`, where `cargo insta` finds it.

use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use crate::case::CaseName;
use crate::kernel::KernelName;
use crate::read_file::read_text;

/// The folder of the snapshots, in the repository's root.
const FOLDER: &str = "snapshots";

/// The most bytes that a snapshot may have: a thousand times the usual size.
const MOST_BYTES: u64 = 64 << 20;

/// The two snapshots of a case on a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SnapshotKind {
    /// Steady paths.
    Path,
    /// Costs in instructions.
    Timing,
}

/// The snapshots of a repository.
#[derive(Clone, Debug)]
pub struct Snapshots {
    root: PathBuf,
}

impl Snapshots {
    /// The snapshots of the repository at `root`.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    pub(crate) fn file(&self, case: &CaseName, kernel: &KernelName, kind: SnapshotKind) -> PathBuf {
        self.folder(case).join(format!("{}.snap", name(kernel, kind)))
    }

    fn folder(&self, case: &CaseName) -> PathBuf {
        self.root.join(FOLDER).join(case.as_str())
    }

    /// The accepted text, if there is one.
    pub(crate) fn accepted(
        &self,
        case: &CaseName,
        kernel: &KernelName,
        kind: SnapshotKind,
    ) -> Result<Option<String>, SnapshotError> {
        read_snapshot(&self.file(case, kernel, kind))
    }

    /// The accepted paths of a case on all kernels.
    pub(crate) fn all_accepted(&self, case: &CaseName) -> Vec<String> {
        let files = fs::read_dir(self.folder(case)).into_iter().flatten().flatten().map(|entry| entry.path());
        let paths = files.filter(|file| {
            let name = file.to_string_lossy();
            name.ends_with(".snap") && !name.ends_with(".timing.snap")
        });
        paths.filter_map(|file| read_snapshot(&file).ok()?).collect()
    }

    /// Checks that pending snapshots can be written.
    pub(crate) fn check_writable(&self) -> io::Result<()> {
        let folder = self.root.join(FOLDER);
        tempfile::tempfile_in(if folder.exists() { &folder } else { &self.root }).map(drop)
    }

    /// Lets insta write a pending snapshot for a document that differs from the accepted one.
    ///
    /// insta's environment variables (`INSTA_UPDATE`, `INSTA_FORCE_PASS`) decide whether it does. The panic of its assertion
    /// is ignored: the caller has compared the two already.
    /// Fails when the file cannot be written. insta panics then, so this is tried first. A repository that was deleted is not made
    /// again.
    pub(crate) fn propose(
        &self,
        case: &CaseName,
        kernel: &KernelName,
        kind: SnapshotKind,
        document: &str,
    ) -> io::Result<()> {
        fs::metadata(&self.root)?;
        let pending = self.pending(case, kernel, kind);
        let tried = fs::create_dir_all(self.folder(case)).and_then(|()| fs::write(&pending, document));
        if tried.is_ok() {
            let _ = catch_unwind(AssertUnwindSafe(|| self.assert(case, kernel, kind, document)));
        }
        // insta wrote a heading before the document, or was set to write nothing.
        if tried.is_err() || fs::read(&pending)? == document.as_bytes() {
            let _ = fs::remove_file(&pending);
        }
        tried
    }

    /// Removes the pending snapshot that an earlier run may have left.
    pub(crate) fn withdraw(&self, case: &CaseName, kernel: &KernelName, kind: SnapshotKind) {
        let _ = fs::remove_file(self.pending(case, kernel, kind));
    }

    fn pending(&self, case: &CaseName, kernel: &KernelName, kind: SnapshotKind) -> PathBuf {
        self.folder(case).join(format!("{}.snap.new", name(kernel, kind)))
    }

    /// insta's assertion, which panics if the document differs from its snapshot.
    fn assert(&self, case: &CaseName, kernel: &KernelName, kind: SnapshotKind, document: &str) {
        let mut settings = insta::Settings::new();
        settings.set_snapshot_path(self.folder(case));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.set_input_file(self.root.join(case.file()));
        settings.bind(|| insta::assert_snapshot!(name(kernel, kind), document));
    }
}

fn name(kernel: &KernelName, kind: SnapshotKind) -> String {
    match kind {
        SnapshotKind::Path => kernel.to_string(),
        SnapshotKind::Timing => format!("{kernel}.timing"),
    }
}

/// Why a snapshot file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{} is damaged: restore it, or delete it to have it proposed again", path.display())]
pub struct SnapshotError {
    path: PathBuf,
    source: Damage,
}

#[derive(Debug, thiserror::Error)]
enum Damage {
    #[error(transparent)]
    Unreadable(#[from] io::Error),
    #[error("expected insta's heading between two lines of `---`")]
    NoHeading,
    #[error("line {0} is a mark of a conflict that git left")]
    Conflict(usize),
}

/// The text of a snapshot file after its heading, with lines that end as on Unix. `None` if there is no such file.
pub(crate) fn read_snapshot(path: &Path) -> Result<Option<String>, SnapshotError> {
    let damaged = |source| SnapshotError { path: path.to_owned(), source };
    let file = match read_text(path, MOST_BYTES) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(damaged(error.into())),
    };
    let text = file.replace("\r\n", "\n");
    let is_conflict = |line: &str| line.starts_with("<<<<<<< ") || line.starts_with(">>>>>>> ");
    if let Some(line) = text.lines().position(is_conflict) {
        return Err(damaged(Damage::Conflict(line + 1)));
    }
    let body = text.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n"));
    body.map(|(_, body)| Some(body.to_owned())).ok_or_else(|| damaged(Damage::NoHeading))
}

/// The first line at which two texts differ, counted from 1, and that line of each; empty after the end of a text.
pub(crate) fn first_difference<'a>(accepted: &'a str, found: &'a str) -> (usize, &'a str, &'a str) {
    let (mut old, mut new) = (accepted.trim_end().lines(), found.trim_end().lines());
    let mut line = 0;
    loop {
        line += 1;
        match (old.next(), new.next()) {
            (Some(one), Some(other)) if one == other => {}
            (one, other) => return (line, one.unwrap_or(""), other.unwrap_or("")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error_chain;

    const HEADING: &str = "---\nsource: a.rs\ninput_file: c.yaml\n---\n";

    #[test]
    fn a_damaged_snapshot_is_an_error_with_the_reason_and_a_missing_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("6.12.snap");
        let read = || read_snapshot(&path).map_err(|error| error_chain(&error));
        assert_eq!(read(), Ok(None));
        let text = format!("{HEADING}# a.b\nf\n");
        for (bytes, expected) in [
            (text.clone().into_bytes(), Ok(Some("# a.b\nf\n".to_owned()))),
            (text.replace('\n', "\r\n").into_bytes(), Ok(Some("# a.b\nf\n".to_owned()))),
            (Vec::new(), Err("heading")),
            (b"---\nsource: a.rs\n".to_vec(), Err("heading")),
            (vec![0x80, 0xff], Err("not UTF-8")),
            (format!("{text}<<<<<<< ours\ng\n=======\nh\n>>>>>>> theirs\n").into_bytes(), Err("line 7 is a mark")),
        ] {
            fs::write(&path, bytes).unwrap();
            match (read(), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
                (found, expected) => panic!("expected {expected:?}, found {found:?}"),
            }
        }
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(read().unwrap_err().contains("a folder"));
    }

    #[test]
    fn a_snapshot_that_cannot_be_proposed_is_an_error_and_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let propose =
            |root: &Path| Snapshots::new(root).propose(&"g/c".into(), &"6.12".into(), SnapshotKind::Path, "# a.b\nf\n");
        let gone = root.path().join("gone");
        assert_eq!(propose(&gone).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(!gone.exists());
        fs::create_dir_all(root.path().join("snapshots/g")).unwrap();
        fs::write(root.path().join("snapshots/g/c"), "in the way").unwrap();
        assert!(propose(root.path()).is_err());
        assert_eq!(fs::read_dir(root.path().join("snapshots/g")).unwrap().count(), 1);
    }
}
