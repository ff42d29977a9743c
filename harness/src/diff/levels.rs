//! Finds levels that appeared or disappeared between two lists of siblings.

use super::renames::Renames;
use super::side::{QuickMap, Side};

/// How many levels can be inlined at once and still be found.
const LEVELS: usize = 3;

/// A member of a list: a node, or a level that was opened, so that its children follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Member {
    Node(usize),
    Level(usize),
}

/// Opens each member of `list` that is a new level around members of `against`: a level and the member's children take
/// its place. Returns whether any was opened.
///
/// Such a member has no namesake in `against` and no known rename of its name there. At least half of what is beneath
/// it (in lines, or in nodes of the level on which they are found) is among the nodes that `list` has too few of.
pub(super) fn open_levels(
    side: &Side,
    list: &mut Vec<Member>,
    other: &Side,
    against: &[Member],
    renames: &Renames,
) -> bool {
    let mut missing: QuickMap<u32, i64> = QuickMap::default();
    for member in against {
        if let Member::Node(node) = member {
            *missing.entry(other.entry_ids[*node]).or_default() += 1;
        }
    }
    let present = missing.clone();
    for member in list.iter() {
        if let Member::Node(node) = member {
            *missing.entry(side.entry_ids[*node]).or_default() -= 1;
        }
    }
    if missing.values().all(|count| *count <= 0) {
        return false;
    }
    let families: Vec<usize> = against
        .iter()
        .filter_map(|member| match member {
            Member::Node(node) => renames.family(other.nodes[*node].entry.function()?),
            Member::Level(_) => None,
        })
        .collect();
    // A function that continues there under a different name is not a level.
    let is_renamed = |node: usize| {
        let family = side.nodes[node].entry.function().and_then(|name| renames.family(name));
        family.is_some_and(|family| families.contains(&family))
    };
    let mut opened = Vec::with_capacity(list.len());
    for member in list.iter() {
        match *member {
            Member::Node(node)
                if !present.contains_key(&side.entry_ids[node])
                    && !is_renamed(node)
                    && is_level(side, node, &mut missing) =>
            {
                opened.push(Member::Level(node));
                opened.extend(side.children(Some(node)).into_iter().map(Member::Node));
            }
            other => opened.push(other),
        }
    }
    let any = opened.len() > list.len();
    *list = opened;
    any
}

/// Whether at least half of one of the first levels beneath a node is missing elsewhere. What was found is removed from
/// `missing`.
fn is_level(side: &Side, node: usize, missing: &mut QuickMap<u32, i64>) -> bool {
    let mut level = side.children(Some(node));
    for _ in 0..LEVELS {
        let mut taken: QuickMap<u32, i64> = QuickMap::default();
        let (mut nodes, mut lines, mut all_lines) = (0, 0, 0);
        for member in &level {
            let (id, size) = (side.entry_ids[*member], side.size(*member));
            all_lines += size;
            let taken_of_id = taken.entry(id).or_default();
            if missing.get(&id).is_some_and(|missing| *missing > *taken_of_id) {
                *taken_of_id += 1;
                nodes += 1;
                lines += size;
            }
        }
        if nodes > 0 && (nodes * 2 >= level.len() || lines * 2 >= all_lines) {
            for (id, count) in taken {
                *missing.entry(id).or_default() -= count;
            }
            return true;
        }
        level = level.into_iter().flat_map(|member| side.children(Some(member))).collect();
    }
    false
}
