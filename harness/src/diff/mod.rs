//! Aligns two paths and explains their differences; compares many kernels as a matrix. Pure.

mod align;
mod elsewhere;
mod function_costs;
mod kernel_matrix;
mod levels;
mod moves;
mod operation_costs;
mod path_diff;
mod reason;
#[cfg(test)]
mod recorded_diffs;
mod renames;
mod runs;
mod siblings;
mod side;

pub use align::{Knowledge, align};
pub(crate) use elsewhere::point_elsewhere;
pub(crate) use function_costs::{FunctionCost, Part, differs, function_costs};
pub(crate) use kernel_matrix::{Matrix, MatrixInput, matrix};
pub(crate) use operation_costs::{OperationCost, TimingLine, side_by_side};
pub use path_diff::{Change, DiffLine, PathDiff};
#[cfg(test)]
pub(crate) use reason::SymbolSet;
pub(crate) use reason::{Absence, ExplainedDiff, NamedSymbols, Reason, SymbolFacts, could_be_renamed, explain};
pub use renames::Renames;
pub(crate) use runs::runs;
