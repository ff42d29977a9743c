//! `rxpath export`: a recording in the format of trace-cmd, Perfetto, flame graphs or Firefox.

use super::command_line::{Common, ExportArguments, ExportFormat};
use super::error::CommandError;
use super::{check_runs_on, make_ready, one_kernel, outputs, write};
use crate::case::Case;
use crate::error_chain;
use crate::output::warn;
use crate::report::{MatrixBars, export as formats};
use crate::suite::{Capture, Excerpt, Project, choose, record_case};
use crate::vm::{RunLimits, cancel_on_signals};

/// Runs the traced pass and writes its recording, or one iteration of it.
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
    let is_raw = arguments.format == ExportFormat::TraceDat;
    if is_raw && (arguments.iteration.is_some() || !arguments.actors.is_empty()) {
        let text = "trace.dat is always the whole recording: --iteration and --actor are for the other formats";
        return Err(CommandError::Request(text.to_owned()));
    }
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
        if is_raw {
            warn(
                "rxpath: the stamps in trace.dat are raw: they include the tracer's share, which `rxpath show` subtracts",
            );
        } else if let Err(error) = &capture.tracer {
            warn(format_args!("rxpath: times include the tracer's share, which is unknown: {}", error_chain(error)));
        }
        let iteration = match arguments.all || is_raw {
            true => None,
            false => arguments.iteration.map_or_else(|| steadiest(&capture, case), |one| Ok(Some(one)))?,
        };
        let excerpt = Excerpt { iteration, actors: arguments.actors.clone() };
        let part = iteration.map_or_else(|| "all iterations".to_owned(), |number| format!("iteration {number}"));
        let title = format!("{} on {} ({}), {part}", case.name, kernel.name(), kernel.release);
        write(&arguments.output, &formatted(&capture, arguments.format, &excerpt, &title)?)?;
    }
    Ok(0)
}

fn steadiest(capture: &Capture, case: &Case) -> Result<Option<u32>, CommandError> {
    Ok(capture.observation(case)?.steadiest_iteration())
}

fn formatted(capture: &Capture, format: ExportFormat, excerpt: &Excerpt, title: &str) -> Result<Vec<u8>, CommandError> {
    Ok(match format {
        ExportFormat::TraceDat => capture.tracedat()?,
        ExportFormat::Perfetto => formats::perfetto(&capture.timeline(excerpt)?, title)?,
        ExportFormat::Folded => formats::folded(&capture.timeline(excerpt)?).into_bytes(),
        ExportFormat::Firefox => formats::firefox(&capture.timeline(excerpt)?, title)?,
    })
}
