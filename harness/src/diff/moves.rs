//! Finds what moved: subtrees that are gone in one place and new in another, the very same.

use super::model::{Change, DiffLine};
use super::side::{Fingerprint, QuickMap, Side};

/// Marks both lines of everything that moved. Linear.
///
/// A subtree is taken whole, the largest first as seen from the top. A single line has to be unique among what is left over
/// on both sides: otherwise anything small and common would seem to have moved from anywhere to anywhere.
pub(super) fn mark_moves(lines: &mut [DiffLine], old: &Side, new: &Side) {
    let old_left = left_over(lines, old, Change::Gone);
    let new_left = left_over(lines, new, Change::New);
    let (mut by_whole, mut count_new): (QuickMap<Fingerprint, Vec<usize>>, QuickMap<Fingerprint, u32>) =
        Default::default();
    for (at, left) in new_left.iter().enumerate() {
        by_whole.entry(left.whole).or_default().push(at);
        *count_new.entry(left.whole).or_default() += 1;
    }
    let mut count_old: QuickMap<Fingerprint, u32> = QuickMap::default();
    old_left.iter().for_each(|left| *count_old.entry(left.whole).or_default() += 1);
    // Candidates in order, so that the first one left is taken first.
    by_whole.values_mut().for_each(|candidates| candidates.reverse());
    let mut taken_new = vec![false; lines.len()];
    let mut behind_taken = 0;
    for left in &old_left {
        if left.line < behind_taken {
            continue;
        }
        let unique = count_old.get(&left.whole) == Some(&1) && count_new.get(&left.whole) == Some(&1);
        if left.size == 1 && !unique {
            continue;
        }
        let Some(candidates) = by_whole.get_mut(&left.whole) else { continue };
        let Some(to) = std::iter::from_fn(|| candidates.pop()).map(|at| &new_left[at]).find(|to| !taken_new[to.line])
        else {
            continue;
        };
        behind_taken = left.line + left.size;
        for below in 0..left.size {
            taken_new[to.line + below] = true;
            lines[left.line + below].change = Change::Moved { counterpart: to.line + below };
            lines[to.line + below].change = Change::Moved { counterpart: left.line + below };
        }
    }
}

/// A subtree that has no counterpart in its place.
struct LeftOver {
    line: usize,
    whole: Fingerprint,
    size: usize,
}

/// The subtrees whose lines all have this change, from the top: every one beneath another follows it.
fn left_over(lines: &[DiffLine], side: &Side, change: Change) -> Vec<LeftOver> {
    let is_old = change == Change::Gone;
    let on_side = |line: &DiffLine| if is_old { line.old.is_some() } else { line.new.is_some() };
    // Lines are in the side's own order, so counting them gives the nodes.
    let with_node = lines.iter().enumerate().filter(|(_, line)| on_side(line)).zip(0..);
    let of_change = with_node.filter(|((_, line), _)| line.change == change);
    let left = of_change.map(|((line, _), node)| LeftOver { line, whole: side.whole(node), size: side.size(node) });
    left.collect()
}
