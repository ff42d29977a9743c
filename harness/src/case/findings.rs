//! The errors found in a case file while it is read.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use super::diagnostic::{Diagnostic, Location, Source};
use super::key_path::KeyPath;
use super::yaml_tree::Node;

/// What to underline at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Underline<'a> {
    Value,
    /// The key of the value.
    Key,
    /// This part of the value's text; all of it, if the text does not contain the part.
    Part(&'a str),
}

/// The errors found in one file so far, and the parts of the file that they make unreliable.
#[derive(Debug)]
pub(crate) struct Findings {
    source: Arc<Source>,
    root: Node,
    found: Vec<Diagnostic>,
    filled: HashSet<KeyPath>,
    dropped_words: HashSet<String>,
}

impl Findings {
    pub(crate) fn new(source: Arc<Source>, root: Node) -> Self {
        Self { source, root, found: Vec::new(), filled: HashSet::new(), dropped_words: HashSet::new() }
    }

    /// The file's root.
    pub(crate) fn root(&self) -> &Node {
        &self.root
    }

    /// Adds an error at a place, unless the value there replaces an invalid one: that error has been reported.
    pub(crate) fn add(
        &mut self,
        place: &KeyPath,
        underline: Underline<'_>,
        message: impl Into<String>,
        label: impl Into<String>,
        help: Option<String>,
    ) {
        if self.filled.iter().any(|filled| filled.contains(place)) {
            return;
        }
        let span = self.span(place, underline);
        self.add_at(span, message, label, help);
    }

    /// Adds an error at these bytes of the text.
    pub(crate) fn add_at(
        &mut self,
        span: Range<usize>,
        message: impl Into<String>,
        label: impl Into<String>,
        help: Option<String>,
    ) {
        let at = Location { source: self.source.clone(), span };
        self.found.push(Diagnostic { at, message: message.into(), label: label.into(), help });
    }

    /// The location of a place, for diagnostics after the file was read.
    pub(crate) fn location(&self, place: &KeyPath, underline: Underline<'_>) -> Location {
        Location { source: self.source.clone(), span: self.span(place, underline) }
    }

    /// Records that the value at this place replaces an invalid one.
    pub(crate) fn fill(&mut self, place: &KeyPath) {
        self.filled.insert(place.clone());
    }

    /// Records that this part of the file is ignored, so that names which it defines are not reported as missing.
    pub(crate) fn drop_words(&mut self, node: &Node) {
        if let Some(text) = node.text() {
            self.dropped_words.insert(text.to_owned());
        }
        for item in node.items() {
            self.drop_words(item);
        }
        for (key, value) in node.pairs() {
            self.drop_words(key);
            self.drop_words(value);
        }
    }

    /// Whether this name occurs in a part that is ignored.
    pub(crate) fn was_dropped(&self, name: &str) -> bool {
        self.dropped_words.contains(name)
    }

    /// Whether neither this place nor anything within or around it was replaced.
    pub(crate) fn is_whole(&self, place: &KeyPath) -> bool {
        !self.filled.iter().any(|filled| place.contains(filled) || filled.contains(place))
    }

    /// Whether no errors were found so far.
    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub(crate) fn into_diagnostics(self) -> Vec<Diagnostic> {
        self.found
    }

    fn span(&self, place: &KeyPath, underline: Underline<'_>) -> Range<usize> {
        let target = place.follow(&self.root);
        let node = &target.node.span;
        match underline {
            Underline::Value if target.is_there => node.clone(),
            Underline::Part(part) if target.is_there => match find_word(&self.source.text[node.clone()], part) {
                Some(at) => node.start + at..node.start + at + part.len(),
                None => node.clone(),
            },
            _ => target.key.map_or(node, |key| &key.span).clone(),
        }
    }
}

/// Finds `word` in `text` as a whole word; if it is not there, as a part of one.
fn find_word(text: &str, word: &str) -> Option<usize> {
    if word.is_empty() {
        return None;
    }
    let is_part = |next: Option<char>| next.is_some_and(|next| next.is_alphanumeric() || next == '_');
    text.match_indices(word)
        .map(|(at, _)| at)
        .find(|at| !is_part(text[..*at].chars().next_back()) && !is_part(text[at + word.len()..].chars().next()))
        .or_else(|| text.find(word))
}
