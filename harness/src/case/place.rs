//! Places in a case file, by key and index, and the errors found there.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::diagnostic::{Diagnostic, Location, Source};
use super::yaml::{Content, Node};

/// A way from the root of a file to a value: `actors`, `sender`, `steps`, 1.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Place(Vec<Segment>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Segment {
    Key(String),
    Index(usize),
}

impl Place {
    /// The value of `key` in the mapping here. Rust's raw identifiers (`r#type`) mean their plain name.
    pub fn key(&self, key: &str) -> Self {
        self.with(Segment::Key(key.strip_prefix("r#").unwrap_or(key).to_owned()))
    }

    /// The item at `index` of the sequence here.
    pub fn index(&self, index: usize) -> Self {
        self.with(Segment::Index(index))
    }

    fn with(&self, segment: Segment) -> Self {
        let mut segments = self.0.clone();
        segments.push(segment);
        Self(segments)
    }

    /// Whether `other` is this place or lies within it.
    pub fn contains(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }

    /// The deepest node on the way, and the key that led to it.
    fn walk<'a>(&self, root: &'a Node) -> (&'a Node, Option<&'a Node>, bool) {
        let (mut node, mut key) = (root, None);
        for segment in &self.0 {
            let next = match (segment, &node.content) {
                (Segment::Key(name), Content::Mapping(pairs)) => {
                    pairs.iter().find(|(key, _)| key.text() == Some(name)).map(|(key, value)| (value, Some(key)))
                }
                (Segment::Index(index), Content::Sequence(items)) => items.get(*index).map(|item| (item, None)),
                // A value may stand for a list of one.
                (Segment::Index(0), _) => Some((node, key)),
                _ => None,
            };
            match next {
                Some(next) => (node, key) = next,
                None => return (node, key, false),
            }
        }
        (node, key, true)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Key(key) if nth == 0 => write!(f, "{key}")?,
                Segment::Key(key) => write!(f, ".{key}")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// What to underline at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Underline<'a> {
    /// The value.
    Value,
    /// The key that leads to it.
    Key,
    /// This part of the value's text, if it is found there.
    Part(&'a str),
}

/// The errors found in one file so far, and what they make doubtful.
#[derive(Debug)]
pub struct Findings {
    /// The file.
    pub source: Arc<Source>,
    root: Node,
    found: Vec<Diagnostic>,
    filled: HashSet<Place>,
    dropped_words: HashSet<String>,
}

impl Findings {
    /// Nothing found yet in this file.
    pub fn new(source: Arc<Source>, root: Node) -> Self {
        Self { source, root, found: Vec::new(), filled: HashSet::new(), dropped_words: HashSet::new() }
    }

    /// The file's root.
    pub fn root(&self) -> &Node {
        &self.root
    }

    /// An error at a place. Says nothing if the value there only fills in for one that was wrong already.
    pub fn add(
        &mut self,
        place: &Place,
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

    /// An error at these bytes.
    pub fn add_at(
        &mut self,
        span: Range<usize>,
        message: impl Into<String>,
        label: impl Into<String>,
        help: Option<String>,
    ) {
        let at = Location { source: self.source.clone(), span };
        self.found.push(Diagnostic { at, message: message.into(), label: label.into(), help });
    }

    /// The location of a place, to be kept beyond the reading of the file.
    pub fn location(&self, place: &Place, underline: Underline<'_>) -> Location {
        Location { source: self.source.clone(), span: self.span(place, underline) }
    }

    /// Notes that the value at this place is not the file's but fills in for a wrong one.
    pub fn fill(&mut self, place: &Place) {
        self.filled.insert(place.clone());
    }

    /// Notes that this part of the file was left out: what it names may be missed elsewhere.
    pub fn drop_words(&mut self, node: &Node) {
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

    /// Whether this name stands in a part that was left out.
    pub fn was_dropped(&self, name: &str) -> bool {
        self.dropped_words.contains(name)
    }

    /// Whether nothing at or within this place was wrong.
    pub fn is_whole(&self, place: &Place) -> bool {
        !self.filled.iter().any(|filled| place.contains(filled) || filled.contains(place))
    }

    /// Whether nothing was wrong so far.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// What was found.
    pub fn into_diagnostics(self) -> Vec<Diagnostic> {
        self.found
    }

    fn span(&self, place: &Place, underline: Underline<'_>) -> Range<usize> {
        let (node, key, found) = place.walk(&self.root);
        match underline {
            Underline::Key => key.unwrap_or(node).span.clone(),
            Underline::Value if found => node.span.clone(),
            Underline::Part(part) if found => {
                let text = &self.source.text[node.span.clone()];
                match find_word(text, part) {
                    Some(at) => node.span.start + at..node.span.start + at + part.len(),
                    None => node.span.clone(),
                }
            }
            _ => key.unwrap_or(node).span.clone(),
        }
    }
}

/// Where `word` stands in `text` as a word of its own; anywhere, if nowhere so.
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
