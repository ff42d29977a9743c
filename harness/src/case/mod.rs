//! Case files: the model, its checks, and lowering to a plan.
//!
//! A file goes through here in one direction: `yaml` says where things stand, `shape` holds them against the schema,
//! `model` is what was written, `resolve` makes a [`Case`] of it, `lower` makes what the guest runs of that.

mod arguments;
#[expect(clippy::module_inception, reason = "a case is what this folder is about")]
mod case;
mod case_name;
mod check;
mod constants;
mod deadlock;
mod diagnostic;
mod expect;
mod gate;
mod load;
mod lower;
mod model;
mod operations;
mod phrases;
mod place;
mod presets;
mod resolve;
mod schema;
mod schema_check;
mod warm_setup;
mod yaml;

/// A small case that is right and runs: the beginning of a new one.
pub const TEMPLATE: &str = include_str!("template.yaml");

pub use case::{Case, CaseActor, CaseStep, Gated, Machine, Measure, StepRef};
pub use case_name::{CaseName, FOLDER};
pub use check::{KernelFunctions, check_functions};
pub use diagnostic::{Diagnostic, Diagnostics, Location, Source};
pub use expect::{
    Context, CostFailure, Expectation, Failure, Observed, ObservedOperation, ObservedTree, evaluate, evaluate_costs,
};
pub use gate::{Gate, SeriesError};
pub use load::{load_all, load_some, parse};
pub use lower::{Lowered, PassKind};
pub use model::{Feature, Nic};
pub use operations::OPERATIONS;
pub use phrases::{Bound, CallPhrase, CostPhrase};
pub use schema::{schema, schema_file};
pub use warm_setup::WarmSetup;
