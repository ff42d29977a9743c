//! What a terminal gets and a pipe does not: colours, lines no wider than the window, a pager for long text.

use std::io::{self, IsTerminal, Write};
use std::iter::{once, repeat};
use std::ops::Range;
use std::process::{Command, Stdio};

use anstream::{AutoStream, ColorChoice};

use super::Styled;
use crate::output;

/// Standard output as a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Screen {
    /// Columns and lines; `None` if it is not a terminal.
    size: Option<(usize, usize)>,
    has_colours: bool,
}

impl Screen {
    /// Looks at standard output. `--color` decides about colours, else `NO_COLOR` (no-color.org) and `TERM=dumb` turn them off.
    pub(crate) fn of_output() -> Self {
        let stdout = std::io::stdout();
        let has_colours = AutoStream::choice(&stdout) != ColorChoice::Never;
        if !stdout.is_terminal() {
            return Self { size: None, has_colours };
        }
        let size = rustix::termios::tcgetwinsize(&stdout).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
        let size = size.map_or((80, 24), |size| (usize::from(size.ws_col), usize::from(size.ws_row)));
        Self { size: Some(size), has_colours }
    }

    /// The width of the window; `None` if it is not a terminal.
    pub(crate) fn columns(&self) -> Option<usize> {
        self.size.map(|(columns, _)| columns)
    }

    /// Fits a text to the window's width, and leaves its colours out where the terminal has none.
    pub(crate) fn fit(&self, text: &Styled) -> String {
        let text = if self.has_colours { text.raw().to_owned() } else { text.to_string() };
        let Some((columns, _)) = self.size else { return text };
        let mut out = String::with_capacity(text.len() * 2);
        for part in text.lines().flat_map(|line| wrap(line, columns)) {
            out.push_str(&part);
            out.push('\n');
        }
        out
    }

    /// Prints a text; through a pager if it is longer than the screen, as git does.
    pub(crate) fn show(&self, text: &Styled) -> io::Result<()> {
        let text = self.fit(text);
        let is_long = self.size.is_some_and(|(_, lines)| text.lines().count() >= lines);
        if is_long && page(&text) { Ok(()) } else { output::print(text).map(drop) }
    }
}

/// Gives a text to the pager; returns whether there was one.
fn page(text: &str) -> bool {
    let chosen = ["RXPATH_PAGER", "PAGER"].into_iter().find_map(|name| std::env::var(name).ok());
    let pager = chosen.unwrap_or_else(|| "less".to_owned());
    if pager.trim().is_empty() || pager == "cat" {
        return false;
    }
    let mut command = Command::new("sh");
    command.arg("-c").arg(&pager).stdin(Stdio::piped());
    // git's settings: quit if the text fits, keep colours, leave the screen as it is.
    if std::env::var_os("LESS").is_none() {
        command.env("LESS", "FRX");
    }
    let Ok(mut child) = command.spawn() else { return false };
    if let Some(mut stdin) = child.stdin.take() {
        let _ = stdin.write_all(text.as_bytes());
    }
    // 127: the shell found no such program.
    child.wait().is_ok_and(|status| status.code() != Some(127))
}

/// Fits a line into the columns: a reason (after two spaces or more) moves to lines of its own, the rest is cut at the edge.
fn wrap(line: &str, columns: usize) -> Vec<String> {
    let visible: Vec<char> = tokens(line).filter(|token| !is_escape(token)).flat_map(str::chars).collect();
    if visible.len() <= columns {
        return vec![line.to_owned()];
    }
    let indent = visible.iter().take_while(|c| " +-~".contains(**c)).count();
    let Some(gap) = visible[indent..].windows(2).position(|pair| pair == [' ', ' ']).map(|at| at + indent) else {
        return vec![cut(line, 0..visible.len(), columns, "")];
    };
    let reason = gap + visible[gap..].iter().take_while(|c| **c == ' ').count();
    // Without the line's sign: the reason was neither added nor removed.
    let margin = 1 + indent.min(columns / 2);
    let room = columns.saturating_sub(margin + 2).max(1);
    let reason = broken(&visible, reason, room).into_iter().zip(once("# ").chain(repeat("  ")));
    let reason = reason.map(|(range, mark)| cut(line, range, columns, &format!("{}{mark}", " ".repeat(margin))));
    once(cut(line, 0..gap, columns, "")).chain(reason).collect()
}

/// The lines of the text from `start` on, broken between words; a word wider than `room` has a line of its own.
fn broken(text: &[char], start: usize, room: usize) -> Vec<Range<usize>> {
    let mut lines: Vec<Range<usize>> = Vec::new();
    let mut at = start;
    for word in text[start..].split(|c| *c == ' ') {
        let end = at + word.len();
        match lines.last_mut() {
            Some(line) if end - line.start <= room => line.end = end,
            _ => lines.push(at..end),
        }
        at = end + 1;
    }
    lines
}

/// These visible characters of a line behind `heading`, at most as many as there are columns, and all of its escape sequences.
fn cut(line: &str, shown: Range<usize>, columns: usize, heading: &str) -> String {
    let room = columns.saturating_sub(heading.len());
    let end = if shown.len() > room { shown.start + room.saturating_sub(1) } else { shown.end };
    let mut out = String::new();
    let mut at = 0;
    for token in tokens(line) {
        if is_escape(token) {
            out.push_str(token);
            continue;
        }
        if at == shown.start {
            out.push_str(heading);
        }
        if (shown.start..end).contains(&at) {
            out.push_str(token);
        } else if at == end && end < shown.end {
            out.push('…');
        }
        at += 1;
    }
    out
}

const ESCAPE: &str = "\u{1b}[";

/// Splits a line into escape sequences and single characters.
fn tokens(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = line;
    std::iter::from_fn(move || {
        // A control sequence ends with a byte from 0x40 to 0x7e (ECMA-48, 5.4).
        let sequence = rest.strip_prefix(ESCAPE).and_then(|body| body.find(|c| matches!(c, '@'..='~')));
        let length = match sequence {
            Some(last) => ESCAPE.len() + last + 1,
            None => rest.chars().next()?.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        rest = after;
        Some(token)
    })
}

fn is_escape(token: &str) -> bool {
    token.starts_with(ESCAPE)
}

#[cfg(test)]
mod tests {
    use super::super::styled::{ADDED, verdict};
    use super::*;
    use crate::suite::Verdict;

    fn screen(columns: usize, has_colours: bool) -> Screen {
        Screen { size: Some((columns, 24)), has_colours }
    }

    #[test]
    fn a_pipe_gets_the_text_without_colours_and_uncut() {
        let pipe = Screen { size: None, has_colours: false };
        let text = format!("+ {}  new\n", "x".repeat(300));
        assert_eq!(pipe.fit(&format!("{ADDED}{text}{ADDED:#}").into()), text);
    }

    #[test]
    fn a_narrow_window_gets_the_whole_reason_on_lines_of_its_own_and_no_line_wider_than_itself() {
        let line = "+   tcp_recvmsg_locked          a level appeared: no such symbol in 5.10";
        let fitted = screen(40, false).fit(&line.to_owned().into());
        assert_eq!(fitted, "+   tcp_recvmsg_locked\n     # a level appeared: no such symbol\n       in 5.10\n");
        let coloured = screen(40, true).fit(&format!("{ADDED}{line}{ADDED:#}").into());
        let each = |line: &str| format!("{ADDED}{line}{ADDED:#}\n");
        assert_eq!(coloured, fitted.lines().map(each).collect::<String>());
        let plain = screen(40, false).fit(&"y".repeat(100).into());
        assert_eq!(plain.trim_end().chars().count(), 40);
    }

    #[test]
    fn a_terminal_without_colours_gets_none() {
        let text = || format!("recv/a  {}", verdict(Verdict::Pass)).into();
        assert_eq!(screen(80, true).fit(&text()), "recv/a  \u{1b}[32mpass\u{1b}[0m\n");
        assert_eq!(screen(80, false).fit(&text()), "recv/a  pass\n");
    }
}
