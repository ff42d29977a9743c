//! The text of a path snapshot: one section for each operation and context, with its path.

use crate::path::CallPath;
use crate::path::text::{self, TextError};

const SECTION_MARK: &str = "# ";

/// Why a text is not a snapshot of paths.
#[derive(Debug, thiserror::Error)]
#[error("cannot read section {section}")]
pub struct PathDocumentError {
    section: String,
    #[source]
    source: TextError,
}

/// Writes named paths as sections.
pub(crate) fn write_document<'p>(paths: impl IntoIterator<Item = (&'p str, &'p CallPath)>) -> String {
    let sections = paths.into_iter().map(|(name, path)| format!("{SECTION_MARK}{name}\n{}", text::write(path)));
    sections.collect::<Vec<_>>().join("\n")
}

/// Reads the sections of a document: names and paths.
pub(crate) fn read_document(document: &str) -> Result<Vec<(String, CallPath)>, PathDocumentError> {
    let mut out = Vec::new();
    for part in format!("\n{document}").split(&format!("\n{SECTION_MARK}")).skip(1) {
        let (name, body) = part.split_once('\n').unwrap_or((part, ""));
        let section = name.trim().to_owned();
        match text::parse(body) {
            Ok(path) => out.push((section, path)),
            Err(source) => return Err(PathDocumentError { section, source }),
        }
    }
    Ok(out)
}

/// The section of a line of a document, counted from 1; empty before the first section.
pub(crate) fn section_at(document: &str, line: usize) -> &str {
    document.lines().take(line).filter_map(|line| line.strip_prefix(SECTION_MARK)).last().unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_reads_back_and_names_the_section_of_each_line() {
        let paths = [("a.recv", text::parse("f\n  g\n").unwrap()), ("softirq", text::parse("h\n").unwrap())];
        let document = write_document(paths.iter().map(|(name, path)| (*name, path)));
        assert_eq!(document, "# a.recv\nf\n  g\n\n# softirq\nh\n");
        let read = read_document(&document).unwrap();
        assert_eq!(read, paths.map(|(name, path)| (name.to_owned(), path)));
        assert_eq!((section_at(&document, 3), section_at(&document, 5), section_at("", 1)), ("a.recv", "softirq", ""));
        let error = read_document("# softirq\n   f\n").unwrap_err();
        assert!(crate::error_chain(&error).starts_with("cannot read section softirq: "), "{error}");
    }
}
