//! Runs cases: images and test beds, the two passes of a case, the matrix of cases and kernels.

pub(crate) mod functions;
mod judging;
pub(crate) mod matrix;
pub mod native;
pub(crate) mod passes;
pub(crate) mod record;
pub(crate) mod test_bed;
pub(crate) mod tracer;
