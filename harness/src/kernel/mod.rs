//! Kernels and QEMU: pins, lock, releases in the archive, download, unpacking. Only this folder knows about packages.

mod apt;
mod cache;
#[allow(dead_code, reason = "the commands and the suite use it next")]
pub(crate) mod config;
mod digest;
mod download;
mod error;
mod fetch;
mod from_text;
mod index;
mod links;
mod list;
mod lock;
mod machine;
mod modules;
mod name;
#[allow(dead_code, reason = "the commands and the suite use it next")]
pub(crate) mod own;
mod payload;
mod pinning;
mod pins;
mod qemu;
mod release_pattern;
mod releases;
mod series;
mod store;
mod strip;
mod unpack;
mod update;
mod version;
mod vmlinux;
mod yaml;

pub use cache::{Cache, CacheError};
pub use digest::Sha256;
pub use error::{ContentError, Contradiction, KernelError, LeftArchive, Mismatch};
pub use fetch::{FetchOptions, Fetched, Progress};
pub use list::{Listed, ListedKernel, ListedQemu};
pub use lock::Lock;
pub use name::KernelName;
pub use own::OwnError;
pub use pins::Pins;
pub use qemu::Qemu;
pub use release_pattern::InvalidPattern;
pub use releases::ReleaseRef;
pub use series::Series;
pub use store::Kernel;
pub use update::{Change, PackageChange};

pub(crate) use cache::{CacheLock, write_best_effort};
pub(crate) use fetch::fetch;
pub(crate) use list::list;
pub(crate) use release_pattern::ReleasePattern;
pub(crate) use releases::{Available, available, expand, fetch_releases, forget};
pub(crate) use update::update;
