//! What a command left behind: files, folders in memory, and processes.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::sandbox::Sandbox;

/// What may come to be in a repository and a cache, whatever happens.
const USUAL: [&str; 6] =
    ["cache/locks", "cache/staging", "cache/kvm", "cache/failures", "cache/CACHEDIR.TAG", "repo/target"];

/// What was there before a command.
pub(crate) struct Before {
    files: BTreeSet<PathBuf>,
    memory: BTreeSet<PathBuf>,
}

impl Before {
    pub(crate) fn of(sandbox: &Sandbox) -> Self {
        Self { files: files(sandbox.root()), memory: in_memory() }
    }

    /// What was left, apart from the usual and from what the fault allows: paths relative to the sandbox, folders in memory,
    /// processes.
    pub(crate) fn left_over(&self, sandbox: &Sandbox, allowed: &[&str]) -> Vec<String> {
        let relative = |path: &PathBuf| path.strip_prefix(sandbox.root()).unwrap_or(path).display().to_string();
        let is_allowed = |path: &String| {
            let is_usual = || USUAL.iter().any(|usual| path.starts_with(usual)) && !path.starts_with("cache/staging/");
            allowed.iter().any(|allowed| path.starts_with(allowed)) || is_usual()
        };
        let files = files(sandbox.root()).difference(&self.files).map(relative).collect::<Vec<_>>();
        let mut left: Vec<String> = files.into_iter().filter(|path| !is_allowed(path)).collect();
        left.extend(settled(|| {
            let new = in_memory().difference(&self.memory).cloned().collect::<Vec<_>>();
            let new = new.into_iter().filter(|folder| !is_used(folder)).map(|folder| folder.display().to_string());
            new.filter(|folder| !allowed.iter().any(|allowed| folder.starts_with(allowed))).collect()
        }));
        left.extend(settled(|| processes_of(sandbox.root())));
        left
    }
}

/// The list, if it does not become empty within two seconds.
fn settled(list: impl Fn() -> Vec<String>) -> Vec<String> {
    for _ in 0..40 {
        if list().is_empty() {
            return Vec::new();
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    list()
}

fn files(root: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(entry.path());
            }
            found.insert(entry.path());
        }
    }
    found
}

/// The folders of guests.
fn in_memory() -> BTreeSet<PathBuf> {
    let listing = fs::read_dir("/dev/shm").into_iter().flatten().flatten().map(|entry| entry.path());
    listing.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("rxpath-"))).collect()
}

/// Whether a QEMU, perhaps of a different test, has this folder on its command line.
fn is_used(folder: &Path) -> bool {
    let folder = folder.display().to_string();
    processes().any(|process| read(&process, "cmdline").contains(&folder))
}

/// The commands of living processes that belong to a sandbox.
fn processes_of(root: &Path) -> Vec<String> {
    let root = root.display().to_string();
    let belongs =
        |process: &PathBuf| read(process, "environ").contains(&root) || read(process, "cmdline").contains(&root);
    processes().filter(belongs).map(|process| read(&process, "cmdline").replace('\0', " ")).collect()
}

fn processes() -> impl Iterator<Item = PathBuf> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path());
    // A zombie has no command line.
    all.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().parse::<u32>().is_ok()))
        .filter(|path| !read(path, "cmdline").is_empty())
}

fn read(process: &Path, file: &str) -> String {
    String::from_utf8_lossy(&fs::read(process.join(file)).unwrap_or_default()).into_owned()
}
