use super::*;
use crate::path::cost::{SelfCost, SelfCosts};
use crate::path::{CallPath, Stream, text};
use crate::trace::TaskKey;

const RECEIVER: TaskKey = TaskKey::Task(10);
const SENDER: TaskKey = TaskKey::Task(11);
const RECV: Stream = Stream::Operation { actor: 0, step: 0 };
const SEND: Stream = Stream::Operation { actor: 1, step: 0 };

/// A path with its own name as the name of the stream.
struct Known(Vec<(Stream, &'static str, CallPath, SelfCosts)>);

impl Known {
    fn of(paths: &[(Stream, &'static str, &str)]) -> Self {
        let known = |(stream, name, path): &(Stream, &'static str, &str)| {
            (stream.clone(), *name, text::parse(path).unwrap(), SelfCosts::new())
        };
        Self(paths.iter().map(known).collect())
    }

    fn sequence(&self, trees: &[TimedTree]) -> Sequence {
        let named = |stream: &Stream| {
            let (_, name, path, self_costs) = self.0.iter().find(|known| known.0 == *stream)?;
            Some(NamedPath { name, path, self_costs })
        };
        let lane = |task| if task == RECEIVER { (0, "receiver".to_owned()) } else { (1, "sender".to_owned()) };
        sequence(0, trees, named, lane).unwrap()
    }
}

fn tree(stream: Stream, task: TaskKey, lines: Vec<TimedLine>, runs: &[(usize, u64, u64)]) -> TimedTree {
    let run =
        |(line, start, took): &(usize, u64, u64)| TimedRun { line: *line, start: *start, took: *took, shared: false };
    let runs = runs.iter().map(run).collect();
    TimedTree { stream, task, cpu: 0, first_line: 0, lines, runs, away: Vec::new(), disturbed: 0 }
}

fn call(depth: u32, start: u64, end: u64) -> TimedLine {
    TimedLine::Call { depth, start, end: Some(end) }
}

/// A receive that sleeps from 2000 to 9000, and a send whose softirq wakes it at 6000. Only every fifth nanosecond is theirs.
fn blocking() -> (Known, Vec<TimedTree>) {
    let known = Known::of(&[
        (RECV, "receiver.recv", "recv\n  wait\n    ~ sleeps\n  copy\n"),
        (SEND, "sender.send", "send\n  xmit\n"),
        (Stream::Softirq, "softirq", "~ in sender.send\n  net_rx\n    ~ wakes receiver\n"),
    ]);
    let recv_lines = vec![call(0, 1000, 10_000), call(1, 1500, 9500), TimedLine::Mark, call(1, 9600, 9900)];
    let mut recv = tree(
        RECV,
        RECEIVER,
        recv_lines,
        &[(0, 1000, 100), (1, 1500, 100), (1, 9000, 100), (0, 9500, 0), (3, 9600, 60), (0, 9900, 40)],
    );
    recv.away = vec![(2000, Some(9000), 'S')];
    let send = tree(
        SEND,
        SENDER,
        vec![call(0, 4000, 8000), call(1, 5000, 7800)],
        &[(0, 4000, 200), (1, 5000, 50), (1, 7500, 50), (0, 7800, 100)],
    );
    let mut softirq = tree(
        Stream::Softirq,
        SENDER,
        vec![call(1, 5500, 7500), TimedLine::Wakes { time: 6000, pid: 10 }],
        &[(0, 5500, 250), (0, 6000, 250)],
    );
    softirq.first_line = 1;
    (known, vec![recv, send, softirq])
}

#[test]
fn the_axis_counts_what_the_calls_took_and_nothing_else() {
    let (known, trees) = blocking();
    let sequence = known.sequence(&trees);
    assert_eq!(sequence.length, 400 + 400 + 500);
    let calls: Vec<(&str, usize, &str)> =
        sequence.trees.iter().map(|tree| (tree.path.as_str(), tree.lane, tree.calls.as_str())).collect();
    assert_eq!(
        calls,
        [
            ("receiver.recv", 0, "0@0+1300=400 1@100+1100=200 3@1200+60"),
            ("sender.send", 1, "0@200+900=400 1@400+600=100"),
            ("softirq", 1, "1@450+500"),
        ]
    );
}

#[test]
fn a_sleep_lasts_while_others_run_and_ends_after_its_wake_up() {
    let (known, trees) = blocking();
    let sequence = known.sequence(&trees);
    assert_eq!(sequence.lanes[0].away, [Away { start: 200, end: 1100, kind: AwayKind::Sleeps }]);
    assert_eq!(sequence.lanes[1].away, []);
    assert_eq!(sequence.wakes, [Wake { time: 700, tree: 2, line: 2, lane: Some(0), ran: Some(1100) }]);
    let cuts: Vec<u64> = sequence.cuts.iter().map(|cut| cut.time).collect();
    assert_eq!(cuts, [200, 1100]);
}

#[test]
fn a_turn_of_another_cpu_is_not_a_sleep() {
    let known = Known::of(&[(RECV, "receiver.recv", "recv\n"), (SEND, "sender.send", "send\n")]);
    let recv = tree(RECV, RECEIVER, vec![call(0, 0, 1000)], &[(0, 0, 100), (0, 900, 100)]);
    let send = tree(SEND, SENDER, vec![call(0, 300, 800)], &[(0, 300, 50)]);
    let sequence = known.sequence(&[recv, send]);
    assert_eq!(sequence.lanes[0].away, [Away { start: 100, end: 150, kind: AwayKind::Turn }]);
    assert_eq!(sequence.cuts, []);
}

#[test]
fn a_call_with_another_cpu_s_turn_takes_at_most_the_median_of_its_function() {
    let mut known = Known::of(&[(RECV, "receiver.recv", "recv\n  wait\n")]);
    let cost = |cost| SelfCost { cost, ..SelfCost::default() };
    known.0[0].3 = SelfCosts::from([("wait".to_owned(), cost(90)), ("recv".to_owned(), cost(1))]);
    let mut recv = tree(
        RECV,
        RECEIVER,
        vec![call(0, 0, 9000), call(1, 100, 8000)],
        &[(0, 0, 100), (1, 100, 4000), (1, 5000, 2000)],
    );
    recv.runs[1].shared = true;
    assert_eq!(known.sequence(&[recv]).trees[0].calls, "0@0+190 1@100+90");
}

#[test]
fn calls_of_a_folded_path_name_its_lines() {
    let known = Known::of(&[(RECV, "receiver.recv", "poll\n  ~ repeats ×2\n    a\n    b ×2\n")]);
    let lines = (0..6).map(|at| call(1, 100 * at + 1, 100 * at + 100));
    let lines: Vec<TimedLine> = [call(0, 0, 1000)].into_iter().chain(lines).collect();
    let runs: Vec<(usize, u64, u64)> = (1..7).map(|line| (line, 100 * (line as u64 - 1) + 1, 10)).collect();
    let sequence = known.sequence(&[tree(RECV, RECEIVER, lines, &runs)]);
    let found: Vec<usize> = sequence.trees[0].calls().map(|call| call.line).collect();
    assert_eq!(found, [0, 2, 3, 3, 2, 3, 3]);
}

#[test]
fn calls_that_are_too_short_to_be_seen_are_left_out_and_malformed_ones_ignored() {
    let known = Known::of(&[(RECV, "receiver.recv", "recv\n  a\n  b\n")]);
    let recv = tree(
        RECV,
        RECEIVER,
        vec![call(0, 0, 9999), call(1, 1, 2), call(1, 9998, 9999)],
        &[(0, 0, 9990), (1, 1, 1), (2, 9998, 9)],
    );
    assert_eq!(known.sequence(&[recv]).trees[0].calls, "0@0+10000 2@9991+9");
    let text = "1@2+3 x 1@2 @+ 4@5+6=7 -1@2+3 1@99999999999999999999+1";
    let tree = SequenceTree { path: String::new(), lane: 0, calls: text.to_owned() };
    let found: Vec<usize> = tree.calls().map(|call| call.line).collect();
    assert_eq!(found, [1, 4]);
}
