//! The name of a kernel in results, snapshots and reports.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Deref;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::series::Series;
use super::version::compare_versions;

/// The name of a kernel: the series of a pinned one (`6.12`), a release (`6.12.107`) or any other label.
///
/// Names are ordered as versions are: `6.2` comes before `6.12`, and `6.12` before `6.12.107`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct KernelName(String);

impl KernelName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for KernelName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<Series> for KernelName {
    fn from(series: Series) -> Self {
        Self(series.to_string())
    }
}

impl From<String> for KernelName {
    fn from(name: String) -> Self {
        Self(name)
    }
}

impl From<&str> for KernelName {
    fn from(name: &str) -> Self {
        Self(name.to_owned())
    }
}

impl AsRef<str> for KernelName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for KernelName {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for KernelName {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl Ord for KernelName {
    fn cmp(&self, other: &Self) -> Ordering {
        // Versions such as 6.1 and 6.01 are equal; names are only equal if their text is.
        compare_versions(&self.0, &other.0).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for KernelName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for KernelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // pad() applies the width of a format string.
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_ordered_as_versions() {
        let ordered = ["5.10", "6.2", "6.12", "6.12.9", "6.12.107", "6.13~rc1", "6.13", "mine", "mine-2", "mine-10"];
        let mut names: Vec<KernelName> = ordered.iter().rev().map(|name| KernelName::from(*name)).collect();
        names.sort();
        assert_eq!(names, ordered);
    }

    #[test]
    fn different_names_are_never_equal_in_order() {
        let (one, other) = (KernelName::from("6.1"), KernelName::from("6.01"));
        assert_ne!(one, other);
        assert_ne!(one.cmp(&other), Ordering::Equal);
    }

    #[test]
    fn a_name_is_a_plain_string_in_files_and_respects_the_width_of_a_format() {
        let name = KernelName::from(Series::new(6, 12));
        assert_eq!(serde_json::to_string(&name).unwrap(), "\"6.12\"");
        assert_eq!(serde_json::from_str::<KernelName>("\"6.12\"").unwrap(), name);
        assert_eq!(format!("{name:<6}|"), "6.12  |");
    }
}
