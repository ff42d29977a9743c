//! Pinned kernels and QEMU: pins and lock, archive, unpacking, images. Only this folder knows packages.

mod apt;
mod cache;
mod digest;
mod download;
mod error;
mod fetch;
mod index;
mod links;
mod list;
mod lock;
mod modules;
mod nearest;
mod pinning;
mod pins;
mod qemu;
mod rewrite;
mod series;
mod store;
mod unpack;
mod update;
mod vmlinux;
mod yaml;

pub use cache::{Cache, CacheLock, write_best_effort};
pub use digest::Sha256;
pub use error::{KernelError, LeftArchive, Mismatch, PinPlace};
pub use fetch::{FetchOptions, Fetched, Progress, QemuSource, fetch};
pub use list::{Listed, ListedKernel, ListedQemu, list};
pub use lock::{Archive, Lock, LockedKernel, LockedQemu, PinnedPackage};
pub use modules::Module;
pub use pins::{Pins, WantedKernel, WantedQemu};
pub use qemu::{Qemu, QemuTree};
pub use series::Series;
pub use store::Kernel;
pub use update::{Change, PackageChange, update};
