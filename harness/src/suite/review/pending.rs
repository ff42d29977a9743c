//! Pending snapshots: differences that `rxpath run` found and a reviewer has not yet accepted or rejected.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::case::CaseName;
use crate::kernel::KernelName;
use crate::path::CallPath;
use crate::replace_file::replace_file;
use crate::suite::compare::sides::SectionDiff;
use crate::suite::review::decisions::changes_of;
use crate::suite::review::explained::{SavedSide, explain_saved};
use crate::suite::review::pending_timings::{PendingTiming, first_timings, pending_timings};
use crate::suite::store::path_document::read_document;
use crate::suite::store::run_results::Results;
use crate::suite::store::snapshot::{SnapshotError, SnapshotKind, read_snapshot};

/// A `.snap.new` file, with the snapshot that it would replace.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub case: CaseName,
    pub kernel: KernelName,
    pub kind: SnapshotKind,
    file: PathBuf,
    /// The text it is compared with: the accepted snapshot, or that of the next older kernel if there is none.
    pub old: Option<String>,
    /// The kernel of [`Self::old`].
    pub against: KernelName,
    /// The pending text.
    pub new: String,
}

/// Why a pending snapshot cannot be read, accepted or rejected.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PendingError {
    #[error("{file}")]
    File {
        file: String,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Damaged(#[from] SnapshotError),
}

const ENDING: &str = ".snap.new";

/// All pending snapshots of the repository at `root`, by case, then by kernel.
pub(crate) fn pending(root: &Path) -> Result<Vec<Pending>, PendingError> {
    let snapshots = root.join("snapshots");
    let mut folders = vec![snapshots.clone()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ENDING) {
                found.push(read(&snapshots, path)?);
            }
        }
    }
    let key = |one: &Pending| (one.case.clone(), one.kernel.clone(), one.kind);
    found.sort_by_key(key);
    Ok(found)
}

fn read(snapshots: &Path, file: PathBuf) -> Result<Pending, PendingError> {
    let new = read_snapshot(&file)?.unwrap_or_default();
    let folder = file.parent().unwrap_or(snapshots).to_owned();
    let case = folder.strip_prefix(snapshots).unwrap_or(&folder).to_string_lossy().as_ref().into();
    let stem = file.file_name().unwrap_or_default().to_string_lossy();
    let stem = stem.trim_end_matches(ENDING);
    let (kernel, kind) = match stem.strip_suffix(".timing") {
        Some(kernel) => (kernel, SnapshotKind::Timing),
        None => (stem, SnapshotKind::Path),
    };
    let kernel = KernelName::from(kernel);
    let accepted = |stem: &str| read_snapshot(&folder.join(format!("{stem}.snap"))).ok()?;
    let own = accepted(stem);
    let (against, old) = match own {
        Some(own) => (kernel.clone(), Some(own)),
        None if kind == SnapshotKind::Timing => (kernel.clone(), None),
        None => {
            older(&folder, &kernel).map_or((kernel.clone(), None), |older| (older.clone(), accepted(older.as_str())))
        }
    };
    Ok(Pending { case, kernel, kind, old, against, new, file })
}

/// The nearest older kernel with an accepted snapshot in this folder.
fn older(folder: &Path, kernel: &KernelName) -> Option<KernelName> {
    let names = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let accepted = names.filter_map(|name| Some(KernelName::from(name.strip_suffix(".snap")?)));
    accepted.filter(|other| !other.as_str().ends_with(".timing") && other < kernel).max()
}

impl Pending {
    /// The changes by section, with reasons if `results` (of the run that found them) have the functions of the kernels.
    /// Empty for timings, and if there is nothing to compare with.
    pub(crate) fn differences(&self, results: Option<&Results>) -> Vec<SectionDiff> {
        let paths = |text: &str| -> Option<Vec<(String, CallPath)>> { read_document(text).ok() };
        let old = self.old.as_deref().and_then(paths);
        let (SnapshotKind::Path, Some(old), Some(new)) = (self.kind, old, paths(&self.new)) else { return Vec::new() };
        let functions = |kernel: &KernelName| results.and_then(|results| results.functions_of(kernel));
        // The accepted paths of the same series may come from an earlier version, whose functions are unknown.
        let old_functions = if self.against == self.kernel { None } else { functions(&self.against) };
        let old_name = if self.against == self.kernel {
            format!("what was accepted on {}", self.kernel)
        } else {
            self.against.to_string()
        };
        explain_saved(
            SavedSide { name: &old_name, paths: &old, functions: old_functions, result: None },
            SavedSide { name: self.kernel.as_str(), paths: &new, functions: functions(&self.kernel), result: None },
        )
    }

    /// The timings that differ from the accepted ones, the largest movement first; all of them if none were accepted. Empty for
    /// paths.
    pub(crate) fn pending_timings(&self) -> Vec<PendingTiming> {
        match (self.kind, &self.old) {
            (SnapshotKind::Path, _) => Vec::new(),
            (SnapshotKind::Timing, Some(old)) => pending_timings(old, &self.new),
            (SnapshotKind::Timing, None) => first_timings(&self.new),
        }
    }

    /// The names of the changes to decide; the same change has the same name in every snapshot. Timings are one change, named by
    /// what moved most, and so is a snapshot with nothing to compare with.
    pub(crate) fn changes(&self, differences: &[SectionDiff]) -> BTreeSet<String> {
        let found = changes_of(differences);
        match self.kind {
            SnapshotKind::Timing if self.old.is_none() => BTreeSet::from(["timings: the first ones".to_owned()]),
            SnapshotKind::Timing => {
                let kind = self.pending_timings().first().map_or("their text changed".to_owned(), PendingTiming::kind);
                BTreeSet::from([format!("timings: {kind}")])
            }
            SnapshotKind::Path if found.is_empty() => BTreeSet::from([format!("all of\n{}", self.new)]),
            SnapshotKind::Path => found,
        }
    }

    /// Replaces the snapshot, as `cargo insta accept` does: without the line number of the assertion.
    pub(crate) fn accept(&self) -> Result<(), PendingError> {
        let target = self.file.with_extension("");
        let fail = |source| PendingError::File { file: target.display().to_string(), source };
        let text = fs::read_to_string(&self.file).map_err(fail)?;
        replace_file(&target, without_assertion_line(&text).as_bytes()).map_err(fail)?;
        self.reject()
    }

    /// Removes the pending file, as `cargo insta reject` does.
    pub(crate) fn reject(&self) -> Result<(), PendingError> {
        fs::remove_file(&self.file)
            .map_err(|source| PendingError::File { file: self.file.display().to_string(), source })
    }
}

/// The text of a snapshot file without `assertion_line` in its front matter.
fn without_assertion_line(text: &str) -> String {
    let end = text.find("\n---\n").map_or(0, |end| end + 1);
    let (front, rest) = text.split_at(end);
    let front = front.split_inclusive('\n').filter(|line| !line.starts_with("assertion_line:"));
    front.collect::<String>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(root: &Path, name: &str, text: &str) {
        let file = root.join("snapshots").join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, format!("---\nsource: a.rs\nassertion_line: 76\ninput_file: c.yaml\n---\n{text}")).unwrap();
    }

    #[test]
    fn accepting_drops_the_assertion_line_and_rejecting_removes_the_file() {
        let root = tempfile::tempdir().unwrap();
        put(root.path(), "g/c/6.12.snap.new", "# a.b\nassertion_line:\n");
        put(root.path(), "g/c/6.18.snap.new", "# a.b\nf\n");
        let all = pending(root.path()).unwrap();
        assert_eq!(all.iter().map(|one| one.kernel.as_str()).collect::<Vec<_>>(), ["6.12", "6.18"]);
        all[0].accept().unwrap();
        all[1].reject().unwrap();
        let accepted = fs::read_to_string(root.path().join("snapshots/g/c/6.12.snap")).unwrap();
        assert_eq!(accepted, "---\nsource: a.rs\ninput_file: c.yaml\n---\n# a.b\nassertion_line:\n");
        assert_eq!(fs::read_dir(root.path().join("snapshots/g/c")).unwrap().count(), 1);
    }

    #[test]
    fn a_new_kernel_is_compared_with_the_nearest_older_one() {
        let root = tempfile::tempdir().unwrap();
        put(root.path(), "g/c/6.2.snap", "# a.b\nf\n");
        put(root.path(), "g/c/6.12.snap", "# a.b\nf\n  g\n");
        put(root.path(), "g/c/6.18.snap.new", "# a.b\nf\n  h\n");
        let all = pending(root.path()).unwrap();
        assert_eq!((all[0].against.as_str(), all[0].old.as_deref()), ("6.12", Some("# a.b\nf\n  g\n")));
        assert_eq!(all[0].changes(&all[0].differences(None)).len(), 1);
    }
}
