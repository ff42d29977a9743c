//! Patterns that choose releases: `6.12.107`, `6.12.107-1`, `6.18.*`, `6.16..6.19`.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// Chooses releases by their package versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReleasePattern {
    /// All builds of a kernel's version, such as `6.12.107`.
    Release(Vec<u32>),
    /// One package version, such as `6.12.107-1`.
    Package(String),
    /// All versions that start with these numbers: `6.18.*`, or just `6.18`.
    Under(Vec<u32>),
    /// From one prefix to another, both included: `6.16..6.19` includes 6.16.3 and 6.19.14.
    Range(Vec<u32>, Vec<u32>),
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid pattern `{0}`: expected a version (6.12.107), a package version (6.12.107-1), 6.18.* or 6.16..6.19")]
pub struct InvalidPattern(String);

impl InvalidPattern {
    pub(super) fn of(text: &str) -> Self {
        Self(text.chars().take(80).collect())
    }
}

impl ReleasePattern {
    pub(crate) fn matches(&self, version: &str) -> bool {
        let numbers = numbers_of(version);
        match self {
            Self::Release(wanted) => numbers == *wanted,
            Self::Package(wanted) => version == wanted,
            Self::Under(prefix) => numbers.starts_with(prefix),
            Self::Range(from, to) => {
                compare_prefix(&numbers, from) != Ordering::Less && compare_prefix(&numbers, to) != Ordering::Greater
            }
        }
    }
}

impl fmt::Display for ReleasePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dotted = |numbers: &[u32]| numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(".");
        match self {
            Self::Release(numbers) => f.write_str(&dotted(numbers)),
            Self::Package(version) => f.write_str(version),
            Self::Under(prefix) if prefix.is_empty() => f.write_str("*"),
            Self::Under(prefix) => write!(f, "{}.*", dotted(prefix)),
            Self::Range(from, to) => write!(f, "{}..{}", dotted(from), dotted(to)),
        }
    }
}

impl FromStr for ReleasePattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        parse(text).ok_or_else(|| InvalidPattern::of(text))
    }
}

fn parse(text: &str) -> Option<ReleasePattern> {
    if text == "*" {
        return Some(ReleasePattern::Under(Vec::new()));
    }
    if let Some((from, to)) = text.split_once("..") {
        let (from, to) = (numbers(from)?, numbers(to)?);
        let shared = from.len().min(to.len());
        return (from[..shared] <= to[..shared]).then_some(ReleasePattern::Range(from, to));
    }
    if let Some(prefix) = text.strip_suffix(".*") {
        return numbers(prefix).map(ReleasePattern::Under);
    }
    if let Some((upstream, revision)) = text.split_once('-') {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".+~-".contains(&byte);
        let fine = numbers(upstream).is_some_and(|numbers| numbers.len() >= 3)
            && revision.starts_with(|first: char| first.is_ascii_digit())
            && revision.bytes().all(plain);
        return fine.then(|| ReleasePattern::Package(text.to_owned()));
    }
    let numbers = numbers(text)?;
    Some(if numbers.len() >= 3 { ReleasePattern::Release(numbers) } else { ReleasePattern::Under(numbers) })
}

/// The numbers of a text such as `6.12.107`.
fn numbers(text: &str) -> Option<Vec<u32>> {
    text.split('.')
        .map(|part| part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok()).flatten())
        .collect()
}

/// The numbers at the start of a package version: 6, 12 and 107 of `6.12.107-1~bpo12+1`.
fn numbers_of(version: &str) -> Vec<u32> {
    let end = version.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(version.len());
    numbers(&version[..end]).unwrap_or_default()
}

/// Compares the first numbers of a version, as many as the bound has, with the bound.
fn compare_prefix(numbers: &[u32], bound: &[u32]) -> Ordering {
    numbers[..bound.len().min(numbers.len())].cmp(bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSIONS: [&str; 12] = [
        "5.10.262-1",
        "6.1.192-1",
        "6.1.192-3",
        "6.12.107-1~deb12u1",
        "6.12.107-1",
        "6.12.117-1",
        "6.16.3-1~bpo13+1",
        "6.18.5-1~bpo13+1",
        "6.18.15-1~bpo13+1",
        "6.19.14-1~bpo13+1",
        "7.2.12-1~bpo13+1",
        "7.3.4-1~bpo13+1",
    ];

    #[test]
    fn a_pattern_chooses_versions() {
        for (pattern, chosen) in [
            ("*", &VERSIONS[..]),
            ("6.12.107", &VERSIONS[3..5]),
            ("6.12.107-1", &VERSIONS[4..5]),
            ("6.12.107-1~deb12u1", &VERSIONS[3..4]),
            ("6.1.192", &VERSIONS[1..3]),
            ("6.1.*", &VERSIONS[1..3]),
            ("6.1", &VERSIONS[1..3]),
            ("6.18.*", &VERSIONS[7..9]),
            ("7.*", &VERSIONS[10..]),
            ("6.16..6.19", &VERSIONS[6..10]),
            ("6.16.4..6.18.5", &VERSIONS[7..8]),
            ("6.12.107..6.16", &VERSIONS[3..7]),
            ("6.18..7", &VERSIONS[7..]),
            ("6.18..6.18.5", &VERSIONS[7..8]),
            ("6.12.1", &[]),
            ("6.12.10", &[]),
            ("6.12.107-2", &[]),
        ] {
            let parsed: ReleasePattern = pattern.parse().unwrap();
            let found: Vec<&str> = VERSIONS.into_iter().filter(|version| parsed.matches(version)).collect();
            assert_eq!(found, chosen, "{pattern}");
            assert_eq!(parsed.to_string().parse(), Ok(parsed), "{pattern}");
        }
    }

    #[test]
    fn malformed_patterns_are_rejected() {
        for text in [
            "",
            ".",
            "6.",
            "v6.12",
            "6.*.1",
            "6.18*",
            "..",
            "6.16..",
            "..6.19",
            "6.16...6.19",
            "6.19..6.16",
            "6.12-1",
            "6.12.107-",
            "6.12.107-x",
            "6.12.107-1/..",
            "6.12.107-1 x",
            "6.+1.2",
            "6.99999999999.1",
            "./linux",
        ] {
            assert!(text.parse::<ReleasePattern>().is_err(), "{text:?}");
        }
    }
}
