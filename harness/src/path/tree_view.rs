//! Chooses the lines of a path to show.

use std::sync::Arc;

use super::{CallPath, PathEntry, PathNode, text};
use crate::wildcard;

/// Which lines of a path to show. They are chosen in this order: a function, the lines that match, a depth.
#[derive(Clone, Debug, Default)]
pub(crate) struct TreeView {
    pub(crate) function: Option<FunctionView>,
    /// Show the lines with this text or this pattern with `*`, and the calls above them.
    pub(crate) filter: Option<String>,
    /// The number of levels to show.
    pub(crate) depth: Option<u32>,
}

/// What to show of one function.
#[derive(Clone, Debug)]
pub(crate) enum FunctionView {
    /// Its calls with everything beneath them.
    Under(String),
    /// The function on top, with its callers beneath it, theirs beneath them, and so on; each with the number of calls through it.
    Callers(String),
}

impl TreeView {
    /// Whether the view leaves anything out.
    pub(crate) fn is_part(&self) -> bool {
        self.function.is_some() || self.filter.is_some() || self.depth.is_some()
    }

    /// The chosen lines as a path.
    pub(crate) fn of(&self, path: &CallPath) -> CallPath {
        let chosen = match &self.function {
            None => path.clone(),
            Some(FunctionView::Under(function)) => under(path, function),
            Some(FunctionView::Callers(function)) => callers(path, function),
        };
        let chosen = match &self.filter {
            None => chosen,
            Some(filter) => matching(&chosen, filter),
        };
        let is_shown = |node: &PathNode| self.depth.is_none_or(|depth| node.depth < depth);
        CallPath { nodes: chosen.nodes.into_iter().filter(is_shown).collect() }
    }
}

fn is_call_of(node: &PathNode, function: &str) -> bool {
    node.entry.function() == Some(function)
}

/// The calls of a function with everything beneath them. One beneath another is not shown again.
fn under(path: &CallPath, function: &str) -> CallPath {
    let ends = path.subtree_ends();
    let mut nodes = Vec::new();
    let mut at = 0;
    while let Some(node) = path.nodes.get(at) {
        if !is_call_of(node, function) {
            at += 1;
            continue;
        }
        let beneath = path.nodes[at..ends[at]].iter();
        nodes.extend(beneath.map(|below| PathNode { depth: below.depth - node.depth, ..below.clone() }));
        at = ends[at];
    }
    CallPath { nodes }
}

/// The lines that match, and those above them.
fn matching(path: &CallPath, filter: &str) -> CallPath {
    let ends = path.subtree_ends();
    let found: Vec<bool> = path.nodes.iter().map(|node| matches(filter, &text::entry(&node.entry))).collect();
    // By line, the number of lines before it that match.
    let mut before = vec![0];
    found.iter().for_each(|found| before.push(before[before.len() - 1] + usize::from(*found)));
    let is_shown = |at: &usize| before[ends[*at]] > before[*at];
    CallPath { nodes: (0..path.nodes.len()).filter(is_shown).map(|at| path.nodes[at].clone()).collect() }
}

/// A line of the tree of callers.
struct Caller {
    entry: PathEntry,
    calls: u32,
    callers: Vec<Caller>,
}

fn callers(path: &CallPath, function: &str) -> CallPath {
    let top = PathEntry::Call(Arc::from(function));
    let mut root = Caller { entry: top, calls: 0, callers: Vec::new() };
    // The lines around the current one, with how often they ran.
    let mut above: Vec<(&PathEntry, u32)> = Vec::new();
    for node in &path.nodes {
        above.truncate(node.depth as usize);
        let rounds = above.last().map_or(1, |(_, rounds)| *rounds).saturating_mul(node.times);
        if is_call_of(node, function) {
            root.calls = root.calls.saturating_add(rounds);
            let chain = above.iter().rev().map(|(entry, _)| *entry).filter(|entry| **entry != PathEntry::Repeat);
            chain.fold(&mut root, |caller, entry| caller.called_by(entry, rounds));
        }
        above.push((&node.entry, rounds));
    }
    let mut nodes = Vec::new();
    if root.calls > 0 {
        root.write(0, &mut nodes);
    }
    CallPath { nodes }
}

impl Caller {
    fn called_by(&mut self, entry: &PathEntry, calls: u32) -> &mut Self {
        let known = self.callers.iter().position(|caller| caller.entry == *entry);
        let at = known.unwrap_or_else(|| {
            self.callers.push(Self { entry: entry.clone(), calls: 0, callers: Vec::new() });
            self.callers.len() - 1
        });
        let caller = &mut self.callers[at];
        caller.calls = caller.calls.saturating_add(calls);
        caller
    }

    fn write(self, depth: u32, nodes: &mut Vec<PathNode>) {
        // A path may have any depth, so this does not recurse.
        let mut next = vec![(self, depth)];
        while let Some((caller, depth)) = next.pop() {
            nodes.push(PathNode { depth, entry: caller.entry, times: caller.calls });
            next.extend(caller.callers.into_iter().rev().map(|caller| (caller, depth + 1)));
        }
    }
}

/// Whether a text contains `pattern`, or matches all of it if it has a `*`.
fn matches(pattern: &str, text: &str) -> bool {
    if pattern.contains('*') { wildcard::matches(pattern, text) } else { text.contains(pattern) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "\
~ in sender.send
  rx
    ~ repeats ×2
      rcv ×3
        ack
          rcv
    queue
      rcv
        ~ wakes receiver
";

    fn shown(view: TreeView) -> String {
        text::write(&view.of(&text::parse(PATH).unwrap()))
    }

    #[test]
    fn a_function_is_shown_with_what_is_beneath_it_or_above_it() {
        let view = |function| TreeView { function: Some(function), ..TreeView::default() };
        let under = view(FunctionView::Under("rcv".to_owned()));
        assert_eq!(shown(under), "rcv ×3\n  ack\n    rcv\nrcv\n  ~ wakes receiver\n");
        let callers = view(FunctionView::Callers("rcv".to_owned()));
        let expected = "rcv ×13\n  rx ×6\n    ~ in sender.send ×6\n  ack ×6\n    rcv ×6\n      rx ×6\n        \
                        ~ in sender.send ×6\n  queue\n    rx\n      ~ in sender.send\n";
        assert_eq!(shown(callers), expected);
        assert_eq!(shown(view(FunctionView::Callers("recv".to_owned()))), "");
    }

    #[test]
    fn a_filter_keeps_the_calls_above_what_it_matches_and_a_depth_cuts_what_is_left() {
        let view = |filter: &str, depth| TreeView { filter: Some(filter.to_owned()), depth, ..TreeView::default() };
        assert_eq!(
            shown(view("wakes", None)),
            "~ in sender.send\n  rx\n    queue\n      rcv\n        ~ wakes receiver\n"
        );
        assert_eq!(shown(view("q*e", None)), "~ in sender.send\n  rx\n    queue\n");
        assert_eq!(shown(view("ack", Some(2))), "~ in sender.send\n  rx\n");
        assert_eq!(shown(view("q*u", None)), "");
        assert_eq!(shown(TreeView { depth: Some(1), ..TreeView::default() }), "~ in sender.send\n");
    }
}
