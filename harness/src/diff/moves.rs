//! Finds what moved: subtrees that are gone in one place and new in another, equal or nearly equal.

use super::path_diff::{Change, DiffLine};
use super::siblings::{Item, Siblings};
use super::side::{Fingerprint, QuickMap, Side};

/// Marks both lines of everything that moved.
///
/// The first step takes subtrees of at least two nodes whose root has a name that is unique among the lines without a
/// counterpart, on each side. They may have changed inside; then only the calls that both have are marked. The second
/// step takes equal subtrees at any level. A single line must be unique among the lines without a counterpart on each
/// side; otherwise small and common functions would seem to have moved from anywhere to anywhere.
pub(super) fn mark_moves(lines: &mut [DiffLine], siblings: &Siblings) {
    let (old, new) = (siblings.old, siblings.new);
    let line_of_old = lines_of(lines, |line| line.old.is_some());
    let line_of_new = lines_of(lines, |line| line.new.is_some());
    let tops = |left: Vec<usize>, side: &Side| {
        let mut behind = 0;
        let is_top = |node: &usize| {
            *node >= behind && {
                behind = side.ends[*node];
                true
            }
        };
        left.into_iter().filter(is_top).filter(|node| side.size(*node) > 1).collect::<Vec<_>>()
    };
    let left_old = |lines: &[DiffLine]| left_over(lines, &line_of_old, &Change::Gone);
    let left_new = |lines: &[DiffLine]| left_over(lines, &line_of_new, &Change::New);
    let pairs = unique_pairs(&tops(left_old(lines), old), old, &tops(left_new(lines), new), new);
    for (one, other) in pairs {
        for (one, other) in equal_calls(one, other, siblings) {
            mark(lines, line_of_old[one], line_of_new[other]);
        }
    }
    for (one, other, size) in equal_subtrees(&left_old(lines), old, &left_new(lines), new) {
        (0..size).for_each(|below| mark(lines, line_of_old[one + below], line_of_new[other + below]));
    }
}

fn mark(lines: &mut [DiffLine], old: usize, new: usize) {
    lines[old].change = Change::Moved { counterpart: new };
    lines[new].change = Change::Moved { counterpart: old };
}

/// The line of each node. Lines keep the order of both sides.
fn lines_of(lines: &[DiffLine], on_side: impl Fn(&DiffLine) -> bool) -> Vec<usize> {
    lines.iter().enumerate().filter(|(_, line)| on_side(line)).map(|(index, _)| index).collect()
}

/// The nodes whose lines have this change. Every node beneath such a node has it too, unless it is already marked as
/// moved.
fn left_over(lines: &[DiffLine], line_of: &[usize], change: &Change) -> Vec<usize> {
    (0..line_of.len()).filter(|node| lines[line_of[*node]].change == *change).collect()
}

/// Pairs of nodes with the same entry, if no other node of either list has it.
fn unique_pairs(ones: &[usize], old: &Side, others: &[usize], new: &Side) -> Vec<(usize, usize)> {
    let mut by_entry: QuickMap<u32, (Option<usize>, Option<usize>)> = QuickMap::default();
    let mut ambiguous: Vec<u32> = Vec::new();
    for one in ones {
        if by_entry.entry(old.entry_ids[*one]).or_default().0.replace(*one).is_some() {
            ambiguous.push(old.entry_ids[*one]);
        }
    }
    for other in others {
        if by_entry.entry(new.entry_ids[*other]).or_default().1.replace(*other).is_some() {
            ambiguous.push(new.entry_ids[*other]);
        }
    }
    ambiguous.iter().for_each(|id| _ = by_entry.remove(id));
    ones.iter().filter_map(|one| by_entry.get(&old.entry_ids[*one])?.1.map(|other| (*one, other))).collect()
}

/// The aligned calls that are in both subtrees: all calls if the subtrees are equal.
fn equal_calls(one: usize, other: usize, siblings: &Siblings) -> Vec<(usize, usize)> {
    let (old, new) = (siblings.old, siblings.new);
    let mut calls = Vec::new();
    let mut next = vec![(one, other)];
    while let Some((one, other)) = next.pop() {
        if old.equals(one, new, other) {
            calls.extend((0..old.size(one)).map(|below| (one + below, other + below)));
            continue;
        }
        if old.entry_ids[one] == new.entry_ids[other] && old.nodes[one].times == new.nodes[other].times {
            calls.push((one, other));
        }
        let items = siblings.align(&old.children(Some(one)), &new.children(Some(other)));
        next.extend(items.into_iter().filter_map(|item| match item {
            Item::Pair(one, other) => Some((one, other)),
            _ => None,
        }));
    }
    calls
}

/// Pairs of equal subtrees and their sizes. Larger subtrees come before the ones inside them, and equal ones pair in
/// order.
fn equal_subtrees(ones: &[usize], old: &Side, others: &[usize], new: &Side) -> Vec<(usize, usize, usize)> {
    let mut old_count: QuickMap<Fingerprint, u32> = QuickMap::default();
    ones.iter().for_each(|one| *old_count.entry(old.whole(*one)).or_default() += 1);
    let mut candidates: QuickMap<Fingerprint, Vec<usize>> = QuickMap::default();
    others.iter().rev().for_each(|other| candidates.entry(new.whole(*other)).or_default().push(*other));
    let new_count: QuickMap<Fingerprint, usize> =
        candidates.iter().map(|(whole, candidates)| (*whole, candidates.len())).collect();
    let left_in = |list: &[usize], from: usize, size: usize| {
        let at = list.partition_point(|node| *node < from);
        list.get(at + size - 1) == Some(&(from + size - 1))
    };
    let mut taken = vec![false; new.nodes.len()];
    let mut behind = 0;
    let mut pairs = Vec::new();
    for one in ones.iter().copied() {
        let (whole, size) = (old.whole(one), old.size(one));
        let unique = old_count.get(&whole) == Some(&1) && new_count.get(&whole) == Some(&1);
        if one < behind || size == 1 && !unique || !left_in(ones, one, size) {
            continue;
        }
        let Some(candidates) = candidates.get_mut(&whole) else { continue };
        let fits = |other: &usize| !taken[*other] && new.size(*other) == size && left_in(others, *other, size);
        let Some(other) = std::iter::from_fn(|| candidates.pop()).find(fits) else { continue };
        taken[other..other + size].fill(true);
        behind = one + size;
        pairs.push((one, other, size));
    }
    pairs
}
