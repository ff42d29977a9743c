//! `rxpath show`: the call trees of a case on a kernel.

use super::command_line::{Common, ShowArguments};
use super::error::CommandError;
use super::show_svg::show_svg;
use super::{check_runs_on, make_ready, named_kernels, warn_no_costs};
use crate::report::{MatrixBars, Screen, case_trees};
use crate::suite::{Project, choose, record_case};
use crate::vm::{RunLimits, cancel_on_signals};

/// Runs the traced pass and prints its paths.
pub(crate) fn show(common: &Common, arguments: &ShowArguments) -> Result<u8, CommandError> {
    if let Some(file) = &arguments.svg {
        return show_svg(common, arguments, file);
    }
    let project = Project::open(&common.project(&arguments.packages))?;
    let all = project.cases_for(std::slice::from_ref(&arguments.case))?;
    let kernels = named_kernels(&project, std::slice::from_ref(&arguments.kernel))?;
    cancel_on_signals();
    let fetched = make_ready(&project, &kernels)?;
    for case in choose(&all, std::slice::from_ref(&arguments.case))? {
        for kernel in &fetched.kernels {
            check_runs_on(case, kernel)?;
            let bars = MatrixBars::new(1);
            let limits = RunLimits::default();
            let capture = record_case(case, kernel, &fetched.qemu, &project.images(), &limits, &bars)?;
            if let Err(error) = &capture.tracer {
                warn_no_costs(&kernel.name(), error);
            }
            let observation = capture.observation(case)?;
            bars.finish();
            let heading = format!("{} on {} ({})", case.name, kernel.name(), kernel.release);
            let trees = case_trees(&heading, &case.title, &observation.losses, &observation.sections);
            super::show(Screen::of_output(), &trees)?;
        }
    }
    Ok(0)
}
