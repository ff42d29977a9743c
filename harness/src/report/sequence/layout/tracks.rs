//! The tracks: what each task did over time.

use super::axis::Axis;
use super::{CHARACTER, Kind, NARROW, Piece, Track, words};
use crate::path::sequence::{Sequence, SequenceTree};

/// The start and the end of a tree.
fn period_of(tree: &SequenceTree) -> Option<(u64, u64)> {
    let start = tree.calls().map(|call| call.start).min()?;
    Some((start, tree.calls().map(|call| call.start.saturating_add(call.length)).max()?))
}

pub(super) fn track(sequence: &Sequence, lane: usize, axis: &Axis) -> Track {
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
