//! Compares a case on several kernels.

pub(crate) mod against;
pub(crate) mod case_diff;
pub(crate) mod sides;
