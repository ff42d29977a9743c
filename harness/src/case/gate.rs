//! Kernel series, and gates that limit something to some of them.

use std::fmt;

use super::diagnostic::Location;
use crate::kernel::Series;

/// An invalid kernel series.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SeriesError {
    /// Not two numbers with a dot between them.
    #[error("invalid kernel series `{found}`: expected two numbers with a dot between them, such as 6.12")]
    Malformed { found: String },
    /// Two numbers, but Linux has no such release.
    #[error("there is no Linux {found}: the last {}.x is {last}", .last.major)]
    NeverReleased {
        found: Series,
        /// The last series with the same major number.
        last: Series,
    },
}

/// The last minor number of each finished major one, from 4 on. Later series cannot be checked.
const LAST_MINOR: [(u16, u16); 3] = [(4, 20), (5, 19), (6, 19)];

/// Parses a series, and checks that it was released.
pub(crate) fn released(name: &str) -> Result<Series, SeriesError> {
    let malformed = || SeriesError::Malformed { found: name.to_owned() };
    let series: Series = name.parse().map_err(|_| malformed())?;
    match LAST_MINOR.iter().find(|(major, _)| *major == series.major) {
        Some((major, last)) if series.minor > *last => {
            Err(SeriesError::NeverReleased { found: series, last: Series::new(*major, *last) })
        }
        _ if series.major < LAST_MINOR[0].0 => Err(malformed()),
        _ => Ok(series),
    }
}

/// The kernels on which something holds; all of them by default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Gate {
    /// The first series, inclusive.
    pub(crate) since: Option<Series>,
    /// The end, exclusive.
    pub(crate) before: Option<Series>,
    /// Only these series, if there are any.
    pub(crate) only: Vec<Series>,
}

impl Gate {
    pub(crate) fn admits(&self, series: Series) -> bool {
        self.since.is_none_or(|since| series >= since)
            && self.before.is_none_or(|before| series < before)
            && (self.only.is_empty() || self.only.contains(&series))
    }

    /// Whether it admits no series at all.
    pub(crate) fn is_empty(&self) -> bool {
        matches!((self.since, self.before), (Some(since), Some(before)) if since >= before)
            || (!self.only.is_empty() && !self.only.iter().any(|series| self.admits(*series)))
    }

    /// The gate that admits what both admit.
    pub(crate) fn and(&self, other: &Self) -> Self {
        let since = self.since.max(other.since);
        let before = match (self.before, other.before) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        let only = match (self.only.is_empty(), other.only.is_empty()) {
            (true, _) => other.only.clone(),
            (_, true) => self.only.clone(),
            _ => self.only.iter().copied().filter(|series| other.only.contains(series)).collect(),
        };
        Self { since, before, only }
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Vec::new();
        words.extend(self.since.map(|since| format!("since {since}")));
        words.extend(self.before.map(|before| format!("before {before}")));
        if !self.only.is_empty() {
            let only: Vec<_> = self.only.iter().map(Series::to_string).collect();
            words.push(format!("only {}", only.join(" and ")));
        }
        if words.is_empty() {
            words.push("on every kernel".to_owned());
        }
        f.write_str(&words.join(" "))
    }
}

/// Something that holds on some kernels, with its location in the file.
#[derive(Clone, Debug)]
pub(crate) struct Gated<T> {
    pub(crate) gate: Gate,
    pub(crate) value: T,
    pub(crate) at: Location,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(text: &str) -> Series {
        released(text).unwrap()
    }

    #[test]
    fn series_are_ordered_by_release_not_as_decimal_fractions() {
        assert!(series("5.10") > series("5.9"));
        assert!(series("6.1") < series("6.12"));
        assert!(series("6.19") < series("7.0"));
        assert_eq!(series("6.12").to_string(), "6.12");
    }

    #[test]
    fn a_series_that_was_never_released_is_refused_with_the_last_one() {
        assert_eq!(released("5.20").unwrap_err().to_string(), "there is no Linux 5.20: the last 5.x is 5.19");
        for text in ["", "6", "6.", ".1", "6.1.2", "6.01", "06.1", "six.1", "3.2", "6.+1"] {
            assert!(released(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_gate_admits_its_beginning_but_not_its_end() {
        let gate = Gate { since: Some(series("6.1")), before: Some(series("6.12")), only: vec![] };
        let admitted: Vec<_> =
            ["5.10", "6.1", "6.11", "6.12"].into_iter().filter(|text| gate.admits(series(text))).collect();
        assert_eq!(admitted, ["6.1", "6.11"]);
        assert!(Gate { since: Some(series("6.12")), before: Some(series("6.12")), only: vec![] }.is_empty());
        assert!(!gate.is_empty());
    }

    #[test]
    fn two_gates_together_admit_what_both_admit() {
        let gate = |since: &str, before: &str, only: &[&str]| Gate {
            since: Some(since).filter(|text| !text.is_empty()).map(series),
            before: Some(before).filter(|text| !text.is_empty()).map(series),
            only: only.iter().map(|text| series(text)).collect(),
        };
        for (one, other, both) in [
            (gate("5.10", "7.0", &[]), gate("6.1", "6.12", &[]), "since 6.1 before 6.12"),
            (gate("6.1", "", &[]), gate("", "6.12", &[]), "since 6.1 before 6.12"),
            (gate("", "", &["6.1", "6.12"]), gate("", "", &["6.12", "6.18"]), "only 6.12"),
            (gate("", "", &[]), gate("", "", &["6.1"]), "only 6.1"),
        ] {
            assert_eq!((one.and(&other).to_string(), other.and(&one).to_string()), (both.to_owned(), both.to_owned()));
        }
    }
}
