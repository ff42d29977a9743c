//! A YAML document as a tree of texts with positions: what tells *where* something stands.
//!
//! It knows nothing of what a case is. Scalars stay the text they were written as, because only the schema knows whether
//! `5.10` is a kernel or a number.

use std::ops::Range;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span};

/// A case longer than this is a mistake: in bytes.
const MAX_LENGTH: usize = 1 << 20;

/// A value of the document, with the bytes it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where it stands, in bytes of the text.
    pub span: Range<usize>,
    /// What it is.
    pub content: Content,
}

/// What a [`Node`] is.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// A text, a number, a truth value or nothing: undecided.
    Scalar {
        /// What was written, without quotes and escapes.
        text: String,
        /// Whether it was written without quotes; only then can it be anything but a text.
        plain: bool,
    },
    /// A list.
    Sequence(Vec<Node>),
    /// Keys and values, in the order written; a key may come twice.
    Mapping(Vec<(Node, Node)>),
}

impl Node {
    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The pairs of a mapping; none of anything else.
    pub fn pairs(&self) -> &[(Node, Node)] {
        match &self.content {
            Content::Mapping(pairs) => pairs,
            _ => &[],
        }
    }

    /// The items of a sequence; none of anything else.
    pub fn items(&self) -> &[Node] {
        match &self.content {
            Content::Sequence(items) => items,
            _ => &[],
        }
    }

    /// Whether it is an unquoted nothing: empty, `~` or `null` (YAML 1.2, core schema).
    pub fn is_null(&self) -> bool {
        matches!(&self.content, Content::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }
}

/// Why a text is no document that a case could be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// Where, in bytes.
    pub span: Range<usize>,
    /// Why.
    pub message: String,
}

/// Reads one document.
pub fn parse(text: &str) -> Result<Node, SyntaxError> {
    if text.len() > MAX_LENGTH {
        let message = format!("the file is {} bytes long; a case has at most {MAX_LENGTH}", text.len());
        return Err(SyntaxError { span: 0..0, message });
    }
    Builder { text, offsets: text.char_indices().map(|(at, _)| at).collect(), open: Vec::new(), root: None }.build()
}

/// A collection whose end has not come yet.
struct Open {
    start: usize,
    is_mapping: bool,
    children: Vec<Node>,
}

struct Builder<'a> {
    text: &'a str,
    /// Byte offset of each character: the parser counts characters.
    offsets: Vec<usize>,
    open: Vec<Open>,
    root: Option<Node>,
}

impl Builder<'_> {
    fn build(mut self) -> Result<Node, SyntaxError> {
        let mut documents = 0;
        for event in Parser::new_from_str(self.text) {
            let (event, span) = event.map_err(|error| {
                let at = self.offset(error.marker());
                SyntaxError { span: at..at, message: error.info().to_owned() }
            })?;
            let range = self.range(&span);
            match event {
                Event::DocumentStart(_) => {
                    documents += 1;
                    if documents > 1 {
                        return Err(refuse(range, "a file holds one case: no second document"));
                    }
                }
                Event::Alias(_) => {
                    return Err(refuse(range, "aliases (`*name`) are not part of the case language: write it out"));
                }
                Event::Scalar(.., Some(_)) | Event::SequenceStart(_, Some(_)) | Event::MappingStart(_, Some(_)) => {
                    return Err(refuse(range, "tags (`!name`) are not part of the case language"));
                }
                Event::Scalar(text, style, _, None) => {
                    let content = Content::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain };
                    self.add(Node { span: range, content });
                }
                Event::SequenceStart(_, None) => self.begin(range.start, false),
                Event::MappingStart(_, None) => self.begin(range.start, true),
                Event::SequenceEnd | Event::MappingEnd => self.end(range.end),
                _ => {}
            }
        }
        self.root.ok_or_else(|| refuse(0..0, "the file is empty: a case begins with `rxpath: 1`"))
    }

    fn begin(&mut self, start: usize, is_mapping: bool) {
        self.open.push(Open { start, is_mapping, children: Vec::new() });
    }

    fn end(&mut self, end: usize) {
        let Some(open) = self.open.pop() else { return };
        // A block collection's end is where the next token begins, lines later: end with the last child instead.
        let end = open.children.last().map_or(end, |last| last.span.end.max(self.closing(end)));
        let content = if open.is_mapping {
            let mut pairs = Vec::new();
            let mut children = open.children.into_iter();
            while let (Some(key), Some(value)) = (children.next(), children.next()) {
                pairs.push((key, value));
            }
            Content::Mapping(pairs)
        } else {
            Content::Sequence(open.children)
        };
        self.add(Node { span: open.start..end.max(open.start), content });
    }

    /// `end` if a flow collection closes there, else 0.
    fn closing(&self, end: usize) -> usize {
        let closes = end > 0 && matches!(self.text.as_bytes().get(end - 1), Some(b']' | b'}'));
        if closes { end } else { 0 }
    }

    fn add(&mut self, node: Node) {
        match self.open.last_mut() {
            Some(open) => open.children.push(node),
            None => self.root = Some(node),
        }
    }

    fn range(&self, span: &Span) -> Range<usize> {
        let start = self.offset(&span.start);
        let end = self.offset(&span.end).max(start);
        start..start + self.text[start..end].trim_end().len()
    }

    fn offset(&self, marker: &Marker) -> usize {
        self.offsets.get(marker.index()).copied().unwrap_or(self.text.len())
    }
}

fn refuse(span: Range<usize>, message: &str) -> SyntaxError {
    SyntaxError { span, message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_node_knows_the_bytes_it_came_from() {
        let text = "a: ß # x\nb:\n  - one\n  - {c: 'two'}\n\nd: [1,\n 2]\n";
        let root = parse(text).unwrap();
        let texts: Vec<_> = root.pairs().iter().map(|(_, value)| &text[value.span.clone()]).collect();
        assert_eq!(texts, ["ß", "- one\n  - {c: 'two'}", "[1,\n 2]"]);
        assert_eq!(&text[root.span], text.trim_end());
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for (text, part) in [("a: &x 1\nb: *x", "*x"), ("a: !t 1", "!t 1"), ("", ""), ("a: 1\n---\nb: 2", "---")] {
            let error = parse(text).unwrap_err();
            assert_eq!(&text[error.span], part, "{text}: {}", error.message);
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_and_every_span_lies_within(text in "[a-c:\\-\\[\\]{}, \n#'\"&*!ß|>]{0,60}") {
            fn within(node: &Node, text: &str) {
                assert!(text.get(node.span.clone()).is_some(), "{:?}", node.span);
                node.items().iter().for_each(|item| within(item, text));
                for (key, value) in node.pairs() {
                    within(key, text);
                    within(value, text);
                }
            }
            match parse(&text) {
                Ok(root) => within(&root, &text),
                Err(error) => assert!(text.get(error.span).is_some()),
            }
        }
    }
}
