//! Aligns two lists of siblings: the children of two paired nodes.
//!
//! Levels that appeared or disappeared are found first and replaced by their children. Then the lists are aligned in
//! order, so that as many lines as possible stay the same.

use std::ops::Range;

use imara_diff::{Algorithm, Diff, Token};

use super::levels::{Member, open_levels};
use super::renames::{Renames, look_alike};
use super::side::{Fingerprint, QuickMap, Side};
use crate::path::PathEntry;

/// A part of an aligned list, in preorder on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// An old and a new node that belong together.
    Pair(usize, usize),
    /// An old node without a counterpart, with its descendants.
    Old(usize),
    /// A new node without a counterpart, with its descendants.
    New(usize),
    /// An old level that disappeared. Its children follow as items of the same list.
    SplicedOut(usize),
    /// A new level that appeared. Its children follow as items of the same list.
    SplicedIn(usize),
}

/// The largest product of two lists' lengths for which all pairs are tried. Longer lists are first split at their equal
/// members.
const SMALL: usize = 2_500;
/// How many children are compared to find out how similar two nodes are.
const LOOKED_AT: usize = 8;
/// How many lines beneath two functions must be equal for one to take the other's place without a likely rename.
const SAME_WORK: u64 = 3;

/// Both sides, and what is known about renames.
pub(super) struct Siblings<'s, 'a> {
    pub old: &'s Side<'a>,
    pub new: &'s Side<'a>,
    pub renames: &'s Renames,
    /// Whether one function could have been renamed to the other, judging by anything but the paths.
    pub plausible: &'s dyn Fn(&str, &str) -> bool,
}

/// Which members count as equal when a long list is split.
#[derive(Clone, Copy)]
enum Split {
    /// Those with the same entry and the same descendants.
    AtTrees,
    /// Those with the same entry.
    AtEntries,
}

impl Siblings<'_, '_> {
    /// Aligns two lists of siblings.
    pub(super) fn align(&self, old: &[usize], new: &[usize]) -> Vec<Item> {
        let equal = |(old, new): &(&usize, &usize)| self.old.equals(**old, self.new, **new);
        let before = old.iter().zip(new).take_while(equal).count();
        let after = old[before..].iter().rev().zip(new[before..].iter().rev()).take_while(equal).count();
        let mut items: Vec<Item> = old.iter().zip(new).take(before).map(|(old, new)| Item::Pair(*old, *new)).collect();
        let (old_middle, old_after) = old[before..].split_at(old.len() - before - after);
        let (new_middle, new_after) = new[before..].split_at(new.len() - before - after);
        self.align_middle(old_middle, new_middle, &mut items);
        items.extend(old_after.iter().zip(new_after).map(|(old, new)| Item::Pair(*old, *new)));
        items
    }

    fn align_middle(&self, old: &[usize], new: &[usize], items: &mut Vec<Item>) {
        if old.is_empty() || new.is_empty() {
            items.extend(old.iter().map(|old| Item::Old(*old)));
            items.extend(new.iter().map(|new| Item::New(*new)));
            return;
        }
        let mut old: Vec<Member> = old.iter().map(|node| Member::Node(*node)).collect();
        let mut new: Vec<Member> = new.iter().map(|node| Member::Node(*node)).collect();
        // Each round opens levels, so there are at most as many rounds as levels.
        let renames = self.renames;
        while open_levels(self.old, &mut old, self.new, &new, renames)
            || open_levels(self.new, &mut new, self.old, &old, renames)
        {}
        let first = items.len();
        self.align_members(&old, &new, &[Split::AtTrees, Split::AtEntries], items);
        let aligned = items.split_off(first);
        items.extend(self.without_empty_levels(aligned));
    }

    /// Turns opened levels back into new or gone nodes if nothing beneath them was paired.
    fn without_empty_levels(&self, items: Vec<Item>) -> Vec<Item> {
        let pairs = items.iter().filter_map(|item| match item {
            Item::Pair(old, new) => Some((*old, *new)),
            _ => None,
        });
        let paired: Vec<(usize, usize)> = pairs.collect();
        // Pairs ascend on both sides.
        let holds_old = |node: usize| {
            let first = paired.partition_point(|(old, _)| *old <= node);
            paired.get(first).is_some_and(|(old, _)| *old < self.old.ends[node])
        };
        let holds_new = |node: usize| {
            let first = paired.partition_point(|(_, new)| *new <= node);
            paired.get(first).is_some_and(|(_, new)| *new < self.new.ends[node])
        };
        let (mut old_behind, mut new_behind) = (0, 0);
        let mut out = Vec::with_capacity(items.len());
        for item in items {
            match item {
                Item::Old(node) | Item::SplicedOut(node) if node < old_behind => {}
                Item::New(node) | Item::SplicedIn(node) if node < new_behind => {}
                Item::SplicedOut(node) if !holds_old(node) => {
                    old_behind = self.old.ends[node];
                    out.push(Item::Old(node));
                }
                Item::SplicedIn(node) if !holds_new(node) => {
                    new_behind = self.new.ends[node];
                    out.push(Item::New(node));
                }
                other => out.push(other),
            }
        }
        out
    }

    /// Aligns two lists by trying every pair. Long lists are first split at members that are equal by the first of
    /// `splits`, and what is between those by the next ones.
    fn align_members(&self, old: &[Member], new: &[Member], splits: &[Split], items: &mut Vec<Item>) {
        if old.len().saturating_mul(new.len()) <= SMALL {
            return self.align_small(old, new, items);
        }
        let Some((split, others)) = splits.split_first() else {
            items.extend(old.iter().map(unpaired_old));
            items.extend(new.iter().map(unpaired_new));
            return;
        };
        let mut known: QuickMap<Fingerprint, u32> = QuickMap::default();
        let mut tokens = |side: &Side, list: &[Member]| -> Vec<Token> {
            let token = |member: &Member| match (member, split) {
                (Member::Level(_), _) => LEVEL,
                (Member::Node(node), Split::AtEntries) => Token(side.entry_ids[*node] + 1),
                (Member::Node(node), Split::AtTrees) => {
                    let next = known.len() as u32 + 1;
                    Token(*known.entry(side.whole(*node)).or_insert(next))
                }
            };
            list.iter().map(token).collect()
        };
        let (old_tokens, new_tokens) = (tokens(self.old, old), tokens(self.new, new));
        for stretch in align_tokens(&old_tokens, &new_tokens) {
            match stretch {
                Stretch::Equal(one, other) => items.extend(pair(old[one], new[other])),
                Stretch::Between(olds, news) => self.align_members(&old[olds], &new[news], others, items),
            }
        }
    }

    /// Finds the alignment with the highest total worth by trying every pair.
    fn align_small(&self, old: &[Member], new: &[Member], items: &mut Vec<Item>) {
        let width = new.len() + 1;
        let worth = self.worths(old, new);
        // best[i][j]: the highest worth of aligning old[i..] with new[j..].
        let mut best = vec![0u64; (old.len() + 1) * width];
        for i in (0..old.len()).rev() {
            for j in (0..new.len()).rev() {
                let skip = best[(i + 1) * width + j].max(best[i * width + j + 1]);
                let pair = worth[i * new.len() + j];
                let paired = if pair > 0 { pair + best[(i + 1) * width + j + 1] } else { 0 };
                best[i * width + j] = skip.max(paired);
            }
        }
        let (mut i, mut j) = (0, 0);
        while i < old.len() && j < new.len() {
            let here = best[i * width + j];
            let pair = worth[i * new.len() + j];
            match (old[i], new[j]) {
                (Member::Node(one), Member::Node(other))
                    if pair > 0 && here == pair + best[(i + 1) * width + j + 1] =>
                {
                    items.push(Item::Pair(one, other));
                    (i, j) = (i + 1, j + 1);
                }
                _ if here == best[(i + 1) * width + j] => {
                    items.push(unpaired_old(&old[i]));
                    i += 1;
                }
                _ => {
                    items.push(unpaired_new(&new[j]));
                    j += 1;
                }
            }
        }
        items.extend(old[i..].iter().map(unpaired_old));
        items.extend(new[j..].iter().map(unpaired_new));
    }

    /// The worth of each pair, row by row; 0 if the two are unrelated.
    fn worths(&self, old: &[Member], new: &[Member]) -> Vec<u64> {
        let entries = |side: &Side, list: &[Member]| -> QuickMap<u32, u32> {
            let mut counts = QuickMap::default();
            list.iter().for_each(|member| {
                if let Member::Node(node) = member {
                    *counts.entry(side.entry_ids[*node]).or_default() += 1;
                }
            });
            counts
        };
        let (old_entries, new_entries) = (entries(self.old, old), entries(self.new, new));
        let mut worth = vec![0; old.len() * new.len()];
        for (i, one) in old.iter().enumerate() {
            for (j, other) in new.iter().enumerate() {
                let (Member::Node(one), Member::Node(other)) = (*one, *other) else { continue };
                let stays = new_entries.contains_key(&self.old.entry_ids[one])
                    || old_entries.contains_key(&self.new.entry_ids[other]);
                worth[i * new.len() + j] = self.worth(one, other, stays);
            }
        }
        worth
    }

    /// The worth of pairing two nodes: mostly the lines that then stay the same. `stays` says that one of the two
    /// entries is in both lists, so it cannot have been renamed to the other.
    fn worth(&self, one: usize, other: usize, stays: bool) -> u64 {
        const LINE: u64 = 16;
        let size = self.old.size(one) as u64;
        if self.old.equals(one, self.new, other) {
            return LINE * size + 8;
        }
        if self.old.equals_but_for_times(one, self.new, other) {
            return LINE * size + 4;
        }
        let shared = || self.shared_beneath(one, other);
        if self.old.entry_ids[one] == self.new.entry_ids[other] {
            return LINE * shared().saved + 4;
        }
        match (&self.old.nodes[one].entry, &self.new.nodes[other].entry) {
            (PathEntry::Call(from), PathEntry::Call(to)) if self.renames.are_one(from, to) => LINE * shared().saved + 3,
            (PathEntry::Call(from), PathEntry::Call(to)) if !stays && (self.plausible)(from, to) => {
                let shared = shared();
                let looks = look_alike(from, to);
                if shared.most || looks { LINE * shared.saved + 1 + u64::from(looks) } else { 0 }
            }
            // A function that does this much of the same work takes the other's place, whatever the symbols say.
            (PathEntry::Call(_), PathEntry::Call(_)) if !stays => {
                let shared = shared();
                if shared.most && shared.saved >= SAME_WORK { LINE * shared.saved } else { 0 }
            }
            (PathEntry::In(_), PathEntry::In(_)) if !stays => LINE * shared().saved + 1,
            _ => 0,
        }
    }

    /// Compares the first children of two nodes.
    fn shared_beneath(&self, one: usize, other: usize) -> Shared {
        let first = |side: &Side, node: usize| -> Vec<usize> {
            let next = |child: &usize| Some(side.ends[*child]).filter(|next| *next < side.ends[node]);
            let first = Some(node + 1).filter(|child| *child < side.ends[node]);
            std::iter::successors(first, next).take(LOOKED_AT).collect()
        };
        let (ones, mut others) = (first(self.old, one), first(self.new, other));
        let most = ones.len().max(others.len());
        let (mut alike, mut saved) = (0, 0);
        for one in &ones {
            let (side, id) = (self.new, self.old.entry_ids[*one]);
            let same = others.iter().position(|other| self.old.equals(*one, side, *other));
            let Some(at) = same.or_else(|| others.iter().position(|other| side.entry_ids[*other] == id)) else {
                continue;
            };
            others.remove(at);
            alike += 1;
            saved += if same.is_some() { self.old.size(*one) as u64 } else { 1 };
        }
        Shared { saved, most: alike * 2 > most }
    }
}

/// What two nodes have in common beneath them.
struct Shared {
    /// A lower bound of the lines that stay the same if the two are paired.
    saved: u64,
    /// Whether more than half of their children are similar.
    most: bool,
}

/// The token of a level. Levels are never equal.
const LEVEL: Token = Token(0);

/// A part of two aligned lists, by index.
enum Stretch {
    Equal(usize, usize),
    /// The members between equal ones.
    Between(Range<usize>, Range<usize>),
}

/// Aligns two lists by their equal tokens, as a line diff does.
fn align_tokens(old: &[Token], new: &[Token]) -> Vec<Stretch> {
    let mut diff = Diff::default();
    // Myers' algorithm does not need a table of all tokens, and settles for a larger diff where the smallest would take
    // too long.
    diff.compute_with(Algorithm::Myers, old, new, 0);
    let mut out = Vec::new();
    let (mut at_old, mut at_new) = (0, 0);
    let (mut from_old, mut from_new) = (0, 0);
    while at_old < old.len() || at_new < new.len() {
        if at_old < old.len() && (diff.is_removed(at_old as u32) || old[at_old] == LEVEL) {
            at_old += 1;
        } else if at_new < new.len() && (diff.is_added(at_new as u32) || new[at_new] == LEVEL) {
            at_new += 1;
        } else {
            out.push(Stretch::Between(from_old..at_old, from_new..at_new));
            out.push(Stretch::Equal(at_old, at_new));
            (at_old, at_new) = (at_old + 1, at_new + 1);
            (from_old, from_new) = (at_old, at_new);
        }
    }
    out.push(Stretch::Between(from_old..old.len(), from_new..new.len()));
    out
}

fn pair(old: Member, new: Member) -> Option<Item> {
    match (old, new) {
        (Member::Node(old), Member::Node(new)) => Some(Item::Pair(old, new)),
        _ => None,
    }
}

fn unpaired_old(member: &Member) -> Item {
    match *member {
        Member::Node(node) => Item::Old(node),
        Member::Level(node) => Item::SplicedOut(node),
    }
}

fn unpaired_new(member: &Member) -> Item {
    match *member {
        Member::Node(node) => Item::New(node),
        Member::Level(node) => Item::SplicedIn(node),
    }
}
