//! What a terminal gets and a pipe does not: colour, lines as wide as the window, a pager where the text is longer than it.

use std::io::{IsTerminal, Write};
use std::process::{Command, Stdio};

/// The terminal that standard output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen {
    /// Columns and lines; `None` if it is no terminal.
    pub size: Option<(usize, usize)>,
    /// Whether to colour.
    pub colour: bool,
}

impl Screen {
    /// What standard output is now. `NO_COLOR` (no-color.org) and `TERM=dumb` switch colour off.
    pub fn of_output() -> Self {
        let stdout = std::io::stdout();
        if !stdout.is_terminal() {
            return Self { size: None, colour: false };
        }
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let size = rustix::termios::tcgetwinsize(&stdout).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
        let size = size.map_or((80, 24), |size| (usize::from(size.ws_col), usize::from(size.ws_row)));
        Self { size: Some(size), colour: !set("NO_COLOR") && !is_dumb }
    }

    /// A text of diffs and trees, fitted to the screen.
    pub fn fit(&self, text: &str) -> String {
        let Some((columns, _)) = self.size else { return text.to_owned() };
        let mut out = String::with_capacity(text.len() * 2);
        for line in text.lines() {
            for part in wrap(line, columns) {
                out.push_str(&if self.colour { painted(line, &part) } else { part });
                out.push('\n');
            }
        }
        out
    }

    /// Prints a text; through a pager if it is longer than the screen, as git does.
    pub fn show(&self, text: &str) {
        let text = self.fit(text);
        let is_long = self.size.is_some_and(|(_, lines)| text.lines().count() >= lines);
        if !(is_long && page(&text)) {
            // A reader that goes away early is no error.
            let _ = std::io::stdout().write_all(text.as_bytes());
        }
    }
}

/// Hands a text to the pager; whether there was one.
fn page(text: &str) -> bool {
    let chosen = ["RXPATH_PAGER", "PAGER"].into_iter().find_map(|name| std::env::var(name).ok());
    let pager = chosen.unwrap_or_else(|| "less".to_owned());
    if pager.trim().is_empty() || pager == "cat" {
        return false;
    }
    let mut command = Command::new("sh");
    command.arg("-c").arg(&pager).stdin(Stdio::piped());
    // As git does: quit if it fits, keep colours, leave the screen as it is.
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

/// A line that is too wide: its reason (behind two spaces or more) goes to a line of its own, the rest is cut at the edge.
fn wrap(line: &str, columns: usize) -> Vec<String> {
    if line.chars().count() <= columns {
        return vec![line.to_owned()];
    }
    let indent = line.len() - line.trim_start_matches([' ', '+', '-', '~']).len();
    let split = line[indent..].find("  ").map(|at| at + indent);
    match split {
        Some(at) => {
            let reason = line[at..].trim_start();
            let indent = indent.min(columns / 2);
            let sign = line.chars().next().filter(|sign| "+-~".contains(*sign)).unwrap_or(' ');
            vec![cut(&line[..at], columns), cut(&format!("{sign}{}# {reason}", " ".repeat(indent)), columns)]
        }
        None => vec![cut(line, columns)],
    }
}

fn cut(line: &str, columns: usize) -> String {
    if line.chars().count() <= columns {
        return line.to_owned();
    }
    line.chars().take(columns.saturating_sub(1)).chain(['…']).collect()
}

const VERDICTS: [(&str, &str); 7] = [
    ("pass", "32"),
    ("changed", "33"),
    ("failed", "31"),
    ("inconclusive", "35"),
    ("crashed", "31"),
    ("hung", "31"),
    ("broken", "31"),
];

/// A line's part in the colour of what the line is.
fn painted(line: &str, part: &str) -> String {
    let whole = |colour: &str| format!("\u{1b}[{colour}m{part}\u{1b}[0m");
    match line.chars().next() {
        Some('+') => return whole("32"),
        Some('-') => return whole("31"),
        Some('~') => return whole("33"),
        Some('@') => return whole("36"),
        _ => {}
    }
    if part.trim_start().starts_with("~ ") {
        return whole("36");
    }
    // Verdicts, as words of their own behind a name.
    let mut out = String::new();
    for (index, word) in part.split(' ').enumerate() {
        if index > 0 {
            out.push(' ');
        }
        match VERDICTS.iter().find(|(verdict, _)| *verdict == word.trim_end_matches([':', ','])) {
            Some((_, colour)) => out.push_str(&format!("\u{1b}[{colour}m{word}\u{1b}[0m")),
            None => out.push_str(word),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_terminal_gets_the_text_as_it_is() {
        let pipe = Screen { size: None, colour: false };
        let text = format!("+ {}  new\n", "x".repeat(300));
        assert_eq!(pipe.fit(&text), text);
    }

    #[test]
    fn a_narrow_window_gets_the_reason_on_a_line_of_its_own_and_no_line_wider_than_itself() {
        let screen = Screen { size: Some((40, 24)), colour: false };
        let line = "+   tcp_recvmsg_locked          a level appeared: no such symbol in 5.10";
        let fitted = screen.fit(line);
        assert_eq!(fitted, "+   tcp_recvmsg_locked\n+    # a level appeared: no such symbol…\n");
        let plain = screen.fit(&"y".repeat(100));
        assert_eq!(plain.trim_end().chars().count(), 40);
    }

    #[test]
    fn colours_are_by_sign_and_by_verdict_and_end_with_the_line() {
        let screen = Screen { size: Some((80, 24)), colour: true };
        assert_eq!(screen.fit("+ new"), "\u{1b}[32m+ new\u{1b}[0m\n");
        assert_eq!(screen.fit("recv/a  pass"), "recv/a  \u{1b}[32mpass\u{1b}[0m\n");
        assert_eq!(screen.fit("recv/a  passing"), "recv/a  passing\n");
    }
}
