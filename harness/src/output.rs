//! Standard output and standard error, where neither a full disk nor a reader that has left makes rxpath panic.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

/// Writes a text to standard output. Returns whether it still has a reader: `head` in `rxpath decode DIR | head` leaves early,
/// which is not an error.
pub(crate) fn print(text: impl AsRef<str>) -> io::Result<bool> {
    write(harmless(text.as_ref()).as_bytes())
}

/// Writes bytes to standard output, as [`print`] does.
pub(crate) fn write(bytes: &[u8]) -> io::Result<bool> {
    let mut output = io::stdout().lock();
    match output.write_all(bytes).and_then(|()| output.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error),
    }
}

/// Writes a line to standard error. What cannot be written there cannot be reported anywhere.
pub(crate) fn warn(line: impl Display) {
    let _ = writeln!(io::stderr(), "{}", harmless(&line.to_string()));
}

/// A text without control characters, which could move the cursor or change the terminal's title: names of files, titles of cases
/// and consoles of guests may have any. Colours stay.
fn harmless(text: &str) -> Cow<'_, str> {
    let is_harmful = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if !text.contains(is_harmful) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = colour(rest).unwrap_or(c.len_utf8());
        match c {
            _ if length > c.len_utf8() || !is_harmful(c) => out.push_str(&rest[..length]),
            _ => out.extend(c.escape_default()),
        }
        rest = &rest[length..];
    }
    out.into()
}

/// The length of the colour sequence (ECMA-48, SGR) that a text starts with.
fn colour(text: &str) -> Option<usize> {
    let rest = text.strip_prefix("\u{1b}[")?;
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    rest[end..].starts_with('m').then_some(text.len() - rest.len() + end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_control_the_terminal_beyond_colours() {
        assert_eq!(harmless("a\tb\n"), "a\tb\n");
        assert_eq!(harmless("\u{1b}[1;31mred\u{1b}[0m"), "\u{1b}[1;31mred\u{1b}[0m");
        assert_eq!(harmless("\u{1b}]0;title\u{7}\u{1b}[2J\r\u{9b}1m"), r"\u{1b}]0;title\u{7}\u{1b}[2J\r\u{9b}1m");
    }
}
