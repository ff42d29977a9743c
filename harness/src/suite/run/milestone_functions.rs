//! Finds a case's milestones among the functions that a kernel can trace.

use rxpath_guest::{Milestones, Tag};

use crate::path::canonical;
use crate::path::own_times::RECORDS_SWITCHES;
use crate::suite::kernel_metadata::{MetadataError, text};
use crate::vm::WarmImage;

/// The function whose trace shows the tracer's cost: its own dozen instructions (kernel/sched/syscalls.c) are counted as
/// the tracer's.
pub(crate) const CALIBRATION: &str = "__x64_sys_sched_get_priority_max";

/// Why milestones cannot be traced.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MilestoneError {
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    #[error("cannot determine the tracing overhead: the kernel cannot trace {CALIBRATION}")]
    NoCalibration,
}

/// The functions with these canonical names, numbered as the guest's kernel does.
pub(crate) fn milestones(image: &WarmImage, names: &[String]) -> Result<Milestones, MilestoneError> {
    let region = image.facts().map_err(MetadataError::from)?;
    let sections = rxpath_guest::sections(&region).map_err(MetadataError::from)?;
    let positions = positions(text(&sections, Tag::Traceable)?, |name| name == CALIBRATION || is_traced(names, name));
    let is_calibration = |(name, _): &&(&str, u32)| *name == CALIBRATION;
    let calibration = positions.iter().find(is_calibration).ok_or(MilestoneError::NoCalibration)?.1;
    let functions = positions.iter().filter(|(name, _)| is_traced(names, name)).map(|(_, position)| *position);
    Ok(Milestones { calibration, functions: functions.collect() })
}

/// Whether a function is a milestone, or shows when a milestone's task sleeps.
fn is_traced(names: &[String], raw: &str) -> bool {
    // Few of sixty thousand names start like one of these, and taking suffixes off is what takes time.
    raw == RECORDS_SWITCHES || names.iter().any(|name| raw.starts_with(name.as_str()) && name == canonical(raw))
}

/// The raw names that are wanted, with their line numbers in `available_filter_functions`, from 1.
fn positions(traceable: &str, mut wanted: impl FnMut(&str) -> bool) -> Vec<(&str, u32)> {
    let names = traceable.lines().map(|line| line.split_whitespace().next().unwrap_or(""));
    names.zip(1..).filter(|(name, _)| wanted(name)).collect()
}
