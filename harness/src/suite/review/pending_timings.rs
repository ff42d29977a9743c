//! What moved in pending timings, to show and to group them by it.

use std::collections::BTreeSet;

use crate::case::OPERATIONS;
use crate::suite::judge::timings::Timings;
use crate::suite::store::saved::OperationTiming;

/// A timing that differs from the accepted one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PendingTiming {
    /// `receiver.recv`, the name of a measure, or a milestone's function with `()`.
    pub name: String,
    /// The accepted cost and number of context switches; `None` if it was not measured before.
    pub before: Option<(u64, u32)>,
    /// `None` if it is no longer measured.
    pub now: Option<(u64, u32)>,
}

impl PendingTiming {
    /// The difference as a share of the accepted cost; infinite if there is only one of the two.
    pub(crate) fn share(&self) -> f64 {
        match (self.before, self.now) {
            (Some((before, _)), Some((now, _))) => (now as f64 - before as f64) / (before as f64).max(1.0),
            _ => f64::INFINITY,
        }
    }

    /// Says what moved and in which direction, without the actor: `recv is dearer`. Steps and measures with names of their own are
    /// named alike, because few cases share such a name.
    pub(crate) fn kind(&self) -> String {
        let what = self.name.rsplit('.').next().unwrap_or_default();
        let is_shared = what.ends_with("()") || OPERATIONS.contains(&what);
        let what = if is_shared { what } else { "a named step" };
        match (self.before, self.now) {
            (None, _) => format!("{what} is measured for the first time"),
            (_, None) => format!("{what} is no longer measured"),
            (Some((_, before)), Some((_, now))) if before != now => format!("{what} switches more or less often"),
            (Some((before, _)), Some((now, _))) if now > before => format!("{what} is dearer"),
            _ => format!("{what} is cheaper"),
        }
    }
}

/// The timings of a snapshot that differ from the accepted ones, the largest movement first. Empty if one of the texts cannot be
/// read.
pub(crate) fn pending_timings(old: &str, new: &str) -> Vec<PendingTiming> {
    let (Some(old), Some(new)) = (Timings::parse(old), Timings::parse(new)) else { return Vec::new() };
    let reading = |timings: &[OperationTiming], name: &str| {
        timings.iter().find(|one| one.name == name).map(|one| (one.cost, one.switches))
    };
    let names: BTreeSet<&String> = old.timings.iter().chain(&new.timings).map(|one| &one.name).collect();
    let moved = names.into_iter().map(|name| PendingTiming {
        name: name.clone(),
        before: reading(&old.timings, name),
        now: reading(&new.timings, name),
    });
    let mut moved: Vec<PendingTiming> = moved.filter(|one| one.before != one.now).collect();
    moved.sort_by(|one, other| other.share().abs().total_cmp(&one.share().abs()));
    moved
}

/// The timings of a snapshot without accepted ones.
pub(crate) fn first_timings(new: &str) -> Vec<PendingTiming> {
    let first =
        |one: OperationTiming| PendingTiming { name: one.name, before: None, now: Some((one.cost, one.switches)) };
    Timings::parse(new).unwrap_or_default().timings.into_iter().map(first).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(lines: &str) -> String {
        format!("# instructions, lower quartile of 32 iterations\n{lines}")
    }

    #[test]
    fn timings_are_sorted_by_movement_and_named_by_what_moved() {
        let old = document("a.recv: 1000\na.send: 100\na.poll: 10 on the CPU, 1 switch\nsame(): 7\ngone(): 1\n");
        let new = document("a.recv: 1010\na.send: 90\na.poll: 10 on the CPU, 2 switches\nsame(): 7\nnew(): 1\n");
        let kinds: Vec<String> = pending_timings(&old, &new).iter().map(PendingTiming::kind).collect();
        let expected = [
            "gone() is no longer measured",
            "new() is measured for the first time",
            "send is cheaper",
            "recv is dearer",
            "poll switches more or less often",
        ];
        assert_eq!(kinds, expected);
        let named = pending_timings(&document("a.too-late: 9\n"), &document("a.too-late: 8\n"));
        assert_eq!(named[0].kind(), "a named step is cheaper");
        assert_eq!(pending_timings(&old, &old), []);
        assert_eq!(pending_timings("edited by hand", &new), []);
    }
}
