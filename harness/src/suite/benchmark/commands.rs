//! Runs the program as a user would, and measures what it takes.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{self, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::kernel::Cache;
use crate::suite::benchmark::rounds::{Sample, Unit};
use crate::suite::benchmark::{BenchError, Spent, spent};
use crate::suite::project::Project;
use crate::suite::store::run_results::{Results, Verdict};
use crate::vm::children_of;

/// How often memory is sampled: a single case takes less than half a second, and all cases take minutes.
const OFTEN: Duration = Duration::from_millis(5);
const RARELY: Duration = Duration::from_millis(50);

/// An `rxpath run`.
#[derive(Clone, Copy)]
pub(super) struct Command<'a> {
    pub(super) project: &'a Project,
    pub(super) arguments: &'a [&'a str],
    /// The cache to use instead of the usual one.
    pub(super) cache: Option<&'a Path>,
}

/// What one run of a command took.
pub(super) struct CommandRun {
    pub(super) spent: Spent,
    pub(super) harness_kib: u64,
    pub(super) qemu_kib: u64,
}

impl Command<'_> {
    /// Runs all cases, and names the figures after `what`.
    pub(super) fn samples(&self, what: &str) -> Result<Vec<Sample>, BenchError> {
        let json = tempfile::NamedTempFile::new().map_err(BenchError::Command)?;
        let name = json.path().to_string_lossy();
        let arguments = [self.arguments, &["--json", &name]].concat();
        let run = Command { arguments: &arguments, ..*self }.sampled(RARELY)?;
        let results = Results::load(json.path())?;
        let pairs = results.cases.iter().filter(|case| case.verdict != Verdict::Skipped).count().max(1) as u64;
        Ok(vec![
            Sample::new(what.to_owned(), Unit::Ms, run.spent.elapsed_ms),
            Sample::new(what.to_owned(), Unit::CpuMs, run.spent.cpu_ms),
            Sample::new(format!("each of {pairs} pairs: {what}"), Unit::CpuMs, run.spent.cpu_ms / pairs),
            Sample::new(format!("peak memory of the harness: {what}"), Unit::Kib, run.harness_kib),
        ])
    }

    /// Runs a few cases.
    pub(super) fn run(&self) -> Result<CommandRun, BenchError> {
        self.sampled(OFTEN)
    }

    fn sampled(&self, interval: Duration) -> Result<CommandRun, BenchError> {
        let mut command = process::Command::new("/proc/self/exe");
        command.arg("run").arg("--root").arg(&self.project.root).args(self.arguments);
        command.envs(self.cache.map(|cache| ("RXPATH_CACHE", cache))).stdout(Stdio::null()).stderr(Stdio::null());
        let (mut harness_kib, mut qemu_kib) = (0, 0);
        let (spent, status) = spent(|| {
            let mut harness = command.spawn().map_err(BenchError::Command)?;
            loop {
                if let Some(status) = harness.try_wait().map_err(BenchError::Command)? {
                    return Ok(status);
                }
                harness_kib = high_water(harness.id()).max(harness_kib);
                qemu_kib = children_of(harness.id()).into_iter().map(high_water).fold(qemu_kib, u64::max);
                std::thread::sleep(interval);
            }
        })?;
        // 1 means that something changed or failed, which takes as long.
        if !matches!(status.code(), Some(0 | 1)) {
            let command = format!("run {}", self.arguments.join(" "));
            return Err(BenchError::Failed { command, status });
        }
        Ok(CommandRun { spent, harness_kib, qemu_kib })
    }
}

/// The peak memory of a process in KiB (proc_pid_status(5), VmHWM); 0 if it has ended.
fn high_water(pid: impl std::fmt::Display) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or(0)
}

/// A cache with the kernels and the QEMU of another, and without images; deleted when dropped.
pub(super) struct ColdCache(TempDir);

impl ColdCache {
    pub(super) fn beside(cache: &Cache) -> Result<Self, BenchError> {
        let failed = |source| BenchError::Cache { cache: cache.root().to_owned(), source };
        let folder = tempfile::Builder::new().prefix("bench-").tempdir_in(cache.root()).map_err(failed)?;
        for shared in ["kernels", "qemu"] {
            symlink(cache.root().join(shared), folder.path().join(shared)).map_err(failed)?;
        }
        Ok(Self(folder))
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// What was added to it, in bytes on disk.
    pub(super) fn disk_use(&self) -> u64 {
        disk_use(self.path())
    }
}

/// The bytes on disk of a folder, without what links lead to. Of several names of a file, the first counts.
pub(super) fn disk_use(folder: &Path) -> u64 {
    let (mut folders, mut files, mut blocks): (Vec<PathBuf>, _, u64) =
        (vec![folder.to_owned()], std::collections::HashSet::new(), 0);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(data) = entry.metadata() else { continue };
            if data.is_dir() {
                folders.push(entry.path());
            }
            if files.insert((data.dev(), data.ino())) {
                blocks += data.blocks();
            }
        }
    }
    // st_blocks counts 512 bytes each (inode(7)).
    blocks * 512
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_two_names_takes_its_place_once_and_a_link_takes_none_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let within = |name: &str| folder.path().join(name);
        fs::write(within("one"), vec![1; 1 << 20]).unwrap();
        let alone = disk_use(folder.path());
        assert!(alone >= 1 << 20, "{alone}");
        fs::hard_link(within("one"), within("two")).unwrap();
        symlink("one", within("three")).unwrap();
        assert_eq!(disk_use(folder.path()), alone);
    }
}
