//! The known names closest to an unknown one.

use super::series::Series;

/// Up to three of `names` that look like `wanted`, best first.
pub fn nearest_names<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    const ALIKE: f64 = 0.8; // Jaro-Winkler; below it, suggestions look random
    let mut scored: Vec<(f64, &str)> = names
        .into_iter()
        .map(|name| (strsim::jaro_winkler(wanted, name), name))
        .filter(|(score, _)| *score >= ALIKE)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    scored.into_iter().take(3).map(|(_, name)| name.to_owned()).collect()
}

/// The pinned series closest to `wanted`: by number where it is a series, by spelling where it is not.
pub fn nearest_series(wanted: &str, pinned: &[Series]) -> Option<Series> {
    match wanted.trim_start_matches('v').parse::<Series>() {
        Ok(wanted) => pinned
            .iter()
            .copied()
            .min_by_key(|series| (series.major.abs_diff(wanted.major), series.minor.abs_diff(wanted.minor))),
        Err(_) => pinned.iter().copied().min_by_key(|series| strsim::levenshtein(wanted, &series.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_series_is_near_by_number() {
        let pinned = [Series::new(5, 10), Series::new(6, 1), Series::new(6, 12), Series::new(7, 2)];
        assert_eq!(nearest_series("6.13", &pinned), Some(Series::new(6, 12)));
        assert_eq!(nearest_series("v6.1", &pinned), Some(Series::new(6, 1)));
        assert_eq!(nearest_series("6.12.117", &pinned), Some(Series::new(6, 12)));
        assert_eq!(nearest_series("x", &[]), None);
    }

    #[test]
    fn names_that_look_nothing_alike_are_not_offered() {
        assert_eq!(nearest_names("vsok", ["vsock", "veth", "tun"]), ["vsock"]);
        assert!(nearest_names("quux", ["vsock", "veth"]).is_empty());
    }
}
