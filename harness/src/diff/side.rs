//! Both paths with numbers for what is equal: equal numbers mean equal subtrees, on either side.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::path::{Path, PathNode, Step};

/// One of the two paths, numbered.
pub(super) struct Side<'a> {
    pub nodes: &'a [PathNode],
    /// Index just behind each node's last descendant.
    pub ends: Vec<usize>,
    /// Number of each node's step: equal for equal steps.
    pub step: Vec<u32>,
    /// Number of each node's subtree, the node's own count left out.
    pub body: Vec<u32>,
    /// Number of each node's subtree with its count.
    pub whole: Vec<u32>,
}

impl<'a> Side<'a> {
    /// The children of a node, in order; the roots for `None`.
    pub fn children(&self, node: Option<usize>) -> Vec<usize> {
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

    /// Number of nodes in the subtree, the node itself included.
    pub fn size(&self, node: usize) -> usize {
        self.ends[node] - node
    }
}

/// Numbers both paths alike. Linear.
pub(super) fn number<'a>(old: &'a Path, new: &'a Path) -> (Side<'a>, Side<'a>) {
    let mut numbers = Numbers::default();
    (numbers.side(old), numbers.side(new))
}

#[derive(Default)]
struct Numbers<'a> {
    steps: HashMap<&'a Step, u32>,
    pairs: [HashMap<u64, u32, BuildHasherDefault<Mix>>; 3],
}

/// Which kind of pair a number stands for.
#[derive(Clone, Copy)]
enum Pair {
    /// A list of siblings: its first, and the list of the others.
    List = 0,
    /// A step and the list of its children.
    Body = 1,
    /// A body and its count.
    Whole = 2,
}

impl<'a> Numbers<'a> {
    fn side(&mut self, path: &'a Path) -> Side<'a> {
        const EMPTY: u32 = 0;
        let nodes = &path.nodes;
        let mut side = Side {
            nodes,
            ends: path.subtree_ends(),
            step: vec![0; nodes.len()],
            body: vec![0; nodes.len()],
            whole: vec![0; nodes.len()],
        };
        // Walking backwards, the list of a node's children is complete when the node is reached.
        let mut lists: Vec<u32> = vec![EMPTY; 2];
        for (at, node) in nodes.iter().enumerate().rev() {
            let depth = node.depth as usize;
            if lists.len() < depth + 2 {
                lists.resize(depth + 2, EMPTY);
            }
            let next = self.steps.len() as u32;
            let step = *self.steps.entry(&node.what).or_insert(next);
            let children = std::mem::replace(&mut lists[depth + 1], EMPTY);
            let body = self.pair(Pair::Body, step, children);
            let whole = self.pair(Pair::Whole, body, node.times);
            lists[depth] = self.pair(Pair::List, whole, lists[depth]);
            (side.step[at], side.body[at], side.whole[at]) = (step, body, whole);
        }
        side
    }

    /// Numbers begin at 1: 0 is the empty list.
    fn pair(&mut self, kind: Pair, one: u32, other: u32) -> u32 {
        let numbers = &mut self.pairs[kind as usize];
        let next = numbers.len() as u32 + 1;
        *numbers.entry(u64::from(one) << 32 | u64::from(other)).or_insert(next)
    }
}

/// A hasher for pairs of small numbers: nobody outside chooses them, so it need not resist anybody.
#[derive(Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, value: u64) {
        // The finalizer of MurmurHash3: every bit of the value reaches every bit of the hash.
        let mut mixed = self.0 ^ value;
        mixed = (mixed ^ mixed >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
        mixed = (mixed ^ mixed >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        self.0 = mixed ^ mixed >> 33;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::text::parse;

    #[test]
    fn equal_subtrees_have_equal_numbers_on_both_sides_and_no_others() {
        let old = parse("a\n  b\n  c\nb\nd\n  b\n  c\n").unwrap();
        let new = parse("x\n  a\n    b\n    c\nb ×2\nd\n  b\n    c\n").unwrap();
        let (old, new) = number(&old, &new);
        assert_eq!(old.whole[0], new.whole[1]);
        assert_eq!((old.body[3], old.whole[3] == new.whole[4]), (new.body[4], false));
        assert_ne!(old.whole[4], new.whole[5]);
        assert_eq!(old.step[4], new.step[5]);
        assert_eq!((old.children(None), old.children(Some(0)), old.size(4)), (vec![0, 3, 4], vec![1, 2], 3));
    }
}
