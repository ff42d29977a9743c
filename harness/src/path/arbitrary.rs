//! Random paths for the property tests.

use proptest::prelude::*;

use super::{CallPath, PathEntry, PathNode};

/// Well-formed paths of up to 120 nodes: few names, so that repeats are common, and some odd ones.
pub(crate) fn paths() -> impl Strategy<Value = CallPath> {
    let name = prop_oneof![20 => "[a-d]", 1 => "(?s).{0,4}", 1 => Just("~ sleeps ×2".to_owned())];
    let entry = (0..20u8, name).prop_map(|(kind, name)| match kind {
        0 => PathEntry::Sleeps,
        1 => PathEntry::Preempted,
        2 => PathEntry::Wakes(name.into()),
        3 => PathEntry::In(name.into()),
        4 => PathEntry::Repeat,
        _ => PathEntry::Call(name.into()),
    });
    let times = prop_oneof![12 => Just(1u32), 2 => 2..4u32];
    let node = (entry, times, 0..1000u32);
    prop::collection::vec(node, 0..120).prop_map(|nodes| well_formed(nodes.into_iter()))
}

/// Gives each node a valid depth: `pick` selects it, deeper ones more often.
fn well_formed(nodes: impl Iterator<Item = (PathEntry, u32, u32)>) -> CallPath {
    let mut path = CallPath::default();
    let mut deepest = 0u32;
    for (entry, times, pick) in nodes {
        let shallowest = match path.nodes.last() {
            Some(PathNode { entry: PathEntry::Repeat, depth, .. }) => depth + 1,
            _ => 0,
        };
        let depth = if pick % 3 == 0 { deepest } else { shallowest + pick % (deepest - shallowest + 1) };
        deepest = depth + u32::from(entry.can_have_children());
        path.nodes.push(PathNode { depth, entry, times });
    }
    if let Some(last) = path.nodes.last_mut()
        && last.entry == PathEntry::Repeat
    {
        last.entry = PathEntry::Sleeps;
    }
    path
}
