//! Debian's order of versions (Debian Policy 5.6.12), which is also a good order for names such as `6.2` and `6.12`.

use std::cmp::Ordering;

/// Compares two versions such as `1:10.0.13+ds-0` and `6.12.117-1~bpo13+1`.
pub(super) fn compare_versions(a: &str, b: &str) -> Ordering {
    fn split(version: &str) -> (u64, &str, &str) {
        let (epoch, rest) = version.split_once(':').unwrap_or(("0", version));
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, "0"));
        (epoch.parse().unwrap_or(0), upstream, revision)
    }
    let (a, b) = (split(a), split(b));
    a.0.cmp(&b.0).then_with(|| compare_parts(a.1, b.1)).then_with(|| compare_parts(a.2, b.2))
}

/// Compares a part without digits and a number in turn, until they differ.
fn compare_parts(mut a: &str, mut b: &str) -> Ordering {
    // `~` sorts before the end, letters before all other characters.
    let weight = |character: Option<char>| match character {
        Some('~') => -1,
        None => 0,
        Some(letter) if letter.is_ascii_alphabetic() => i64::from(u32::from(letter)),
        Some(other) => i64::from(u32::from(other)) + 256,
    };
    while !a.is_empty() || !b.is_empty() {
        let (text_a, rest_a) = a.split_at(a.find(|c: char| c.is_ascii_digit()).unwrap_or(a.len()));
        let (text_b, rest_b) = b.split_at(b.find(|c: char| c.is_ascii_digit()).unwrap_or(b.len()));
        let (mut left, mut right) = (text_a.chars(), text_b.chars());
        loop {
            let (x, y) = (left.next(), right.next());
            match weight(x).cmp(&weight(y)) {
                Ordering::Equal if x.is_none() && y.is_none() => break,
                Ordering::Equal => {}
                decided => return decided,
            }
        }
        let (number_a, after_a) = rest_a.split_at(rest_a.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest_a.len()));
        let (number_b, after_b) = rest_b.split_at(rest_b.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest_b.len()));
        let (number_a, number_b) = (number_a.trim_start_matches('0'), number_b.trim_start_matches('0'));
        // Without leading zeros, the longer number is the larger one.
        match number_a.len().cmp(&number_b.len()).then_with(|| number_a.cmp(number_b)) {
            Ordering::Equal => (a, b) = (after_a, after_b),
            decided => return decided,
        }
    }
    Ordering::Equal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_debian_orders_them() {
        let ascending = [
            "1.0~rc1-1",
            "1.0-1~bpo13+1",
            "1.0-1",
            "1.0-1+b1",
            "1.0-1.1",
            "1.0-2",
            "1.0+ds-1",
            "1.0.0-1",
            "1.2-1",
            "1.10-1",
            "1:0.1-1",
        ];
        for (index, a) in ascending.iter().enumerate() {
            for (other, b) in ascending.iter().enumerate() {
                assert_eq!(compare_versions(a, b), index.cmp(&other), "{a} {b}");
            }
        }
        assert_eq!(compare_versions("1.01-1", "1.1-1"), Ordering::Equal);
        assert_eq!(compare_versions("1.0", "1.0-0"), Ordering::Equal);
    }
}
