//! A path as a tree that folds, with an element for each line.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::layout::{function_file, shortened, slug};
use crate::path::{CallPath, PathEntry, text};
use crate::report::change_words::{about_costs, cost_of, grouped, uncertain};
use crate::suite::SavedPath;

/// The maximum nesting of elements. Deeper lines are listed without folding, because a path may have any depth.
const DEEPEST: usize = 150;

/// What the calls of a path cost on a kernel.
#[derive(Clone, Copy)]
pub(super) struct Numbers<'p> {
    pub(super) kernel: &'p str,
    pub(super) saved: &'p SavedPath,
}

/// A path on a page.
struct Tree<'p> {
    path: &'p CallPath,
    ends: Vec<usize>,
    /// The prefix of the ids of its lines.
    id: &'p str,
    /// The names of the sections in which a task sleeps, with the ids of their trees, for links from wake-ups.
    sleepers: &'p [(String, String)],
    numbers: Option<Numbers<'p>>,
    uncertain: BTreeSet<&'p str>,
}

/// Shows a path as a tree. `label` is its name for screen readers, and must be unique on the page like `id`.
pub(super) fn tree(
    path: &CallPath,
    id: &str,
    label: &str,
    sleepers: &[(String, String)],
    numbers: Option<Numbers<'_>>,
) -> Markup {
    let tree = Tree { path, ends: path.subtree_ends(), id, sleepers, numbers, uncertain: uncertain(path) };
    html! {
        @if let Some((numbers, about)) = numbers.and_then(|numbers| Some((numbers, about_costs(path, &numbers.saved.costs)?))) {
            p.soft { "Numbers (" (shortened(numbers.kernel)) "): " strong { "total" } " is " (about) "; " strong { "self" } " is without the calls beneath it." }
        }
        div.tree.costed[numbers.is_some()] id=(id) tabindex="0" role="region" aria-label=(label) {
            @if numbers.is_some() { div.heads { span.self { "self" } span.total { "total" } "call" } }
            (tree.nodes(0, path.nodes.len(), 0))
        }
    }
}

/// The id of a section of the page. It depends on names alone, so links to it survive a reorder.
pub(super) fn section_id(section: &str) -> String {
    format!("path-{}", slug(section))
}

/// The id of a section's tree on a kernel.
pub(super) fn tree_id(section: &str, kernel: &str) -> String {
    format!("{}-on-{}", section_id(section), slug(kernel))
}

/// The id of the first line of a tree at which its task sleeps.
pub(super) fn sleep_id(tree: &str) -> String {
    format!("{tree}-sleeps")
}

/// The id of a line of a tree.
pub(super) fn line_id(tree: &str, line: usize) -> String {
    format!("{tree}-{line}")
}

impl Tree<'_> {
    fn nodes(&self, from: usize, to: usize, depth: usize) -> Markup {
        let mut at = from;
        let children = std::iter::from_fn(|| {
            (at < to).then(|| {
                let child = at;
                at = if depth < DEEPEST { self.ends[at] } else { at + 1 };
                child
            })
        });
        html! {
            @for child in children {
                @if depth < DEEPEST && self.ends[child] > child + 1 {
                    details open { summary id=(line_id(self.id, child)) { (self.line(child, true)) } (self.link(child)) (self.nodes(child + 1, self.ends[child], depth + 1)) }
                } @else {
                    div id=(line_id(self.id, child)) { (self.line(child, false)) }
                }
            }
        }
    }

    /// A line with its link in it, unless it folds: then the line is a button.
    fn line(&self, at: usize, folds: bool) -> Markup {
        let node = &self.path.nodes[at];
        let words = shortened(&text::entry(&node.entry));
        html! {
            (self.costs(node.entry.function()))
            @match &node.entry {
                PathEntry::Call(_) if folds => span.f { (words) },
                PathEntry::Call(name) => a.f href=(function_file(name)) { (words) },
                PathEntry::Sleeps => {
                    @let first = !self.path.nodes[..at].iter().any(|node| node.entry == PathEntry::Sleeps);
                    span.w id=[first.then(|| sleep_id(self.id))] { "sleeps until woken" }
                },
                PathEntry::Preempted => span.w { "is preempted" },
                PathEntry::Repeat => span.x { "repeats" },
                PathEntry::In(who) => span.x { "in " span.f { (shortened(who)) } },
                PathEntry::Wakes(who) => span.w { "wakes " (shortened(who)) " →" },
            }
            @if node.times > 1 { " " span.x { "×" (node.times) } }
            @if !folds && !matches!(node.entry, PathEntry::Call(_)) { (self.link(at)) }
        }
    }

    /// The link of a line: to the page of its function, or to where the task that it wakes sleeps.
    fn link(&self, at: usize) -> Markup {
        html! {
            @match &self.path.nodes[at].entry {
                PathEntry::Call(name) => a.to href=(function_file(name)) aria-label={ "page of " (shortened(name)) } { "ƒ" },
                PathEntry::Wakes(who) => {
                    @if let Some((_, tree)) = self.sleepers.iter().find(|(section, _)| is_of(section, who)) {
                        a.to href={ "#" (sleep_id(tree)) } aria-label={ "where " (shortened(who)) " sleeps" } { "→" }
                    }
                },
                _ => {},
            }
        }
    }

    /// The self cost and the total of a call, in the columns at the left.
    fn costs(&self, function: Option<&str>) -> Markup {
        let known = function.zip(self.numbers);
        let own = known.and_then(|(function, numbers)| numbers.saved.self_costs.get(function));
        let total = known.and_then(|(function, numbers)| cost_of(function, &numbers.saved.costs, &self.uncertain));
        html! {
            @if let Some(own) = own { span.self { @if own.shared { "~" } (grouped(own.cost)) } }
            @if let Some(total) = total { span.total { (total) } }
        }
    }
}

/// Whether a section is an operation of this actor.
pub(super) fn is_of(section: &str, actor: &str) -> bool {
    section.strip_prefix(actor).is_some_and(|rest| rest.starts_with('.'))
}
