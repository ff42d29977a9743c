//! Runs cases in guests: the images they start from, their two passes, and what a pass brings back.

pub(crate) mod case_pass;
pub(crate) mod image_spec;
pub(crate) mod milestone_functions;
pub(crate) mod passes;
pub(crate) mod save_capture;
pub(crate) mod test_bed;
pub(crate) mod tracer;
pub(crate) mod watcher;
