use super::arrows::wake_words;
use super::*;
use crate::path::sequence::{Away, Cut, Lane, Wake};
use crate::path::text;

fn paths(of: &[(&'static str, &str)]) -> Vec<NamedPath<'static>> {
    of.iter().map(|(name, path)| NamedPath { name, path: Cow::Owned(text::parse(path).unwrap()) }).collect()
}

fn lane(name: &str, away: &[(u64, u64, AwayKind)]) -> Lane {
    let away = away.iter().map(|(start, end, kind)| Away { start: *start, end: *end, kind: *kind }).collect();
    Lane { name: name.to_owned(), cpu: 0, away }
}

fn tree(path: &str, lane: usize, calls: &str) -> SequenceTree {
    SequenceTree { path: path.to_owned(), lane, calls: calls.to_owned() }
}

/// A receive that sleeps until a softirq in a send wakes it; a unit is a pixel, and cuts are 26 pixels wide.
pub(in crate::report::sequence) fn blocking() -> (Sequence, Vec<NamedPath<'static>>) {
    let sequence = Sequence {
        length: 1028,
        lanes: vec![lane("receiver", &[(200, 900, AwayKind::Sleeps)]), lane("sender", &[])],
        trees: vec![
            tree("receiver.recv", 0, "0@0+1028=328 1@100+850=150"),
            tree("sender.send", 1, "0@200+700=400 1@300+500=200"),
            tree("softirq", 1, "1@400+300 2@500+200"),
        ],
        wakes: vec![Wake { time: 650, tree: 2, line: 4, lane: Some(0), ran: Some(900) }],
        cuts: vec![Cut { time: 200, ns: 10 }, Cut { time: 900, ns: 5_000_000 }],
        ..Sequence::default()
    };
    let paths = paths(&[
        ("receiver.recv", "recv\n  wait\n    ~ sleeps\n"),
        ("sender.send", "send\n  xmit\n"),
        (
            "softirq",
            "~ in sender.send\n  net_rx\n    sock_def_readable\n      try_to_wake_up\n        ~ wakes receiver\n",
        ),
    ]);
    (sequence, paths)
}

#[test]
fn tracks_show_who_runs_who_sleeps_and_the_softirq_on_top_of_the_task_that_it_runs_in() {
    let (sequence, paths) = blocking();
    let picture = layout(&sequence, &paths);
    let pieces = |track: &Track| -> Vec<(Kind, String, f64, f64)> {
        track.pieces.iter().map(|piece| (piece.kind, piece.name.clone(), piece.x - LEFT, piece.width)).collect()
    };
    let (recv, send) = ("recv".to_owned(), "send".to_owned());
    assert_eq!(
        pieces(&picture.tracks[0]),
        [
            (Kind::Process, recv.clone(), 0.0, 200.0),
            (Kind::Process, recv, 952.0, 128.0),
            (Kind::Away(AwayKind::Sleeps), "sleeps".to_owned(), 200.0, 752.0),
        ]
    );
    assert_eq!(
        pieces(&picture.tracks[1]),
        [(Kind::Process, send, 226.0, 700.0), (Kind::Softirq, "softirq".to_owned(), 426.0, 300.0)]
    );
}

#[test]
fn an_arrow_goes_from_the_wake_up_to_where_the_woken_task_runs_again() {
    let (sequence, paths) = blocking();
    let picture = layout(&sequence, &paths);
    let [arrow] = &picture.arrows[..] else { panic!("{:?}", picture.arrows) };
    let (receiver, sender) = (picture.tracks[0].y, picture.tracks[1].y);
    assert_eq!(arrow.text, "sock_def_readable wakes receiver");
    assert_eq!(arrow.points[0], (LEFT + 676.0, sender));
    assert_eq!(arrow.points[3], (LEFT + 952.0, receiver + BAR));
    assert!(receiver + BAR < arrow.text_at.1 && arrow.text_at.1 < sender, "{arrow:?}");
}

#[test]
fn a_softirq_is_beneath_the_call_that_it_interrupts_and_a_sleep_beneath_the_call_that_sleeps() {
    let (sequence, paths) = blocking();
    let rows = |calls: &LaneCalls| -> Vec<(String, f64)> {
        let top = calls.y + HEADING;
        calls.boxes.iter().map(|one| (one.function.clone(), (one.y - top) / ROW)).collect()
    };
    let picture = layout(&sequence, &paths);
    let expected = |rows: &[(&str, f64)]| -> Vec<(String, f64)> {
        rows.iter().map(|(name, row)| ((*name).to_owned(), *row)).collect()
    };
    assert_eq!(rows(&picture.calls[0]), expected(&[("recv", 0.0), ("wait", 1.0), ("sleeps", 2.0)]));
    let sender = [("send", 0.0), ("xmit", 1.0), ("net_rx", 2.0), ("sock_def_readable", 3.0)];
    assert_eq!(rows(&picture.calls[1]), expected(&sender));
    assert_eq!(picture.calls[0].boxes[2].line, 2);
}

#[test]
fn texts_of_arrows_do_not_overlap() {
    let (mut sequence, paths) = blocking();
    let first = sequence.wakes[0];
    sequence.wakes = (0..8).map(|at| Wake { time: 500 + 20 * at, ran: Some(900 + 10 * at), ..first }).collect();
    let picture = layout(&sequence, &paths);
    let extent = |arrow: &Arrow| {
        let length = arrow.text.len() as f64 * CHARACTER;
        let from = if arrow.text_ends { arrow.text_at.0 - length } else { arrow.text_at.0 };
        (from, from + length, arrow.text_at.1)
    };
    for (at, one) in picture.arrows.iter().enumerate() {
        let (from, to, y) = extent(one);
        assert!(from >= 0.0 && to <= WIDTH, "{one:?}");
        for other in picture.arrows[at + 1..].iter().map(extent) {
            assert!(y != other.2 || to < other.0 || other.1 < from, "{one:?} {other:?}");
        }
    }
}

#[test]
fn narrow_calls_of_one_line_in_a_row_are_one_box() {
    let calls: String = (0..1000).map(|at| format!(" 1@{at}+1")).collect();
    let sequence = Sequence {
        length: 1000,
        lanes: vec![lane("a", &[])],
        trees: vec![tree("a.poll", 0, &format!("0@0+1000{calls}"))],
        ..Sequence::default()
    };
    let picture = layout(&sequence, &paths(&[("a.poll", "poll\n  tcp_poll ×1000\n")]));
    let boxes: Vec<(&str, u32, Option<u64>)> =
        picture.calls[0].boxes.iter().map(|one| (one.function.as_str(), one.times, one.cost)).collect();
    assert_eq!(boxes, [("poll", 1, Some(1000)), ("tcp_poll", 1000, Some(1000))]);
}

#[test]
fn the_function_that_decides_to_wake_is_named() {
    let words = |path: &str| {
        let path = text::parse(path).unwrap();
        let line = path.nodes.len() - 1;
        wake_words(&path, &Wake { time: 0, tree: 0, line, lane: None, ran: None }).unwrap()
    };
    let epoll = "sock_def_readable\n  __wake_up_sync_key\n    ep_poll_callback\n      __wake_up\n        ep_autoremove_wake_function\n          try_to_wake_up\n            ~ wakes r\n";
    assert_eq!(words(epoll), "ep_poll_callback wakes r");
    assert_eq!(words("try_to_wake_up\n  ~ wakes r\n"), "try_to_wake_up wakes r");
    assert_eq!(words("~ wakes ksoftirqd\n"), "wakes ksoftirqd");
}

#[test]
fn values_that_make_no_sense_are_drawn_somewhere() {
    let (mut sequence, paths) = blocking();
    sequence.length = 3;
    sequence.trees.push(tree("sender.send", 7, "0@0+18446744073709551615"));
    sequence.trees.push(tree("sender.send", 1, "99@18446744073709551615+18446744073709551615"));
    sequence.wakes.push(Wake { time: u64::MAX, tree: 99, line: 99, lane: Some(99), ran: Some(0) });
    sequence.wakes.push(Wake { time: u64::MAX, tree: 2, line: 4, lane: Some(99), ran: Some(0) });
    sequence.lanes[0].away.push(Away { start: u64::MAX, end: 0, kind: AwayKind::Turn });
    let picture = layout(&sequence, &paths);
    assert!(picture.height.is_finite());
    layout(&Sequence::default(), &[]);
}
