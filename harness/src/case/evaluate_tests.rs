//! Tables of expectations with an observation in which they hold and one in which they fail, with the failure's
//! message.

use std::collections::BTreeSet;

use rxpath_guest::OpResult;

use super::case::Case;
use super::cost_bounds::{CostFailure, check_references, evaluate_costs};
use super::diagnostic::Source;
use super::evaluate::{Observed, ObservedOperation, ObservedTree, evaluate};
use super::expectation::{Context, Expectation};
use super::load::parse;
use super::step_ref::StepRef;
use super::{schema, yaml_tree};
use crate::path::{CallPath, text};

const SENDER: StepRef = StepRef { actor: 0, step: 0 };
const RECEIVER: StepRef = StepRef { actor: 1, step: 0 };

const EAGAIN: i32 = 11;
const EINTR: i32 = 4;

/// A case `name` in which a sender sends 64 bytes to a receiver.
fn case_named(name: &str, expect: &str) -> Case {
    let text = format!(
        "rxpath: 1
title: t
about: t
setup: tcp-pair
actors:
  sender: {{steps: [send: {{socket: client, bytes: 64}}]}}
  receiver: {{steps: [recv: {{socket: server, bytes: 64}}]}}
expect:
  {expect}
"
    );
    parse(name, Source { path: "case.yaml".into(), text }).unwrap_or_else(|wrong| panic!("{wrong}")).remove(0)
}

fn case(expect: &str) -> Case {
    case_named("test/case", expect)
}

fn on_6_12(case: &Case) -> Vec<Expectation> {
    case.expectations.iter().filter_map(|one| one.on("6.12".parse().unwrap())).collect()
}

fn failures(expect: &str, observed: &Observed<'_>) -> Vec<String> {
    let case = case(expect);
    let failures = evaluate(&case, &on_6_12(&case), observed);
    failures.into_iter().map(|failure| format!("{}: {}", failure.context, failure.message)).collect()
}

const fn returned(ret: i64) -> OpResult {
    OpResult { ret, ..failed(0) }
}

const fn failed(errno: i32) -> OpResult {
    let StepRef { actor, step } = RECEIVER;
    OpResult { actor, step, iteration: 0, ret: -1, errno, start_ns: 0, end_ns: 0, cpu_ns: 0, switches: 0 }
}

fn paths(texts: &[&str]) -> Vec<CallPath> {
    texts.iter().map(|path| text::parse(path).unwrap()).collect()
}

fn of_receiver(expect: &str, results: &[OpResult], texts: &[&str]) -> Vec<String> {
    let paths = paths(texts);
    let paths = (0..).zip(&paths).map(|(iteration, path)| (vec![iteration], path)).collect();
    let operation = ObservedOperation { step: RECEIVER, results: results.to_vec(), details: Vec::new(), paths };
    let iterations = results.len().max(texts.len()) as u32;
    let observed = Observed { iterations, operations: vec![operation], ..Observed::default() };
    failures(&format!("receiver.recv: {{{expect}}}"), &observed)
}

/// An expectation of an operation, a result for which it holds, one for which it fails, and the message of that
/// failure.
const RESULTS: [(&str, OpResult, OpResult, &str); 16] = [
    ("returns: 64", returned(64), returned(32), "expected it to return 64, but it returned 32"),
    ("returns: 64", returned(64), failed(EINTR), "expected it to return 64, but it failed with EINTR"),
    ("returns: at least 1", returned(1), returned(0), "expected it to return at least 1, but it returned 0"),
    ("returns: at most 64", returned(64), returned(65), "expected it to return at most 64, but it returned 65"),
    ("returns: 2 to 5", returned(5), returned(6), "expected it to return 2 to 5, but it returned 6"),
    ("returns: 2 to 5", returned(2), returned(1), "expected it to return 2 to 5, but it returned 1"),
    ("returns: none", returned(0), returned(1), "expected it to return 0, but it returned 1"),
    (
        "returns: a descriptor",
        returned(0),
        failed(999),
        "expected it to return at least 0, but it failed with errno 999",
    ),
    ("value: 640", returned(640), returned(64), "expected the value that it read to be 640, but it was 64"),
    (
        "value: at least 1",
        returned(1),
        failed(EINTR),
        "expected the value that it read to be at least 1, but it failed with EINTR",
    ),
    (
        "returns: 64 or EAGAIN",
        failed(EAGAIN),
        failed(EINTR),
        "expected it to return 64 or EAGAIN, but it failed with EINTR",
    ),
    ("returns: 64 or EAGAIN", returned(64), returned(-1), "expected it to return 64 or EAGAIN, but it returned -1"),
    ("returns: 1 or 64", returned(64), returned(2), "expected it to return 1 or 64, but it returned 2"),
    (
        "fails: EAGAIN or EINTR",
        failed(EINTR),
        returned(0),
        "expected it to fail with EAGAIN or EINTR, but it returned 0",
    ),
    ("fails: EAGAIN", failed(EAGAIN), failed(EINTR), "expected it to fail with EAGAIN, but it failed with EINTR"),
    ("fails: EAGAIN", failed(EAGAIN), returned(64), "expected it to fail with EAGAIN, but it returned 64"),
];

#[test]
fn a_result_holds_or_fails() {
    for (expect, holds, fails, message) in RESULTS {
        assert_eq!(of_receiver(expect, &[holds], &[]), [""; 0], "{expect}");
        assert_eq!(of_receiver(expect, &[fails], &[]), [format!("receiver.recv: {message}")], "{expect}");
    }
}

#[test]
fn every_iteration_is_checked() {
    let results = [returned(64), OpResult { iteration: 1, ..returned(32) }];
    let message = "receiver.recv: expected it to return 64, but it returned 32 in iteration 2";
    assert_eq!(of_receiver("returns: 64", &results, &[]), [message]);
}

/// An expectation of an operation, a path in which it holds, one in which it fails, and the message of that failure.
const PATHS: [(&str, &str, &str, &str); 25] = [
    (
        "calls: [tcp_recvmsg]",
        "inet_recvmsg\n  tcp_recvmsg\n",
        "tcp_recvmsg_locked\n",
        "`tcp_recvmsg` is not called (called here: `tcp_recvmsg_locked`)",
    ),
    ("calls: [schedule]", "schedule\n", "inet_recvmsg\n", "`schedule` is not called"),
    (
        "calls: [first, third]",
        "first\n  second\n  third\n",
        "third\nfirst\n",
        "`third` is called, but not after `first`",
    ),
    (
        "calls: [second, first]",
        "~ repeats ×2\n  first\n  second\n",
        "first\nsecond\n",
        "`first` is called, but not after `second`",
    ),
    ("calls: [netif_rx or __netif_rx]", "__netif_rx\n", "schedule\n", "`netif_rx` or `__netif_rx` is not called"),
    (
        "calls: [schedule 4 times]",
        "schedule ×4\n",
        "schedule ×3\n",
        "expected `schedule` to be called 4 times, found 3",
    ),
    (
        "calls: [schedule 4 times]",
        "~ repeats ×2\n  a\n    schedule ×2\n",
        "schedule ×5\n",
        "expected `schedule` to be called 4 times, found 5",
    ),
    (
        "calls: [schedule once]",
        "schedule\n",
        "schedule\na\nschedule\n",
        "expected `schedule` to be called 1 times, found 2",
    ),
    (
        "calls: [schedule twice]",
        "schedule\na\nschedule\n",
        "schedule\n",
        "expected `schedule` to be called 2 times, found 1",
    ),
    (
        "calls: [schedule at least 2 times]",
        "schedule ×2\n",
        "schedule\n",
        "expected `schedule` to be called at least 2 times, found 1",
    ),
    (
        "calls: [schedule at most 1 times]",
        "inet_recvmsg\n",
        "schedule ×2\n",
        "expected `schedule` to be called at most 1 times, found 2",
    ),
    (
        "calls: [schedule at most 1 times]",
        "schedule\n",
        "schedule ×2\n",
        "expected `schedule` to be called at most 1 times, found 2",
    ),
    ("never: [schedule]", "inet_recvmsg\n", "inet_recvmsg\n  schedule\n", "`schedule` was called, but must not be"),
    (
        "never: [schedule or schedule_timeout]",
        "inet_recvmsg\n",
        "schedule_timeout\n",
        "`schedule_timeout` was called, but must not be",
    ),
    (
        "wakes: sender",
        "a\n  ~ wakes sender\n",
        "a\n  ~ wakes ksoftirqd\n",
        "expected it to wake `sender`, but it wakes `ksoftirqd`",
    ),
    (
        "wakes: sender",
        "a\n  ~ wakes ksoftirqd\n  ~ wakes sender\n",
        "a\n",
        "expected it to wake `sender`, but it wakes no task",
    ),
    ("wake_ups: 1", "a\n  ~ wakes sender\n", "a ×2\n  ~ wakes sender\n", "expected 1 wake-ups, found 2"),
    (
        "wake_ups: at least 2",
        "~ wakes sender\n~ wakes ksoftirqd\n",
        "~ wakes sender\n",
        "expected at least 2 wake-ups, found 1",
    ),
    ("wake_ups: none", "a\n", "~ wakes sender\n", "expected 0 wake-ups, found 1"),
    ("sleeps: 1", "schedule\n  ~ sleeps\n", "schedule\n  ~ preempted\n", "expected 1 sleeps, found 0"),
    ("sleeps: none", "schedule\n  ~ preempted\n", "schedule\n  ~ sleeps\n", "expected 0 sleeps, found 1"),
    (
        "sleeps: at most 2",
        "schedule ×2\n  ~ sleeps\n",
        "schedule ×3\n  ~ sleeps\n",
        "expected at most 2 sleeps, found 3",
    ),
    (
        "switches: 2",
        "schedule\n  ~ sleeps\n  ~ preempted\n",
        "schedule\n  ~ sleeps\n",
        "expected 2 context switches, found 1",
    ),
    ("switches: none", "schedule\n", "schedule\n  ~ preempted\n", "expected 0 context switches, found 1"),
    ("switches: none", "~ wakes sender\n", "~ sleeps\n", "expected 0 context switches, found 1"),
];

#[test]
fn a_path_holds_or_fails() {
    for (expect, holds, fails, message) in PATHS {
        let message = format!("receiver.recv: {message}");
        assert_eq!(of_receiver(expect, &[], &[holds]), [""; 0], "{expect}");
        assert_eq!(of_receiver(expect, &[], &[fails]), [message.as_str()], "{expect}");
        let message = format!("{message} in iteration 2");
        assert_eq!(of_receiver(expect, &[], &[holds, fails]), [message], "{expect}: every path must hold");
    }
}

#[test]
fn a_failure_of_several_paths_is_reported_once() {
    let found = of_receiver("never: [schedule]", &[], &["schedule\n", "a\n  schedule\n"]);
    assert_eq!(found, ["receiver.recv: `schedule` was called, but must not be"]);
}

/// Results of the iterations, those in which `returns: 64` fails, and whether that is all of them.
#[test]
fn a_failure_says_whether_it_is_in_all_iterations() {
    let case = case("receiver.recv: {returns: 64}");
    let results: [(&[i64], &[&str], bool); 4] = [
        (&[32, 32, 32], &["but it returned 32"], true),
        (&[32, 0, 32], &["but it returned 32 in iterations 1 and 3", "but it returned 0 in iteration 2"], true),
        (&[32, 64, 32], &["but it returned 32 in iterations 1 and 3"], false),
        (&[64, 64, 64], &[], false),
    ];
    for (returned_values, endings, in_all) in results {
        let result = |(iteration, ret): (u32, &i64)| OpResult { iteration, ..returned(*ret) };
        let results = (0..).zip(returned_values).map(result).collect();
        let operation = ObservedOperation { step: RECEIVER, results, details: Vec::new(), paths: Vec::new() };
        let observed = Observed { iterations: 3, operations: vec![operation], ..Observed::default() };
        let failures = evaluate(&case, &on_6_12(&case), &observed);
        assert_eq!(failures.len(), endings.len(), "{failures:?}");
        for (failure, ending) in failures.iter().zip(endings) {
            assert!(failure.message.ends_with(ending), "{failure:?}");
            assert_eq!(failure.in_all_iterations, in_all, "{failure:?}");
        }
    }
}

#[test]
fn an_operation_that_was_not_recorded_fails() {
    let operation = ObservedOperation { step: SENDER, results: Vec::new(), details: Vec::new(), paths: Vec::new() };
    let observed = Observed { operations: vec![operation], ..Observed::default() };
    let message = "receiver.recv: the operation was never recorded";
    assert_eq!(failures("receiver.recv: {returns: 64}", &observed), [message]);
}

fn of_trees(expect: &str, trees: &[(&str, &str)]) -> Vec<String> {
    let context = |name: &str| match name.split_once(' ') {
        Some(("softirq", on)) => Context::Softirq { on: Some(on.to_owned()) },
        Some((_, class)) => Context::Task { class: class.to_owned() },
        None => Context::Hardirq,
    };
    let paths = paths(&trees.iter().map(|(_, path)| *path).collect::<Vec<_>>());
    let trees = trees.iter().zip(&paths);
    let trees = trees.map(|((name, _), path)| ObservedTree { context: context(name), path, iterations: vec![0] });
    failures(expect, &Observed { iterations: 1, trees: trees.collect(), ..Observed::default() })
}

#[test]
fn what_a_context_expects_must_hold_in_each_iteration() {
    let paths = paths(&["tcp_v4_rcv\n", "net_tx_action\n"]);
    let on = || Context::Softirq { on: Some("sender".to_owned()) };
    let tree = |path, iterations: &[u32]| ObservedTree { context: on(), path, iterations: iterations.to_vec() };
    let cases: [(&[ObservedTree<'_>], &[&str]); 3] = [
        (&[tree(&paths[0], &[0, 1, 2]), tree(&paths[1], &[1])], &[]),
        (&[tree(&paths[0], &[0, 2]), tree(&paths[1], &[1])], &["softirq: `tcp_v4_rcv` is not called in iteration 2"]),
        (&[tree(&paths[0], &[2])], &["softirq: nothing ran in this context in iterations 1 and 2"]),
    ];
    for (trees, expected) in cases {
        let observed = Observed { iterations: 3, trees: trees.to_vec(), ..Observed::default() };
        assert_eq!(failures("softirq: {calls: [tcp_v4_rcv]}", &observed), expected, "{trees:?}");
    }
}

/// Call trees, each with the context that it ran in.
type Trees = &'static [(&'static str, &'static str)];

/// An expectation of a context, trees in which it holds, trees in which it fails, and the message of that failure.
const TREES: [(&str, Trees, Trees, &str); 11] = [
    (
        "softirq: {calls: [tcp_v4_rcv]}",
        &[("softirq sender", "net_tx_action\n"), ("softirq idle", "net_rx_action\n  tcp_v4_rcv\n")],
        &[("softirq sender", "net_rx_action\n"), ("hardirq", "tcp_v4_rcv\n")],
        "softirq: `tcp_v4_rcv` is not called",
    ),
    (
        "softirq: {calls: [tcp_v4_rcv, sock_def_readable]}",
        &[("softirq sender", "tcp_v4_rcv\n  sock_def_readable\n")],
        &[("softirq sender", "tcp_v4_rcv\n"), ("softirq sender", "net_tx_action\n")],
        "softirq: `sock_def_readable` is not called",
    ),
    (
        "softirq: {calls: [tcp_v4_rcv, udp_rcv or __udp4_lib_rcv]}",
        &[("softirq sender", "tcp_v4_rcv\n  udp_rcv\n")],
        &[("softirq sender", "tcp_v4_rcv\n"), ("softirq sender", "udp_rcv\n")],
        "softirq: `udp_rcv` or `__udp4_lib_rcv` is not called in the softirq that calls `tcp_v4_rcv`, but in a different one: \
         expect each in a block of its own",
    ),
    (
        "task napi: {calls: [napi_threaded_poll], wakes: receiver}",
        &[("task napi", "napi_threaded_poll\n  ~ wakes receiver\n")],
        &[("task napi", "napi_threaded_poll\n"), ("task napi", "x\n")],
        "task napi: expected it to wake `receiver`, but it wakes no task",
    ),
    (
        "softirq on sender: {calls: [tcp_v4_rcv]}",
        &[("softirq sender", "tcp_v4_rcv\n")],
        &[("softirq ksoftirqd", "tcp_v4_rcv\n")],
        "softirq on sender: nothing ran in this context",
    ),
    (
        "softirq: {wakes: receiver}",
        &[("softirq sender", "tcp_v4_rcv\n  ~ wakes receiver\n")],
        &[("softirq sender", "tcp_v4_rcv\n  ~ wakes sender\n")],
        "softirq: expected it to wake `receiver`, but it wakes `sender`",
    ),
    (
        "softirq: {wake_ups: none}",
        &[("softirq sender", "tcp_v4_rcv\n")],
        &[("softirq sender", "tcp_v4_rcv\n  ~ wakes receiver\n")],
        "softirq: expected 0 wake-ups, found 1",
    ),
    (
        "softirq: {never: [tcp_v4_rcv]}",
        &[("hardirq", "tcp_v4_rcv\n")],
        &[("softirq sender", "net_tx_action\n"), ("softirq sender", "tcp_v4_rcv\n")],
        "softirq: `tcp_v4_rcv` was called, but must not be",
    ),
    (
        "softirq on sender: {never: [tcp_v4_rcv]}",
        &[("softirq idle", "tcp_v4_rcv\n")],
        &[("softirq sender", "tcp_v4_rcv\n")],
        "softirq on sender: `tcp_v4_rcv` was called, but must not be",
    ),
    (
        "hardirq: {calls: [handle_irq_event]}",
        &[("hardirq", "handle_irq_event\n")],
        &[("softirq sender", "handle_irq_event\n")],
        "hardirq: nothing ran in this context",
    ),
    (
        "task napi: {calls: [napi_threaded_poll]}",
        &[("task napi", "napi_threaded_poll\n")],
        &[("task kworker", "napi_threaded_poll\n")],
        "task napi: nothing ran in this context",
    ),
];

#[test]
fn a_call_tree_of_an_interrupt_or_task_holds_or_fails() {
    for (expect, holds, fails, message) in TREES {
        assert_eq!(of_trees(expect, holds), [""; 0], "{expect}");
        assert_eq!(of_trees(expect, fails), [message], "{expect}");
    }
}

/// Bounds on the number of softirqs, counts that hold, counts that fail, and the message of that failure.
const SOFTIRQS: [(&str, &[u32], &[u32], &str); 3] = [
    ("softirqs: 1", &[1, 1], &[1, 2], "softirq: expected 1 softirqs, found 2 in iteration 2"),
    ("softirqs: at least 2", &[2, 3], &[1, 3], "softirq: expected at least 2 softirqs, found 1 in iteration 1"),
    ("softirqs: none", &[0], &[1], "softirq: expected 0 softirqs, found 1"),
];

#[test]
fn a_number_of_softirqs_holds_or_fails() {
    for (expect, holds, fails, message) in SOFTIRQS {
        let found = |counts: &[u32]| {
            let iterations = counts.len() as u32;
            let observed = Observed { iterations, softirqs: counts.to_vec(), ..Observed::default() };
            failures(&format!("softirq: {{{expect}}}"), &observed)
        };
        assert_eq!(found(holds), [""; 0], "{expect}");
        assert_eq!(found(fails), [message], "{expect}");
    }
}

#[test]
fn only_what_is_expected_of_the_kernel_is_evaluated() {
    for (expect, failures) in [
        ("returns: 64 since 6.12", 1),
        ("returns: 64 since 6.13", 0),
        ("returns: 64 before 6.12", 0),
        ("returns: 64 before 6.13", 1),
        ("returns: 64 only 6.1 and 6.12", 1),
        ("returns: 64 only 6.1", 0),
        ("returns: 64, since: 6.12", 1),
        ("returns: 64, since: 6.13", 0),
        ("returns: 64, before: 6.12", 0),
        ("returns: 64, only: [6.1, 6.18]", 0),
        ("returns: [64 since 6.13, 65 before 6.13]", 1),
    ] {
        assert_eq!(of_receiver(expect, &[returned(0)], &[]).len(), failures, "{expect}");
    }
}

/// The cost of `receiver.recv` in the case, and in `recv/tcp-ready`; `None` if it was not measured.
type Costs = (Option<f64>, Option<f64>);

/// Bounds on the cost of `receiver.recv`, the costs, and the message of the failure, if any.
const COSTS: [(&str, Costs, Option<&str>); 17] = [
    ("at most 600 instructions", (Some(600.0), None), None),
    (
        "at most 600 instructions",
        (Some(601.0), None),
        Some("expected it to cost at most 600 instructions, found 601 instructions"),
    ),
    ("at least 600 instructions", (Some(600.0), None), None),
    (
        "at least 600 instructions",
        (Some(599.0), None),
        Some("expected it to cost at least 600 instructions, found 599 instructions"),
    ),
    ("[at least 500 instructions, at most 600 instructions]", (Some(500.0), None), None),
    ("[at least 500 instructions, at most 600 instructions]", (Some(600.0), None), None),
    (
        "[at least 500 instructions, at most 600 instructions]",
        (Some(499.0), None),
        Some("expected it to cost at least 500 instructions, found 499 instructions"),
    ),
    (
        "[at least 500 instructions, at most 600 instructions]",
        (Some(601.0), None),
        Some("expected it to cost at most 600 instructions, found 601 instructions"),
    ),
    ("at most 0.6 x recv/tcp-ready", (Some(600.0), Some(1000.0)), None),
    (
        "at most 0.6 x recv/tcp-ready",
        (Some(601.0), Some(1000.0)),
        Some("expected it to cost at most 0.6 × recv/tcp-ready (1000), found 601 instructions"),
    ),
    ("at least 2 x recv/tcp-ready", (Some(2000.0), Some(1000.0)), None),
    (
        "at least 2 x recv/tcp-ready",
        (Some(1999.0), Some(1000.0)),
        Some("expected it to cost at least 2 × recv/tcp-ready (1000), found 1999 instructions"),
    ),
    ("at most 2 x recv/tcp-ready:sender.send", (Some(200.0), Some(1000.0)), None),
    (
        "at most 2 x recv/tcp-ready:sender.send",
        (Some(201.0), Some(1000.0)),
        Some("expected it to cost at most 2 × recv/tcp-ready (100), found 201 instructions"),
    ),
    ("at most 1 instructions since 6.13", (Some(600.0), None), None),
    ("at most 600 instructions", (None, None), Some("unknown: the cost of receiver.recv was not measured")),
    (
        "at most 0.6 x recv/tcp-ready",
        (Some(600.0), None),
        Some("unknown: the cost of receiver.recv in recv/tcp-ready, which it is compared with, was not measured"),
    ),
];

#[test]
fn a_cost_bound_holds_or_fails() {
    for (bound, (own, other), failure) in COSTS {
        let case = case(&format!("receiver.recv: {{costs: {bound}}}"));
        let cost = |case: &str, operation: &str| match (case, operation) {
            ("test/case", "receiver.recv") => own,
            ("recv/tcp-ready", "receiver.recv") => other,
            ("recv/tcp-ready", "sender.send") => Some(100.0),
            _ => None,
        };
        let found: Vec<_> = evaluate_costs(&case, &on_6_12(&case), cost)
            .into_iter()
            .map(|failure| match failure {
                CostFailure::OutOfBounds(failure) => (failure.context, failure.message),
                CostFailure::Unknown(failure) => (failure.context, format!("unknown: {}", failure.message)),
            })
            .collect();
        let expected = failure.map(|message| ("receiver.recv".to_owned(), message.to_owned()));
        assert_eq!(found, Vec::from_iter(expected), "{bound} of {own:?} and {other:?}");
    }
}

#[test]
fn a_cost_bound_must_name_a_case_and_operation_that_exist() {
    for (bound, error) in [
        ("at most 0.6 x recv/tcp-ready", None),
        ("at most 0.6 x recv/tcp-ready:sender.send", None),
        ("at most 600 instructions", None),
        ("at most 0.6 x recv/tcp-redy", Some(("there is no case `recv/tcp-redy`", "`recv/tcp-ready`"))),
        (
            "at most 0.6 x recv/tcp-ready:sender.sent",
            Some(("`recv/tcp-ready` has no operation `sender.sent`", "`sender.send`")),
        ),
    ] {
        let bounded = case(&format!("receiver.recv: {{costs: {bound}}}"));
        let cases = [bounded, case_named("recv/tcp-ready", "receiver.recv: {}")];
        let found = check_references(&cases).map_err(|wrong| wrong.all).err().unwrap_or_default();
        let messages: Vec<&str> = found.iter().map(|diagnostic| diagnostic.message.as_str()).collect();
        assert_eq!(messages, Vec::from_iter(error.map(|(message, _)| message)), "{bound}");
        for (diagnostic, (_, near)) in found.iter().zip(error) {
            assert!(diagnostic.help.as_ref().is_some_and(|help| help.contains(near)), "{diagnostic:?}");
        }
    }
}

#[test]
fn the_tables_have_every_kind_of_expectation() {
    let texts = RESULTS.map(|(expect, ..)| format!("{{{expect}}}")).into_iter();
    let texts = texts.chain(PATHS.map(|(expect, ..)| format!("{{{expect}}}")));
    let texts = texts.chain(SOFTIRQS.map(|(expect, ..)| format!("{{{expect}}}")));
    let tested: BTreeSet<String> = texts
        .flat_map(|text| {
            let node = yaml_tree::parse(&text).unwrap();
            node.pairs().iter().filter_map(|(key, _)| key.text().map(str::to_owned)).collect::<Vec<_>>()
        })
        // These have tests of their own.
        .chain(["costs", "data", "flags", "from", "control", "lengths", "events", "sends"].map(str::to_owned))
        .collect();
    let schema = schema::schema();
    let all = schema["$defs"]["ExpectFile"]["properties"].as_object().unwrap();
    let kinds: BTreeSet<String> =
        all.keys().filter(|key| !["since", "before", "only"].contains(&key.as_str())).cloned().collect();
    assert_eq!(tested, kinds);
}
