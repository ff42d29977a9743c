//! A YAML document as a tree of texts with their positions, which diagnostics need.
//!
//! Scalars are kept as they were written, because only the schema knows whether `5.10` is a kernel or a number.

use std::ops::Range;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span};

/// In bytes; a longer case must be a mistake.
const MAX_LENGTH: usize = 1 << 20;

/// A value in the document.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    /// Its position, in bytes of the text.
    pub(crate) span: Range<usize>,
    pub(crate) content: Content,
}

/// The content of a [`Node`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Content {
    /// A text, a number, a boolean or null: the schema decides.
    Scalar {
        /// Without quotes and escapes.
        text: String,
        /// Whether it was written without quotes. A quoted scalar is always a text.
        plain: bool,
    },
    Sequence(Vec<Node>),
    /// Keys and values, in the file's order; a key can occur twice.
    Mapping(Vec<(Node, Node)>),
}

impl Node {
    /// The text of a scalar; `None` for anything else.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The pairs of a mapping; empty for anything else.
    pub(crate) fn pairs(&self) -> &[(Node, Node)] {
        match &self.content {
            Content::Mapping(pairs) => pairs,
            _ => &[],
        }
    }

    /// The items of a sequence; empty for anything else.
    pub(crate) fn items(&self) -> &[Node] {
        match &self.content {
            Content::Sequence(items) => items,
            _ => &[],
        }
    }

    /// Whether it is an unquoted null: empty, `~` or `null` (YAML 1.2, core schema).
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.content, Content::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }
}

/// An error in the syntax, or a part of YAML that the case language does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    /// In bytes.
    pub(crate) span: Range<usize>,
    pub(crate) message: String,
}

/// Parses a text that holds one document.
pub(crate) fn parse(text: &str) -> Result<Node, SyntaxError> {
    if text.len() > MAX_LENGTH {
        let message = format!("the file is {} bytes long: the limit for a case is {MAX_LENGTH}", text.len());
        return Err(SyntaxError { span: 0..0, message });
    }
    Builder { text, offsets: text.char_indices().map(|(at, _)| at).collect(), open: Vec::new(), root: None }.build()
}

/// A collection whose end has not been reached yet.
struct OpenCollection {
    start: usize,
    is_mapping: bool,
    children: Vec<Node>,
}

struct Builder<'a> {
    text: &'a str,
    /// Byte offset of each character, because the parser counts characters.
    offsets: Vec<usize>,
    open: Vec<OpenCollection>,
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
                        return Err(refuse(range, "a case file is a single document: remove the second one"));
                    }
                }
                Event::Alias(_) => {
                    return Err(refuse(
                        range,
                        "aliases (`*name`) are not part of the case language: write the value out",
                    ));
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
        self.open.push(OpenCollection { start, is_mapping, children: Vec::new() });
    }

    fn end(&mut self, end: usize) {
        let Some(open) = self.open.pop() else { return };
        // The parser ends a block collection where the next token begins, perhaps lines later: end with the last child
        // instead.
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

    /// `end` if a flow collection is closed at that position, else 0.
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
    fn every_node_has_the_position_of_its_text() {
        let text = "a: ß # x\nb:\n  - one\n  - {c: 'two'}\n\nd: [1,\n 2]\n";
        let root = parse(text).unwrap();
        let texts: Vec<_> = root.pairs().iter().map(|(_, value)| &text[value.span.clone()]).collect();
        assert_eq!(texts, ["ß", "- one\n  - {c: 'two'}", "[1,\n 2]"]);
        assert_eq!(&text[root.span], text.trim_end());
    }

    #[test]
    fn aliases_tags_and_further_documents_are_refused() {
        for (text, part) in [("a: &x 1\nb: *x", "*x"), ("a: !t 1", "!t 1"), ("", ""), ("a: 1\n---\nb: 2", "---")] {
            let error = parse(text).unwrap_err();
            assert_eq!(&text[error.span], part, "{text}: {}", error.message);
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_and_every_span_is_within_it(text in "[a-c:\\-\\[\\]{}, \n#'\"&*!ß|>]{0,60}") {
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
