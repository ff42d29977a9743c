//! How results look: text for terminals, Markdown, HTML, JSON, JUnit and the formats of other programs.

mod annotations;
pub(crate) mod cache_listing;
mod call_cost;
mod call_trees;
mod calls_text;
mod case_trees;
mod change_words;
mod claims;
mod diff_json;
mod diff_markdown;
#[cfg(test)]
mod diff_sample;
mod diff_terminal;
mod diff_words;
mod difference_icicle;
mod drift;
pub mod export;
mod functions;
pub mod html;
pub mod junit;
pub(crate) mod listings;
pub mod markdown;
mod overview;
mod progress_bars;
pub(crate) mod release_list;
pub(crate) mod review_json;
pub(crate) mod review_text;
#[cfg(test)]
mod run_sample;
mod run_words;
mod screen;
pub(crate) mod sequence;
mod shown_trees;
pub(crate) mod source_url;
mod styled;
pub(crate) mod sweeps;
pub mod terminal;

pub(crate) use annotations::annotations;
pub(crate) use call_trees::call_trees;
pub(crate) use calls_text::calls_text;
pub(crate) use case_trees::{case_trees, side_by_side};
pub(crate) use diff_json::diff_report;
pub(crate) use diff_markdown::diff_markdown;
pub(crate) use diff_terminal::{diff_terminal, matrix};
pub(crate) use diff_words::DiffView;
pub(crate) use functions::functions;
pub use overview::Overview;
pub(crate) use progress_bars::{FetchBars, MatrixBars, waiting};
pub(crate) use screen::Screen;
pub(crate) use sequence::sequence_file;
pub(crate) use shown_trees::{CaseTrees, ShowReport, ShownTrees};
pub use styled::Styled;
