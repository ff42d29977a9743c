//! Text with colours in it.

use std::fmt;

use anstyle::{AnsiColor, Style};

use crate::suite::Verdict;

/// A line that only the new side has.
pub(crate) const ADDED: Style = AnsiColor::Green.on_default();
/// A line that only the old side has.
pub(crate) const REMOVED: Style = AnsiColor::Red.on_default();
/// A line that both sides have, but not alike.
pub(crate) const CHANGED: Style = AnsiColor::Yellow.on_default();
/// A line that is not a function: a sleep or a wake-up, the heading of a hunk.
pub(crate) const MARK: Style = AnsiColor::Cyan.on_default();

/// The style of a diff's line by its sign: ` `, `+`, `-` or `~`.
pub(crate) fn of_sign(sign: char) -> Style {
    match sign {
        '+' => ADDED,
        '-' => REMOVED,
        '~' => CHANGED,
        _ => Style::new(),
    }
}

/// The style of a verdict's word.
pub(crate) fn of_verdict(verdict: Verdict) -> Style {
    let colour = match verdict {
        Verdict::New | Verdict::Skipped => return Style::new(),
        Verdict::Pass => AnsiColor::Green,
        Verdict::Changed => AnsiColor::Yellow,
        Verdict::Inconclusive => AnsiColor::Magenta,
        Verdict::Failed | Verdict::Crashed | Verdict::Hung | Verdict::Broken => AnsiColor::Red,
    };
    colour.on_default()
}

/// The word of a verdict in its style.
pub(crate) fn verdict(verdict: Verdict) -> String {
    let style = of_verdict(verdict);
    format!("{style}{}{style:#}", verdict.word())
}

/// Text with ANSI escape sequences for colours. Its [`Display`](fmt::Display) leaves them out; a `Screen` shows them.
#[derive(Debug, Default)]
pub struct Styled(String);

impl Styled {
    /// The text with its escape sequences.
    pub(super) fn raw(&self) -> &str {
        &self.0
    }
}

impl From<String> for Styled {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Write for Styled {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write_str(text)
    }
}

impl fmt::Display for Styled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        anstream::adapter::strip_str(&self.0).fmt(f)
    }
}
