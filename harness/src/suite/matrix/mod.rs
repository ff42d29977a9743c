//! Runs and judges the matrix: all chosen cases on all chosen kernels.

pub(crate) mod functions;
mod job;
#[expect(clippy::module_inception, reason = "the matrix is what this folder is about")]
pub(crate) mod matrix;
mod workers;
