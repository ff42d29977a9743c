//! The icicles on the page of what changed in a case.

use maud::{Markup, PreEscaped, html};

use super::layout::shortened;
use crate::path::cost::SelfCosts;
use crate::report::difference_icicle::difference_icicle;
use crate::suite::{CaseResult, SectionDiff};

/// Shows what the calls of a section cost more or less; nothing if no cost differs. `href` gives the place of a line of the page.
pub(super) fn icicle(
    section: &SectionDiff,
    old: Option<&CaseResult>,
    new: Option<&CaseResult>,
    href: &dyn Fn(usize) -> Option<String>,
) -> Markup {
    let none = SelfCosts::new();
    let costs = [old, new].map(|side| {
        let saved = side.and_then(|side| side.paths.iter().find(|saved| saved.name == section.name));
        saved.map_or(&none, |saved| &saved.self_costs)
    });
    let title = format!("what calls of {} cost more or less", shortened(&section.name));
    let svg = difference_icicle(&section.explained.diff, costs, &title, href);
    html! {
        @if let Some(svg) = svg {
            details.seq-of open[!section.explained.diff.is_same()] {
                summary { "self costs as a picture: " span.dearer { "red" } " costs more, " span.cheaper { "blue" } " less; a call is as wide as its cost now" }
                div.scroll tabindex="0" role="region" aria-label=(title) { (PreEscaped(svg)) }
            }
        }
    }
}
