//! Two paths aligned, the differences explained; many kernels as a matrix. Pure.

mod align;
mod model;
mod moves;
mod renames;
mod siblings;
mod side;

pub use align::{Knowledge, align};
pub use model::*;
pub use renames::Renames;
