//! Kernels and QEMU: pins, lock, releases in the archive, download, unpacking. Only this folder knows about packages.

mod apt;
mod built_in;
mod cache_folder;
pub(crate) mod config;
mod digest;
mod download;
mod elf_machine;
mod error;
mod fetch;
mod from_text;
mod index;
mod known_parts;
mod links;
mod list;
mod lock;
mod modules;
mod name;
pub(crate) mod own;
mod payload;
mod pinning;
mod pins;
mod qemu;
mod reference;
mod release_pattern;
mod releases;
mod series;
mod store;
mod stored;
mod strip;
mod unpack;
mod update;
pub(crate) mod verified;
mod version;
mod vmlinux;
mod yaml;

pub use cache_folder::{Cache, CacheError};
pub use config::MissingOptions;
pub use digest::Sha256;
pub use error::{ContentError, Contradiction, KernelError, LeftArchive, Mismatch};
pub use fetch::{FetchOptions, Fetched, Progress};
pub use list::{Listed, ListedKernel, ListedQemu};
pub use lock::Lock;
pub use name::KernelName;
pub use own::OwnError;
pub use pins::Pins;
pub use qemu::Qemu;
pub use reference::KernelRef;
pub use release_pattern::{InvalidPattern, ReleasePattern};
pub use releases::ReleaseRef;
pub use series::Series;
pub use store::Kernel;
pub use update::{Change, PackageChange};

pub(crate) use cache_folder::{CacheLock, bytes_on_disk, create_folder, last_use, touch, write_best_effort};
pub(crate) use fetch::{fetch, packed_image};
pub(crate) use known_parts::KnownParts;
pub(crate) use list::{list, pinned_digest};
pub(crate) use own::digests as own_digests;
pub(crate) use releases::{
    Available, available, expand, fetch_releases, forget, remembered_digest, remembered_kernels, remembered_references,
};
pub(crate) use stored::{StoredKernel, stored};
pub(crate) use update::update;
