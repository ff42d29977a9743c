//! Snapshots: what a case showed on a kernel when a reviewer last accepted it. insta keeps them.
//!
//! snapshots/GROUP/CASE/KERNEL.snap holds the paths, KERNEL.timing.snap the timings. A difference is written beside them as
//! `.snap.new`, where `cargo insta` finds it.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use crate::case::CaseName;
use crate::kernel::KernelName;

/// The two documents of a case on a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotKind {
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

/// What comparing with a snapshot gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compared {
    /// The same.
    Same,
    /// There is no snapshot yet.
    New,
    /// The accepted text, which differs.
    Different(String),
}

impl Snapshots {
    /// The snapshots of the repository at `root`.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Where a snapshot lies.
    pub fn file(&self, case: &CaseName, kernel: &KernelName, kind: SnapshotKind) -> PathBuf {
        self.folder(case).join(format!("{}.snap", name(kernel, kind)))
    }

    fn folder(&self, case: &CaseName) -> PathBuf {
        self.root.join("snapshots").join(case.as_str())
    }

    /// The accepted text, if there is any.
    pub fn accepted(&self, case: &CaseName, kernel: &KernelName, kind: SnapshotKind) -> Option<String> {
        body(&fs::read_to_string(self.file(case, kernel, kind)).ok()?).map(str::to_owned)
    }

    /// The accepted paths of a case on all kernels.
    pub fn all_accepted(&self, case: &CaseName) -> Vec<String> {
        let files = fs::read_dir(self.folder(case)).into_iter().flatten().flatten().map(|entry| entry.path());
        let paths = files.filter(|file| {
            let name = file.to_string_lossy();
            name.ends_with(".snap") && !name.ends_with(".timing.snap")
        });
        paths.filter_map(|file| body(&fs::read_to_string(file).ok()?).map(str::to_owned)).collect()
    }

    /// Compares a document with its snapshot without writing anything.
    pub fn compare(&self, case: &CaseName, kernel: &KernelName, kind: SnapshotKind, document: &str) -> Compared {
        match self.accepted(case, kernel, kind) {
            None => Compared::New,
            Some(accepted) if accepted.trim_end() == document.trim_end() => Compared::Same,
            Some(accepted) => Compared::Different(accepted),
        }
    }

    /// Hands a document to insta, which writes a pending snapshot if it differs; takes back one that no longer does.
    ///
    /// insta decides by its environment what a difference means (`INSTA_UPDATE`, `INSTA_FORCE_PASS`); a panic of its
    /// assertion is its way to say so, and changes nothing for the caller, who has compared already.
    pub fn propose(&self, case: &CaseName, kernel: &KernelName, kind: SnapshotKind, document: &str) {
        let pending = self.folder(case).join(format!("{}.snap.new", name(kernel, kind)));
        if self.compare(case, kernel, kind, document) == Compared::Same {
            let _ = fs::remove_file(pending);
            return;
        }
        let _ = catch_unwind(AssertUnwindSafe(|| self.assert(case, kernel, kind, document)));
    }

    /// insta's own assertion: panics if the document differs from its snapshot.
    pub fn assert(&self, case: &CaseName, kernel: &KernelName, kind: SnapshotKind, document: &str) {
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

/// The text of a snapshot file, after its front matter.
pub fn body(file: &str) -> Option<&str> {
    let rest = file.strip_prefix("---\n")?;
    rest.split_once("\n---\n").map(|(_, body)| body)
}

/// The first line at which two texts part: its number from 1, and the two lines (empty where a text has ended).
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

/// The section that a line of a document lies in.
pub(crate) fn section_at(document: &str, line: usize) -> &str {
    let sections =
        document.lines().take(line).filter_map(|line| line.strip_prefix(crate::suite::judge::observe::SECTION_MARK));
    sections.last().unwrap_or("")
}
