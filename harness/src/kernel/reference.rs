//! What the command line may name as a kernel.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::releases::ReleaseRef;
use super::series::Series;

/// A kernel, as the command line names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KernelRef {
    /// A series of kernels.yaml, such as `6.12`.
    Pinned(Series),
    /// A release in the archive, such as `6.12.107`.
    Release(ReleaseRef),
    /// A build tree, an image, a folder with boot/ and lib/modules/, or a Debian package.
    Path(PathBuf),
}

/// A text that names no series, release or path.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown kernel `{0}`: expected a series such as 6.12, a release such as 6.12.107, or a path, and there is no such file or folder"
)]
pub struct UnknownReference(pub(super) String);

impl FromStr for KernelRef {
    type Err = UnknownReference;

    /// A series is always the pinned kernel: `./6.12` is the folder of that name.
    fn from_str(text: &str) -> Result<Self, UnknownReference> {
        match text.parse() {
            Ok(series) => Ok(Self::Pinned(series)),
            Err(_) if is_path(text) => Ok(Self::Path(PathBuf::from(text))),
            Err(_) => text.parse().map(Self::Release).map_err(|_| UnknownReference(text.to_owned())),
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
            Self::Path(path) => path.display().fmt(f),
        }
    }
}

/// Splits the value of `--kernel` at its commas, unless a file or folder has the whole name.
pub(super) fn split(value: &str) -> impl Iterator<Item = &str> {
    let is_whole = !value.contains(',') || Path::new(value).exists();
    let (whole, parts) = if is_whole { (Some(value), "") } else { (None, value) };
    whole.into_iter().chain(parts.split(',').map(str::trim).filter(|part| !part.is_empty()))
}

fn is_path(text: &str) -> bool {
    text.contains('/') || text.starts_with('.') || (!text.is_empty() && Path::new(text).exists())
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
        for unknown in ["", "bzImage", "6.12.*", "v6.1"] {
            assert_eq!(parsed(unknown), Err(UnknownReference(unknown.to_owned())));
        }
    }

    #[test]
    fn values_are_split_at_commas_unless_the_whole_exists() {
        let all = |value: &str| split(value).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(all("6.1, ./linux,6.12,"), ["6.1", "./linux", "6.12"]);
        assert_eq!(all("6.12"), ["6.12"]);
        let folder = tempfile::tempdir().unwrap();
        let whole = folder.path().join("a,b").display().to_string();
        assert_eq!(all(&whole).len(), 2);
        std::fs::write(&whole, "").unwrap();
        assert_eq!(all(&whole), [whole]);
    }
}
