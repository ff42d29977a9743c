//! The command line: names of cases, outputs, help, completions and manual pages, without guests.

use std::process::{Command, Output};

const RESULTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/harness/tests/data/results/four-cases.json");

/// Runs rxpath in this repository, with an empty cache.
fn rxpath(arguments: &[&str]) -> Output {
    let cache = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_rxpath"));
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).env("RXPATH_CACHE", cache.path());
    command.env_remove("RXPATH_ROOT").output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_case_is_named_by_position_or_option_and_a_last_part_of_several_is_refused_with_them() {
    for arguments in [&["run", "tcp-lowad", "-k", "6.12"][..], &["run", "-c", "tcp-lowad", "-k", "6.12"]] {
        let output = rxpath(arguments);
        assert_eq!(output.status.code(), Some(2), "{}", err(&output));
        assert!(err(&output).contains("did you mean `recv/tcp-lowat`"), "{}", err(&output));
    }
    let output = rxpath(&["run", "tcp-ready", "-k", "6.12"]);
    let expected = "`tcp-ready` is the last part of several cases: choose `ipv6/tcp-ready` or `recv/tcp-ready`";
    assert!(err(&output).contains(expected), "{}", err(&output));
    let output = rxpath(&["matrix", "tcp-lowat", "-k", "6.13"]);
    assert!(err(&output).contains("6.13") && !err(&output).contains("no case"), "{}", err(&output));
}

#[test]
fn json_and_markdown_go_to_standard_output_and_only_one_of_them() {
    let output = rxpath(&["report", "--results", RESULTS, "--json", "-"]);
    assert!(out(&output).starts_with("{\n") && out(&output).ends_with("}\n"), "{}", err(&output));
    assert_eq!(out(&output), out(&rxpath(&["report", "--from", RESULTS, "--json", "-"])));
    assert!(out(&rxpath(&["report", "--results", RESULTS, "--markdown", "-"])).starts_with("## rxpath: "));
    let output = rxpath(&["report", "--results", RESULTS, "--markdown", "-", "--json", "-"]);
    assert_eq!((output.status.code(), out(&output).len()), (Some(2), 0));
    assert!(err(&output).contains("only one output can be `-`"), "{}", err(&output));
    assert!(!std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("-").exists());
}

#[test]
fn colours_are_printed_if_asked_for_and_not_into_a_pipe_by_themselves() {
    for (when, coloured) in [("auto", false), ("never", false), ("always", true)] {
        let output = rxpath(&["report", "--results", RESULTS, "--color", when]);
        assert_eq!(out(&output).contains("\u{1b}["), coloured, "{when}: {}", err(&output));
    }
}

#[test]
fn a_quiet_report_is_one_line_and_a_verbose_one_has_every_verdict() {
    let lines = |detail: &str| out(&rxpath(&["report", "--results", RESULTS, detail])).lines().count();
    assert_eq!(lines("-q"), 1);
    assert!(lines("-v") > 4, "{}", lines("-v"));
}

#[test]
fn help_has_examples_and_shells_and_man_get_what_they_read() {
    let help = out(&rxpath(&["run", "--help"]));
    let place = |text: &str| help.find(text).unwrap_or_else(|| panic!("no {text} in {help}"));
    assert!(place("--kernel <") < place("--json <") && place("--json <") < place("--packages <"), "{help}");
    assert!(help.contains("Examples:\n  rxpath run "), "{help}");
    for (arguments, expected) in [
        (&["completions", "bash"][..], "complete -F _rxpath"),
        (&["completions", "zsh"], "#compdef rxpath"),
        (&["completions", "fish"], "complete -c rxpath"),
        (&["man"], ".TH rxpath 1"),
        (&["man", "run"], ".TH rxpath-run 1"),
    ] {
        let output = rxpath(arguments);
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        assert!(out(&output).contains(expected), "{arguments:?}: {}", out(&output));
    }
    let output = rxpath(&["man", "walk"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("`walk` is not a command of rxpath: expected run, show"), "{}", err(&output));
}

#[test]
fn a_wrong_partition_is_refused_with_its_form() {
    let output = rxpath(&["run", "--partition", "6/5"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("expected NUMBER/OF with a number from 1 to OF, such as 2/5"), "{}", err(&output));
}
