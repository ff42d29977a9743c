//! From call trees to paths: who ran it, under which names, folded and agreed on by the iterations. Pure.

#[cfg(test)]
pub(crate) mod arbitrary;
mod capture;
pub mod contexts;
pub mod cost;
mod fold;
mod model;
mod names;
mod patterns;
pub mod profiles;
#[cfg(test)]
pub(crate) mod recorded;
mod recorded_operations;
#[cfg(test)]
pub(crate) mod sample;
pub mod shape;
pub mod steady;
pub mod text;
pub mod timing;

pub use capture::{CapturePaths, CaptureSettings, Role, Stream, capture_paths};
pub use contexts::{Context, ContextRules, DataFileError};
pub use fold::{LONGEST_PERIOD, fold, unfold};
pub use model::*;
pub use names::{FunctionNames, NameTable, canonical};
pub use patterns::Patterns;
pub use profiles::{Filter, Profiles};
pub use recorded_operations::{Operation, Operations, operations};
