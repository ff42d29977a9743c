//! Timelines in the formats of other programs.

mod firefox;
mod folded;
mod perfetto;

pub use firefox::firefox;
pub use folded::folded;
pub use perfetto::perfetto;
