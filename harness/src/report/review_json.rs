//! `rxpath review --list --json`: what there is to decide, for other programs.

use serde_json::{Value, json};

use super::review_text;
use crate::suite::{Decision, Pending, PendingTiming, Review, SnapshotKind, letter};

/// The version of this format. It is raised when a field changes its meaning or is removed.
const VERSION: u32 = 1;

/// All decisions, in their order.
pub(crate) fn review(review: &Review) -> Value {
    let changes: Vec<Value> =
        review.decisions.iter().enumerate().map(|(number, one)| change(review, number, one)).collect();
    json!({"version": VERSION, "pending": review.all.len(), "changes": changes})
}

fn change(review: &Review, number: usize, decision: &Decision) -> Value {
    let snapshots = |which: &[usize]| which.iter().map(|at| snapshot(&review.all[*at])).collect::<Vec<_>>();
    let first = &review.all[decision.snapshots[0]];
    let needs: Vec<String> = review.needs(number).into_iter().map(letter).collect();
    let mut change = json!({
        "change": letter(number),
        "kind": kind(first),
        "title": review_text::title(review, decision),
        "accept_with": needs,
        "snapshots": snapshots(&decision.snapshots),
        "also_in": snapshots(&decision.elsewhere),
    });
    match first.kind {
        SnapshotKind::Path => change["diff"] = review_text::lines(review, decision).to_string().lines().collect(),
        SnapshotKind::Timing => {
            change["timings"] = review_text::moved(review, decision).into_iter().map(timing).collect()
        }
    }
    change
}

fn kind(one: &Pending) -> &'static str {
    match one.kind {
        SnapshotKind::Path => "path",
        SnapshotKind::Timing => "timing",
    }
}

fn snapshot(one: &Pending) -> Value {
    json!({"case": one.case, "kernel": one.kernel, "kind": kind(one), "is_first": one.old.is_none()})
}

fn timing((one, moved): (&Pending, PendingTiming)) -> Value {
    let cost =
        |reading: Option<(u64, u32)>| reading.map(|(cost, switches)| json!({"cost": cost, "switches": switches}));
    let share = Some(moved.share()).filter(|share| share.is_finite());
    json!({
        "case": one.case,
        "kernel": one.kernel,
        "name": moved.name,
        "before": cost(moved.before),
        "now": cost(moved.now),
        "percent": share.map(|share| share * 100.0),
    })
}
