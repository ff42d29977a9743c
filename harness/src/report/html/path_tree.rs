//! A path as a tree that folds, with an element for each line.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::layout::{function_file, shortened, slug};
use crate::path::cost::Costs;
use crate::path::{CallPath, PathEntry, text};
use crate::report::change_words::{cost_of, uncertain};

/// The maximum nesting of elements. Deeper lines are listed without folding, because a path may have any depth.
const DEEPEST: usize = 150;

/// A path on a page.
struct Tree<'p> {
    path: &'p CallPath,
    ends: Vec<usize>,
    /// The prefix of the ids of its lines.
    id: String,
    /// The names of the sections in which a task sleeps, with the ids of their trees, for links from wake-ups.
    sleepers: &'p [(String, String)],
    /// The costs of calls, where they are known.
    costs: &'p Costs,
    uncertain: BTreeSet<&'p str>,
}

/// Shows a path as a tree. `label` is its name for screen readers, and must be unique on the page like `id`.
pub(super) fn tree(path: &CallPath, id: &str, label: &str, sleepers: &[(String, String)], costs: &Costs) -> Markup {
    let tree = Tree { path, ends: path.subtree_ends(), id: id.to_owned(), sleepers, costs, uncertain: uncertain(path) };
    html! { div.tree tabindex="0" role="region" aria-label=(label) { (tree.nodes(0, path.nodes.len(), 0)) } }
}

/// The id of the first line of a tree at which its task sleeps.
pub(super) fn sleep_id(tree: &str) -> String {
    format!("{tree}-sleeps")
}

/// The id of a section's tree for a class of kernels.
pub(super) fn tree_id(section: &str, class: usize) -> String {
    format!("{}-{class}", slug(section))
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
                    details open { summary { (self.line(child)) } (self.nodes(child + 1, self.ends[child], depth + 1)) }
                } @else {
                    div { (self.line(child)) }
                }
            }
        }
    }

    fn line(&self, at: usize) -> Markup {
        let node = &self.path.nodes[at];
        let words = shortened(&text::entry(&node.entry));
        html! {
            @match &node.entry {
                PathEntry::Call(name) => a.f href=(function_file(name)) { (words) },
                PathEntry::Sleeps => {
                    @let first = !self.path.nodes[..at].iter().any(|node| node.entry == PathEntry::Sleeps);
                    span.w id=[first.then(|| sleep_id(&self.id))] { "sleeps until woken" }
                },
                PathEntry::Preempted => span.w { "is preempted" },
                PathEntry::Repeat => span.x { "repeats" },
                PathEntry::In(who) => span.x { "in " span.f { (shortened(who)) } },
                PathEntry::Wakes(who) => {
                    @match self.sleepers.iter().find(|(section, _)| is_of(section, who)) {
                        Some((_, tree)) => a.w href={ "#" (sleep_id(tree)) } { "wakes " (shortened(who)) " →" },
                        None => span.w { "wakes " (shortened(who)) " →" },
                    }
                },
            }
            @if node.times > 1 { " " span.x { "×" (node.times) } }
            @if let Some(cost) = node.entry.function().and_then(|name| cost_of(name, self.costs, &self.uncertain)) { " " span.c { (cost) } }
        }
    }
}

/// Whether a section is an operation of this actor.
pub(super) fn is_of(section: &str, actor: &str) -> bool {
    section.strip_prefix(actor).is_some_and(|rest| rest.starts_with('.'))
}
