//! `kernels/kernels.yaml`: which kernels and which QEMU are wanted.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::KernelError;
use super::nearest;
use super::series::Series;
use super::yaml;

/// Where the file lies in a project.
const FILE: &str = "kernels/kernels.yaml";

/// What `kernels.yaml` asks for.
#[derive(Debug, Clone)]
pub struct Pins {
    /// The file this was read from.
    pub path: PathBuf,
    /// Debian's flavour of all the kernels, such as `cloud-amd64`.
    pub flavour: String,
    /// The kernels, in the file's order.
    pub kernels: Vec<WantedKernel>,
    /// The QEMU.
    pub qemu: WantedQemu,
}

/// One kernel that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WantedKernel {
    /// Its series; the newest version of it that the suite has is what gets pinned.
    pub series: Series,
    /// The Debian suite to take it from.
    pub suite: String,
}

/// The QEMU that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WantedQemu {
    /// The Debian package to install with all it needs.
    pub package: String,
    /// The series its version must be of.
    pub series: Series,
    /// The Debian suite to take it and all it needs from.
    pub suite: String,
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
    ///
    /// # Errors
    ///
    /// When the file is missing, is not the YAML that is expected, or names a series twice.
    pub fn load(root: &Path) -> Result<Self, KernelError> {
        let path = root.join(FILE);
        let (text, file) = yaml::read(&path, "it says which kernels are wanted, and belongs to the project")?;
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
                let message = format!("`{suite}` is no suite: expected a name such as trixie or bookworm-security");
                return wrong("suite:", index, message);
            }
        }
        for (key, name) in [("flavour:", &flavour), ("package:", &qemu.package)] {
            if !is_plain_name(name) {
                return wrong(key, 0, format!("`{name}` is no name of Debian's: expected a-z, 0-9, `.`, `+` and `-`"));
            }
        }
        Ok(Self { path, flavour, kernels, qemu })
    }

    /// All wanted series, in the file's order.
    pub fn series(&self) -> Vec<Series> {
        self.kernels.iter().map(|kernel| kernel.series).collect()
    }

    /// The series that names from a command line stand for, in the file's order, each once; all of them for no name.
    ///
    /// # Errors
    ///
    /// When a name is not the name of a wanted series; the error tells the nearest.
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
                    let names: Vec<String> = pinned.iter().map(Series::to_string).collect();
                    return Err(KernelError::UnknownSeries {
                        name: name.to_owned(),
                        pinned: names.join(", "),
                        nearest: nearest::nearest_series(name, &pinned),
                    });
                }
            }
        }
        Ok(pinned.into_iter().filter(|series| chosen.contains(series)).collect())
    }

    /// What is said about a series, if it is wanted.
    pub fn kernel(&self, series: Series) -> Option<&WantedKernel> {
        self.kernels.iter().find(|kernel| kernel.series == series)
    }
}

/// Whether a text can be the name of a Debian suite, flavour or package.
/// Debian Policy 5.6.1: lower case letters, digits, `+`, `-` and `.`, beginning with a letter or digit.
pub(super) fn is_plain_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.bytes().next().is_some_and(plain) && text.bytes().all(|byte| plain(byte) || b"+-.".contains(&byte))
}

#[cfg(test)]
mod tests {
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

    fn pins(text: &str) -> Result<Pins, KernelError> {
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
    fn names_are_selected_in_the_files_order_and_once() {
        let pins = pins(GOOD).unwrap();
        let all = [Series::new(5, 10), Series::new(6, 12)];
        assert_eq!(pins.select(&[] as &[&str]).unwrap(), all);
        assert_eq!(pins.select(&["6.12", "5.10", "6.12"]).unwrap(), all);
    }

    #[test]
    fn an_unknown_series_is_told_with_the_pinned_and_the_nearest() {
        let error = pins(GOOD).unwrap().select(&["6.11"]).unwrap_err();
        assert!(error.is_request());
        assert_eq!(error.to_string(), "unknown series `6.11`: pinned are 5.10, 6.12; nearest is 6.12");
    }

    #[test]
    fn a_series_wanted_twice_is_told_with_its_second_line() {
        let text = GOOD.replace("\"6.12\"", "\"5.10\"");
        assert_eq!(error(&text), "kernels.yaml:6:5: series 5.10 is wanted twice");
    }

    #[test]
    fn an_unknown_field_and_a_syntax_error_are_told_with_their_line() {
        assert!(error(&GOOD.replace("    suite: trixie", "    suit: trixie")).starts_with("kernels.yaml:7:5: "));
        assert!(error(&GOOD.replace("kernels:", "kernels: [")).starts_with("kernels.yaml:"));
    }

    #[test]
    fn a_suite_that_would_break_out_of_a_sources_list_is_refused() {
        let text = GOOD.replace("suite: trixie\nqemu", "suite: \"trixie main\\ndeb http://evil x\"\nqemu");
        assert!(error(&text).starts_with("kernels.yaml:7:5: `trixie main"), "{}", error(&text));
    }
}
