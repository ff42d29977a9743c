//! Compares what calls cost in a traced pass with what the same work costs without a tracer.
//!
//! The two are measured independently: the first by the time stamps of every call, minus the tracer's share; the second by
//! the agent's clock around an untraced system call (or, for milestones, with only a few functions traced).

use std::collections::BTreeMap;

use rxpath::suite::{CaseResult, OperationTiming, Silent, choose, run_matrix};

use super::common::{one_guest, project};

/// Cases whose operations neither sleep nor are interrupted. Untraced, they cost more only by the entry and exit of the system
/// call, which no function of the path contains.
const CASES: [&str; 4] = ["recv/tcp-dontwait", "recv/tcp-ready", "socket/pair-create", "socket/tcp-create"];

/// The operations of these cases, and what the entry and exit of a system call may take, in instructions.
const OPERATIONS: [&str; 3] = ["receiver.recv", "creator.socketpair", "creator.socket"];
const ENTRY_AND_EXIT: std::ops::RangeInclusive<i64> = 200..=350;

fn run(kernel: &str) -> Vec<CaseResult> {
    let project = project().unwrap();
    let wanted = CASES.map(str::to_owned);
    let all = project.cases_for(&wanted).unwrap();
    let cases = choose(&all, &wanted).unwrap();
    let fetched = project.fetch(&project.pins.select(&[kernel]).unwrap(), &|_| {}).unwrap();
    run_matrix(&cases, &fetched, &project.images(), &project.snapshots(), &one_guest(), &Silent).cases
}

fn kernels() -> Vec<String> {
    project().unwrap().pins.series().iter().map(ToString::to_string).collect()
}

#[test]
fn the_calls_of_an_operation_cost_what_it_takes_without_a_tracer() {
    let mut compared = 0;
    for kernel in kernels() {
        for result in run(&kernel) {
            let untraced: BTreeMap<&str, u64> =
                result.timings.iter().map(|timing| (timing.name.as_str(), timing.cost)).collect();
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
    let mut compared = 0;
    for result in run(kernel) {
        for OperationTiming { name, cost: alone, .. } in &result.timings {
            let Some(function) = name.strip_suffix("()") else { continue };
            let among = result.paths.iter().find_map(|saved| saved.costs.get(function));
            let among = *among.unwrap_or_else(|| panic!("{}: {function} is in no path", result.case));
            let apart = among.abs_diff(*alone);
            let place = format!("{} on {kernel}: {function}", result.case);
            assert!(apart <= 20 || apart * 100 <= *alone, "{place} costs {among} among all calls, {alone} alone");
            compared += 1;
        }
    }
    assert!(compared > 0, "no case has a milestone");
}
