//! Turns ring-buffer pages into call trees. Pure: bytes in, values out.
//!
//! Architecture invariant: nothing outside this folder knows ftrace's formats, and nothing in it does I/O.

mod cpu_events;
mod event;
mod event_decoder;
mod forest;
mod forest_builder;
mod format;
mod losses;
mod modules;
mod ring_page;
mod symbols;
mod tracedat;
mod tracedat_write;

pub use cpu_events::{CaptureText, CpuEvents, CpuPages, DecodeError, Layout, Stamped};
pub use event::{Common, Entry, Event, Exit, Switch};
pub use forest::{CallForests, Forest, FuncAddr, Interrupted, Node, NodeKind, TaskKey, TooDeep};
pub use forest_builder::{build, decode};
pub use format::{Format, FormatError, HeaderPage};
pub use losses::shadow_stack_losses;
pub(crate) use modules::{MovedModule, move_symbols, moved};
pub use ring_page::{Endian, Malformed, Missed, Page, PageError};
pub use symbols::{Presence, Symbols, SymbolsError};
pub use tracedat::{TraceDat, TraceDatCpu, TraceDatError};
pub use tracedat_write::write_tracedat;
