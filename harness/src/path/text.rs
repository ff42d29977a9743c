//! The readable, stable text of a path, and its parser. Snapshots are also compared after they are parsed.
//!
//! Each node is one line, indented by two spaces per level, so a changed function is a changed line:
//!
//! ```text
//! __x64_sys_recvfrom
//!   tcp_recvmsg
//!     skb_copy_datagram_iter ×3
//!     ~ sleeps
//!     ~ repeats ×2
//!       tcp_eat_skb
//!       tcp_update_recv_tstamps
//! ```
//!
//! Lines that are not functions start with `~ `: `~ sleeps`, `~ preempted`, `~ wakes NAME`, `~ in NAME`, `~ repeats`.
//! White space, control characters, backslashes and a leading `~` in a name are written as `\u{HEX}`, and an empty name
//! as `\e`, so any name survives.

use std::fmt::Write as _;
use std::sync::Arc;

use thiserror::Error;

use super::{CallPath, PathEntry, PathNode};

/// Writes a path as text. Every line ends with a newline. [`parse`] reads it back.
pub fn write(path: &CallPath) -> String {
    let mut out = String::new();
    for node in &path.nodes {
        for _ in 0..node.depth {
            out.push_str("  ");
        }
        out.push_str(&line(node));
        out.push('\n');
    }
    out
}

/// The line of a node, without indentation and newline.
pub fn line(node: &PathNode) -> String {
    let mut out = entry(&node.entry);
    if node.times != 1 {
        let _ = write!(out, " ×{}", node.times);
    }
    out
}

/// The text of an entry: a node's line without its count.
pub fn entry(entry: &PathEntry) -> String {
    match entry {
        PathEntry::Call(name) => escape(name),
        PathEntry::Repeat => "~ repeats".to_owned(),
        PathEntry::In(name) => format!("~ in {}", escape(name)),
        PathEntry::Wakes(name) => format!("~ wakes {}", escape(name)),
        PathEntry::Sleeps => "~ sleeps".to_owned(),
        PathEntry::Preempted => "~ preempted".to_owned(),
    }
}

/// A line of the text is invalid.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line} of the path: expected {expected}, found {found}")]
pub struct TextError {
    /// From 1.
    pub line: usize,
    pub expected: String,
    pub found: String,
}

/// Parses what [`write()`] wrote. Lines may end in `\r\n`; the last one needs no newline.
///
/// People edit these texts, so any text gives a path or an error with the line.
pub fn parse(text: &str) -> Result<CallPath, TextError> {
    let mut nodes: Vec<PathNode> = Vec::new();
    let mut interned = std::collections::HashSet::new();
    let mut deepest = 0;
    for (index, line) in text.lines().enumerate() {
        let fail = |expected: &str, found: String| TextError { line: index + 1, expected: expected.to_owned(), found };
        if let (Some(period), true) = (nodes.last(), index > 0)
            && period.entry == PathEntry::Repeat
            && !line.starts_with(&"  ".repeat(period.depth as usize + 1))
        {
            return Err(fail("the repeated lines, one level deeper than `~ repeats`", quoted(line)));
        }
        let content = line.trim_start_matches(' ');
        let spaces = line.len() - content.len();
        if content.is_empty() {
            return Err(fail("a function or a line that starts with `~ `", "an empty line".to_owned()));
        }
        let depth = u32::try_from(spaces / 2).unwrap_or(u32::MAX);
        if spaces % 2 != 0 || depth > deepest {
            let expected = format!("an even number of spaces, at most {}", u64::from(deepest) * 2);
            return Err(fail(&expected, format!("{spaces}")));
        }
        let (entry, times) = split_times(content).map_err(|found| fail("a count of at least 2 after ` ×`", found))?;
        let entry = parse_entry(entry, &mut interned).map_err(|(expected, found)| fail(expected, found))?;
        deepest = depth + u32::from(entry.can_have_children());
        nodes.push(PathNode { depth, entry, times });
    }
    if nodes.last().is_some_and(|last| last.entry == PathEntry::Repeat) {
        let expected = "the repeated lines, one level deeper than `~ repeats`".to_owned();
        return Err(TextError { line: nodes.len() + 1, expected, found: "the end".to_owned() });
    }
    Ok(CallPath { nodes })
}

fn quoted(text: &str) -> String {
    const MOST: usize = 60;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

fn split_times(content: &str) -> Result<(&str, u32), String> {
    let Some((entry, count)) = content.rsplit_once(" ×") else {
        return Ok((content, 1));
    };
    let digits = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit()) && !count.starts_with('0');
    match count.parse() {
        Ok(times) if digits && times > 1 => Ok((entry, times)),
        _ => Err(quoted(count)),
    }
}

type Names = std::collections::HashSet<Arc<str>>;

fn parse_entry(text: &str, names: &mut Names) -> Result<PathEntry, (&'static str, String)> {
    let Some(mark) = text.strip_prefix('~') else {
        return Ok(PathEntry::Call(name(text, names)?));
    };
    match mark {
        " sleeps" => return Ok(PathEntry::Sleeps),
        " preempted" => return Ok(PathEntry::Preempted),
        " repeats" => return Ok(PathEntry::Repeat),
        _ => {}
    }
    match (mark.strip_prefix(" wakes "), mark.strip_prefix(" in ")) {
        (Some(who), _) => Ok(PathEntry::Wakes(name(who, names)?)),
        (_, Some(who)) => Ok(PathEntry::In(name(who, names)?)),
        _ => Err(("`~ sleeps`, `~ preempted`, `~ repeats`, `~ wakes NAME` or `~ in NAME`", quoted(text))),
    }
}

fn name(escaped: &str, names: &mut Names) -> Result<Arc<str>, (&'static str, String)> {
    let name =
        unescape(escaped).ok_or(("a name without spaces, with special characters as `\\u{HEX}`", quoted(escaped)))?;
    if let Some(known) = names.get(name.as_str()) {
        return Ok(known.clone());
    }
    let name: Arc<str> = name.into();
    names.insert(name.clone());
    Ok(name)
}

/// Characters that a name's text cannot start with: a mark starts with `~`, and after a space (`~ wakes ×2`) `×` starts
/// a count.
const AMBIGUOUS_STARTS: [char; 2] = ['~', '×'];

fn needs_escape(c: char) -> bool {
    c.is_whitespace() || c.is_control() || c == '\\'
}

fn escape(name: &str) -> String {
    if name.is_empty() {
        return "\\e".to_owned();
    }
    if !name.starts_with(AMBIGUOUS_STARTS) && !name.contains(needs_escape) {
        return name.to_owned();
    }
    let mut out = String::new();
    for (index, c) in name.char_indices() {
        if needs_escape(c) || (index == 0 && AMBIGUOUS_STARTS.contains(&c)) {
            let _ = write!(out, "\\u{{{:x}}}", c as u32);
        } else {
            out.push(c);
        }
    }
    out
}

/// Returns `None` for text that [`escape`] never writes, so that every name has exactly one spelling.
fn unescape(escaped: &str) -> Option<String> {
    if escaped == "\\e" {
        return Some(String::new());
    }
    let mut out = String::new();
    let mut rest = escaped;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let (hex, after) = rest[at..].strip_prefix("\\u{")?.split_once('}')?;
        out.push(char::from_u32(u32::from_str_radix(hex, 16).ok()?)?);
        rest = after;
    }
    out.push_str(rest);
    (escape(&out) == escaped).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::arbitrary::{is_well_formed, paths};
    use proptest::prelude::*;

    const SAMPLE: &str = "\
__x64_sys_recvfrom
  __sys_recvfrom
    tcp_recvmsg
      skb_copy_datagram_iter ×3
      schedule
        ~ sleeps
      ~ repeats ×2
        a
        b
~ in sender.send ×2
  net_rx_action
    try_to_wake_up
      ~ wakes receiver
~ preempted
";

    #[test]
    fn a_text_that_is_parsed_and_written_is_unchanged() {
        assert_eq!(write(&parse(SAMPLE).unwrap()), SAMPLE);
        assert_eq!(write(&parse(&SAMPLE.replace('\n', "\r\n")).unwrap()), SAMPLE);
        assert_eq!(parse("").unwrap(), CallPath::default());
    }

    #[test]
    fn errors_name_the_line_and_what_was_expected() {
        let error = |text: &str| parse(text).unwrap_err().to_string();
        for (text, line, expected) in [
            ("a\n    b\n", 2, "an even number of spaces, at most 2, found 4"),
            ("  a\n", 1, "at most 0, found 2"),
            ("a\n b\n", 2, "even number of spaces"),
            ("a\n\nb\n", 2, "found an empty line"),
            ("a ×1\n", 1, "a count of at least 2"),
            ("a ×0\n", 1, "a count of at least 2"),
            ("a ×02\n", 1, "a count of at least 2"),
            ("a ×99999999999\n", 1, "a count of at least 2"),
            ("a b\n", 1, "a name without spaces"),
            ("a\\u{zz}\n", 1, "a name without spaces"),
            ("a\\u{61}\n", 1, "a name without spaces"),
            ("~ sleeps\n  a\n", 2, "at most 0"),
            ("~ dreams\n", 1, "`~ sleeps`"),
            ("~ repeats ×2\n", 2, "the repeated lines"),
            ("~ repeats ×2\na\n", 2, "the repeated lines"),
            ("~ wakes \n", 1, "a name without spaces"),
        ] {
            let error = error(text);
            assert!(error.starts_with(&format!("line {line} ")) && error.contains(expected), "{text:?}: {error}");
        }
    }

    proptest! {
        #[test]
        fn every_path_survives_its_text(path in paths()) {
            prop_assert!(is_well_formed(&path));
            prop_assert_eq!(parse(&write(&path)), Ok(path));
        }

        #[test]
        fn any_text_parses_to_a_path_or_errs(text in "(?s).{0,200}") {
            if let Ok(path) = parse(&text) {
                prop_assert!(is_well_formed(&path));
                prop_assert_eq!(parse(&write(&path)), Ok(path));
            }
        }

        #[test]
        fn names_that_begin_like_a_count_survive(name in "×[0-9]{0,2}") {
            let path = CallPath { nodes: vec![PathNode::once(0, PathEntry::Wakes(name.as_str().into()))] };
            prop_assert_eq!(parse(&write(&path)), Ok(path));
        }

        #[test]
        fn nearly_right_texts_never_panic(lines in prop::collection::vec("( ){0,6}(~ )?(repeats|sleeps|wakes|in|f|\\\\u\\{)?( f)?( ×[0-9]{0,11})?", 0..12)) {
            if let Ok(path) = parse(&lines.join("\n")) {
                prop_assert!(is_well_formed(&path));
            }
        }
    }
}
