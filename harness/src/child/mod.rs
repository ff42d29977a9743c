//! Child processes: QEMU and apt are started so that they die with this process, however it ends, and are ended when the user
//! cancels the command.

mod cancel;
pub(crate) mod cpu_time;
mod launcher;

pub(crate) use cancel::{cancel_on_signals, is_cancelled};
pub(crate) use launcher::{Scheduling, batch_this_thread, tied_to_this_process};
pub use launcher::{children_of, launch_through, run_launcher_if_requested};
