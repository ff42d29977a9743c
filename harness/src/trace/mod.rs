//! From ring-buffer pages to call trees. Pure: bytes in, values out.
//!
//! Architecture invariant: nothing outside this folder knows ftrace's formats, and nothing in it does I/O.

mod build;
mod decode;
mod event;
mod format;
mod losses;
mod page;
mod symbols;
mod tracedat;
mod tracedat_write;
mod tree;

pub use build::*;
pub use decode::*;
pub use event::*;
pub use format::*;
pub use losses::shadow_stack_losses;
pub use page::*;
pub use symbols::*;
pub use tracedat::*;
pub use tracedat_write::*;
pub use tree::*;
