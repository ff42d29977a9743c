//! The median of a few times.

/// The median, of an even number of values the upper of the two in the middle; 0 of none.
pub fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        for (values, expected) in
            [(&[][..], 0), (&[5], 5), (&[2, 1], 2), (&[9, 1, 5], 5), (&[4, 4, 4, 100], 4), (&[u64::MAX, 0, 7], 7)]
        {
            assert_eq!(median(values.to_vec()), expected, "{values:?}");
        }
    }
}
