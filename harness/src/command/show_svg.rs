//! `rxpath show --svg`: a picture of a case on a kernel over time.

use std::path::Path;

use super::command_line::{Common, ShowArguments};
use super::error::CommandError;
use super::{check_runs_on, make_ready, one_kernel, write};
use crate::report::{MatrixBars, sequence_file};
use crate::suite::{Project, choose, record_case};
use crate::vm::{RunLimits, cancel_on_signals};

/// Runs the traced pass and draws one iteration of it.
pub(crate) fn show_svg(common: &Common, arguments: &ShowArguments, file: &Path) -> Result<u8, CommandError> {
    let project = Project::open(&common.project(&arguments.packages))?;
    let all = project.cases_for(std::slice::from_ref(&arguments.case))?;
    let cases = choose(&all, std::slice::from_ref(&arguments.case))?;
    let [case] = cases[..] else {
        let (name, count) = (&arguments.case, cases.len());
        return Err(CommandError::Request(format!("{name} names {count} cases, but --svg draws only one")));
    };
    let [kernel] = &arguments.kernels[..] else {
        return Err(CommandError::Request("--svg draws a case on one kernel, not on several".to_owned()));
    };
    let kernel = one_kernel(&project, "--kernel", kernel)?;
    cancel_on_signals();
    let fetched = make_ready(&project, &[kernel])?;
    for kernel in &fetched.kernels {
        check_runs_on(case, kernel)?;
        let bars = MatrixBars::new(1);
        let capture = record_case(case, kernel, &fetched.qemu, &project.images(), &RunLimits::default(), &bars)?;
        let observation = capture.observation(case)?;
        bars.finish();
        let title = format!("{} on {} ({}): {}", case.name, kernel.name(), kernel.release, case.title);
        let sequence = observation.sequence.as_ref().ok_or_else(|| match &capture.tracer {
            Err(error) => CommandError::Request(format!("{title}: cannot be drawn: {}", crate::error_chain(error))),
            Ok(_) => CommandError::Request(format!("{title}: cannot be drawn: no call was recorded")),
        })?;
        let paths = observation.shown_paths().map(|(name, path)| (name.to_owned(), path.clone()));
        write(file, sequence_file(sequence, &title, &paths.collect::<Vec<_>>()).as_bytes())?;
    }
    Ok(0)
}
