//! Kernel series, and the gates that tie something to some of them.

use std::fmt;

use crate::kernel::Series;

/// Why a text is no series.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SeriesError {
    /// Not two numbers with a dot between them.
    #[error("`{found}` is not a kernel series: expected two numbers with a dot between them, like 6.12")]
    Malformed {
        /// What stood there.
        found: String,
    },
    /// Two numbers, but Linus never released that one.
    #[error("there is no Linux {found}: the last series of its kind is {last}")]
    NeverReleased {
        /// What stood there.
        found: Series,
        /// The last one with that major number, or of all.
        last: Series,
    },
}

/// The last minor number of each finished major one, from 4 on. What is newer is taken on trust.
const LAST_MINOR: [(u16, u16); 3] = [(4, 20), (5, 19), (6, 19)];

/// The series of that name, if there ever was one.
pub fn released(name: &str) -> Result<Series, SeriesError> {
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

/// On which kernels something holds. The default is all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gate {
    /// This one and later ones.
    pub since: Option<Series>,
    /// Earlier ones than this.
    pub before: Option<Series>,
    /// None but these, if any are named.
    pub only: Vec<Series>,
}

impl Gate {
    /// Whether it lets this series through.
    pub fn admits(&self, series: Series) -> bool {
        self.since.is_none_or(|since| series >= since)
            && self.before.is_none_or(|before| series < before)
            && (self.only.is_empty() || self.only.contains(&series))
    }

    /// Whether no series can pass: it begins at or after its end.
    pub fn is_empty(&self) -> bool {
        matches!((self.since, self.before), (Some(since), Some(before)) if since >= before)
            || (!self.only.is_empty() && !self.only.iter().any(|series| self.admits(*series)))
    }

    /// Whether every series passes.
    pub fn is_open(&self) -> bool {
        *self == Self::default()
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
    fn what_was_never_released_is_refused_with_the_last_that_was() {
        assert_eq!(
            released("5.20").unwrap_err().to_string(),
            "there is no Linux 5.20: the last series of its kind is 5.19"
        );
        for text in ["", "6", "6.", ".1", "6.1.2", "6.01", "06.1", "six.1", "3.2", "6.+1"] {
            assert!(released(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_gate_admits_from_its_beginning_up_to_before_its_end() {
        let gate = Gate { since: Some(series("6.1")), before: Some(series("6.12")), only: vec![] };
        let admitted: Vec<_> =
            ["5.10", "6.1", "6.11", "6.12"].into_iter().filter(|text| gate.admits(series(text))).collect();
        assert_eq!(admitted, ["6.1", "6.11"]);
        assert!(Gate { since: Some(series("6.12")), before: Some(series("6.12")), only: vec![] }.is_empty());
        assert!(!gate.is_empty());
    }
}
