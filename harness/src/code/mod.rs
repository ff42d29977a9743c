//! Machine code: which functions call which, and what the compiler inlined. Pure: bytes in, values out.
//!
//! Architecture invariant: only this folder decodes instructions.

mod call_graph;

pub use call_graph::{CallGraph, Containment};
