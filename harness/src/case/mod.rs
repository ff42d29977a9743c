//! Case files: the model, its checks, and lowering to a plan.
