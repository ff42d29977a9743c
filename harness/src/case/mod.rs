//! Case files: the language, its checks, and lowering to a plan for the guest.
//!
//! A file goes through this folder in one direction: `yaml_tree` parses it with positions, `schema_check` checks its
//! shape, `case_file` holds it as it was written, `resolver` makes a [`Case`] of it, and `lower` makes the guest's plan
//! of that. `evaluate` compares what was observed with the case's expectations, and `cost_bounds` compares costs.

mod arguments;
#[expect(clippy::module_inception, reason = "a case is what this folder is about")]
mod case;
mod case_file;
mod case_name;
mod check;
mod constants;
mod control;
mod cost_bounds;
mod deadlock;
mod diagnostic;
mod evaluate;
#[cfg(test)]
mod evaluate_tests;
mod expectation;
mod feature;
mod findings;
mod gate;
mod in_words;
mod key_path;
mod load;
mod lower;
mod needs;
mod operations;
mod phrases;
mod presets;
mod received;
#[cfg(test)]
mod received_tests;
mod resolver;
mod returned;
#[cfg(test)]
mod returned_tests;
mod schema;
mod schema_check;
mod sent_packet;
mod step_ref;
mod sweep;
mod warm_setup;
mod yaml_tree;
mod yaml_types;

/// A small, valid case that runs: the start of a new one.
pub(crate) const TEMPLATE: &str = include_str!("template.yaml");

pub use case::Case;
pub use case_name::CaseName;
pub use check::{KernelFunctions, check_functions};
pub use diagnostic::{Diagnostic, Diagnostics, Source};
pub use load::{load_some, parse};
pub use lower::{Lowered, PassKind};

pub(crate) use case::Measure;
pub(crate) use case_file::Nic;
pub(crate) use case_name::WORD;
pub(crate) use cost_bounds::{CostFailure, evaluate_costs};
pub(crate) use evaluate::{Observed, ObservedOperation, ObservedTree, evaluate};
pub(crate) use expectation::{Context, Expectation, Failure};
pub(crate) use gate::Gate;
pub(crate) use load::load_all;
pub(crate) use operations::OPERATIONS;
pub(crate) use schema::schema_file;
pub(crate) use step_ref::StepRef;
pub(crate) use warm_setup::WarmSetup;
