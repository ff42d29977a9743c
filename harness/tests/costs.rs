//! What calls cost, told from a traced pass, against what the same work takes without a tracer. Runs guests.
//!
//! The two are measured independently: one from the stamps of every call with the tracer's share taken off, the other by the
//! agent's clock around an untraced system call (or, for milestones, with nothing but a few functions traced).

use std::collections::BTreeMap;
use std::process::Command;

use rxpath::suite::{CaseResult, Results, Workshop, WorkshopOptions};

/// Cases whose operations neither sleep nor meet an interrupt: all that an untraced one takes more is the system call's entry
/// and exit, which no function of the path is.
const CASES: [&str; 4] = ["recv/tcp-dontwait", "recv/tcp-ready", "socket/pair-create", "socket/tcp-create"];

/// The operations of these cases, and what the entry and exit of a system call may take, in instructions.
const OPERATIONS: [&str; 3] = ["receiver.recv", "creator.socketpair", "creator.socket"];
const ENTRY_AND_EXIT: std::ops::RangeInclusive<i64> = 50..=500;

fn run(kernel: &str) -> Vec<CaseResult> {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("results.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_rxpath"));
    command.args(["run", "--root", env!("CARGO_MANIFEST_DIR"), "--kernel", kernel, "--json"]).arg(&json);
    command.args(CASES.iter().flat_map(|case| ["--case", case]));
    let output = command.output().unwrap();
    let results = Results::load(&json);
    results.unwrap_or_else(|why| panic!("{why}\n{}", String::from_utf8_lossy(&output.stderr))).cases
}

fn kernels() -> Vec<String> {
    let options = WorkshopOptions { root: Some(env!("CARGO_MANIFEST_DIR").into()), ..WorkshopOptions::default() };
    Workshop::open(&options).unwrap().pins.series().iter().map(ToString::to_string).collect()
}

#[test]
fn the_calls_of_an_operation_cost_what_it_takes_without_a_tracer() {
    let mut compared = 0;
    for kernel in kernels() {
        for result in run(&kernel) {
            let untraced: BTreeMap<&str, u64> =
                result.costs.iter().map(|(name, cost)| (name.as_str(), *cost)).collect();
            for saved in result.paths.iter().filter(|saved| OPERATIONS.contains(&saved.name.as_str())) {
                let root = saved.path.lines().next().unwrap();
                let (traced, untraced) = (saved.costs[root], untraced[saved.name.as_str()]);
                let more = untraced as i64 - traced as i64;
                let place = format!("{} on {kernel}: {}", result.case, saved.name);
                assert!(
                    ENTRY_AND_EXIT.contains(&more),
                    "{place}: {root} costs {traced} of the {untraced} that the call takes: expected {ENTRY_AND_EXIT:?} less"
                );
                compared += 1;
            }
        }
    }
    assert_eq!(compared, CASES.len() * kernels().len());
}

#[test]
fn a_milestone_traced_alone_takes_what_it_costs_among_all_calls() {
    let kernel = "6.12";
    for result in run(kernel) {
        for (name, alone) in &result.costs {
            let Some(function) = name.strip_suffix("()") else { continue };
            let among = result.paths.iter().find_map(|saved| saved.costs.get(function));
            let among = *among.unwrap_or_else(|| panic!("{}: {function} is in no path", result.case));
            let apart = among.abs_diff(*alone);
            let place = format!("{} on {kernel}: {function}", result.case);
            assert!(apart <= 50 || apart * 100 <= alone * 15, "{place} costs {among} among all calls, {alone} alone");
        }
    }
}
