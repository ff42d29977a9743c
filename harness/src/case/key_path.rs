//! Paths of keys and indices to the values in a case file.

use std::rc::Rc;

use super::yaml_tree::{Content, Node};

/// A path from the root of a file to a value: `actors`, `sender`, `steps`, 1. Paths share their beginnings: a case has thousands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct KeyPath(Option<Rc<Link>>);

/// The last segment of a path, and the path to it.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Link {
    before: KeyPath,
    segment: Segment,
}

#[derive(Debug, PartialEq, Eq, Hash)]
enum Segment {
    Key(String),
    Index(usize),
}

/// The end of a path in a file.
pub(crate) struct Target<'a> {
    /// The value at the path; if the file has none there, the last value on the way.
    pub(crate) node: &'a Node,
    /// The last key on the way to `node`.
    pub(crate) key: Option<&'a Node>,
    /// Whether the file has a value at the path.
    pub(crate) is_there: bool,
}

impl KeyPath {
    /// The path to the value of `key` in the mapping at this path. A raw identifier (`r#type`) is its plain name.
    pub(crate) fn key(&self, key: &str) -> Self {
        self.with(Segment::Key(key.strip_prefix("r#").unwrap_or(key).to_owned()))
    }

    /// The path to the item at `index` of the sequence at this path.
    pub(crate) fn index(&self, index: usize) -> Self {
        self.with(Segment::Index(index))
    }

    fn with(&self, segment: Segment) -> Self {
        Self(Some(Rc::new(Link { before: self.clone(), segment })))
    }

    /// Whether `other` is this path or continues it.
    pub(crate) fn contains(&self, other: &Self) -> bool {
        self == other || other.0.as_ref().is_some_and(|link| self.contains(&link.before))
    }

    /// Follows the path from the root of a file.
    pub(crate) fn follow<'a>(&self, root: &'a Node) -> Target<'a> {
        let Some(Link { before, segment }) = self.0.as_deref() else {
            return Target { node: root, key: None, is_there: true };
        };
        let Target { node, key, is_there } = before.follow(root);
        let next = match (segment, &node.content) {
            _ if !is_there => None,
            (Segment::Key(name), Content::Mapping(pairs)) => {
                pairs.iter().find(|(key, _)| key.text() == Some(name)).map(|(key, value)| (value, Some(key)))
            }
            (Segment::Index(index), Content::Sequence(items)) => items.get(*index).map(|item| (item, None)),
            // A single value can be written in place of a list of one.
            (Segment::Index(0), _) => Some((node, key)),
            _ => None,
        };
        match next {
            Some((node, key)) => Target { node, key, is_there: true },
            None => Target { node, key, is_there: false },
        }
    }
}
