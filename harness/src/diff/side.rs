//! Marks what is equal in both paths: equal entries have equal ids, equal subtrees have equal fingerprints.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::path::{CallPath, PathEntry, PathNode};

/// A hash of a subtree. Two of a hundred thousand different subtrees have the same one with a probability of about
/// 10^-28 (128 bits). Tables that exclude this made a diff spend most of its time waiting for memory.
pub(super) type Fingerprint = [u64; 2];

/// A map with a fast hash, for keys that no attacker chooses.
pub(super) type QuickMap<K, V> = HashMap<K, V, BuildHasherDefault<Mix>>;

/// One of the two paths.
pub(super) struct Side<'a> {
    pub nodes: &'a [PathNode],
    /// Index just past each node's last descendant.
    pub ends: Vec<usize>,
    /// Id of each node's entry: the same for equal entries on both sides.
    pub entry_ids: Vec<u32>,
    /// Each node's subtree, without the node's own count.
    body: Vec<Fingerprint>,
    /// Each node's subtree, with the node's own count.
    whole: Vec<Fingerprint>,
}

impl<'a> Side<'a> {
    /// The children of a node in order, or the roots for `None`.
    pub(super) fn children(&self, node: Option<usize>) -> Vec<usize> {
        let (mut at, end) = match node {
            Some(node) => (node + 1, self.ends[node]),
            None => (0, self.nodes.len()),
        };
        let mut children = Vec::new();
        while at < end {
            children.push(at);
            at = self.ends[at];
        }
        children
    }

    /// The number of nodes in the subtree, including the node itself.
    pub(super) fn size(&self, node: usize) -> usize {
        self.ends[node] - node
    }

    /// The fingerprint of the node's subtree.
    pub(super) fn whole(&self, node: usize) -> Fingerprint {
        self.whole[node]
    }

    pub(super) fn equals(&self, node: usize, other: &Self, at: usize) -> bool {
        self.whole[node] == other.whole[at] && self.size(node) == other.size(at)
    }

    /// Whether two subtrees are equal apart from how often they run.
    pub(super) fn equals_but_for_times(&self, node: usize, other: &Self, at: usize) -> bool {
        self.body[node] == other.body[at] && self.size(node) == other.size(at)
    }
}

/// Marks both paths. Linear.
pub(super) fn mark<'a>(old: &'a CallPath, new: &'a CallPath) -> (Side<'a>, Side<'a>) {
    let mut ids = QuickMap::default();
    (side(old, &mut ids), side(new, &mut ids))
}

fn side<'a>(path: &'a CallPath, ids: &mut QuickMap<&'a PathEntry, u32>) -> Side<'a> {
    const EMPTY: Fingerprint = [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344];
    let nodes = &path.nodes;
    let count = nodes.len();
    let (mut entry_ids, mut body, mut whole) = (vec![0; count], vec![EMPTY; count], vec![EMPTY; count]);
    // In reverse order, a node's list of children is complete when the node is reached.
    let mut lists: Vec<Fingerprint> = vec![EMPTY; 2];
    for (at, node) in nodes.iter().enumerate().rev() {
        let depth = node.depth as usize;
        if lists.len() < depth + 2 {
            lists.resize(depth + 2, EMPTY);
        }
        let next = ids.len() as u32;
        entry_ids[at] = *ids.entry(&node.entry).or_insert(next);
        let children = std::mem::replace(&mut lists[depth + 1], EMPTY);
        body[at] = combined(children, [u64::from(entry_ids[at]); 2]);
        whole[at] = combined(body[at], [u64::from(node.times); 2]);
        lists[depth] = combined(lists[depth], whole[at]);
    }
    Side { nodes, ends: path.subtree_ends(), entry_ids, body, whole }
}

/// Combines two fingerprints; the order matters.
fn combined(one: Fingerprint, other: Fingerprint) -> Fingerprint {
    [
        mixed(one[0].wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ other[0]),
        mixed(
            one[1].rotate_left(29).wrapping_mul(0xd6e8_feb8_6659_fd93) ^ other[1].wrapping_mul(0xa076_1d64_78bd_642f),
        ),
    ]
}

/// The finalizer of MurmurHash3: every bit of the value affects every bit of the result, and the mapping is one to one.
fn mixed(value: u64) -> u64 {
    let value = (value ^ value >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let value = (value ^ value >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    value ^ value >> 33
}

#[derive(Default)]
pub(super) struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        mixed(self.0)
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(23) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(u64::from(value));
    }

    fn write_u8(&mut self, value: u8) {
        self.write_u64(u64::from(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::text::parse;

    #[test]
    fn only_equal_subtrees_have_equal_fingerprints_on_both_sides() {
        let old = parse("a\n  b\n  c\nb\nd\n  b\n  c\n").unwrap();
        let new = parse("x\n  a\n    b\n    c\nb ×2\nd\n  b\n    c\n").unwrap();
        let (old, new) = mark(&old, &new);
        assert!(old.equals(0, &new, 1) && old.whole(0) == new.whole(1));
        assert!(old.equals_but_for_times(3, &new, 4) && !old.equals(3, &new, 4));
        assert!(!old.equals(4, &new, 5) && !old.equals_but_for_times(4, &new, 5));
        assert_eq!(old.entry_ids[4], new.entry_ids[5]);
        assert_eq!((old.children(None), old.children(Some(0)), old.size(4)), (vec![0, 3, 4], vec![1, 2], 3));
    }
}
