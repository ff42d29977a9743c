//! The program outside a repository: it carries cases, pins and snapshots.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// Runs rxpath in `folder`, with a cache of its own there.
fn rxpath(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rxpath"));
    command.args(arguments).current_dir(folder).env("RXPATH_CACHE", folder.join("cache")).env_remove("RXPATH_ROOT");
    command.output().unwrap()
}

fn text(output: &Output) -> String {
    [String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)].concat()
}

#[test]
fn outside_a_repository_the_programs_own_cases_are_listed_and_the_folder_stays_empty() {
    let folder = tempfile::tempdir().unwrap();
    let output = rxpath(folder.path(), &["cases", "list"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).contains("recv/tcp-blocking"), "{}", text(&output));
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["cache"]);
}

#[test]
fn what_writes_into_a_repository_says_how_to_make_one() {
    let folder = tempfile::tempdir().unwrap();
    let output = rxpath(folder.path(), &["cases", "new", "mine/first"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains("rxpath init DIR"), "{}", text(&output));
}

#[test]
fn a_repository_of_ones_own_has_the_catalogues_cases_and_takes_more() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, code) in [
        (&["init", "mine"][..], 0),
        (&["init", "mine"], 2),
        (&["--root", "mine", "cases", "new", "mine/first"], 0),
        (&["--root", "mine", "cases", "check"], 0),
        (&["--root", "elsewhere", "cases", "check"], 2),
    ] {
        let output = rxpath(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", text(&output));
    }
    assert!(folder.path().join("mine/cases/mine/first.yaml").is_file());
    assert!(folder.path().join("mine/snapshots/recv/tcp-blocking/6.12.snap").is_file());
}
