//! Where everything in the picture of a sequence is, in pixels. Nothing here knows SVG.
//!
//! The upper part has a track for each task: its operations, softirqs on top of them, sleeps, and an arrow for each wake-up. The
//! lower part has the calls of each task as an icicle. Both have the same time axis, which is linear except at cuts, where time
//! is left out and the axis makes a small step.

use crate::path::sequence::{Away, AwayKind, Sequence, SequenceCall, SequenceTree, Wake};
use crate::path::{CallPath, PathEntry};
use crate::report::change_words::grouped;

/// The width of the picture.
pub(super) const WIDTH: f64 = 1200.0;
/// Where the time axis starts; the names of the tasks are left of it.
pub(super) const LEFT: f64 = 108.0;
const RIGHT: f64 = 12.0;
/// The step of the axis at a cut.
const CUT: f64 = 26.0;
/// The most of the axis that cuts may take, all together.
const MOST_CUT: f64 = 0.3;
/// The height of the line with the numbers of the axis.
const AXIS: f64 = 22.0;
/// The height of a track.
pub(super) const BAR: f64 = 24.0;
/// The height of a line of arrows above or below a track.
const ARROW_ROW: f64 = 19.0;
/// The distance between two tracks without arrows.
const BETWEEN: f64 = 8.0;
/// The height of a row of calls.
pub(super) const ROW: f64 = 15.0;
/// The height of a heading above the calls of a task.
const HEADING: f64 = 24.0;
/// The width of a character of a function's name.
pub(super) const CHARACTER: f64 = 6.3;
/// The width of a call up to which neighbours of the same function are joined.
const NARROW: f64 = 2.5;

/// What kind of thing a piece of a track or a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Process,
    Softirq,
    HardIrq,
    Nmi,
    Away(AwayKind),
}

impl Kind {
    fn of_path(name: &str) -> Self {
        match name {
            "softirq" => Self::Softirq,
            "hardirq" => Self::HardIrq,
            "nmi" => Self::Nmi,
            _ => Self::Process,
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Picture {
    pub height: f64,
    /// The place of each number of the axis.
    pub ticks: Vec<(f64, String)>,
    /// The bottom of the part with the tracks.
    pub tracks_end: f64,
    pub cuts: Vec<CutMark>,
    pub tracks: Vec<Track>,
    pub arrows: Vec<Arrow>,
    pub calls: Vec<LaneCalls>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct CutMark {
    pub x: f64,
    pub width: f64,
    /// How long it was, if that is long.
    pub text: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Track {
    pub y: f64,
    pub name: String,
    pub cpu: u16,
    pub pieces: Vec<Piece>,
}

/// A part of a track.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Piece {
    pub x: f64,
    pub width: f64,
    pub kind: Kind,
    pub name: String,
    /// Where its name is written, if there is room for it.
    pub text_x: Option<f64>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Arrow {
    pub points: Vec<(f64, f64)>,
    /// Whether the last point is below the one before it.
    pub down: bool,
    pub text: String,
    pub text_at: (f64, f64),
    /// Whether the text ends there instead of starting there.
    pub text_ends: bool,
}

/// The calls of a task.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LaneCalls {
    pub y: f64,
    pub name: String,
    pub cpu: u16,
    pub boxes: Vec<CallBox>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct CallBox {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub kind: Kind,
    pub function: String,
    /// What it cost with its callees; of a sleep nothing is known.
    pub cost: Option<u64>,
    /// The number of calls.
    pub times: u32,
    /// The name of the path, and the index of the line in it.
    pub path: String,
    pub line: usize,
}

/// A path of a sequence.
pub(super) struct NamedPath<'p> {
    pub name: &'p str,
    pub path: CallPath,
}

/// Lays out a sequence. Trees whose path is not given are left out.
pub(super) fn layout(sequence: &Sequence, paths: &[NamedPath]) -> Picture {
    let axis = Axis::of(sequence);
    let path_of = |tree: &SequenceTree| paths.iter().find(|path| path.name == tree.path).map(|path| &path.path);
    let mut tracks: Vec<Track> = (0..sequence.lanes.len()).map(|lane| track(sequence, lane, &axis)).collect();
    let (mut arrows, rows) = arrows(sequence, &axis, path_of);
    let mut y = AXIS;
    let mut corridors = Vec::new();
    for (at, rows) in rows.iter().enumerate() {
        corridors.push(y + BETWEEN / 2.0);
        y += BETWEEN + ARROW_ROW * *rows as f64;
        if let Some(track) = tracks.get_mut(at) {
            track.y = y;
            y += BAR;
        }
    }
    let arrows = arrows.drain(..).map(|arrow| arrow.placed(&tracks, &corridors)).collect();
    let tracks_end = y + BETWEEN;
    let mut calls = Vec::new();
    let mut y = tracks_end;
    for (at, lane) in sequence.lanes.iter().enumerate() {
        let (boxes, levels) = boxes(sequence, at, &axis, y + HEADING, path_of);
        if levels > 0 {
            calls.push(LaneCalls { y, name: lane.name.clone(), cpu: lane.cpu, boxes });
            y += HEADING + ROW * levels as f64;
        }
    }
    Picture { height: y + BETWEEN, ticks: axis.ticks(), tracks_end, cuts: axis.marks(), tracks, arrows, calls }
}

/// The time axis.
struct Axis {
    length: u64,
    pixels_per_unit: f64,
    /// The times of cuts in order, with the width of each and the time that is left out.
    cuts: Vec<(u64, u64)>,
    cut: f64,
}

impl Axis {
    fn of(sequence: &Sequence) -> Self {
        let mut cuts: Vec<(u64, u64)> = Vec::new();
        for cut in &sequence.cuts {
            match cuts.last_mut() {
                Some((time, ns)) if *time == cut.time => *ns = ns.saturating_add(cut.ns),
                _ => cuts.push((cut.time, cut.ns)),
            }
        }
        let room = WIDTH - LEFT - RIGHT;
        let cut = CUT.min(room * MOST_CUT / cuts.len().max(1) as f64);
        let pixels_per_unit = (room - cut * cuts.len() as f64) / sequence.length.max(1) as f64;
        Self { length: sequence.length, pixels_per_unit, cuts, cut }
    }

    /// Where something starts: after a cut at the same time.
    fn start(&self, time: u64) -> f64 {
        self.after(time, self.cuts.partition_point(|(cut, _)| *cut <= time))
    }

    /// Where something ends: before a cut at the same time.
    fn end(&self, time: u64) -> f64 {
        self.after(time, self.cuts.partition_point(|(cut, _)| *cut < time))
    }

    fn after(&self, time: u64, cuts: usize) -> f64 {
        LEFT + time.min(self.length) as f64 * self.pixels_per_unit + self.cut * cuts as f64
    }

    /// The place and width of a period, at least one pixel wide.
    fn period(&self, start: u64, end: u64) -> (f64, f64) {
        let x = self.start(start).min(self.end(end));
        (x, (self.end(end) - x).max(1.0))
    }

    /// The place and width of a period in which a task was away: with the cuts at its start and its end.
    fn away(&self, away: &Away) -> (f64, f64) {
        let x = self.end(away.start);
        (x, (self.start(away.end) - x).max(1.0))
    }

    fn ticks(&self) -> Vec<(f64, String)> {
        const MOST_TICKS: u64 = 8;
        let steps = (0..18).flat_map(|power| [1u64, 2, 5].map(|digit| digit * 10u64.pow(power)));
        let step = steps.into_iter().find(|step| self.length / step <= MOST_TICKS).unwrap_or(u64::MAX);
        let mut out = Vec::new();
        let mut time = 0;
        // A number at the very end would be cut off.
        while time <= self.length && self.start(time) < WIDTH - 4.0 * RIGHT {
            let unit = if time == 0 { " instructions" } else { "" };
            out.push((self.start(time).min(self.end(time).max(LEFT)), format!("{}{unit}", grouped(time))));
            let Some(next) = time.checked_add(step) else { break };
            time = next;
        }
        out
    }

    fn marks(&self) -> Vec<CutMark> {
        const LONG_NS: u64 = 1_000_000;
        let mark = |(time, ns): &(u64, u64)| {
            let text = (*ns >= LONG_NS).then(|| format!("{} ms", grouped(ns / LONG_NS)));
            CutMark { x: self.end(*time), width: self.cut, text }
        };
        self.cuts.iter().map(mark).collect()
    }
}

/// The start and the end of a tree.
fn period_of(tree: &SequenceTree) -> Option<(u64, u64)> {
    let start = tree.calls().map(|call| call.start).min()?;
    Some((start, tree.calls().map(|call| call.start.saturating_add(call.length)).max()?))
}

fn track(sequence: &Sequence, lane: usize, axis: &Axis) -> Track {
    let of_lane = &sequence.lanes[lane];
    let mut pieces: Vec<Piece> = Vec::new();
    let mut on_top: Vec<Piece> = Vec::new();
    for tree in sequence.trees.iter().filter(|tree| tree.lane == lane) {
        let Some((start, end)) = period_of(tree) else { continue };
        let kind = Kind::of_path(&tree.path);
        let name = tree.path.strip_prefix(&format!("{}.", of_lane.name)).unwrap_or(&tree.path).to_owned();
        let piece = |(x, width): (f64, f64), name: &str| Piece { x, width, kind, name: name.to_owned(), text_x: None };
        if kind != Kind::Process {
            let next = piece(axis.period(start, end), &name);
            match on_top.last_mut() {
                Some(last) if last.kind == kind && next.x - (last.x + last.width) < NARROW => {
                    last.width = next.x + next.width - last.x;
                }
                _ => on_top.push(next),
            }
            continue;
        }
        let mut from = start;
        for away in of_lane.away.iter().filter(|away| (start..=end).contains(&away.start)) {
            if away.start > from {
                pieces.push(piece(axis.period(from, away.start), &name));
            }
            from = from.max(away.end);
        }
        if from < end {
            pieces.push(piece(axis.period(from, end), &name));
        }
    }
    for away in &of_lane.away {
        let (x, width) = axis.away(away);
        let name = words(away.kind).to_owned();
        pieces.push(Piece { x, width, kind: Kind::Away(away.kind), name, text_x: None });
    }
    for piece in &mut pieces {
        piece.text_x = room_for(piece, &on_top);
    }
    for piece in &mut on_top {
        piece.text_x = room_for(piece, &[]);
    }
    pieces.extend(on_top);
    Track { y: 0.0, name: of_lane.name.clone(), cpu: of_lane.cpu, pieces }
}

fn words(away: AwayKind) -> &'static str {
    match away {
        AwayKind::Sleeps => "sleeps",
        AwayKind::Preempted => "preempted",
        AwayKind::Turn => "waits for its turn",
    }
}

/// Where in a piece its name fits, apart from what is on top of it.
fn room_for(piece: &Piece, on_top: &[Piece]) -> Option<f64> {
    const PADDING: f64 = 4.0;
    let needed = piece.name.chars().count() as f64 * CHARACTER + 2.0 * PADDING;
    let mut from = piece.x;
    let end = piece.x + piece.width;
    for other in on_top.iter().filter(|other| other.x < end && other.x + other.width > piece.x) {
        if other.x - from >= needed {
            break;
        }
        from = other.x + other.width;
    }
    let until = on_top.iter().map(|other| other.x).filter(|x| *x >= from).fold(end, f64::min);
    (until - from >= needed).then_some(from + PADDING)
}

/// An arrow whose rows are known, but not yet where the tracks are.
struct LooseArrow {
    from_lane: usize,
    to_lane: Option<usize>,
    x: f64,
    to_x: f64,
    /// The place between tracks, from 0 above the first one.
    corridor: usize,
    row: usize,
    text: String,
    text_x: f64,
    text_ends: bool,
}

impl LooseArrow {
    fn placed(self, tracks: &[Track], corridors: &[f64]) -> Arrow {
        let Self { from_lane, to_lane, x, to_x, corridor, row, text, text_x, text_ends } = self;
        let top = corridors[corridor] + ARROW_ROW * row as f64;
        let line = top + 14.0;
        let is_below = to_lane.is_none_or(|to| to > from_lane);
        let edge = |lane: usize, bottom: bool| tracks[lane].y + if bottom { BAR } else { 0.0 };
        let mut points = vec![(x, edge(from_lane, is_below)), (x, line)];
        let down = match to_lane {
            None => true,
            Some(to) => {
                points.push((to_x, line));
                let target = edge(to, to < from_lane);
                points.push((to_x, target));
                target > line
            }
        };
        Arrow { points, down, text, text_at: (text_x, top + 10.0), text_ends }
    }
}

/// The arrows, and the number of rows that each place between tracks needs for them.
fn arrows<'p>(
    sequence: &Sequence,
    axis: &Axis,
    path_of: impl Fn(&SequenceTree) -> Option<&'p CallPath>,
) -> (Vec<LooseArrow>, Vec<usize>) {
    const APART: f64 = 8.0;
    let lanes = sequence.lanes.len();
    // What is in each row of each corridor.
    let mut rows: Vec<Vec<Vec<(f64, f64)>>> = vec![Vec::new(); lanes + 1];
    let mut out = Vec::new();
    for wake in &sequence.wakes {
        let Some(tree) = sequence.trees.get(wake.tree).filter(|tree| tree.lane < lanes) else { continue };
        let to_lane = wake.lane.filter(|lane| *lane < lanes);
        let Some(text) = path_of(tree).and_then(|path| wake_words(path, wake)) else { continue };
        let x = axis.end(wake.time);
        let to_x = wake.ran.filter(|_| to_lane.is_some()).map_or(x, |ran| axis.start(ran));
        let corridor = match to_lane {
            Some(to) if to < tree.lane => to + 1,
            Some(to) => to,
            None => tree.lane + 1,
        };
        let length = text.chars().count() as f64 * CHARACTER;
        let (low, high) = (x.min(to_x), x.max(to_x));
        let text_ends = high + APART + length > WIDTH - RIGHT;
        let text_x = if text_ends { low - APART } else { high + APART };
        let taken = if text_ends { (text_x - length, high + APART) } else { (low - APART, text_x + length) };
        let is_free = |row: &Vec<(f64, f64)>| row.iter().all(|(from, to)| taken.1 < *from || *to < taken.0);
        let row = rows[corridor].iter().position(is_free).unwrap_or_else(|| {
            rows[corridor].push(Vec::new());
            rows[corridor].len() - 1
        });
        rows[corridor][row].push(taken);
        out.push(LooseArrow { from_lane: tree.lane, to_lane, x, to_x, corridor, row, text, text_x, text_ends });
    }
    (out, rows.iter().map(Vec::len).collect())
}

/// Functions that only pass a wake-up on: the one that decides to wake calls them.
fn passes_on(function: &str) -> bool {
    function.starts_with("__wake_up")
        || function.starts_with("wake_up_")
        || function.ends_with("_wake_function")
        || ["try_to_wake_up", "wake_up", "swake_up_locked", "swake_up_one"].contains(&function)
}

/// Says who wakes whom: `sock_def_readable wakes receiver`.
fn wake_words(path: &CallPath, wake: &Wake) -> Option<String> {
    let node = path.nodes.get(wake.line)?;
    let PathEntry::Wakes(who) = &node.entry else { return None };
    let mut depth = node.depth;
    let mut callers = Vec::new();
    for above in path.nodes[..wake.line].iter().rev() {
        if above.depth < depth {
            depth = above.depth;
            callers.extend(above.entry.function());
        }
    }
    let function = callers.iter().find(|function| !passes_on(function)).or(callers.first());
    Some(function.map_or_else(|| format!("wakes {who}"), |function| format!("{function} wakes {who}")))
}

/// For each line of a path, the number of calls around it.
fn levels(path: &CallPath) -> Vec<usize> {
    let mut around: Vec<u32> = Vec::new();
    let level = |node: &crate::path::PathNode| {
        while around.pop_if(|depth| *depth >= node.depth).is_some() {}
        let level = around.len();
        around.extend(node.entry.function().map(|_| node.depth));
        level
    };
    path.nodes.iter().map(level).collect()
}

/// The calls of a task, from `top` downwards, and how many levels they have.
fn boxes<'p>(
    sequence: &Sequence,
    lane: usize,
    axis: &Axis,
    top: f64,
    path_of: impl Fn(&SequenceTree) -> Option<&'p CallPath>,
) -> (Vec<CallBox>, usize) {
    let mut out: Vec<CallBox> = Vec::new();
    // The calls so far with their levels.
    let mut placed: Vec<(SequenceCall, usize)> = Vec::new();
    let away = &sequence.lanes[lane].away;
    let is_around =
        |call: &SequenceCall, time: u64| call.start <= time && time < call.start.saturating_add(call.length);
    for tree in sequence.trees.iter().filter(|tree| tree.lane == lane) {
        let Some(path) = path_of(tree) else { continue };
        let kind = Kind::of_path(&tree.path);
        let levels = levels(path);
        let start = tree.calls().next().map_or(0, |call| call.start);
        let base = match kind {
            Kind::Process => 0,
            _ => {
                placed.iter().filter(|(call, _)| is_around(call, start)).map(|(_, level)| level + 1).max().unwrap_or(0)
            }
        };
        let first = out.len();
        for call in tree.calls() {
            let (Some(level), Some(node)) = (levels.get(call.line), path.nodes.get(call.line)) else { continue };
            let Some(function) = node.entry.function() else { continue };
            let level = base + level;
            placed.push((call, level));
            let (x, width) = axis.period(call.start, call.start.saturating_add(call.length));
            let y = top + ROW * level as f64;
            let same = out[first..].iter_mut().rev().find(|other| other.y == y);
            if let Some(other) = same
                && other.line == call.line
                && width < NARROW
                && x - (other.x + other.width) < 1.0
            {
                other.width = x + width - other.x;
                other.cost = other.cost.map(|cost| cost.saturating_add(call.cost));
                other.times += 1;
                continue;
            }
            let (function, path, line) = (function.to_owned(), tree.path.clone(), call.line);
            out.push(CallBox { x, y, width, kind, function, cost: Some(call.cost), times: 1, path, line });
        }
    }
    for tree in sequence.trees.iter().filter(|tree| tree.lane == lane && Kind::of_path(&tree.path) == Kind::Process) {
        let Some(path) = path_of(tree) else { continue };
        let levels = levels(path);
        for away in away.iter().filter(|away| away.kind != AwayKind::Turn) {
            let Some(inner) = tree.calls().filter(|call| is_around(call, away.start)).last() else { continue };
            let level = levels.get(inner.line).map_or(0, |level| level + 1);
            let (x, width) = axis.away(away);
            let beneath = path.nodes.iter().skip(inner.line + 1);
            let mark = beneath
                .take_while(|node| node.entry.function().is_none())
                .position(|node| matches!(node.entry, PathEntry::Sleeps | PathEntry::Preempted));
            let (line, function) = (inner.line + mark.map_or(0, |mark| mark + 1), words(away.kind).to_owned());
            let (y, path) = (top + ROW * level as f64, tree.path.clone());
            out.push(CallBox { x, y, width, kind: Kind::Away(away.kind), function, cost: None, times: 1, path, line });
            placed.push((inner, level));
        }
    }
    let levels = placed.iter().map(|(_, level)| level + 1).max().unwrap_or(0);
    (out, levels)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::path::sequence::{Cut, Lane};
    use crate::path::text;

    fn paths(of: &[(&'static str, &str)]) -> Vec<NamedPath<'static>> {
        of.iter().map(|(name, path)| NamedPath { name, path: text::parse(path).unwrap() }).collect()
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
}
