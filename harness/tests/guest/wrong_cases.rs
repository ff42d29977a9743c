//! What is wrong with one case: it fails or hangs by itself, and the report says where and why in the case's own words.

use std::fs;

use super::Tested;
use super::process::{rxpath, said};
use super::repository::make_repository;

const KERNEL: &str = "6.12";

/// Cases, each with a line that a run must print of it.
const CASES: [(&str, &str, &str); 4] = [
    (
        "function",
        "actors: {a: {steps: [send: {socket: client, bytes: 1}]}}\nexpect: {a.send: {calls: [tcp_sendmsgg]}}",
        "cases/w/function.yaml:6:27: no kernel has a traceable function `tcp_sendmsgg`; the nearest traceable functions: `tcp_sendmsg`",
    ),
    (
        "setup",
        "actors: {a: {steps: [send: {socket: client, bytes: 1}]}}\nmachine: {sysctls: {net.ipv4.tcp_nothing: 1}}",
        "cases/w/setup.yaml:6:21: net.ipv4.tcp_nothing: 1 failed with ENOENT",
    ),
    (
        "hung",
        "deadline: 200 ms\nactors: {a: {steps: [send: {socket: client, bytes: 1}]}, b: {steps: [recv: {socket: server, bytes: 2, flags: MSG_WAITALL}]}}",
        "b.recv: in its call for 0.2 s, in warm-up iteration 1; cases/w/hung.yaml:6:70: recv: {socket: server, bytes: 2, flags: MSG_WAITALL}",
    ),
    (
        "right",
        "actors: {a: {steps: [getsockopt: {socket: client, option: SO_TYPE}]}}\nexpect: {a.getsockopt: {value: 1}}",
        "w/right",
    ),
];

#[test]
fn what_is_wrong_with_one_case_is_said_of_it_and_stops_no_other() -> Tested {
    let folder = tempfile::tempdir()?;
    let root = folder.path();
    make_repository(root)?;
    fs::create_dir_all(root.join("cases/w"))?;
    for (name, text, _) in CASES {
        let text = format!("rxpath: 1\ntitle: t\nabout: t\nsetup: tcp-pair\n{text}\n");
        fs::write(root.join(format!("cases/w/{name}.yaml")), text)?;
    }
    let root = root.to_str().ok_or("not UTF-8")?;
    let output = rxpath(None, &["run", "-j", "1", "-k", KERNEL, "--root", root]).output()?;
    let said_of_run = said(&output);
    assert_eq!(output.status.code(), Some(1), "{said_of_run}");
    for (name, _, line) in CASES {
        assert!(said_of_run.contains(line), "{name}: expected `{line}` in:\n{said_of_run}");
    }
    for verdict in [
        "failed: w/function",
        "failed: w/setup",
        "hung: w/hung",
        "stack of b:",
        "wait_woken",
        "no snapshot yet: w/right on 6.12",
    ] {
        assert!(said_of_run.contains(verdict), "expected `{verdict}` in:\n{said_of_run}");
    }
    assert!(!said_of_run.contains("QEMU:"), "a command line helps with none of these:\n{said_of_run}");
    let output = rxpath(None, &["cases", "check", "--root", root]).output()?;
    let said_of_check = said(&output);
    assert_eq!(output.status.code(), Some(2), "{said_of_check}");
    assert!(said_of_check.contains("error: no kernel has a traceable function `tcp_sendmsgg`"), "{said_of_check}");
    assert!(!said_of_check.contains("rxpath: error"), "{said_of_check}");
    Ok(())
}
