//! Compares a case on two kernels.

pub(crate) mod sides;
pub(crate) mod timeline;
