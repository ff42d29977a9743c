//! `rxpath review`: driven through a pseudo-terminal as a reviewer drives it, and by a script.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rexpect::session::{PtySession, spawn_command};
use serde_json::Value;

/// Ends each question of the dialog.
const ASKS: &str = "? help: ";

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
                for ending in ["snap", "timing.snap"] {
                    let read = |kernel: &str| fs::read_to_string(case.path().join(format!("{kernel}.{ending}"))).ok();
                    let (Some(old), Some(new)) = (read("6.12"), read("6.18")) else { continue };
                    fs::write(to.join(format!("6.12.{ending}")), &old).unwrap();
                    if old != new {
                        let new = new.replacen("input_file", "assertion_line: 76\ninput_file", 1);
                        fs::write(to.join(format!("6.12.{ending}.new")), new).unwrap();
                        pending += 1;
                    }
                }
            }
        }
        assert!(pending > 10, "{pending}");
        Self { folder, pending }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rxpath"));
        command.arg("review").args(arguments).arg("--root").arg(self.folder.path()).env("NO_COLOR", "1");
        command
    }

    fn dialog(&self) -> PtySession {
        spawn_command(self.command(&[]), Some(20_000)).unwrap()
    }

    /// Runs `rxpath review` without a terminal.
    fn review(&self, arguments: &[&str]) -> Output {
        self.command(arguments).stdin(Stdio::null()).output().unwrap()
    }

    /// What `--list --json` says.
    fn listed(&self) -> Value {
        serde_json::from_slice(&self.review(&["--list", "--json"]).stdout).unwrap()
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

    fn pending_now(&self) -> usize {
        self.files(".snap.new").len()
    }
}

/// Presses a key when the dialog asks.
fn press(terminal: &mut PtySession, key: &str) {
    terminal.exp_string(ASKS).unwrap();
    terminal.send(key).unwrap();
    terminal.flush().unwrap();
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn accepting_every_decision_takes_fewer_than_there_are_snapshots_and_leaves_a_clean_run() {
    let repository = Repository::bumped();
    let mut terminal = repository.dialog();
    let mut decisions = 0;
    loop {
        let (_, found) = terminal.exp_regex(r"\? help: |\d+ accepted, \d+ rejected, \d+ left").unwrap();
        if !found.starts_with('?') {
            assert_eq!(found, format!("{} accepted, 0 rejected, 0 left", repository.pending));
            break;
        }
        decisions += 1;
        terminal.send("a").unwrap();
        terminal.flush().unwrap();
    }
    assert!(decisions < repository.pending, "{decisions} decisions for {} snapshots", repository.pending);
    assert_eq!(repository.pending_now(), 0);
    for file in repository.files(".snap") {
        let name = file.strip_prefix(repository.folder.path()).unwrap().to_string_lossy().replace("/6.12.", "/6.18.");
        let new = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        assert_eq!(fs::read_to_string(&file).unwrap(), fs::read_to_string(new).unwrap(), "{}", file.display());
    }
}

#[test]
fn a_reviewer_can_list_go_back_decide_one_alone_and_leave() {
    let repository = Repository::bumped();
    let rejected = repository.listed()["changes"][0]["snapshots"].as_array().unwrap().len();
    let mut terminal = repository.dialog();
    terminal.exp_string("decision 1 of ").unwrap();
    press(&mut terminal, "?");
    terminal.exp_string("back to the decision before").unwrap();
    press(&mut terminal, "l");
    terminal.exp_regex(r"\n  [a-z0-9]+/[a-z0-9-]+ on 6\.12\r").unwrap();
    press(&mut terminal, "b");
    terminal.exp_string("this is the first decision").unwrap();
    press(&mut terminal, "a");
    terminal.exp_string("decision 2 of ").unwrap();
    press(&mut terminal, "b");
    terminal.exp_string("decision 1 of ").unwrap();
    // A key that means nothing, and the end of a line.
    press(&mut terminal, "X\r");
    terminal.send("r").unwrap();
    terminal.flush().unwrap();
    terminal.exp_string("decision 2 of ").unwrap();
    press(&mut terminal, "e");
    terminal.exp_string("this one alone: ").unwrap();
    terminal.exp_string("q quit: ").unwrap();
    terminal.send("a").unwrap();
    terminal.flush().unwrap();
    terminal.exp_string("q quit").unwrap();
    assert_eq!(repository.pending_now(), repository.pending, "nothing is done before the end");
    terminal.send("q").unwrap();
    terminal.flush().unwrap();
    let left = repository.pending - rejected - 1;
    terminal.exp_string(&format!("1 accepted, {rejected} rejected, {left} left")).unwrap();
    assert_eq!(repository.pending_now(), left);
}

#[test]
fn ctrl_c_leaves_everything_as_it_was() {
    let repository = Repository::bumped();
    let mut terminal = repository.dialog();
    press(&mut terminal, "a");
    press(&mut terminal, "\u{3}");
    terminal.exp_string("nothing was accepted or rejected").unwrap();
    assert_eq!(repository.pending_now(), repository.pending);
}

#[test]
fn without_a_terminal_it_lists_what_there_is_to_decide_and_changes_nothing() {
    let repository = Repository::bumped();
    for arguments in [&["--list"][..], &[]] {
        let output = repository.review(arguments);
        let list = text(&output.stdout);
        assert!(
            output.status.success() && list.contains(&format!("{} pending snapshots", repository.pending)),
            "{list}"
        );
        assert!(!list.contains('\u{1b}'), "colours without a terminal");
        assert_eq!(text(&output.stderr).contains("no terminal"), arguments.is_empty());
    }
    assert_eq!(repository.pending_now(), repository.pending);
}

#[test]
fn the_list_has_paths_first_and_timings_by_movement() {
    let repository = Repository::bumped();
    let listed = repository.listed();
    assert_eq!(listed["pending"], repository.pending);
    let changes = listed["changes"].as_array().unwrap();
    let kinds: Vec<&str> = changes.iter().map(|one| one["kind"].as_str().unwrap()).collect();
    let paths = kinds.iter().take_while(|kind| **kind == "path").count();
    assert!(paths > 0 && kinds[paths..].iter().all(|kind| *kind == "timing") && kinds.len() > paths, "{kinds:?}");
    let largest = |change: &Value| change["timings"].as_array().unwrap()[0]["percent"].as_f64().map(f64::abs);
    let movements: Vec<f64> = changes[paths..].iter().filter_map(largest).collect();
    assert!(movements.is_sorted_by(|one, other| one >= other), "{movements:?}");
    // A group has one direction.
    let dearer = changes.iter().find(|one| one["title"].as_str().unwrap().starts_with("recv is dearer")).unwrap();
    let rows =
        dearer["timings"].as_array().unwrap().iter().filter(|row| row["name"].as_str().unwrap().ends_with("recv"));
    assert!(rows.clone().count() > 1 && rows.clone().any(|row| row["percent"].as_f64() > Some(0.0)), "{dearer}");
    let list = text(&repository.review(&["--list"]).stdout);
    assert!(list.contains("movement      before         now  timing"), "{list}");
}

#[test]
fn a_script_accepts_and_rejects_by_pattern_and_accepts_by_change() {
    let repository = Repository::bumped();
    let of_group = |group: &str| {
        let folder = format!("/snapshots/{group}/");
        repository.files(".snap.new").iter().filter(|file| file.to_string_lossy().contains(&folder)).count()
    };
    let (recv, udp) = (of_group("recv"), of_group("udp"));
    let output = repository.review(&["--accept", "recv@6.12", "--reject", "udp/*"]);
    let said = text(&output.stdout);
    let left = repository.pending - recv - udp;
    assert!(said.ends_with(&format!("{recv} accepted, {udp} rejected, {left} left\n")), "{said}");
    assert_eq!((output.status.code(), of_group("recv"), of_group("udp")), (Some(0), 0, 0));

    let listed = repository.listed();
    let changes = listed["changes"].as_array().unwrap();
    let of_a = changes[0]["snapshots"].as_array().unwrap().len();
    let output = repository.review(&["--accept-change", "A"]);
    assert!(text(&output.stdout).contains(&format!("{of_a} accepted, 0 rejected, {} left", left - of_a)));
    let listed = repository.listed();
    let with_others = listed["changes"].as_array().unwrap().iter();
    let with_others = with_others.filter(|one| !one["accept_with"].as_array().unwrap().is_empty()).collect::<Vec<_>>();
    if let Some(one) = with_others.first() {
        let output = repository.review(&["--accept-change", one["change"].as_str().unwrap()]);
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains("accept them together"), "{}", text(&output.stderr));
    }
}

#[test]
fn what_matches_nothing_or_contradicts_itself_is_an_invalid_request_that_changes_nothing() {
    let repository = Repository::bumped();
    for (arguments, expected) in [
        (&["--accept", "recv", "--accept", "nothing/*"][..], "`nothing/*` matches none of the "),
        (&["--reject", "recv@7.3"], "`recv@7.3` matches none of the "),
        (&["--accept-change", "A,ZZZ"], "there is no change `ZZZ`, only A to "),
        (&["--accept", "recv", "--reject", "*"], "is both to be accepted and to be rejected"),
        (&["--json"], "--list"),
        (&["--list", "--accept", "recv"], "cannot be used with"),
    ] {
        let output = repository.review(arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
    assert_eq!(repository.pending_now(), repository.pending);
}
