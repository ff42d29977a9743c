//! What is wrong with case files: where, why, and what to do about it.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// A file as it was read.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// Its path as it is shown, relative to the repository's root.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

impl Source {
    /// Line and column of a byte offset, both from 1; the column counts characters.
    pub fn position(&self, at: usize) -> (usize, usize) {
        let before = self.text.get(..at).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The file.
    pub source: Arc<Source>,
    /// Bytes of its text.
    pub span: Range<usize>,
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
    /// Where.
    pub at: Location,
    /// What is wrong, in one line.
    pub message: String,
    /// What stands beside the underlined text: what was expected there.
    pub label: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// Line and column, both from 1.
    pub fn position(&self) -> (usize, usize) {
        self.at.source.position(self.at.span.start)
    }

    /// The file it is about.
    pub fn path(&self) -> &Path {
        &self.at.source.path
    }

    /// The error as text for a terminal: message, file, line, the offending text underlined, help.
    pub fn render(&self, renderer: &Renderer) -> String {
        let path = self.at.source.path.to_string_lossy();
        // An empty span cannot be underlined: take the character after it, if it is on the same line.
        let Range { start, end } = self.at.span.clone();
        let next = self.at.source.text[start..].chars().next().filter(|next| *next != '\n');
        let span = start..end.max(start + next.map_or(0, char::len_utf8));
        // Underlining half a file helps nobody: the first line of a long span says where it is.
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

/// Everything that is wrong, by file and line. As an error it prints itself whole, without colours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics {
    /// By file, then by place.
    pub all: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Sorts what was found by file and place; the same error at the same place is told once.
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

    /// The errors as text, one below another; with colours if the terminal wants them.
    pub fn render(&self, colours: bool) -> String {
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
