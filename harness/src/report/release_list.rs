//! The releases in the archive, as lines of text.

use std::fmt::Write as _;

use super::change_words::count;
use crate::kernel::{Available, ReleasePattern};

/// Lists releases, one a line.
pub(crate) fn available(pattern: &ReleasePattern, releases: &[Available]) -> String {
    if releases.is_empty() {
        return format!("the archive has no kernel that matches {pattern}\n");
    }
    let width = releases.iter().map(|release| release.version.len()).max().unwrap_or(0);
    let mut out = String::new();
    for Available { version, suite, has_modules, size, cached, .. } in releases {
        let modules = if *has_modules { "modules" } else { "no modules" };
        let state = if *cached { "in the cache" } else { "not fetched" };
        let size = *size as f64 / 1e6;
        let _ = writeln!(out, "{version:<width$}  {suite:<18}  {size:>5.1} MB  {modules:<10}  {state}");
    }
    let without = releases.iter().filter(|release| !release.has_modules).count();
    let note = if without == 0 { String::new() } else { format!(", {without} without modules") };
    let _ = writeln!(out, "{}{note}", count(releases.len(), "kernel"));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Series;

    #[test]
    fn releases_are_a_table() {
        let release = |version: &str, has_modules, cached| Available {
            version: version.to_owned(),
            series: Series::new(7, 0),
            suite: "trixie-backports".to_owned(),
            packages: Vec::new(),
            size: 13_400_000,
            has_modules,
            cached,
        };
        let releases = [release("7.0.4-1~bpo13+1", false, true), release("7.0.13-1~bpo13+1", true, false)];
        let pattern = "7.*".parse().unwrap();
        assert_eq!(
            available(&pattern, &releases),
            "7.0.4-1~bpo13+1   trixie-backports     13.4 MB  no modules  in the cache\n\
             7.0.13-1~bpo13+1  trixie-backports     13.4 MB  modules     not fetched\n\
             2 kernels, 1 without modules\n"
        );
        assert_eq!(available(&pattern, &[]), "the archive has no kernel that matches 7.*\n");
    }
}
