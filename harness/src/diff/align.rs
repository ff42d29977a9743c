//! Aligns two paths, which are mostly equal ordered trees.
//!
//! Tree edit distance is at least quadratic, which is too slow for tens of thousands of lines. So equal subtrees get
//! equal fingerprints ([`super::side`]) and are not visited; where subtrees differ, their children are aligned
//! ([`super::siblings`]), level by level; and the nodes without a counterpart are searched for elsewhere ([`super::moves`]).

use super::moves::mark_moves;
use super::path_diff::{Change, DiffLine, PathDiff};
use super::renames::Renames;
use super::siblings::{Item, Siblings};
use super::side::{Side, mark};
use crate::path::{CallPath, PathEntry};

/// What the alignment knows besides the two paths.
pub struct Knowledge<'k> {
    pub renames: &'k Renames,
    /// Whether the first function could have been renamed to the second, judging by the kernels' symbols, for example.
    /// Used for guesses, not for known renames.
    pub plausible: &'k dyn Fn(&str, &str) -> bool,
}

/// Aligns two well-formed paths.
pub fn align(old: &CallPath, new: &CallPath, knowledge: &Knowledge) -> PathDiff {
    let (old, new) = mark(old, new);
    let siblings = Siblings { old: &old, new: &new, renames: knowledge.renames, plausible: knowledge.plausible };
    let mut lines = Lines { old: &old, new: &new, out: Vec::with_capacity(old.nodes.len().max(new.nodes.len())) };
    let mut next = siblings.align(&old.children(None), &new.children(None));
    next.reverse();
    while let Some(item) = next.pop() {
        match item {
            Item::Pair(one, other) if old.equals(one, &new, other) => lines.same(one, other),
            Item::Pair(one, other) => {
                lines.pair(one, other);
                if old.equals_but_for_times(one, &new, other) {
                    lines.beneath(one, other);
                    continue;
                }
                let beneath = siblings.align(&old.children(Some(one)), &new.children(Some(other)));
                next.extend(beneath.into_iter().rev());
            }
            Item::Old(node) => lines.only_old(node..old.ends[node], &Change::Gone),
            Item::New(node) => lines.only_new(node..new.ends[node], &Change::New),
            Item::SplicedOut(node) => lines.only_old(node..node + 1, &Change::SplicedOut),
            Item::SplicedIn(node) => lines.only_new(node..node + 1, &Change::SplicedIn),
        }
    }
    let mut out = lines.out;
    mark_moves(&mut out, &siblings);
    PathDiff { lines: out }
}

struct Lines<'s, 'a> {
    old: &'s Side<'a>,
    new: &'s Side<'a>,
    out: Vec<DiffLine>,
}

impl Lines<'_, '_> {
    fn push(&mut self, change: Change, old: Option<usize>, new: Option<usize>) {
        let old = old.map(|node| self.old.nodes[node].clone());
        let new = new.map(|node| self.new.nodes[node].clone());
        self.out.push(DiffLine { change, old, new });
    }

    /// Adds two equal subtrees.
    fn same(&mut self, one: usize, other: usize) {
        self.push(Change::Same, Some(one), Some(other));
        self.beneath(one, other);
    }

    /// Adds the descendants of two nodes, which must be equal.
    fn beneath(&mut self, one: usize, other: usize) {
        for below in 1..self.old.size(one) {
            self.push(Change::Same, Some(one + below), Some(other + below));
        }
    }

    /// Adds two paired nodes without their descendants.
    fn pair(&mut self, one: usize, other: usize) {
        let (from, to) = (&self.old.nodes[one], &self.new.nodes[other]);
        let change = match (&from.entry, &to.entry) {
            (PathEntry::Call(from), PathEntry::Call(to)) | (PathEntry::In(from), PathEntry::In(to)) if from != to => {
                Change::Renamed { from: from.clone(), to: to.clone() }
            }
            _ if from.times != to.times => Change::Times { from: from.times, to: to.times },
            _ => Change::Same,
        };
        self.push(change, Some(one), Some(other));
    }

    fn only_old(&mut self, nodes: std::ops::Range<usize>, change: &Change) {
        nodes.for_each(|node| self.push(change.clone(), Some(node), None));
    }

    fn only_new(&mut self, nodes: std::ops::Range<usize>, change: &Change) {
        nodes.for_each(|node| self.push(change.clone(), None, Some(node)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::arbitrary::paths;
    use crate::path::text;
    use proptest::prelude::*;

    fn aligned(old: &CallPath, new: &CallPath) -> PathDiff {
        let renames = Renames::embedded();
        align(old, new, &Knowledge { renames, plausible: &|_, _| true })
    }

    /// Renders a diff as text, with a sign per line.
    fn render(diff: &PathDiff) -> String {
        let line = |line: &DiffLine| {
            let text = line.node().map(text::line).unwrap_or_default();
            let sign = match &line.change {
                Change::Same => " ".to_owned(),
                Change::New => "+".to_owned(),
                Change::Gone => "-".to_owned(),
                Change::Renamed { from, .. } => format!("~{from}>"),
                Change::Moved { .. } if line.old.is_some() => "m-".to_owned(),
                Change::Moved { .. } => "m+".to_owned(),
                Change::SplicedIn => "in".to_owned(),
                Change::SplicedOut => "out".to_owned(),
                Change::Times { from, .. } => format!("×{from}>"),
            };
            format!("{sign:3}{}{text}\n", "  ".repeat(line.depth() as usize))
        };
        diff.lines.iter().map(line).collect()
    }

    fn check(old: &str, new: &str, expected: &str) {
        let diff = aligned(&text::parse(old).unwrap(), &text::parse(new).unwrap());
        assert_eq!(render(&diff), expected);
        covers(&diff, old, new);
    }

    fn covers(diff: &PathDiff, old: &str, new: &str) {
        assert_eq!(text::write(&diff.old_path()), old);
        assert_eq!(text::write(&diff.new_path()), new);
    }

    #[test]
    fn a_function_split_in_two_is_one_level_spliced_in() {
        check(
            "tcp_recvmsg\n  lock_sock_nested\n  tcp_cleanup_rbuf\n  sk_wait_data\n    wait_woken\n  skb_copy\n  release_sock\n",
            "tcp_recvmsg\n  lock_sock_nested\n  tcp_recvmsg_locked\n    tcp_cleanup_rbuf\n      __tcp_cleanup_rbuf\n    \
             sk_wait_data\n      wait_woken\n    skb_copy\n  release_sock\n",
            "   tcp_recvmsg
     lock_sock_nested
in   tcp_recvmsg_locked
       tcp_cleanup_rbuf
+        __tcp_cleanup_rbuf
       sk_wait_data
         wait_woken
       skb_copy
     release_sock
",
        );
    }

    #[test]
    fn two_levels_inlined_at_once_are_spliced_out() {
        check(
            "a\n  outer\n    inner\n      x\n        y\n      z\n  b\n",
            "a\n  x\n    y\n  z\n  b\n",
            "   a\nout  outer\nout    inner\n     x\n       y\n     z\n     b\n",
        );
    }

    #[test]
    fn a_common_leaf_does_not_tear_a_spliced_level_apart() {
        check(
            "f\n  a\n  fput\n  b\n  fput\n",
            "f\n  w\n    a\n    fput\n    b\n  fput\n",
            "   f\nin   w\n       a\n       fput\n       b\n     fput\n",
        );
    }

    #[test]
    fn a_known_rename_is_one_line() {
        check(
            "f\n  sockfd_lookup_light\n    __fdget\n  g\n",
            "f\n  fdget\n  g\n",
            "   f\n~sockfd_lookup_light>  fdget\n-      __fdget\n     g\n",
        );
    }

    #[test]
    fn a_new_name_is_a_rename_only_over_the_same_work() {
        check(
            "f\n  one\n    a\n    b\n    c\n  g\n",
            "f\n  other\n    a\n    b\n    d\n  g\n",
            "   f\n~one>  other\n       a\n       b\n-      c\n+      d\n     g\n",
        );
        check(
            "f\n  one\n    a\n  g\n",
            "f\n  other\n    b\n  g\n",
            "   f\n-    one\n-      a\n+    other\n+      b\n     g\n",
        );
    }

    #[test]
    fn a_subtree_that_is_elsewhere_now_has_moved() {
        check(
            "f\n  big\n    x\n    y\n  a\n  b\n  c\n  d\n",
            "f\n  a\n  b\n  c\n  d\n  big\n    x\n    y\n",
            "   f\nm-   big\nm-     x\nm-     y\n     a\n     b\n     c\n     d\nm+   big\nm+     x\nm+     y\n",
        );
    }

    #[test]
    fn a_moved_subtree_that_changed_inside_shows_only_that_change() {
        check(
            "f\n  ack\n    send\n      x\n      y\n  a\n    1\n    2\n  b\n    3\n",
            "f\n  a\n    1\n    2\n  b\n    3\n  ack\n    send\n      x\n      z\n",
            "   f\nm-   ack\nm-     send\nm-       x\n-        y\n     a\n       1\n       2\n     b\n       3\nm+   ack\nm+     send\n\
             m+       x\n+        z\n",
        );
    }

    #[test]
    fn small_and_common_things_do_not_move() {
        check(
            "f\n  g\n    put\n    x\n  h\n    put\n    y\n  i\n    z\n",
            "f\n  g\n    x\n  h\n    y\n  i\n    put\n    z\n",
            "   f\n     g\n-      put\n       x\n     h\n-      put\n       y\n     i\n+      put\n       z\n",
        );
    }

    #[test]
    fn a_level_around_nothing_that_was_here_before_is_new() {
        check(
            "f\n  put\n  x\n",
            "f\n  x\n  h\n    put\n    y\n",
            "   f\nm-   put\n     x\n+    h\nm+     put\n+      y\n",
        );
    }

    #[test]
    fn a_different_number_of_repeats_is_one_line() {
        check("f\n  g ×3\n    x\n", "f\n  g ×5\n    x\n", "   f\n×3>  g ×5\n       x\n");
    }

    #[test]
    fn what_ran_a_softirq_can_change_while_its_path_stays() {
        check(
            "~ in sender.send\n  net_rx_action\n    ip_rcv\n",
            "~ in ksoftirqd\n  net_rx_action\n    ip_rcv\n",
            "~sender.send>~ in ksoftirqd\n     net_rx_action\n       ip_rcv\n",
        );
    }

    #[test]
    fn an_implausible_rename_is_not_guessed() {
        let renames = Renames::default();
        let (old, new) = (text::parse("one\n  a\n  b\n").unwrap(), text::parse("other\n  a\n  b\n").unwrap());
        let diff = align(&old, &new, &Knowledge { renames: &renames, plausible: &|_, _| false });
        assert!(diff.lines.iter().all(|line| !matches!(line.change, Change::Renamed { .. })));
    }

    #[test]
    fn a_function_that_does_the_same_work_takes_the_place_of_the_other_whatever_the_symbols_say() {
        let renames = Renames::default();
        let beneath = "    a\n      b\n    c\n  end\n";
        let (old, new) = (format!("f\n  recvmsg\n{beneath}"), format!("f\n  __recvmsg\n{beneath}"));
        let (old, new) = (text::parse(&old).unwrap(), text::parse(&new).unwrap());
        let diff = align(&old, &new, &Knowledge { renames: &renames, plausible: &|_, _| false });
        assert_eq!(render(&diff), "   f\n~recvmsg>  __recvmsg\n       a\n         b\n       c\n     end\n");
    }

    #[test]
    fn a_known_rename_is_not_a_level_even_if_what_was_beneath_it_is_beside_it_now() {
        check(
            "f\n  sockfd_lookup_light\n    fput\n",
            "f\n  fdget\n  fput\n",
            "   f\n~sockfd_lookup_light>  fdget\nm-     fput\nm+   fput\n",
        );
    }

    #[test]
    fn hunks_contain_the_change_its_context_and_the_lines_that_it_is_nested_in() {
        let old = text::parse("a\n  b\n    c\n    d\n    e\n    f\n  g\n").unwrap();
        let new = text::parse("a\n  b\n    c\n    d\n    e\n    x\n  g\n").unwrap();
        let diff = aligned(&old, &new);
        assert_eq!(diff.hunks(1), [0..2, 4..8]);
        assert_eq!(diff.hunks(0), [0..2, 5..7]);
        assert!(aligned(&old, &old).hunks(3).is_empty());
    }

    #[test]
    fn a_deep_path_does_not_overflow_the_stack() {
        let chain = |name: &str| CallPath {
            nodes: (0..20_000)
                .map(|depth| crate::path::PathNode::once(depth, PathEntry::Call(format!("{name}{depth}").into())))
                .collect(),
        };
        let diff = aligned(&chain("a"), &chain("b"));
        assert_eq!(diff.lines.len(), 40_000);
        assert!(aligned(&chain("a"), &chain("a")).is_same());
    }

    /// A path, and a copy with a few edits as kernels make them.
    fn edited() -> impl Strategy<Value = (CallPath, CallPath)> {
        (paths(), prop::collection::vec((any::<prop::sample::Index>(), 0..4u8), 0..6)).prop_map(|(path, edits)| {
            let mut new = path.clone();
            for (at, kind) in edits.into_iter().filter(|_| !path.nodes.is_empty()) {
                let at = at.index(new.nodes.len().max(1));
                let Some(node) = new.nodes.get_mut(at) else { continue };
                match kind {
                    0 => node.times += 1,
                    1 if node.entry.can_have_children() && node.entry != PathEntry::Repeat => {
                        node.entry = PathEntry::Call("new".into())
                    }
                    2 if node.entry.can_have_children() => {
                        let end = new.subtree_ends()[at];
                        let depth = new.nodes[at].depth;
                        new.nodes[at..end].iter_mut().for_each(|node| node.depth += 1);
                        new.nodes.insert(at, crate::path::PathNode::once(depth, PathEntry::Call("level".into())));
                    }
                    _ => {
                        let end = new.subtree_ends()[at];
                        new.nodes.drain(at..end);
                    }
                }
            }
            (path, new)
        })
    }

    proptest! {
        #[test]
        fn a_path_compared_with_itself_has_no_change(path in paths()) {
            let diff = aligned(&path, &path);
            prop_assert!(diff.is_same());
            prop_assert_eq!(diff.old_path(), path);
        }

        #[test]
        fn every_node_of_both_sides_is_in_one_line_in_order(old in paths(), new in paths()) {
            let diff = aligned(&old, &new);
            prop_assert_eq!(diff.old_path(), old);
            prop_assert_eq!(diff.new_path(), new);
        }

        #[test]
        fn edits_are_found_and_cover_both_sides((old, new) in edited()) {
            let diff = aligned(&old, &new);
            prop_assert_eq!(diff.is_same(), old == new);
            prop_assert_eq!(diff.old_path(), old);
            prop_assert_eq!(diff.new_path(), new);
        }

        #[test]
        fn each_kind_of_change_has_the_sides_that_it_implies((old, new) in edited()) {
            let diff = aligned(&old, &new);
            for (index, line) in diff.lines.iter().enumerate() {
                let sides = (line.old.is_some(), line.new.is_some());
                match &line.change {
                    Change::Same => prop_assert!(line.old.as_ref().map(|n| (&n.entry, n.times)) == line.new.as_ref().map(|n| (&n.entry, n.times))),
                    Change::New | Change::SplicedIn => prop_assert_eq!(sides, (false, true)),
                    Change::Gone | Change::SplicedOut => prop_assert_eq!(sides, (true, false)),
                    Change::Renamed { from, to } => prop_assert!(sides == (true, true) && from != to),
                    Change::Times { from, to } => prop_assert!(sides == (true, true) && from != to),
                    Change::Moved { counterpart } => {
                        let other = &diff.lines[*counterpart];
                        prop_assert_eq!(&other.change, &Change::Moved { counterpart: index });
                        let entry = |line: &DiffLine| line.node().map(|node| node.entry.clone());
                        prop_assert_eq!(entry(line), entry(other));
                    }
                }
            }
        }
    }
}
