//! A run for the tests of this folder: 6.12's snapshots were accepted for 6.18, as after an update of the pins.

use std::path::Path;

use crate::kernel::KernelName;
use crate::path::text;
use crate::suite::{CaseResult, Problem, Results, SavedPath, SnapshotKind, Snapshots, Timings, Verdict, accepted};

/// Seven cases of the group recv whose paths changed.
const CASES: [&str; 7] = [
    "recv/peer-closed",
    "recv/tcp-across-sends",
    "recv/tcp-blocking",
    "recv/tcp-lowat",
    "recv/tcp-pingpong",
    "recv/tcp-ready",
    "recv/tcp-waitall",
];

/// The run, from the snapshots of this repository.
pub(super) fn bump() -> Results {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let snapshots = Snapshots::new(root);
    let four = root.join("harness/tests/data/results/four-cases.json");
    let mut results = Results::load(&four).unwrap();
    let (old, new) = (KernelName::from("6.12"), KernelName::from("6.18"));
    results.kernels.retain(|kernel| kernel.name == new);
    results.functions.retain(|functions| functions.kernel == new);
    results.cases = CASES.iter().map(|case| bumped(&snapshots, case, &old, &new)).collect();
    results
}

fn bumped(snapshots: &Snapshots, case: &str, old: &KernelName, new: &KernelName) -> CaseResult {
    let case = case.into();
    let document = |kernel, kind| snapshots.accepted(&case, kernel, kind).unwrap().unwrap();
    let saved = |(name, path): (String, _)| SavedPath {
        name,
        path: text::write(&path),
        agreeing: 32,
        iterations: 32,
        costs: Default::default(),
        self_costs: Default::default(),
    };
    let timings = |kernel| Timings::parse(&document(kernel, SnapshotKind::Timing)).unwrap().timings;
    let before = timings(old);
    let mut now = timings(new);
    for timing in &mut now {
        timing.accepted = before.iter().find(|one| one.name == timing.name).map(|one| one.cost);
    }
    let evidence = "@@ -1,1 +1,1 @@\n-accepted\n+found\n".to_owned();
    CaseResult {
        verdict: Verdict::Changed,
        problems: vec![Problem { evidence, ..Problem::new("softirq", "the snapshot differs from this run") }],
        paths: accepted(snapshots, &case, new).unwrap().into_iter().map(saved).collect(),
        accepted: Some(document(old, SnapshotKind::Path)),
        timings: now,
        kernel: new.clone(),
        case: case.clone(),
        ..CaseResult::default()
    }
}
