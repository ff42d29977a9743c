//! Sets of function names as the data files write them: a name, or the beginning of one with a `*` behind it.

use std::collections::HashSet;

/// A set of exact names and prefixes.
#[derive(Clone, Debug, Default)]
pub struct Patterns {
    exact: HashSet<String>,
    prefixes: Vec<String>,
}

impl Patterns {
    /// The set that these patterns describe: `tcp_ack` is that name, `tcp_*` every name that begins with `tcp_`.
    ///
    /// A `*` anywhere but at the end is part of a name like any other character, so it matches no symbol.
    pub fn new<I: IntoIterator<Item = S>, S: AsRef<str>>(patterns: I) -> Self {
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

    /// Adds what the other set holds.
    pub fn extend(&mut self, other: &Self) {
        self.exact.extend(other.exact.iter().cloned());
        self.prefixes.extend(other.prefixes.iter().cloned());
    }

    /// Whether the name is in the set.
    pub fn matches(&self, name: &str) -> bool {
        self.exact.contains(name) || self.prefixes.iter().any(|prefix| name.starts_with(prefix.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_at_the_end_means_a_prefix_and_anything_else_the_whole_name() {
        let set = Patterns::new(["tcp_ack", "_raw_spin_*"]);
        assert!(set.matches("tcp_ack") && set.matches("_raw_spin_lock_bh") && set.matches("_raw_spin_"));
        assert!(!set.matches("tcp_ack_snd_check") && !set.matches("x_raw_spin_lock") && !set.matches(""));
    }
}
