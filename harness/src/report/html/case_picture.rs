//! The picture on the page of a case.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::case_page::sleepers;
use super::layout::{cut, shortened};
use super::path_tree::{is_of, sleep_id};
use crate::report::overview::{CaseView, Overview};

/// The width of a box, in pixels.
const BOX: usize = 170;
/// The distance from one box to the next, in pixels.
const STEP: usize = 230;

/// Shows who wakes whom, as boxes and arrows.
pub(super) fn picture(overview: &Overview, case: &CaseView) -> Markup {
    let columns = case.kernels.iter().enumerate().filter_map(|(at, kernel)| Some((at, kernel.as_ref()?)));
    let Some((column, kernel)) = columns.rev().find(|(_, kernel)| !kernel.result.wakeups.is_empty()) else {
        return html! {};
    };
    let mut boxes: Vec<String> = case.sections.clone();
    let mut arrows: BTreeSet<(usize, usize, &str)> = BTreeSet::new();
    for wakeup in &kernel.result.wakeups {
        let Some(from) = boxes.iter().position(|name| *name == wakeup.path) else { continue };
        let is_woken = |name: &String| is_of(name, &wakeup.wakes);
        let to = boxes
            .iter()
            .position(|name| is_woken(name) && kernel.sleeps_in(name))
            .or_else(|| boxes.iter().position(|name| is_woken(name) || *name == wakeup.wakes));
        let to = to.unwrap_or_else(|| {
            boxes.push(wakeup.wakes.clone());
            boxes.len() - 1
        });
        arrows.insert((from, to, &wakeup.function));
    }
    let sleepers = sleepers(overview, case, column);
    let label: Vec<String> = arrows
        .iter()
        .map(|(from, to, function)| {
            format!("{} wakes {} in {}", shortened(&boxes[*from]), shortened(&boxes[*to]), shortened(function))
        })
        .collect();
    let height = 70 + 26 * arrows.len();
    let width = STEP * boxes.len();
    let middle = |at: usize| at * STEP + BOX / 2 + 4;
    html! {
        h2 { "Who wakes whom" }
        div.scroll tabindex="0" role="region" aria-label="who wakes whom" {
            svg role="img" aria-label=(label.join("; ")) width=(width) height=(height) viewBox={ "0 0 " (width) " " (height) } {
                @for (at, name) in boxes.iter().enumerate() {
                    rect.box x=(at * STEP + 4) y="4" width=(BOX) height="28" rx="4" {}
                    text x=(middle(at)) y="23" text-anchor="middle" { (clipped(name)) }
                }
                @for (index, (from, to, function)) in arrows.iter().enumerate() {
                    @let y = 58 + 26 * index;
                    @let (x1, x2) = (middle(*from), middle(*to));
                    path.arrow d={ "M" (x1) " 32 V" (y) " H" (x2) " V40" } {}
                    path.head d={ "M" (x2.saturating_sub(5)) " 41 L" (x2) " 32 L" (x2 + 5) " 41 Z" } {}
                    text x=((x1 + x2) / 2) y=(y.saturating_sub(4)) text-anchor="middle" { (clipped(function)) }
                }
            }
        }
        ul {
            @for (from, to, function) in &arrows {
                li {
                    (shortened(&boxes[*from])) " wakes "
                    @match sleepers.iter().find(|(name, _)| *name == boxes[*to]) {
                        Some((_, tree)) => a href={ "#" (sleep_id(tree)) } { (shortened(&boxes[*to])) },
                        None => (shortened(&boxes[*to])),
                    }
                    " in " code { (shortened(function)) }
                }
            }
        }
    }
}

/// Cuts a name to the width of a box.
fn clipped(name: &str) -> String {
    const FITS: usize = 24;
    cut(name, FITS)
}
