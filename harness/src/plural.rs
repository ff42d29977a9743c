//! Counts with their nouns.

/// Formats a count with its noun: `1 snapshot`, `2 snapshots`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
