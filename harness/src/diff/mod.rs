//! Two paths aligned, the differences explained; many kernels as a matrix. Pure.
