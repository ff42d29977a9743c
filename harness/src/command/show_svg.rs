//! `rxpath show --svg`: a picture of a case on a kernel over time.

use std::path::Path;

use super::command_line::{Common, ShowArguments};
use super::error::CommandError;
use super::show::observe;
use super::{make_ready, named_kernels, write};
use crate::report::sequence_file;
use crate::suite::{Project, choose};
use crate::vm::cancel_on_signals;

/// Runs the traced pass and draws one iteration of it.
pub(crate) fn show_svg(common: &Common, arguments: &ShowArguments, file: &Path) -> Result<u8, CommandError> {
    let project = Project::open(&common.project(&arguments.packages))?;
    let all = project.cases_for(std::slice::from_ref(&arguments.case))?;
    let cases = choose(&all, std::slice::from_ref(&arguments.case))?;
    let kernels = named_kernels(&project, &arguments.kernels)?;
    let ([case], [_]) = (&cases[..], &kernels[..]) else {
        let (cases, kernels) = (cases.len(), kernels.len());
        let message = format!("--svg draws one case on one kernel, but {cases} cases on {kernels} kernels are named");
        return Err(CommandError::Request(message));
    };
    cancel_on_signals();
    let fetched = make_ready(&project, &kernels)?;
    for kernel in &fetched.kernels {
        let observation = observe(&project, &fetched, case, kernel)?;
        let title = format!("{} on {} ({}): {}", case.name, kernel.name(), kernel.release, case.title);
        let nothing = "cannot be drawn, because no call was recorded or the cost of the tracer is unknown";
        let sequence =
            observation.sequence.as_ref().ok_or_else(|| CommandError::Request(format!("{title}: {nothing}")))?;
        let paths = observation.shown_paths().map(|(name, path)| (name.to_owned(), path.clone()));
        write(file, sequence_file(sequence, &title, &paths.collect::<Vec<_>>()).as_bytes())?;
    }
    Ok(0)
}
