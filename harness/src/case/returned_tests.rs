//! What an operation may have returned beside its value instead of what a case expects, each noticed.

use rxpath_guest::{Details, Message, OpResult, Slot};

use super::case::Case;
use super::diagnostic::Source;
use super::evaluate::{Observed, ObservedOperation, evaluate};
use super::expectation::Expectation;
use super::load::parse;
use super::step_ref::StepRef;

/// The slots of `client` and `server`, as the preset makes them.
const CLIENT: Slot = 0;
const SERVER: Slot = 1;
const FIRST: StepRef = StepRef { actor: 0, step: 0 };
const SECOND: StepRef = StepRef { actor: 0, step: 1 };
const POLL: StepRef = StepRef { actor: 0, step: 2 };
const CLIENTS_ADDRESS: [u8; 16] = [2, 0, 0x12, 0x34, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];

fn case(expect: &str) -> Case {
    let text = format!(
        "rxpath: 1
title: t
about: t
setup: udp-pair
actors:
  receiver:
    steps:
      - recvmsg: {{socket: server, bytes: 64, control: 64, flags: MSG_DONTWAIT}}
        name: first
      - recvmsg: {{socket: server, bytes: 64, control: 64, flags: MSG_DONTWAIT}}
        name: second
      - poll: {{fds: [client, server], timeout: 0 ms}}
expect: {{{expect}}}
"
    );
    parse("test/case", Source { path: "case.yaml".into(), text }).unwrap_or_else(|wrong| panic!("{wrong}")).remove(0)
}

/// What is wrong with the iterations of these operations, the first of which is iteration 1.
fn failures(expect: &str, operations: &[(StepRef, &[Details])]) -> Vec<String> {
    let case = case(expect);
    let operations = operations.iter().map(|(step, details)| {
        let iterations = || (0..).zip(*details);
        let result = |iteration| OpResult { actor: step.actor, step: step.step, iteration, ..OpResult::default() };
        let numbered = iterations().map(|(iteration, details)| Details {
            actor: step.actor,
            step: step.step,
            iteration,
            ..details.clone()
        });
        ObservedOperation {
            step: *step,
            results: iterations().map(|(iteration, _)| result(iteration)).collect(),
            details: numbered.collect(),
            paths: Vec::new(),
        }
    });
    let operations: Vec<_> = operations.collect();
    let iterations = operations.iter().map(|one| one.results.len()).max().unwrap_or(0) as u32;
    let addresses = [(CLIENT, CLIENTS_ADDRESS.to_vec())];
    let observed = Observed { iterations, addresses: &addresses, operations, ..Observed::default() };
    let expectations: Vec<Expectation> =
        case.expectations.iter().filter_map(|one| one.on("6.12".parse().unwrap())).collect();
    evaluate(&case, &expectations, &observed).into_iter().map(|failure| failure.message).collect()
}

fn received(message: Message) -> Details {
    Details { messages: vec![message], ..Details::default() }
}

fn with_flags(flags: u32) -> Details {
    received(Message { flags: Some(flags), ..Message::default() })
}

fn from(address: &[u8]) -> Details {
    received(Message { from: address.to_vec(), ..Message::default() })
}

fn of_lengths(lengths: &[u32]) -> Details {
    let messages = lengths.iter().map(|bytes| Message { bytes: *bytes, ..Message::default() });
    Details { messages: messages.collect(), ..Details::default() }
}

/// A control message, padded as in the kernel's format.
fn control(level: i32, number: i32, data: &[u8]) -> Vec<u8> {
    let mut out =
        [&(16 + data.len() as u64).to_ne_bytes()[..], &level.to_ne_bytes(), &number.to_ne_bytes(), data].concat();
    out.resize(out.len().next_multiple_of(8), 0);
    out
}

fn with_control(messages: &[Vec<u8>]) -> Details {
    received(Message { control: messages.concat(), ..Message::default() })
}

fn ttl(hops: u32) -> Vec<u8> {
    control(libc::SOL_IP, libc::IP_TTL, &hops.to_ne_bytes())
}

fn destination(last: u8) -> Vec<u8> {
    control(libc::SOL_IP, libc::IP_PKTINFO, &[1, 0, 0, 0, 10, 0, 0, 1, 127, 0, 0, last])
}

fn time(ns: i64) -> Vec<u8> {
    control(libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, &[1_i64.to_ne_bytes(), ns.to_ne_bytes()].concat())
}

fn events(all: &[(Slot, u32)]) -> Details {
    Details { events: all.to_vec(), ..Details::default() }
}

/// An expectation of `first`, what holds, what does not, and the message.
#[test]
fn what_a_call_returns_beside_its_value_is_compared() {
    let other = [2, 0, 0x12, 0x35, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    let refused = |errno: i32| control(libc::SOL_IP, libc::IP_RECVERR, &[&errno.to_ne_bytes()[..], &[0; 28]].concat());
    let rights = |count: usize| control(libc::SOL_SOCKET, libc::SCM_RIGHTS, &vec![0; 4 * count]);
    for (expected, holds, fails, message) in [
        (
            "flags: MSG_TRUNC|MSG_CTRUNC",
            with_flags(0x28),
            with_flags(0x20),
            "expected the message's flags to be MSG_CTRUNC|MSG_TRUNC, found MSG_TRUNC",
        ),
        ("flags: none", with_flags(0), with_flags(8), "expected the message's flags to be none, found MSG_CTRUNC"),
        (
            "from: client",
            from(&CLIENTS_ADDRESS),
            from(&other),
            "expected the sender's address to be that of `client` (127.0.0.1:4660), found 127.0.0.1:4661",
        ),
        (
            "from: \"127.0.0.1:4660\"",
            from(&CLIENTS_ADDRESS),
            from(&[]),
            "expected the sender's address to be 127.0.0.1:4660, found none",
        ),
        (
            "from: none",
            from(&[]),
            from(&CLIENTS_ADDRESS),
            "expected the sender's address to be none, found 127.0.0.1:4660",
        ),
        (
            "lengths: [64, at most 16]",
            of_lengths(&[64, 8]),
            of_lengths(&[8, 64]),
            "expected messages of these lengths: 64, at most 16; found 8, 64",
        ),
        (
            "lengths: 64",
            of_lengths(&[64]),
            of_lengths(&[64, 64]),
            "expected messages of these lengths: 64; found 64, 64",
        ),
        (
            "control: IP_TTL 64",
            with_control(&[ttl(64)]),
            with_control(&[ttl(63)]),
            "expected the control message IP_TTL 64, found IP_TTL 63",
        ),
        (
            "control: [IP_TTL, IP_PKTINFO 127.0.0.1]",
            with_control(&[destination(1), ttl(1)]),
            with_control(&[destination(2), ttl(1)]),
            "expected the control message IP_PKTINFO 127.0.0.1, found IP_PKTINFO 127.0.0.2",
        ),
        (
            "control: IP_TTL",
            with_control(&[ttl(1)]),
            with_control(&[ttl(1), destination(1)]),
            "found control messages that are not expected: IP_PKTINFO 127.0.0.1",
        ),
        (
            "control: none",
            with_control(&[]),
            with_control(&[ttl(1)]),
            "found control messages that are not expected: IP_TTL 1",
        ),
        (
            "control: SCM_RIGHTS 1",
            with_control(&[rights(1)]),
            with_control(&[]),
            "expected the control message SCM_RIGHTS 1, found none",
        ),
        (
            "control: IP_RECVERR ECONNREFUSED",
            with_control(&[refused(libc::ECONNREFUSED)]),
            with_control(&[refused(libc::EHOSTUNREACH)]),
            "expected the control message IP_RECVERR ECONNREFUSED, found IP_RECVERR EHOSTUNREACH",
        ),
        (
            "control: SO_TIMESTAMPNS",
            with_control(&[time(1)]),
            with_control(&[control(libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, &[0; 16])]),
            "expected the control message SO_TIMESTAMPNS, found SO_TIMESTAMPNS without a time",
        ),
    ] {
        let expect = format!("receiver.first: {{{expected}}}");
        assert_eq!(failures(&expect, &[(FIRST, &[holds])]), [""; 0], "{expect}");
        assert_eq!(failures(&expect, &[(FIRST, &[fails])]), [message], "{expect}");
    }
}

#[test]
fn times_rise_within_an_iteration_and_from_one_to_the_next() {
    let at = |ns: i64| with_control(&[time(ns)]);
    let (expect, wrong) = ("receiver.second: {control: SO_TIMESTAMPNS after receiver.first}", "found SO_TIMESTAMPNS");
    for (first, second, holds) in [([1, 3], [2, 4], true), ([2, 3], [2, 4], false), ([1, 3], [5, 4], false)] {
        let found = failures(expect, &[(FIRST, &first.map(at)), (SECOND, &second.map(at))]);
        assert_eq!(found.is_empty(), holds, "{first:?} {second:?}: {found:?}");
        assert!(found.iter().all(|message| message.contains(wrong)), "{found:?}");
    }
}

#[test]
fn events_are_compared_by_descriptor() {
    for (expected, found, message) in [
        ("[client POLLIN, server POLLIN|POLLHUP]", vec![(SERVER, 17), (CLIENT, 1)], None),
        ("none", vec![], None),
        ("client POLLIN", vec![(SERVER, 1)], Some("expected the events client POLLIN, found server POLLIN")),
        ("none", vec![(CLIENT, 5)], Some("expected the events none, found client POLLIN|POLLOUT")),
        ("client POLLIN", vec![], Some("expected the events client POLLIN, found none")),
    ] {
        let expect = format!("receiver.poll: {{events: {expected}}}");
        assert_eq!(failures(&expect, &[(POLL, &[events(&found)])]), Vec::from_iter(message), "{expect}");
    }
}

#[test]
fn one_of_several_operations_is_enough_in_each_iteration() {
    let expect = "receiver.first or receiver.second: {flags: MSG_TRUNC}";
    let (right, wrong) = (with_flags(0x20), with_flags(0));
    let found =
        failures(expect, &[(FIRST, &[right.clone(), wrong.clone()]), (SECOND, &[wrong.clone(), right.clone()])]);
    assert_eq!(found, [""; 0]);
    let found = failures(expect, &[(FIRST, &[right, wrong.clone()]), (SECOND, &[wrong.clone(), wrong])]);
    let message = "none of them does: expected the message's flags to be MSG_TRUNC, found none in iteration 2";
    assert_eq!(found, [message]);
}

#[test]
fn what_was_not_reported_does_not_hold() {
    let case = case("receiver.first: {flags: none}");
    for (result, message) in [
        (OpResult::default(), "the agent did not report what it returned: there was too much of it"),
        (OpResult { ret: -1, errno: libc::EINTR, ..OpResult::default() }, "it failed with EINTR"),
    ] {
        let operation =
            ObservedOperation { step: FIRST, results: vec![result], details: Vec::new(), paths: Vec::new() };
        let observed = Observed { iterations: 1, operations: vec![operation], ..Observed::default() };
        let found = evaluate(&case, &case.expectations, &observed);
        assert_eq!(found.iter().map(|one| one.message.as_str()).collect::<Vec<_>>(), [message]);
    }
}
