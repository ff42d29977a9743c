//! The arrows: who wakes whom.

use super::axis::Axis;
use super::{ARROW_ROW, Arrow, BAR, CHARACTER, RIGHT, Track, WIDTH};
use crate::path::sequence::{Sequence, SequenceTree, Wake};
use crate::path::{CallPath, PathEntry};

/// An arrow whose rows are known, but not yet where the tracks are.
pub(super) struct LooseArrow {
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
    pub(super) fn placed(self, tracks: &[Track], corridors: &[f64]) -> Arrow {
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
pub(super) fn arrows<'p>(
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
pub(super) fn wake_words(path: &CallPath, wake: &Wake) -> Option<String> {
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
