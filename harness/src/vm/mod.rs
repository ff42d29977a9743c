//! The pinned QEMU and its machines: exact boots, warm images, runs, and what can go wrong with a guest.
//!
//! Architecture invariant: only this folder knows QEMU. It takes a kernel and a plan, and returns the bytes of a capture or a
//! [`GuestFault`].

mod boot;
mod console;
mod cores;
mod error;
mod guest_folder;
mod hang;
mod images;
mod initramfs;
mod kernel_command_line;
mod machine;
mod mapped;
mod plain_boot;
pub(crate) mod probe;
mod process;
mod qemu_arguments;
mod qmp;
mod rebase;
mod recording;
mod run_guest;
mod stored;
mod trim;
mod warm_image;

pub(crate) use crate::child::{cancel_on_signals, is_cancelled};
pub use crate::child::{children_of, launch_through, run_launcher_if_requested};
pub use console::{Splat, SplatKind};
pub use error::{FaultKind, GuestFault, Hang, MonitorError, VmError};
pub use hang::Patience;
pub use images::Images;
pub(crate) use initramfs::agent_digest;
pub use machine::{Accelerator, GuestFile, Machine, Nic};
pub(crate) use machine::{GuestKernel, QemuProgram};
pub(crate) use plain_boot::plain_boot;
pub use recording::{RecordingError, timers_due};
pub(crate) use run_guest::order_bytes;
pub use run_guest::{RunLimits, run_plan};
pub(crate) use stored::Removal;
pub use stored::StoredImage;
pub(crate) use warm_image::in_use;
pub use warm_image::{ImageKind, WarmImage};
