//! A picture of one iteration: who ran when, who slept, who woke whom, and which calls they made. Values in, SVG out.

mod layout;
mod svg;

use layout::NamedPath;

use crate::path::sequence::Sequence;
use crate::path::{CallPath, text};

/// Draws a sequence as an SVG file. `paths` are those of the results, by name.
pub(crate) fn sequence_file(sequence: &Sequence, title: &str, paths: &[(String, CallPath)]) -> String {
    svg::draw(&layout::layout(sequence, &named(sequence, paths)), "", title, true, None)
}

/// The paths that the sequence took.
fn named<'p>(sequence: &'p Sequence, paths: &'p [(String, CallPath)]) -> Vec<NamedPath<'p>> {
    let other = |name: &str| sequence.other_paths.get(name).and_then(|path| text::parse(path).ok());
    let named = paths.iter().map(|(name, path)| NamedPath { name, path: other(name).unwrap_or_else(|| path.clone()) });
    named.collect()
}
