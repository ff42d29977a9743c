//! How anything looks. Only this folder knows.

mod change_words;
pub mod export;
pub mod html;
pub mod markdown;
mod overview;
mod progress;
pub mod review;
mod screen;
pub mod terminal;

pub use overview::{CaseView, KernelView, Overview};
pub use progress::{FetchBars, MatrixBars};
pub use screen::Screen;
