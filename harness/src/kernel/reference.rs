//! What the command line may name as a kernel.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::release_pattern::ReleasePattern;
use super::releases::ReleaseRef;
use super::series::Series;

/// A kernel, as the command line names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KernelRef {
    /// A series of kernels.yaml, such as `6.12`.
    Pinned(Series),
    /// A release in the archive, such as `6.12.107`.
    Release(ReleaseRef),
    /// Several releases in the archive, such as `6.18.*` or `6.16..6.19`.
    Releases(ReleasePattern),
    /// A build tree, an image, a folder with boot/ and lib/modules/, or a Debian package.
    Path(PathBuf),
    /// The Debian packages of one kernel.
    Packages(Vec<PathBuf>),
}

/// A text that names no series, release, pattern or path.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown kernel `{0}`")]
pub struct UnknownReference(pub(super) String);

impl FromStr for KernelRef {
    type Err = UnknownReference;

    /// A series is always the pinned kernel: `./6.12` is the folder of that name.
    fn from_str(text: &str) -> Result<Self, UnknownReference> {
        match text.parse() {
            Ok(series) => Ok(Self::Pinned(series)),
            Err(_) if is_several_packages(text) => {
                Ok(Self::Packages(text.split(',').map(|package| package.trim().into()).collect()))
            }
            Err(_) if is_path(text) => Ok(Self::Path(PathBuf::from(text))),
            Err(_) => match text.parse() {
                Ok(release) => Ok(Self::Release(release)),
                Err(_) => text.parse().map(Self::Releases).map_err(|_| UnknownReference(text.to_owned())),
            },
        }
    }
}

impl From<Series> for KernelRef {
    fn from(series: Series) -> Self {
        Self::Pinned(series)
    }
}

impl fmt::Display for KernelRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pinned(series) => series.fmt(f),
            Self::Release(release) => release.fmt(f),
            Self::Releases(pattern) => pattern.fmt(f),
            Self::Path(path) => path.display().fmt(f),
            Self::Packages(packages) => {
                let packages: Vec<String> = packages.iter().map(|package| package.display().to_string()).collect();
                f.write_str(&packages.join(","))
            }
        }
    }
}

/// Splits the value of `--kernel` at its commas, but not between two .deb files, which are one kernel. A value that is the name
/// of a file or folder stays whole.
pub(super) fn split(value: &str) -> Vec<&str> {
    if Path::new(value).exists() {
        return vec![value];
    }
    let mut parts: Vec<&str> = Vec::new();
    let mut start = 0;
    for (at, _comma) in value.match_indices(',').chain([(value.len(), "")]) {
        let part = &value[start..at];
        let last = part.rsplit(',').next().unwrap_or(part);
        let next = value.get(at + 1..).and_then(|rest| rest.split(',').next());
        if !(is_package(last) && next.is_some_and(is_package)) {
            parts.push(part.trim());
            start = at + 1;
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

fn is_package(part: &str) -> bool {
    part.trim().ends_with(".deb")
}

fn is_several_packages(text: &str) -> bool {
    text.contains(',') && text.split(',').all(is_package) && !Path::new(text).exists()
}

fn is_path(text: &str) -> bool {
    text.contains('/') || text.starts_with('.') || is_package(text) || (!text.is_empty() && Path::new(text).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_a_release_and_a_path_are_told_apart() {
        let parsed = |text: &str| text.parse::<KernelRef>();
        assert_eq!(parsed("6.12"), Ok(KernelRef::Pinned(Series::new(6, 12))));
        for path in [".", "..", "./6.12", "../linux", "/boot/vmlinuz", "linux/arch", "Cargo.toml", "cases"] {
            assert_eq!(parsed(path), Ok(KernelRef::Path(path.into())), "{path}");
            assert_eq!(parsed(path).unwrap().to_string(), path);
        }
        for release in ["6.12.117", "6.12.117-1"] {
            assert_eq!(parsed(release), Ok(KernelRef::Release(release.parse().unwrap())));
        }
        for several in ["6.12.*", "6.16..6.19", "*"] {
            assert_eq!(parsed(several), Ok(KernelRef::Releases(several.parse().unwrap())));
            assert_eq!(parsed(several).unwrap().to_string(), several);
        }
        let packages = KernelRef::Packages(vec!["a.deb".into(), "./b.deb".into()]);
        assert_eq!(parsed("a.deb, ./b.deb"), Ok(packages.clone()));
        assert_eq!(packages.to_string().parse(), Ok(packages));
        for unknown in ["", "bzImage", "6.12*", "6.19..6.16", "v6.1"] {
            assert_eq!(parsed(unknown), Err(UnknownReference(unknown.to_owned())));
        }
    }

    #[test]
    fn values_are_split_at_commas_unless_the_whole_exists() {
        assert_eq!(split("6.1, ./linux,6.12,"), ["6.1", "./linux", "6.12"]);
        assert_eq!(split("6.12"), ["6.12"]);
        let folder = tempfile::tempdir().unwrap();
        let whole = folder.path().join("a,b").display().to_string();
        assert_eq!(split(&whole).len(), 2);
        std::fs::write(&whole, "").unwrap();
        assert_eq!(split(&whole), [&whole]);
    }

    #[test]
    fn neighbouring_packages_are_one_kernel() {
        assert_eq!(split("image.deb,modules.deb"), ["image.deb,modules.deb"]);
        assert_eq!(
            split("6.1,a.deb, b.deb,./c.deb,./linux,d.deb"),
            ["6.1", "a.deb, b.deb,./c.deb", "./linux", "d.deb"]
        );
        assert_eq!(split("a.deb,,b.deb,"), ["a.deb", "b.deb"]);
    }
}
