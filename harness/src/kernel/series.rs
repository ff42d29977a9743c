//! A kernel series such as `6.12`, ordered as kernels are: 5.10 < 6.1 < 6.12.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::yaml;

/// A kernel series: major and minor number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Series {
    /// The number before the dot.
    pub major: u16,
    /// The number after the dot.
    pub minor: u16,
}

impl Series {
    /// The series from its two numbers.
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }

    /// Whether a package version such as `6.12.117-1` or `1:10.0.13+ds-0` is of this series.
    pub fn holds(self, version: &str) -> bool {
        let upstream = version.split_once(':').map_or(version, |(_epoch, rest)| rest);
        upstream.strip_prefix(&self.to_string()).is_some_and(|rest| rest.starts_with(['.', '-', '+', '~']))
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // pad(), so that a width in a format string works.
        f.pad(&format!("{}.{}", self.major, self.minor))
    }
}

/// A text that is no series.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no series: expected two numbers such as \"6.12\"")]
pub struct NoSeries(String);

impl FromStr for Series {
    type Err = NoSeries;

    fn from_str(text: &str) -> Result<Self, NoSeries> {
        let number = |part: &str| -> Option<u16> {
            let plain = part.bytes().all(|byte| byte.is_ascii_digit()) && (part == "0" || !part.starts_with('0'));
            if plain { part.parse().ok() } else { None }
        };
        text.split_once('.')
            .and_then(|(major, minor)| Some(Self::new(number(major)?, number(minor)?)))
            .ok_or_else(|| NoSeries(text.to_owned()))
    }
}

impl Serialize for Series {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Series {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        yaml::from_text(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_ordered_by_number_and_not_by_text() {
        let mut series: Vec<Series> = ["6.12", "7.2", "5.10", "6.1", "6.2"].map(|s| s.parse().unwrap()).into();
        series.sort();
        let ordered: Vec<String> = series.iter().map(Series::to_string).collect();
        assert_eq!(ordered, ["5.10", "6.1", "6.2", "6.12", "7.2"]);
    }

    #[test]
    fn a_version_of_another_series_with_the_same_beginning_is_not_taken() {
        let series = Series::new(6, 1);
        assert!(series.holds("6.1.192-2"));
        assert!(series.holds("1:6.1~rc3-1"));
        assert!(!series.holds("6.12.117-1"));
        assert!(!series.holds("16.1.1"));
    }

    #[test]
    fn odd_texts_are_no_series() {
        for text in ["", "6", "6.", ".1", "6.1.2", "v6.1", "6.01", "+6.1", "6.1 ", "6.99999", "６.1"] {
            assert!(text.parse::<Series>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_series_keeps_a_formats_width() {
        assert_eq!(format!("{:<6}|", Series::new(6, 1)), "6.1   |");
    }
}
