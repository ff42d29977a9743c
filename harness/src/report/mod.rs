//! How anything looks. Only this folder knows.

mod call_trees;
mod change_words;
mod diff_json;
mod diff_markdown;
#[cfg(test)]
mod diff_sample;
mod diff_terminal;
mod diff_words;
pub mod export;
pub mod html;
pub mod markdown;
mod overview;
mod progress;
pub mod review;
mod screen;
pub mod sweeps;
pub mod terminal;

pub use call_trees::call_trees;
pub use diff_json::{
    CaseReport, ChangeReport, CostReport, DIFF_VERSION, DiffReport, LineReport, ReasonReport, SectionReport,
    TimingReport, diff_report,
};
pub use diff_markdown::diff_markdown;
pub use diff_terminal::diff_terminal;
pub use overview::{CaseView, KernelView, Overview};
pub use progress::{FetchBars, MatrixBars};
pub use screen::Screen;
