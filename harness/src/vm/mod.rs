//! The pinned QEMU and its machines: exact boots, warm images, runs, and what can go wrong with a guest.
//!
//! Architecture invariant: only this folder knows QEMU; it takes a kernel and a plan and gives the capture's bytes or a
//! [`GuestFault`].

mod boot;
mod console;
mod cores;
mod error;
mod image;
mod initramfs;
mod launcher;
mod machine;
mod mapped;
pub mod probe;
mod qmp;
mod rebase;
mod recording;
mod run;
mod stored;
mod trim;
mod verified;

pub use boot::BootTimes;
pub use console::{Splat, SplatKind};
pub use error::{FaultKind, GuestFault, VmError};
pub use image::{ImageInfo, ImageKind, Images, WarmImage};
pub use launcher::{children_of, launch_through, run_launcher_if_requested};
pub use machine::{Accelerator, GuestFile, GuestKernel, KernelModule, Machine, Nic, QemuProgram};
pub use recording::timers_due;
pub use run::{RunLimits, cancel_on_signals, is_cancelled, run_plan};
pub use stored::{Removal, StoredImage};
