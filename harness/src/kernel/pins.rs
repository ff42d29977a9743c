//! `kernels/kernels.yaml`: the wanted kernels and QEMU.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::error::KernelError;
use super::reference::{self, KernelRef, UnknownReference};
use super::series::Series;
use super::yaml;
use crate::nearest::nearest;

/// The path of the file in a project.
const FILE: &str = "kernels/kernels.yaml";

/// The content of `kernels.yaml`.
#[derive(Debug, Clone)]
pub struct Pins {
    pub(super) path: PathBuf,
    /// Debian's flavour of all kernels, such as `cloud-amd64`.
    pub(super) flavour: String,
    /// In the order of the file.
    pub(super) kernels: Vec<WantedKernel>,
    pub(super) qemu: WantedQemu,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedKernel {
    /// The newest version of this series in the suite gets pinned.
    pub(super) series: Series,
    /// A Debian suite.
    pub(super) suite: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedQemu {
    /// The Debian package with QEMU's program.
    pub(super) package: String,
    /// The version of the package must belong to this series.
    pub(super) series: Series,
    /// The Debian suite of the package and all its dependencies.
    pub(super) suite: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PinsFile {
    flavour: String,
    kernels: Vec<WantedKernel>,
    qemu: WantedQemu,
}

impl Pins {
    /// Reads the file of the project at `root`.
    /// Fails when the file is missing, is not the expected YAML, or names a series twice.
    pub(crate) fn load(root: &Path) -> Result<Self, KernelError> {
        let path = root.join(FILE);
        let (text, file) = yaml::read(&path, "every project has this file, which lists the wanted kernels")?;
        Self::check(path, &text, file)
    }

    fn check(path: PathBuf, text: &str, file: PinsFile) -> Result<Self, KernelError> {
        let PinsFile { flavour, kernels, qemu } = file;
        let wrong = |needle: &str, nth, message: String| {
            let (line, column) = yaml::place_of(text, needle, nth).unwrap_or((1, 1));
            Err(yaml::at(&path, line, column, message))
        };
        if kernels.is_empty() {
            return wrong("kernels:", 0, "expected at least one kernel".to_owned());
        }
        for (index, kernel) in kernels.iter().enumerate() {
            if kernels[..index].iter().any(|earlier| earlier.series == kernel.series) {
                return wrong("series:", index, format!("series {} is wanted twice", kernel.series));
            }
        }
        let suites = kernels.iter().map(|kernel| &kernel.suite).chain([&qemu.suite]);
        for (index, suite) in suites.enumerate() {
            if !is_plain_name(suite) {
                let message = format!("invalid suite `{suite}`: expected a name such as trixie or bookworm-security");
                return wrong("suite:", index, message);
            }
        }
        for (key, name) in [("flavour:", &flavour), ("package:", &qemu.package)] {
            if !is_plain_name(name) {
                return wrong(key, 0, format!("invalid Debian name `{name}`: expected a-z, 0-9, `.`, `+` and `-`"));
            }
        }
        Ok(Self { path, flavour, kernels, qemu })
    }

    /// All wanted series, in the order of the file.
    pub fn series(&self) -> Vec<Series> {
        self.kernels.iter().map(|kernel| kernel.series).collect()
    }

    /// Selects the series with these names, in the order of the file, each once; all of them if no name is given.
    /// Fails when a name is not a wanted series; the error has the nearest one.
    pub fn select(&self, names: &[impl AsRef<str>]) -> Result<Vec<Series>, KernelError> {
        let pinned = self.series();
        if names.is_empty() {
            return Ok(pinned);
        }
        let mut chosen = Vec::new();
        for name in names.iter().map(AsRef::as_ref) {
            match name.parse().ok().filter(|series| pinned.contains(series)) {
                Some(series) => chosen.push(series),
                None => {
                    return Err(KernelError::UnknownSeries {
                        name: name.to_owned(),
                        pinned: joined(&pinned),
                        nearest: nearest_series(name, &pinned),
                    });
                }
            }
        }
        Ok(pinned.into_iter().filter(|series| chosen.contains(series)).collect())
    }

    /// The kernels that these values of `--kernel` name, each once: first the pinned ones in the order of the file, then the
    /// others in the order given. All pinned ones if no value is given.
    /// Fails when a name is not a wanted series, a release, a pattern or a path. Paths are not opened.
    pub(crate) fn references(&self, values: &[String]) -> Result<Vec<KernelRef>, KernelError> {
        let mut series = Vec::new();
        let mut others = Vec::new();
        for name in values.iter().flat_map(|value| reference::split(value)) {
            match name.parse() {
                Ok(KernelRef::Pinned(_)) => series.push(name),
                Ok(other) if others.contains(&other) => {}
                Ok(other) => others.push(other),
                Err(UnknownReference(name)) => {
                    let pinned = self.series();
                    let nearest = nearest_series(&name, &pinned);
                    return Err(KernelError::UnknownKernel { name, pinned: joined(&pinned), nearest });
                }
            }
        }
        // `select` takes no name for all of them.
        let pinned = if series.is_empty() && !others.is_empty() { Vec::new() } else { self.select(&series)? };
        Ok(pinned.into_iter().map(KernelRef::from).chain(others).collect())
    }

    pub(super) fn kernel(&self, series: Series) -> Option<&WantedKernel> {
        self.kernels.iter().find(|kernel| kernel.series == series)
    }
}

fn joined(pinned: &[Series]) -> String {
    pinned.iter().map(Series::to_string).collect::<Vec<_>>().join(", ")
}

/// The pinned series closest to `wanted`: by number if that is a series, by spelling otherwise.
fn nearest_series(wanted: &str, pinned: &[Series]) -> Option<Series> {
    match wanted.trim_start_matches('v').parse::<Series>() {
        Ok(wanted) => pinned
            .iter()
            .copied()
            .min_by_key(|series| (series.major.abs_diff(wanted.major), series.minor.abs_diff(wanted.minor))),
        Err(_) => {
            let names: Vec<String> = pinned.iter().map(Series::to_string).collect();
            nearest(wanted, names.iter().map(String::as_str)).first()?.parse().ok()
        }
    }
}

/// Whether a text is a valid name of a Debian suite, flavour or package (Debian Policy 5.6.1: lower case letters, digits,
/// `+`, `-` and `.`, starting with a letter or digit).
pub(super) fn is_plain_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.bytes().next().is_some_and(plain) && text.bytes().all(|byte| plain(byte) || b"+-.".contains(&byte))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const GOOD: &str = "\
# a comment
flavour: cloud-amd64
kernels:
  - series: \"5.10\"
    suite: bullseye-security
  - series: \"6.12\"
    suite: trixie
qemu:
  package: qemu-system-x86
  series: \"10.0\"
  suite: trixie
";

    pub(crate) fn pins(text: &str) -> Result<Pins, KernelError> {
        let path = PathBuf::from("kernels.yaml");
        let file = yaml::parse(&path, text)?;
        Pins::check(path, text, file)
    }

    fn error(text: &str) -> String {
        let error = pins(text).unwrap_err();
        assert!(error.is_request());
        error.to_string()
    }

    #[test]
    fn names_are_selected_once_and_in_the_order_of_the_file() {
        let pins = pins(GOOD).unwrap();
        let all = [Series::new(5, 10), Series::new(6, 12)];
        assert_eq!(pins.select(&[] as &[&str]).unwrap(), all);
        assert_eq!(pins.select(&["6.12", "5.10", "6.12"]).unwrap(), all);
    }

    #[test]
    fn an_unknown_series_is_reported_with_the_pinned_and_the_nearest() {
        let error = pins(GOOD).unwrap().select(&["6.11"]).unwrap_err();
        assert!(error.is_request());
        assert_eq!(error.to_string(), "unknown series `6.11`: pinned are 5.10, 6.12; nearest is 6.12");
    }

    #[test]
    fn other_kernels_come_after_the_pinned_ones() {
        let pins = pins(GOOD).unwrap();
        let named = |values: &[&str]| {
            let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
            pins.references(&values).map(|all| all.iter().map(KernelRef::to_string).collect::<Vec<_>>())
        };
        assert_eq!(named(&[]).unwrap(), ["5.10", "6.12"]);
        assert_eq!(named(&["./b,6.12,./a", "5.10", "./b"]).unwrap(), ["5.10", "6.12", "./b", "./a"]);
        assert_eq!(named(&["./b"]).unwrap(), ["./b"]);
        let error = named(&["bzImage"]).unwrap_err();
        assert!(error.is_request());
        let expected = "unknown kernel `bzImage`: there is no file or folder of this name in the current folder, pinned are \
                        5.10, 6.12, and releases are named as 6.12.107, 6.18.* or 6.16..6.19";
        assert_eq!(error.to_string(), expected);
        assert_eq!(named(&["./a,6.12.117"]).unwrap(), ["./a", "6.12.117"]);
        assert_eq!(named(&["6.18.*,6.16..6.19"]).unwrap(), ["6.18.*", "6.16..6.19"]);
        assert_eq!(named(&["a.deb,b.deb", "c.deb"]).unwrap(), ["a.deb,b.deb", "c.deb"]);
        assert!(named(&["v6.12"]).unwrap_err().to_string().ends_with("; nearest is 6.12"));
        assert!(matches!(named(&["6.11"]), Err(KernelError::UnknownSeries { .. })));
    }

    #[test]
    fn the_nearest_series_is_near_by_number() {
        let pinned = [Series::new(5, 10), Series::new(6, 1), Series::new(6, 12), Series::new(7, 2)];
        assert_eq!(nearest_series("6.13", &pinned), Some(Series::new(6, 12)));
        assert_eq!(nearest_series("v6.1", &pinned), Some(Series::new(6, 1)));
        assert_eq!(nearest_series("6.12.117", &pinned), Some(Series::new(6, 12)));
        assert_eq!(nearest_series("./bzImage", &pinned), None);
        assert_eq!(nearest_series("x", &[]), None);
    }

    #[test]
    fn a_series_wanted_twice_is_reported_with_its_second_line() {
        let text = GOOD.replace("\"6.12\"", "\"5.10\"");
        assert_eq!(error(&text), "kernels.yaml:6:5: series 5.10 is wanted twice");
    }

    #[test]
    fn an_unknown_field_and_a_syntax_error_are_reported_with_their_line() {
        assert!(error(&GOOD.replace("    suite: trixie", "    suit: trixie")).starts_with("kernels.yaml:7:5: "));
        assert!(error(&GOOD.replace("kernels:", "kernels: [")).starts_with("kernels.yaml:"));
    }

    #[test]
    fn a_suite_that_would_add_lines_to_a_sources_list_is_refused() {
        let text = GOOD.replace("suite: trixie\nqemu", "suite: \"trixie main\\ndeb http://evil x\"\nqemu");
        assert!(error(&text).starts_with("kernels.yaml:7:5: invalid suite `trixie main"), "{}", error(&text));
    }
}
