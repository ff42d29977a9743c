//! Errors in case files: where they are, what is wrong, and what to do about it.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// The text of a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// The path to show, relative to the repository's root.
    pub path: PathBuf,
    pub text: String,
}

impl Source {
    /// Line and column of a byte offset, both from 1; the column counts characters.
    pub(crate) fn position(&self, at: usize) -> (usize, usize) {
        let before = self.text.get(..at).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

/// A part of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) source: Arc<Source>,
    /// In bytes of its text.
    pub(crate) span: Range<usize>,
}

impl Location {
    /// The text there, in one line.
    pub(crate) fn words(&self) -> String {
        let text = self.source.text.get(self.span.clone()).unwrap_or_default();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.source.position(self.span.start);
        write!(f, "{}:{line}:{column}", self.source.path.display())
    }
}

/// One error in one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub(crate) at: Location,
    /// What is wrong, in one line.
    pub(crate) message: String,
    /// The text beside the underlined part: usually what was expected there.
    pub(crate) label: String,
    /// What to do about it.
    pub(crate) help: Option<String>,
}

impl Diagnostic {
    fn path(&self) -> &Path {
        &self.at.source.path
    }

    /// The error in one line: location, message, help.
    pub(crate) fn line(&self) -> String {
        let help = self.help.as_ref().map_or_else(String::new, |help| format!("; {help}"));
        format!("{}: {}{help}", self.at, self.message)
    }

    /// The error as text for a terminal: message, file, line, the invalid part underlined, help.
    fn render(&self, renderer: &Renderer) -> String {
        let path = self.at.source.path.to_string_lossy();
        // An empty span cannot be underlined, so underline the next character if it is on the same line.
        let Range { start, end } = self.at.span.clone();
        let next = self.at.source.text[start..].chars().next().filter(|next| *next != '\n');
        let span = start..end.max(start + next.map_or(0, char::len_utf8));
        // Of a long span, the first line is enough to find it.
        let first_line = self.at.source.text[span.clone()].find('\n').map_or(span.end, |newline| start + newline);
        let annotation = AnnotationKind::Primary.span(start..first_line).label(self.label.as_str());
        let snippet = Snippet::source(self.at.source.text.as_str()).path(path).annotation(annotation);
        let mut group = Group::with_title(Level::ERROR.primary_title(self.message.as_str())).element(snippet);
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        renderer.render(&[group]).to_string()
    }
}

/// All errors, sorted by file and line. `Display` prints them in full, without colours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics {
    pub(crate) all: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Sorts the errors by file and location, and drops duplicates.
    pub fn new(mut all: Vec<Diagnostic>) -> Self {
        all.sort_by(|a, b| {
            (a.path(), a.at.span.start, a.at.span.end, &a.message).cmp(&(
                b.path(),
                b.at.span.start,
                b.at.span.end,
                &b.message,
            ))
        });
        all.dedup();
        Self { all }
    }

    /// The errors as text, one below the other, and their number.
    pub(crate) fn render(&self, colours: bool) -> String {
        let renderer = if colours { Renderer::styled() } else { Renderer::plain() };
        let mut out: Vec<_> = self.all.iter().map(|diagnostic| diagnostic.render(&renderer)).collect();
        let files: std::collections::BTreeSet<_> = self.all.iter().map(Diagnostic::path).collect();
        let plural = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        out.push(format!("{} in {}", plural(self.all.len(), "error"), plural(files.len(), "file")));
        out.join("\n\n")
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}
