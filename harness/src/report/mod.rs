//! How anything looks. Only this folder knows.

mod progress;
pub mod sweeps;
pub mod terminal;

pub use progress::{FetchBars, MatrixBars};
