//! `rxpath review`, driven through a pseudo-terminal as a reviewer drives it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rexpect::session::{PtySession, spawn_command};

/// A repository with the real cases and pins, and pending snapshots that replace those of 6.12 by those of 6.18.
struct Repository {
    folder: tempfile::TempDir,
    pending: usize,
}

impl Repository {
    fn bumped() -> Self {
        let real = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = tempfile::tempdir().unwrap();
        for name in ["cases", "kernels"] {
            std::os::unix::fs::symlink(real.join(name), folder.path().join(name)).unwrap();
        }
        let mut pending = 0;
        for group in fs::read_dir(real.join("snapshots")).unwrap().flatten() {
            for case in fs::read_dir(group.path()).unwrap().flatten() {
                let to = folder.path().join("snapshots").join(group.file_name()).join(case.file_name());
                fs::create_dir_all(&to).unwrap();
                let read = |kernel: &str| fs::read_to_string(case.path().join(format!("{kernel}.snap"))).ok();
                let (Some(old), Some(new)) = (read("6.12"), read("6.18")) else { continue };
                fs::write(to.join("6.12.snap"), &old).unwrap();
                if old != new {
                    let new = new.replacen("input_file", "assertion_line: 76\ninput_file", 1);
                    fs::write(to.join("6.12.snap.new"), new).unwrap();
                    pending += 1;
                }
            }
        }
        assert!(pending > 10, "{pending}");
        Self { folder, pending }
    }

    fn review(&self) -> PtySession {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rxpath"));
        command.arg("review").arg("--root").arg(self.folder.path()).env("NO_COLOR", "1");
        spawn_command(command, Some(20_000)).unwrap()
    }

    fn files(&self, ending: &str) -> Vec<PathBuf> {
        let mut folders = vec![self.folder.path().join("snapshots")];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().flatten() {
                match entry.path() {
                    path if path.is_dir() => folders.push(path),
                    path if path.to_string_lossy().ends_with(ending) => files.push(path),
                    _ => {}
                }
            }
        }
        files
    }
}

#[test]
fn accepting_every_decision_takes_fewer_than_there_are_snapshots_and_leaves_a_clean_run() {
    let repository = Repository::bumped();
    let mut terminal = repository.review();
    let mut decisions = 0;
    loop {
        let (_, found) = terminal.exp_regex(r"q quit: |\d+ accepted, \d+ rejected, \d+ left").unwrap();
        if !found.starts_with('q') {
            assert_eq!(found, format!("{} accepted, 0 rejected, 0 left", repository.pending));
            break;
        }
        decisions += 1;
        terminal.send_line("a").unwrap();
    }
    assert!(decisions < repository.pending, "{decisions} decisions for {} snapshots", repository.pending);
    assert_eq!(repository.files(".snap.new"), Vec::<PathBuf>::new());
    for file in repository.files("6.12.snap") {
        let (case, text) = (
            file.parent().unwrap().strip_prefix(repository.folder.path()).unwrap(),
            fs::read_to_string(&file).unwrap(),
        );
        let new = Path::new(env!("CARGO_MANIFEST_DIR")).join(case).join("6.18.snap");
        assert_eq!(text, fs::read_to_string(new).unwrap(), "{}", file.display());
    }
}

#[test]
fn a_reviewer_can_list_reject_a_group_decide_one_alone_and_leave() {
    let repository = Repository::bumped();
    let mut terminal = repository.review();
    terminal.exp_string("decision 1 of ").unwrap();
    terminal.exp_string("q quit: ").unwrap();
    terminal.send_line("l").unwrap();
    terminal.exp_regex(r"[a-z0-9]+/[a-z0-9-]+ on 6\.12").unwrap();
    terminal.exp_string("q quit: ").unwrap();
    terminal.send_line("r").unwrap();
    terminal.exp_string("rejected ").unwrap();
    terminal.exp_string("decision 2 of ").unwrap();
    terminal.exp_string("q quit: ").unwrap();
    let rejected = repository.pending - repository.files(".snap.new").len();
    assert!(rejected >= 1);
    terminal.send_line("e").unwrap();
    terminal.exp_string("this one alone: ").unwrap();
    terminal.send_line("a").unwrap();
    terminal.exp_string("accepted ").unwrap();
    terminal.exp_regex("q quit: ").unwrap();
    terminal.send_line("q").unwrap();
    let end = format!("1 accepted, {rejected} rejected, {} left", repository.pending - rejected - 1);
    terminal.exp_string(&end).unwrap();
    assert_eq!(repository.files(".snap.new").len(), repository.pending - rejected - 1);
}

#[test]
fn without_a_terminal_it_lists_what_there_is_to_decide_and_changes_nothing() {
    let repository = Repository::bumped();
    let mut command = Command::new(env!("CARGO_BIN_EXE_rxpath"));
    let output = command.args(["review", "--list", "--root"]).arg(repository.folder.path()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains(&format!("{} pending snapshots", repository.pending)), "{text}");
    assert!(!text.contains('\u{1b}'), "colours without a terminal");
    assert_eq!(repository.files(".snap.new").len(), repository.pending);
}
