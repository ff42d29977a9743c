//! Two paths aligned, the differences explained; many kernels as a matrix. Pure.

mod align;
mod comparable;
mod elsewhere;
mod kernel_matrix;
mod model;
mod moves;
mod reason;
#[cfg(test)]
mod recorded_diffs;
mod renames;
mod siblings;
mod side;
mod timing;

pub use align::{Knowledge, align};
pub use comparable::{Mode, Origin, Refusal, comparable};
pub use elsewhere::point_elsewhere;
pub use kernel_matrix::*;
pub use model::*;
pub use reason::*;
pub use renames::Renames;
pub use timing::*;
