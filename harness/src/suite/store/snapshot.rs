//! Snapshots: the paths and timings of a case on a kernel that a reviewer accepted.
//!
//! snapshots/GROUP/CASE/KERNEL.snap holds the paths, KERNEL.timing.snap the timings. insta stores them: it writes a
//! difference beside them as `.snap.new`, where `cargo insta` finds it. The `info` of a timing snapshot's heading says what it was
//! measured with; older ones have none.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::case::CaseName;
use crate::kernel::KernelName;
use crate::read_file::read_text;
use crate::replace_file::replace_file;
use crate::suite::store::measured_with::{HeadingError, MeasuredWith};

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

    /// The accepted timings, with what they were measured with, if that is known.
    pub(crate) fn accepted_timings(
        &self,
        case: &CaseName,
        kernel: &KernelName,
    ) -> Result<Option<AcceptedTimings>, SnapshotError> {
        let path = self.file(case, kernel, SnapshotKind::Timing);
        let Some(SnapshotText { heading, body }) = read(&path)? else { return Ok(None) };
        let measured_with = measured_with(&heading).map_err(|source| SnapshotError { path, source })?;
        Ok(Some(AcceptedTimings { text: body, measured_with }))
    }

    /// Replaces accepted timings and what they were measured with; the rest of the heading stays.
    pub(crate) fn refresh(
        &self,
        case: &CaseName,
        kernel: &KernelName,
        text: &str,
        measured_with: &MeasuredWith,
    ) -> Result<(), SnapshotError> {
        let path = self.file(case, kernel, SnapshotKind::Timing);
        let refreshed = match read(&path) {
            Ok(Some(old)) => with_heading(&old.heading, measured_with, text),
            Ok(None) => return Ok(()),
            Err(error) => return Err(error),
        };
        replace_file(&path, refreshed.as_bytes()).map_err(|source| SnapshotError { path, source: source.into() })
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
        measured_with: Option<&MeasuredWith>,
    ) -> io::Result<()> {
        fs::metadata(&self.root)?;
        let pending = self.pending(case, kernel, kind);
        let tried = fs::create_dir_all(self.folder(case)).and_then(|()| fs::write(&pending, document));
        if tried.is_ok() {
            let _ = catch_unwind(AssertUnwindSafe(|| self.assert(case, kernel, kind, document, measured_with)));
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
    fn assert(
        &self,
        case: &CaseName,
        kernel: &KernelName,
        kind: SnapshotKind,
        document: &str,
        measured_with: Option<&MeasuredWith>,
    ) {
        let mut settings = insta::Settings::new();
        settings.set_snapshot_path(self.folder(case));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.set_input_file(self.root.join(case.file()));
        if let Some(measured_with) = measured_with {
            settings.set_raw_info(&measured_with.to_insta());
        }
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
    #[error("cannot read the heading")]
    Heading(#[from] serde_yaml::Error),
    #[error(transparent)]
    MeasuredWith(#[from] HeadingError),
}

/// Accepted timings.
pub(crate) struct AcceptedTimings {
    pub(crate) text: String,
    /// `None` if the heading does not say it.
    pub(crate) measured_with: Option<MeasuredWith>,
}

/// The two parts of a snapshot file, with lines that end as on Unix.
struct SnapshotText {
    /// The lines between those of `---`.
    heading: String,
    body: String,
}

/// What a heading says the timings were measured with.
fn measured_with(heading: &str) -> Result<Option<MeasuredWith>, Damage> {
    #[derive(Deserialize)]
    struct Heading {
        info: Option<BTreeMap<String, String>>,
    }
    let Heading { info } = serde_yaml::from_str(heading)?;
    Ok(info.map(MeasuredWith::from_heading).transpose()?)
}

/// A snapshot file with this heading, but for its `info`.
fn with_heading(heading: &str, measured_with: &MeasuredWith, body: &str) -> String {
    let mut in_info = false;
    let kept = heading.split_inclusive('\n').filter(|line| {
        in_info = line.starts_with("info:") || in_info && line.starts_with([' ', '#']);
        !in_info
    });
    // insta writes the input file last.
    let (last, first): (Vec<&str>, Vec<&str>) = kept.partition(|line| line.starts_with("input_file:"));
    ["---\n", &first.concat(), &measured_with.heading(), &last.concat(), "---\n", body].concat()
}

/// The text of a snapshot file after its heading. `None` if there is no such file.
pub(crate) fn read_snapshot(path: &Path) -> Result<Option<String>, SnapshotError> {
    Ok(read(path)?.map(|text| text.body))
}

fn read(path: &Path) -> Result<Option<SnapshotText>, SnapshotError> {
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
    let parts = text.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n"));
    let (heading, body) = parts.ok_or_else(|| damaged(Damage::NoHeading))?;
    Ok(Some(SnapshotText { heading: format!("{heading}\n"), body: body.to_owned() }))
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
    use crate::suite::store::measured_with::tests::sample;

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
    fn a_timing_snapshot_says_what_it_was_measured_with_or_nothing_and_anything_else_is_damage() {
        let root = tempfile::tempdir().unwrap();
        let snapshots = Snapshots::new(root.path());
        let (case, kernel) = ("g/c".into(), "6.12".into());
        let file = snapshots.file(&case, &kernel, SnapshotKind::Timing);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let read = |heading: &str| {
            fs::write(&file, format!("---\nsource: a.rs\n{heading}input_file: c.yaml\n---\n# text\n")).unwrap();
            let accepted = snapshots.accepted_timings(&case, &kernel);
            accepted.map(|accepted| accepted.unwrap().measured_with).map_err(|error| error_chain(&error))
        };
        let heading = sample().heading();
        assert_eq!(read(""), Ok(None));
        assert_eq!(read(&heading), Ok(Some(sample())));
        for (heading, expected) in [
            (heading.replace("  agent", "  agents"), "lacks `agent`"),
            (format!("{heading}  colour: red\n"), "has `colour`, which this rxpath does not know"),
            (heading.replace("  agent", "    agent"), "cannot read the heading"),
            ("info: [kernel]\n".to_owned(), "cannot read the heading"),
        ] {
            let error = read(&heading).unwrap_err();
            assert!(error.starts_with(&file.display().to_string()) && error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_refresh_replaces_the_text_and_what_it_was_measured_with_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let snapshots = Snapshots::new(root.path());
        let (case, kernel) = ("g/c".into(), "6.12".into());
        let file = snapshots.file(&case, &kernel, SnapshotKind::Timing);
        let refresh = |with: &MeasuredWith| snapshots.refresh(&case, &kernel, "# new\n", with).unwrap();
        refresh(&sample());
        assert!(!file.exists(), "a refresh makes no snapshot");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "---\nsource: b.rs\ninput_file: c.yaml\n---\n# old\n").unwrap();
        for with in [sample(), MeasuredWith { agent: "other".to_owned(), ..sample() }] {
            refresh(&with);
            let expected = format!("---\nsource: b.rs\n{}input_file: c.yaml\n---\n# new\n", with.heading());
            assert_eq!(fs::read_to_string(&file).unwrap(), expected);
        }
    }

    #[test]
    fn a_snapshot_that_cannot_be_proposed_is_an_error_and_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let propose = |root: &Path| {
            Snapshots::new(root).propose(&"g/c".into(), &"6.12".into(), SnapshotKind::Path, "# a.b\nf\n", None)
        };
        let gone = root.path().join("gone");
        assert_eq!(propose(&gone).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(!gone.exists());
        fs::create_dir_all(root.path().join("snapshots/g")).unwrap();
        fs::write(root.path().join("snapshots/g/c"), "in the way").unwrap();
        assert!(propose(root.path()).is_err());
        assert_eq!(fs::read_dir(root.path().join("snapshots/g")).unwrap().count(), 1);
    }
}
