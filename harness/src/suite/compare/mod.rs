//! Compares a case on several kernels.

pub(crate) mod accepted_matrix;
pub(crate) mod against;
pub(crate) mod kernel_diff;
pub(crate) mod result_cache;
pub(crate) mod sides;
