//! Snapshots: the paths and timings of a case on a kernel that a reviewer accepted.
//!
//! snapshots/GROUP/CASE/KERNEL.snap holds the paths, KERNEL.timing.snap the timings. insta stores them: it writes a
//! difference beside them as `.snap.new`, where `cargo insta` finds it.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use crate::case::CaseName;
use crate::kernel::KernelName;

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
        self.root.join("snapshots").join(case.as_str())
    }

    /// The accepted text, if there is one.
    pub(crate) fn accepted(&self, case: &CaseName, kernel: &KernelName, kind: SnapshotKind) -> Option<String> {
        body(&fs::read_to_string(self.file(case, kernel, kind)).ok()?).map(str::to_owned)
    }

    /// The accepted paths of a case on all kernels.
    pub(crate) fn all_accepted(&self, case: &CaseName) -> Vec<String> {
        let files = fs::read_dir(self.folder(case)).into_iter().flatten().flatten().map(|entry| entry.path());
        let paths = files.filter(|file| {
            let name = file.to_string_lossy();
            name.ends_with(".snap") && !name.ends_with(".timing.snap")
        });
        paths.filter_map(|file| body(&fs::read_to_string(file).ok()?).map(str::to_owned)).collect()
    }

    /// Lets insta write a pending snapshot for a document that differs from the accepted one.
    ///
    /// insta's environment variables (`INSTA_UPDATE`, `INSTA_FORCE_PASS`) decide whether it does. The panic of its assertion
    /// is ignored: the caller has compared the two already.
    pub(crate) fn propose(&self, case: &CaseName, kernel: &KernelName, kind: SnapshotKind, document: &str) {
        let _ = catch_unwind(AssertUnwindSafe(|| self.assert(case, kernel, kind, document)));
    }

    /// Removes the pending snapshot that an earlier run may have left.
    pub(crate) fn withdraw(&self, case: &CaseName, kernel: &KernelName, kind: SnapshotKind) {
        let _ = fs::remove_file(self.folder(case).join(format!("{}.snap.new", name(kernel, kind))));
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

/// The text of a snapshot file, after its front matter.
pub(crate) fn body(file: &str) -> Option<&str> {
    let rest = file.strip_prefix("---\n")?;
    rest.split_once("\n---\n").map(|(_, body)| body)
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
