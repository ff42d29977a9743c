//! rxpath boots pinned Linux kernels in QEMU, runs socket scenarios in them, records the receive path with ftrace and
//! says what changed between kernels, why, and at what cost. See ARCHITECTURE.md for how the pieces fit.

pub mod case;
mod child;
pub mod code;
pub mod command;
pub mod diff;
mod error_chain;
pub mod kernel;
mod nearest;
mod output;
pub mod path;
mod plural;
mod read_file;
mod replace_file;
pub mod report;
pub mod suite;
pub mod trace;
pub mod vm;
mod wildcard;

pub use error_chain::error_chain;
