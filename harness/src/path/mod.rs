//! From call trees to paths: who ran it, under which names, folded and agreed on by the iterations. Pure.

#[cfg(test)]
pub(crate) mod arbitrary;
pub mod contexts;
mod fold;
mod model;
mod names;
mod operations;
mod patterns;
#[cfg(test)]
pub(crate) mod sample;
pub mod text;

pub use contexts::{Context, ContextRules, DataFileError};
pub use fold::{LONGEST_PERIOD, fold, unfold};
pub use model::*;
pub use names::{FunctionNames, NameTable, canonical};
pub use operations::{Operation, Operations, operations};
pub use patterns::Patterns;
