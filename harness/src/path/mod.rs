//! From call trees to paths: who ran it, under which names, folded and agreed on by the iterations. Pure.

mod model;

pub use model::*;
