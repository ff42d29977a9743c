//! Turns call trees into paths: one tree per context, with canonical names, hidden functions left out and repeats
//! folded, on which the iterations agree. Pure.

#[cfg(test)]
pub(crate) mod arbitrary;
mod call_path;
mod capture_paths;
pub mod contexts;
pub(crate) mod cost;
pub(crate) mod data_file;
mod fold;
mod names;
pub(crate) mod own_runs;
pub(crate) mod own_times;
mod patterns;
pub(crate) mod profiles;
#[cfg(test)]
pub(crate) mod recorded;
mod recorded_operations;
#[cfg(test)]
pub(crate) mod sample;
pub(crate) mod sequence;
mod shape;
pub mod steady;
pub mod text;
pub(crate) mod time_axis;
pub(crate) mod timing;
mod too_deep;
pub(crate) mod tree_view;

pub use call_path::{CallPath, PathEntry, PathNode};
pub(crate) use call_path::{subtree_ends, with_all_beneath};
pub(crate) use capture_paths::{CapturePaths, CaptureSettings, Role, Stream, capture_paths};
pub use contexts::ContextRules;
pub use cost::SelfCost;
pub use data_file::DataFileError;
pub(crate) use fold::fold;
pub(crate) use names::canonical;
pub use names::{FunctionNames, NameTable};
pub(crate) use patterns::Patterns;
pub(crate) use profiles::Profiles;
pub use recorded_operations::{Operation, Operations, operations};
