//! Where everything in the picture of a sequence is, in pixels. Nothing here knows SVG.
//!
//! The upper part has a track for each task: its operations, softirqs on top of them, sleeps, and an arrow for each wake-up. The
//! lower part has the calls of each task as an icicle. Both have the same time axis, which is linear except at cuts, where time
//! is left out and the axis makes a small step.

mod arrows;
mod axis;
mod calls;
#[cfg(test)]
pub(super) mod tests;
mod tracks;

use std::borrow::Cow;

use arrows::arrows;
use axis::Axis;
use calls::boxes;
use tracks::track;

use crate::path::CallPath;
use crate::path::sequence::{AwayKind, Sequence, SequenceTree};

/// The width of the picture.
pub(super) const WIDTH: f64 = 1200.0;
/// Where the time axis starts; the names of the tasks are left of it.
pub(super) const LEFT: f64 = 108.0;
const RIGHT: f64 = 12.0;
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
pub(crate) const CHARACTER: f64 = 6.3;
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
    pub path: Cow<'p, CallPath>,
}

/// Lays out a sequence. Trees whose path is not given are left out.
pub(super) fn layout(sequence: &Sequence, paths: &[NamedPath]) -> Picture {
    let axis = Axis::of(sequence);
    let path_of = |tree: &SequenceTree| paths.iter().find(|path| path.name == tree.path).map(|path| &*path.path);
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

fn words(away: AwayKind) -> &'static str {
    match away {
        AwayKind::Sleeps => "sleeps",
        AwayKind::Preempted => "preempted",
        AwayKind::Turn => "waits for its turn",
    }
}
