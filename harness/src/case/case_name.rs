//! The names of cases.

use std::fmt;
use std::ops::Deref;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The folder of the case files, in the repository's root.
pub(crate) const FOLDER: &str = "cases";

/// The name of a case: `group/name`, followed by the values of a sweep's case in brackets:
/// `ready/poll[connections=10]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct CaseName(String);

/// What a part of a name consists of, in words.
pub(crate) const WORD: &str = "lower-case letters, digits and dashes";

/// Whether a text is a part of a name: it is also one of a path.
pub(crate) fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

impl CaseName {
    /// Whether a file can have this name: `group/name`.
    pub(crate) fn is_valid(base: &str) -> bool {
        base.split_once('/').is_some_and(|(group, name)| is_word(group) && is_word(name))
    }

    /// The name of the case in the file `base` (`group/name`) that has these values of its sweep's parameters.
    pub(crate) fn new(base: &str, parameters: &[(String, String)]) -> Self {
        if parameters.is_empty() {
            return base.into();
        }
        let values: Vec<_> = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
        Self(format!("{base}[{}]", values.join(",")))
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `group/name`, without a sweep's values: all cases of a file share it.
    pub fn base(&self) -> &str {
        self.0.split_once('[').map_or(&self.0, |(base, _)| base)
    }

    /// The folder under cases/.
    pub fn group(&self) -> &str {
        let base = self.base();
        base.split_once('/').map_or(base, |(group, _)| group)
    }

    /// The file of the case, relative to the repository's root.
    pub fn file(&self) -> PathBuf {
        PathBuf::from(format!("{FOLDER}/{}.yaml", self.base()))
    }

    /// The parameters of its sweep with their values in this case; empty without a sweep.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        let inside = self.0.strip_suffix(']').and_then(|name| name.split_once('[')).map_or("", |(_, inside)| inside);
        inside.split(',').filter_map(|pair| pair.split_once('='))
    }
}

impl Deref for CaseName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<&str> for CaseName {
    fn from(name: &str) -> Self {
        Self(name.to_owned())
    }
}

impl PartialEq<str> for CaseName {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for CaseName {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl fmt::Display for CaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_taken_apart_into_group_file_and_parameters() {
        let parameters = [("connections", "10"), ("size", "4K")].map(|(name, value)| (name.into(), value.into()));
        let swept = CaseName::new("ready/poll", &parameters);
        assert_eq!(swept, "ready/poll[connections=10,size=4K]");
        for (name, parameters) in [(swept, vec![("connections", "10"), ("size", "4K")]), ("ready/poll".into(), vec![])]
        {
            assert_eq!((name.base(), name.group()), ("ready/poll", "ready"), "{name}");
            assert_eq!(name.file(), PathBuf::from("cases/ready/poll.yaml"), "{name}");
            assert_eq!(name.parameters().collect::<Vec<_>>(), parameters, "{name}");
        }
        assert_eq!(CaseName::new("calibration", &[]).group(), "calibration");
    }

    #[test]
    fn a_name_is_stored_as_a_plain_string() {
        let name = CaseName::from("ready/poll[connections=10]");
        let text = serde_json::to_string(&name).unwrap();
        assert_eq!(text, r#""ready/poll[connections=10]""#);
        assert_eq!(serde_json::from_str::<CaseName>(&text).unwrap(), name);
    }
}
