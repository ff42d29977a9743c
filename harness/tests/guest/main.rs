//! Tests that boot or restore guests. They need the kernels, and an image for each machine that they use.

#[path = "../common/mod.rs"]
mod common;

mod cache_limits;
mod commands;
mod costs;
mod derived;
mod exports;
mod faults;
mod kernel_diff;
mod mutations;
mod process;
mod refresh;
mod repository;
mod review;
mod start_times;
mod wrong_cases;

/// What a test fails with.
type Tested = Result<(), Box<dyn std::error::Error>>;
