//! From ring-buffer pages to call trees. Pure: bytes in, values out.
//!
//! Architecture invariant: nothing outside this folder knows ftrace's formats, and nothing in it does I/O.

mod tree;

pub use tree::*;
