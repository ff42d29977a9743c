//! The time axis of a picture.

use super::{CutMark, LEFT, RIGHT, WIDTH};
use crate::path::sequence::{Away, Sequence};
use crate::report::change_words::grouped;

/// The step of the axis at a cut.
const CUT: f64 = 26.0;
/// The most of the axis that cuts may take, all together.
const MOST_CUT: f64 = 0.3;

/// The time axis.
pub(super) struct Axis {
    length: u64,
    pixels_per_unit: f64,
    /// The times of cuts in order, with the width of each and the time that is left out.
    cuts: Vec<(u64, u64)>,
    cut: f64,
}

impl Axis {
    pub(super) fn of(sequence: &Sequence) -> Self {
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
    pub(super) fn start(&self, time: u64) -> f64 {
        self.after(time, self.cuts.partition_point(|(cut, _)| *cut <= time))
    }

    /// Where something ends: before a cut at the same time.
    pub(super) fn end(&self, time: u64) -> f64 {
        self.after(time, self.cuts.partition_point(|(cut, _)| *cut < time))
    }

    fn after(&self, time: u64, cuts: usize) -> f64 {
        LEFT + time.min(self.length) as f64 * self.pixels_per_unit + self.cut * cuts as f64
    }

    /// The place and width of a period, at least one pixel wide.
    pub(super) fn period(&self, start: u64, end: u64) -> (f64, f64) {
        let x = self.start(start).min(self.end(end));
        (x, (self.end(end) - x).max(1.0))
    }

    /// The place and width of a period in which a task was away: with the cuts at its start and its end.
    pub(super) fn away(&self, away: &Away) -> (f64, f64) {
        let x = self.end(away.start);
        (x, (self.start(away.end) - x).max(1.0))
    }

    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
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

    pub(super) fn marks(&self) -> Vec<CutMark> {
        const LONG_NS: u64 = 1_000_000;
        let mark = |(time, ns): &(u64, u64)| {
            let text = (*ns >= LONG_NS).then(|| format!("{} ms", grouped(ns / LONG_NS)));
            CutMark { x: self.end(*time), width: self.cut, text }
        };
        self.cuts.iter().map(mark).collect()
    }
}
