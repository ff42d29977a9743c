//! `rxpath export`: a recording in the format of trace-cmd, Perfetto, flame graphs or Firefox.

use super::command_line::{Common, ExportArguments, ExportFormat};
use super::error::CommandError;
use super::{check_runs_on, make_ready, one_kernel, outputs, write};
use crate::report::{MatrixBars, export as formats};
use crate::suite::{Capture, Project, choose, record_case};
use crate::vm::{RunLimits, cancel_on_signals};

/// Runs the traced pass and writes its recording.
pub(crate) fn export(common: &Common, arguments: &ExportArguments) -> Result<u8, CommandError> {
    let project = Project::open(&common.project(&arguments.packages))?;
    let all = project.cases_for(std::slice::from_ref(&arguments.case))?;
    let cases = choose(&all, std::slice::from_ref(&arguments.case))?;
    let [case] = cases[..] else {
        let names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
        return Err(CommandError::Request(format!(
            "{} names {} cases, but a file holds only one: choose one of {}",
            arguments.case,
            cases.len(),
            names.join(", ")
        )));
    };
    let kernel = one_kernel(&project, "--kernel", &arguments.kernel)?;
    outputs::check(&[&Some(arguments.output.clone())], &[])?;
    cancel_on_signals();
    let fetched = make_ready(&project, &[kernel])?;
    for kernel in &fetched.kernels {
        check_runs_on(case, kernel)?;
    }
    for kernel in &fetched.kernels {
        let bars = MatrixBars::new(1);
        let limits = RunLimits::default();
        let capture = record_case(case, kernel, &fetched.qemu, &project.images(), &limits, &bars)?;
        bars.finish();
        let title = format!("{} on {} ({})", case.name, kernel.name(), kernel.release);
        write(&arguments.output, &formatted(&capture, arguments.format, &title)?)?;
    }
    Ok(0)
}

fn formatted(capture: &Capture, format: ExportFormat, title: &str) -> Result<Vec<u8>, CommandError> {
    Ok(match format {
        ExportFormat::TraceDat => capture.tracedat()?,
        ExportFormat::Perfetto => formats::perfetto(&capture.timeline()?, title)?,
        ExportFormat::Folded => formats::folded(&capture.timeline()?).into_bytes(),
        ExportFormat::Firefox => formats::firefox(&capture.timeline()?, title)?,
    })
}
