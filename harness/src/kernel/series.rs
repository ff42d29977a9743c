//! A series of kernels such as `6.12`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::from_text::from_text;

/// A series of kernels, ordered by number: 5.10 < 6.1 < 6.12. QEMU's series have the same form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Series {
    pub major: u16,
    pub minor: u16,
}

impl Series {
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }

    /// The series of a release or version such as `6.12.0-rc1+`.
    pub(super) fn of_version(version: &str) -> Option<Self> {
        let mut numbers = version.splitn(3, '.').map(|part| {
            let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
            part[..digits].parse().ok()
        });
        Some(Self::new(numbers.next()??, numbers.next()??))
    }

    /// Whether a package version such as `6.12.117-1` or `1:10.0.13+ds-0` belongs to this series.
    pub(super) fn contains(self, version: &str) -> bool {
        let upstream = version.split_once(':').map_or(version, |(_epoch, rest)| rest);
        upstream.strip_prefix(&self.to_string()).is_some_and(|rest| rest.starts_with(['.', '-', '+', '~']))
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // pad() applies the width of a format string.
        f.pad(&format!("{}.{}", self.major, self.minor))
    }
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid kernel series `{0}`: expected two numbers, such as \"6.12\"")]
pub struct InvalidSeries(String);

impl FromStr for Series {
    type Err = InvalidSeries;

    fn from_str(text: &str) -> Result<Self, InvalidSeries> {
        let number = |part: &str| -> Option<u16> {
            let plain = part.bytes().all(|byte| byte.is_ascii_digit()) && (part == "0" || !part.starts_with('0'));
            if plain { part.parse().ok() } else { None }
        };
        text.split_once('.')
            .and_then(|(major, minor)| Some(Self::new(number(major)?, number(minor)?)))
            .ok_or_else(|| InvalidSeries(text.to_owned()))
    }
}

impl Serialize for Series {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Series {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_ordered_by_number() {
        let mut series: Vec<Series> = ["6.12", "7.2", "5.10", "6.1", "6.2"].map(|s| s.parse().unwrap()).into();
        series.sort();
        let ordered: Vec<String> = series.iter().map(Series::to_string).collect();
        assert_eq!(ordered, ["5.10", "6.1", "6.2", "6.12", "7.2"]);
    }

    #[test]
    fn a_series_does_not_contain_versions_that_only_share_its_prefix() {
        let series = Series::new(6, 1);
        assert!(series.contains("6.1.192-2"));
        assert!(series.contains("1:6.1~rc3-1"));
        assert!(!series.contains("6.12.117-1"));
        assert!(!series.contains("16.1.1"));
    }

    #[test]
    fn malformed_series_are_rejected() {
        for text in ["", "6", "6.", ".1", "6.1.2", "v6.1", "6.01", "+6.1", "6.1 ", "6.99999", "６.1"] {
            assert!(text.parse::<Series>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_series_respects_the_width_of_a_format() {
        assert_eq!(format!("{:<6}|", Series::new(6, 1)), "6.1   |");
    }
}
