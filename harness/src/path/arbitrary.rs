//! Random paths for the property tests, and what every path must be.

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

/// Whether the nodes are in preorder (the first at depth 0), only entries that can have children have some, all counts
/// are at least 1 and every [`PathEntry::Repeat`] has children.
pub(crate) fn is_well_formed(path: &CallPath) -> bool {
    let mut deepest = 0;
    path.nodes.iter().enumerate().all(|(index, node)| {
        let fits = node.depth <= deepest && node.times > 0;
        let has_children = path.nodes.get(index + 1).is_some_and(|next| next.depth > node.depth);
        deepest = node.depth + u32::from(node.entry.can_have_children());
        fits && (node.entry != PathEntry::Repeat || has_children)
    })
}
