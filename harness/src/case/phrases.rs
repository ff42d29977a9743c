//! Parses the phrases inside a case: sizes, durations, gates, bounds, functions, conditions, packets, costs.

mod condition_phrase;
mod packet_phrase;
mod sent_phrase;

use super::case_name::CaseName;
use super::constants::{self, Table};
use super::gate::{Gate, released};
use crate::kernel::Series;
use crate::nearest::suggestion;

pub(crate) use condition_phrase::{ConditionPhrase, condition};
pub(crate) use packet_phrase::{BuiltPhrase, OptionPhrase, PacketPhrase, Protocol, packet};
pub(crate) use sent_phrase::{Field, SentClause, SentPhrase, sent_packet};

/// An error in a phrase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PhraseError {
    /// The part to underline; empty for all of it.
    pub(crate) part: String,
    pub(crate) message: String,
    pub(crate) expected: String,
    /// What to do about it.
    pub(crate) help: Option<String>,
}

impl PhraseError {
    pub(crate) fn new(part: &str, message: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { part: part.to_owned(), message: message.into(), expected: expected.into(), help: None }
    }
}

/// Parses an integer: decimal, or hexadecimal after `0x`.
pub(crate) fn integer(text: &str) -> Option<i64> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let magnitude = match digits.strip_prefix("0x") {
        Some(hex) if !hex.starts_with(['+', '-']) => i64::from_str_radix(hex, 16).ok()?,
        None if !digits.starts_with(['+', '-']) => digits.parse::<i64>().ok()?,
        _ => return None,
    };
    Some(sign * magnitude)
}

/// Parses a size in bytes: `64`, `4K`, `1M` (K is 1024, M is 1024²).
pub(crate) fn size(text: &str) -> Option<u64> {
    quantity(text, |unit| match unit {
        "" | "B" => Some(1),
        "K" | "KiB" => Some(1 << 10),
        "M" | "MiB" => Some(1 << 20),
        "G" | "GiB" => Some(1 << 30),
        _ => None,
    })
}

/// Parses a duration, such as `200 ms`, `5s` or `10 us`, into nanoseconds.
pub(crate) fn duration_ns(text: &str) -> Option<u64> {
    quantity(text, |unit| match unit {
        "ns" => Some(1),
        "us" | "µs" => Some(1_000),
        "ms" => Some(1_000_000),
        "s" => Some(1_000_000_000),
        _ => None,
    })
}

/// Parses a number and the unit after it.
fn quantity(text: &str, factor: impl Fn(&str) -> Option<u64>) -> Option<u64> {
    let text = text.trim();
    let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(factor(text[digits.len()..].trim())?)
}

/// Splits a phrase from the gate at its end: `netif_rx before 6.1`, `64 only 6.1 and 6.12`.
pub(crate) fn gated(text: &str) -> Result<(String, Gate), PhraseError> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let is_keyword = |word: &&str| matches!(*word, "since" | "before" | "only");
    let split = words.iter().position(is_keyword).unwrap_or(words.len());
    let (head, tail) = words.split_at(split);
    let mut gate = Gate::default();
    let mut tail = tail.iter().copied().peekable();
    while let Some(keyword) = tail.next() {
        let mut series = || match tail.next() {
            None => Err(PhraseError::new(
                keyword,
                format!("`{keyword}` needs a series"),
                format!("for example `{keyword} 6.1`"),
            )),
            Some(word) => one_series(word.trim_end_matches(',')),
        };
        match keyword {
            "since" => gate.since = Some(series()?),
            "before" => gate.before = Some(series()?),
            "only" | "and" => gate.only.push(series()?),
            stray => {
                return Err(PhraseError::new(
                    stray,
                    format!("`{stray}` does not belong in a gate"),
                    "expected since, before or only",
                ));
            }
        }
        if tail.peek() == Some(&"and") && gate.only.is_empty() {
            return Err(PhraseError::new("and", "`and` joins the series of `only`", "for example `only 6.1 and 6.12`"));
        }
    }
    if gate.is_empty() {
        return Err(PhraseError::new("", format!("no kernel matches `{gate}`"), "this gate admits no kernel"));
    }
    Ok((head.join(" "), gate))
}

/// Parses a series within a phrase.
pub(crate) fn one_series(word: &str) -> Result<Series, PhraseError> {
    released(word).map_err(|error| PhraseError::new(word, error.to_string(), "expected a series such as 6.12"))
}

/// A range of numbers, both ends inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) least: i64,
    pub(crate) most: i64,
}

impl Bound {
    pub(crate) fn exactly(number: i64) -> Self {
        Self { least: number, most: number }
    }

    /// Whether `number` is within the range.
    pub(crate) fn holds(&self, number: i64) -> bool {
        (self.least..=self.most).contains(&number)
    }
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.least, self.most) {
            (least, most) if least == most => write!(f, "{least}"),
            (least, i64::MAX) => write!(f, "at least {least}"),
            (i64::MIN, most) => write!(f, "at most {most}"),
            (least, most) => write!(f, "{least} to {most}"),
        }
    }
}

/// Parses `1`, `0x1f`, `at least 2`, `at most 3`, `2 to 5`, `none`, or `a descriptor` (0 or more).
pub(crate) fn bound(text: &str) -> Result<Bound, PhraseError> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let expected = "expected a number, `at least N`, `at most N`, `N to M`, `none` or `a descriptor`";
    let number =
        |word: &str| integer(word).ok_or_else(|| PhraseError::new(word, format!("`{word}` is not a number"), expected));
    match words.as_slice() {
        ["none"] => Ok(Bound::exactly(0)),
        ["a", "descriptor"] => Ok(Bound { least: 0, most: i64::MAX }),
        [one] => number(one).map(Bound::exactly),
        ["at", "least", least] => Ok(Bound { least: number(least)?, most: i64::MAX }),
        ["at", "most", most] => Ok(Bound { least: i64::MIN, most: number(most)? }),
        [least, "to", most] => Ok(Bound { least: number(least)?, most: number(most)? }),
        _ => Err(PhraseError::new("", format!("`{text}` is not a number or a range"), expected)),
    }
}

/// How an operation may end: with one of these values or errors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcomes {
    values: Vec<Bound>,
    errnos: Vec<i32>,
}

impl Outcomes {
    /// Whether a return value, or an errno that is not 0, is one of them.
    pub(crate) fn hold(&self, value: i64, errno: i32) -> bool {
        match errno {
            0 => self.values.iter().any(|bound| bound.holds(value)),
            errno => self.errnos.contains(&errno),
        }
    }

    /// Whether the operation may fail.
    pub(crate) fn has_errors(&self) -> bool {
        !self.errnos.is_empty()
    }

    /// Whether only errors are among them.
    pub(crate) fn has_only_errors(&self) -> bool {
        self.values.is_empty()
    }
}

impl std::fmt::Display for Outcomes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let errnos = self.errnos.iter().map(|errno| constants::errno_name(*errno));
        let all: Vec<String> = self.values.iter().map(Bound::to_string).chain(errnos).collect();
        f.write_str(&all.join(" or "))
    }
}

/// Parses `64`, `64 or EAGAIN`, `EAGAIN or EINTR`: see [`bound`].
pub(crate) fn outcomes(text: &str) -> Result<Outcomes, PhraseError> {
    let mut out = Outcomes { values: Vec::new(), errnos: Vec::new() };
    for one in text.split(" or ").map(str::trim) {
        // No other word of a bound begins with a capital letter.
        if one.starts_with(|first: char| first.is_ascii_uppercase()) {
            out.errnos.push(errno(one)?);
        } else {
            out.values.push(bound(one)?);
        }
    }
    Ok(out)
}

/// Parses `EAGAIN`, `EAGAIN or EINTR`.
pub(crate) fn errors(text: &str) -> Result<Outcomes, PhraseError> {
    let errnos = text.split(" or ").map(|one| errno(one.trim())).collect::<Result<_, _>>()?;
    Ok(Outcomes { values: Vec::new(), errnos })
}

/// Parses the flags of a message: `MSG_TRUNC|MSG_CTRUNC`, `none`.
pub(crate) fn flags(text: &str) -> Result<u32, PhraseError> {
    match text {
        "none" => Ok(0),
        text => {
            joined(text, &[constants::MESSAGE_FLAGS], "message flag", "expected flags such as MSG_TRUNC, or `none`")
        }
    }
}

/// Parses constants of these tables that are joined with `|`.
pub(crate) fn joined(text: &str, tables: &[Table], what: &str, expected: &str) -> Result<u32, PhraseError> {
    let mut out = 0;
    for name in text.split('|').map(str::trim) {
        let number = tables.iter().find_map(|table| constants::number(table, name)).or_else(|| integer(name));
        out |= number.ok_or_else(|| PhraseError {
            part: name.to_owned(),
            message: format!("unknown {what} `{name}`"),
            expected: expected.to_owned(),
            help: suggestion(name, tables.iter().flat_map(|table| table.iter()).map(|(name, _)| *name)),
        })? as u32;
    }
    Ok(out)
}

/// Parses the name of an error.
fn errno(text: &str) -> Result<i32, PhraseError> {
    let number = constants::number(constants::ERRNOS, text).map(|number| number as i32);
    number.ok_or_else(|| PhraseError {
        part: text.to_owned(),
        message: format!("unknown error `{text}`"),
        expected: "expected the name of an error, such as EAGAIN".to_owned(),
        help: suggestion(text, constants::ERRNOS.iter().map(|(name, _)| *name)),
    })
}

/// A function, or several alternatives, and how often it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CallPhrase {
    /// The alternatives.
    pub(crate) names: Vec<String>,
    /// The number of calls in the whole context; `None`: at least one.
    pub(crate) times: Option<Bound>,
}

/// Parses `a`, `a or b`, `a 4 times`, or `a at least 2 times`.
pub(crate) fn call(text: &str) -> Result<CallPhrase, PhraseError> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (words, times) = match words.as_slice() {
        [head @ .., "once"] => (head, Some(Bound::exactly(1))),
        [head @ .., "twice"] => (head, Some(Bound::exactly(2))),
        [head @ .., "at", which @ ("least" | "most"), number, "times"] => {
            (head, Some(bound(&format!("at {which} {number}"))?))
        }
        [head @ .., number, "times"] => (head, Some(bound(number)?)),
        all => (all, None),
    };
    let mut names = Vec::new();
    for (nth, word) in words.iter().enumerate() {
        if nth % 2 == 1 {
            if *word != "or" {
                let expected = "expected `or`, `N times`, `since`, `before` or `only` after a function";
                return Err(PhraseError::new(word, format!("`{word}` does not belong here"), expected));
            }
        } else if is_function_name(word) && *word != "or" {
            names.push((*word).to_owned());
        } else {
            return Err(PhraseError::new(
                word,
                format!("`{word}` is not the name of a function"),
                "expected the name of a function",
            ));
        }
    }
    if names.is_empty() || words.len() % 2 == 0 {
        return Err(PhraseError::new(
            "",
            format!("`{text}` lacks the name of a function"),
            "expected the name of a function",
        ));
    }
    Ok(CallPhrase { names, times })
}

fn is_function_name(word: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    word.chars().all(plain) && word.starts_with(|first: char| !first.is_ascii_digit())
}

/// A bound on a cost.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CostPhrase {
    /// Whether it is an upper bound (`at most`) or a lower one (`at least`).
    pub(crate) at_most: bool,
    /// A factor of the cost of `other`, if there is one; else a number of instructions.
    pub(crate) amount: f64,
    /// The case to compare with, and the operation in it if its name differs.
    pub(crate) other: Option<(CaseName, Option<String>)>,
}

/// Parses `at most 1.2 x recv/tcp-ready`, `at least 2 x recv/tcp-ready:receiver.recv`, or `at most 40000 instructions`.
pub(crate) fn cost(text: &str) -> Result<CostPhrase, PhraseError> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let expected = "for example `at most 1.2 x recv/tcp-ready` or `at most 40000 instructions`";
    let ["at", which @ ("least" | "most"), amount, rest @ ..] = words.as_slice() else {
        return Err(PhraseError::new("", format!("`{text}` is not a bound on a cost"), expected));
    };
    let number = amount.parse::<f64>().ok().filter(|number| number.is_finite() && *number > 0.0);
    let amount =
        number.ok_or_else(|| PhraseError::new(amount, format!("`{amount}` is not a positive number"), expected))?;
    let other = match rest {
        ["instructions"] => None,
        ["x" | "×" | "times", case] => match case.split_once(':') {
            Some((case, operation)) => Some((case.into(), Some(operation.to_owned()))),
            None => Some(((*case).into(), None)),
        },
        _ => {
            return Err(PhraseError::new("", format!("`{text}` does not say what to compare the cost with"), expected));
        }
    };
    Ok(CostPhrase { at_most: *which == "most", amount, other })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_durations_have_units() {
        assert_eq!(
            [size("64"), size("4K"), size("1 MiB"), size("x"), size("-1"), size("")],
            [Some(64), Some(4096), Some(1 << 20), None, None, None]
        );
        assert_eq!(
            [duration_ns("200 ms"), duration_ns("5s"), duration_ns("5")],
            [Some(200_000_000), Some(5_000_000_000), None]
        );
    }

    #[test]
    fn any_phrase_can_end_in_a_gate() {
        let (head, gate) = gated("a or b since 6.1 before 7.2").unwrap();
        assert_eq!((head.as_str(), gate.to_string().as_str()), ("a or b", "since 6.1 before 7.2"));
        let (_, gate) = gated("a only 5.10 and 6.1").unwrap();
        assert_eq!(gate.to_string(), "only 5.10 and 6.1");
        for (text, part) in [
            ("a since", "since"),
            ("a since 6.20", "6.20"),
            ("a since 6.1 or 6.2", "or"),
            ("a since 6.2 before 6.1", ""),
        ] {
            assert_eq!(gated(text).unwrap_err().part, part, "{text}");
        }
    }

    #[test]
    fn every_form_of_a_number_that_an_error_lists_is_valid() {
        let forms = ["N", "at least N", "at most N", "N to M", "none", "a descriptor"];
        let expected = bound("x").unwrap_err().expected;
        for form in forms {
            assert!(bound(&form.replace('N', "1").replace('M', "0x2")).is_ok(), "{form}");
            assert!(form == "N" || expected.contains(&format!("`{form}`")), "{form} is not in: {expected}");
        }
    }

    #[test]
    fn functions_may_be_alternatives_and_counted() {
        let phrase = call("netif_rx or __netif_rx at least 2 times").unwrap();
        assert_eq!(phrase.names, ["netif_rx", "__netif_rx"]);
        assert_eq!(phrase.times, Some(Bound { least: 2, most: i64::MAX }));
        for text in ["", "a b", "a or", "or", "a-b", "a x times"] {
            assert!(call(text).is_err(), "{text}");
        }
    }
}
