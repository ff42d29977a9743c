//! Random paths for the property tests.

use proptest::prelude::*;

use super::{CallPath, PathEntry, PathNode};

/// Well-formed paths of up to some hundred nodes, from few names so that repeats are common, with odd names among them.
pub fn paths() -> impl Strategy<Value = CallPath> {
    let name = prop_oneof![20 => "[a-d]", 1 => "(?s).{0,4}", 1 => Just("~ sleeps ×2".to_owned())];
    let what = (0..20u8, name).prop_map(|(kind, name)| match kind {
        0 => PathEntry::Sleeps,
        1 => PathEntry::Preempted,
        2 => PathEntry::Wakes(name.into()),
        3 => PathEntry::In(name.into()),
        4 => PathEntry::Repeat,
        _ => PathEntry::Call(name.into()),
    });
    let times = prop_oneof![12 => Just(1u32), 2 => 2..4u32];
    let node = (what, times, 0..1000u32);
    prop::collection::vec(node, 0..120).prop_map(|nodes| well_formed(nodes.into_iter()))
}

/// Nodes at depths that are possible: the number picks among the possible ones, deeper ones more often.
fn well_formed(nodes: impl Iterator<Item = (PathEntry, u32, u32)>) -> CallPath {
    let mut path = CallPath::default();
    let mut deepest = 0u32;
    for (what, times, pick) in nodes {
        let shallowest = match path.nodes.last() {
            Some(PathNode { what: PathEntry::Repeat, depth, .. }) => depth + 1,
            _ => 0,
        };
        let depth = if pick % 3 == 0 { deepest } else { shallowest + pick % (deepest - shallowest + 1) };
        deepest = depth + u32::from(what.can_have_children());
        path.nodes.push(PathNode { depth, what, times });
    }
    if let Some(last) = path.nodes.last_mut()
        && last.what == PathEntry::Repeat
    {
        last.what = PathEntry::Sleeps;
    }
    path
}
