//! Machine code: which function's instructions contain a call to which other. Pure: bytes in, values out.
//!
//! Architecture invariant: only this folder decodes instructions.

mod call_graph;

pub use call_graph::{CallGraph, Containment};
