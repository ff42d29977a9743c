//! What a receive may have returned instead of what a case expects, each noticed.

use rxpath_guest::{Details, Message, OpResult, Origin, Piece};

use super::diagnostic::Source;
use super::evaluate::{Observed, ObservedOperation, evaluate};
use super::expectation::Expectation;
use super::load::parse;
use super::step_ref::StepRef;

const ITERATION: u32 = 2;
const FIRST: Origin = Origin { actor: 0, step: 0, iteration: ITERATION };
const SECOND: Origin = Origin { step: 1, ..FIRST };
/// A send on a different socket.
const ELSEWHERE: Origin = Origin { actor: 1, step: 0, ..FIRST };
const RECEIVE: StepRef = StepRef { actor: 2, step: 0 };

const fn sent(origin: Origin, from: u32, bytes: u32) -> Piece {
    Piece::Sent { origin, from, bytes }
}

/// What is wrong with what was received in the third of three iterations.
fn failures(expect: &str, pieces: &[Piece]) -> Vec<String> {
    let text = format!(
        "rxpath: 1
title: t
about: t
setup: [udp-pair, {{socket: {{family: AF_INET, type: SOCK_DGRAM}}, as: other}}]
actors:
  sender:
    steps:
      - send: {{socket: client, bytes: 64}}
        name: first
      - send: {{socket: client, bytes: 64}}
        name: second
  stranger: {{steps: [sendto: {{socket: other, bytes: 64, to: \"127.0.0.1:7\"}}]}}
  receiver: {{steps: [recv: {{socket: server, bytes: 64}}]}}
expect:
  receiver.recv: {expect}
"
    );
    let case = parse("test/case", Source { path: "case.yaml".into(), text }).unwrap_or_else(|wrong| panic!("{wrong}"));
    let case = &case[0];
    let StepRef { actor, step } = RECEIVE;
    let message = Message { bytes: 64, pieces: pieces.to_vec(), ..Message::default() };
    let details = Details { actor, step, iteration: ITERATION, messages: vec![message], ..Details::default() };
    let result = OpResult { actor, step, iteration: ITERATION, ret: 64, ..OpResult::default() };
    let operation =
        ObservedOperation { step: RECEIVE, results: vec![result], details: vec![details], paths: Vec::new() };
    let observed = Observed { iterations: 3, operations: vec![operation], ..Observed::default() };
    let expectations: Vec<Expectation> =
        case.expectations.iter().filter_map(|one| one.on("6.12".parse().unwrap())).collect();
    evaluate(case, &expectations, &observed).into_iter().map(|failure| failure.message).collect()
}

/// What may be expected, what holds, what does not, and how it is reported.
#[test]
fn other_bytes_than_expected_are_noticed() {
    let earlier = Origin { iteration: ITERATION - 1, ..FIRST };
    for (expected, holds, fails, found) in [
        // Swapped.
        ("sender.first", vec![sent(FIRST, 0, 64)], vec![sent(SECOND, 0, 64)], "64 bytes of sender.second"),
        // Duplicated: the first datagram once more.
        ("sender.second", vec![sent(SECOND, 0, 64)], vec![sent(FIRST, 0, 64)], "64 bytes of sender.first"),
        // Late.
        (
            "sender.first",
            vec![sent(FIRST, 0, 64)],
            vec![sent(earlier, 0, 64)],
            "64 bytes of sender.first, sent one iteration earlier",
        ),
        // From another socket.
        ("sender.first", vec![sent(FIRST, 0, 1)], vec![sent(ELSEWHERE, 0, 1)], "1 bytes of stranger.sendto"),
        ("sender.first from 32", vec![sent(FIRST, 32, 32)], vec![sent(FIRST, 0, 32)], "32 bytes of sender.first"),
        (
            "sender.first + sender.second",
            vec![sent(FIRST, 0, 64), sent(SECOND, 0, 1)],
            vec![sent(FIRST, 0, 64)],
            "64 bytes of sender.first",
        ),
        (
            "sender.first + sender.second",
            vec![sent(FIRST, 0, 64), sent(SECOND, 0, 64)],
            vec![sent(FIRST, 0, 63), sent(SECOND, 0, 64)],
            "63 bytes of sender.first and 64 bytes of sender.second",
        ),
        ("sender.first", vec![sent(FIRST, 0, 64)], vec![], "nothing"),
        ("sender.first", vec![sent(FIRST, 0, 64)], vec![Piece::Unreported(64)], "64 more that are not known"),
        (
            "sender.first",
            vec![Piece::Other(FIRST.bytes(0, 7))],
            vec![sent(FIRST, 0, 63), Piece::Other(vec![0])],
            "63 bytes of sender.first and 1 bytes that no step sent",
        ),
    ] {
        let expect = format!("{{data: {expected}}}");
        assert_eq!(failures(&expect, &holds), [""; 0], "{expect}");
        let message = format!("expected bytes of {expected}, but it received {found} in iteration 3");
        assert_eq!(failures(&expect, &fails), [message], "{expect}");
    }
}

#[test]
fn bytes_must_be_of_their_iteration_and_in_order_if_nothing_is_expected_of_them() {
    let warm_up = Origin { iteration: Origin::WARM_UP, ..FIRST };
    let setup = Origin { actor: Origin::SETUP, step: 3, iteration: 0 };
    for (pieces, wrong) in [
        (vec![sent(FIRST, 0, 64), sent(SECOND, 0, 64)], None),
        (vec![sent(FIRST, 0, 16), sent(FIRST, 17, 16)], None),
        (vec![Piece::Other(vec![1; 20]), sent(warm_up, 0, 4)], None),
        (vec![sent(SECOND, 0, 64), sent(ELSEWHERE, 0, 64)], None),
        (vec![sent(warm_up, 0, 64)], Some("it received 64 bytes of sender.first, sent while warming up")),
        (vec![sent(setup, 0, 64)], Some("it received 64 bytes of setup")),
        (
            vec![sent(SECOND, 0, 64), sent(FIRST, 0, 64)],
            Some(
                "it received bytes in a different order than they were sent: 64 bytes of sender.second and 64 bytes of \
                 sender.first",
            ),
        ),
        (
            vec![sent(FIRST, 0, 64), sent(FIRST, 32, 32)],
            Some(
                "it received bytes in a different order than they were sent: 64 bytes of sender.first and 32 bytes of \
                 sender.first from 32",
            ),
        ),
    ] {
        let expected = Vec::from_iter(wrong.map(|wrong| format!("{wrong} in iteration 3")));
        assert_eq!(failures("{returns: 64}", &pieces), expected);
        assert_eq!(failures("{data: any}", &pieces), [""; 0]);
    }
}
