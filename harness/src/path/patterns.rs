//! Sets of function names as the data files write them: names, and prefixes followed by a `*`.

use std::collections::HashSet;

use serde::Deserialize;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(from = "Vec<String>")]
pub(crate) struct Patterns {
    exact: HashSet<String>,
    prefixes: Vec<String>,
}

impl From<Vec<String>> for Patterns {
    fn from(patterns: Vec<String>) -> Self {
        Self::new(patterns)
    }
}

impl Patterns {
    /// Builds a set: `tcp_ack` is that name, `tcp_*` is every name that starts with `tcp_`.
    ///
    /// A `*` anywhere but at the end is an ordinary character, so it matches no symbol.
    pub(crate) fn new<I: IntoIterator<Item = S>, S: AsRef<str>>(patterns: I) -> Self {
        let mut set = Self::default();
        for pattern in patterns {
            match pattern.as_ref().strip_suffix('*') {
                Some(prefix) => set.prefixes.push(prefix.to_owned()),
                None => {
                    set.exact.insert(pattern.as_ref().to_owned());
                }
            }
        }
        set
    }

    pub(crate) fn extend(&mut self, other: &Self) {
        self.exact.extend(other.exact.iter().cloned());
        self.prefixes.extend(other.prefixes.iter().cloned());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.prefixes.is_empty()
    }

    pub(crate) fn matches(&self, name: &str) -> bool {
        self.exact.contains(name) || self.prefixes.iter().any(|prefix| name.starts_with(prefix.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_at_the_end_marks_a_prefix_and_anything_else_is_a_whole_name() {
        let set = Patterns::new(["tcp_ack", "_raw_spin_*"]);
        assert!(set.matches("tcp_ack") && set.matches("_raw_spin_lock_bh") && set.matches("_raw_spin_"));
        assert!(!set.matches("tcp_ack_snd_check") && !set.matches("x_raw_spin_lock") && !set.matches(""));
    }
}
