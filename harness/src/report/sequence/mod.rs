//! A picture of one iteration: who ran when, who slept, who woke whom, and which calls they made. Values in, SVG out.

mod layout;
mod svg;

use std::borrow::Cow;

pub(crate) use layout::CHARACTER;
use layout::{NamedPath, layout};
use svg::draw;
pub(crate) use svg::{Escaped, LEGEND, Px, STYLE, fitted};

use crate::path::sequence::Sequence;
use crate::path::{CallPath, text};

/// Zooms the pictures of a page, and links lines of call trees back to them.
pub(crate) const SCRIPT: &str = include_str!("sequence.js");

/// Draws a sequence as an SVG file. `paths` are those of the results, by name.
pub(crate) fn sequence_file(sequence: &Sequence, title: &str, paths: &[(String, CallPath)]) -> String {
    draw(&layout(sequence, &named(sequence, paths)), "", title, true, None)
}

/// Draws a sequence for a page with [`STYLE`]. `id` makes the ids in it unique, and `href` gives the place of a path's line.
pub(crate) fn sequence_figure(
    sequence: &Sequence,
    id: &str,
    title: &str,
    paths: &[(String, CallPath)],
    href: &dyn Fn(&str, usize) -> Option<String>,
) -> String {
    draw(&layout(sequence, &named(sequence, paths)), id, title, false, Some(href))
}

/// The paths that the sequence took.
fn named<'p>(sequence: &'p Sequence, paths: &'p [(String, CallPath)]) -> Vec<NamedPath<'p>> {
    let other = sequence
        .other_paths
        .iter()
        .filter_map(|(name, path)| Some(NamedPath { name, path: Cow::Owned(text::parse(path).ok()?) }));
    let same = paths.iter().filter(|(name, _)| !sequence.other_paths.contains_key(name));
    other.chain(same.map(|(name, path)| NamedPath { name, path: Cow::Borrowed(path) })).collect()
}
