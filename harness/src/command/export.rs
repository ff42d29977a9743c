//! `rxpath export`: a traced pass for other programs.

use super::arguments::{Common, ExportFormat, ExportOptions};
use super::error::CommandError;
use crate::report::{FetchBars, MatrixBars, export as formats};
use crate::suite::{Capture, Project, choose, record_case};
use crate::vm::{RunLimits, cancel_on_signals};

/// Runs the traced pass and writes what it recorded.
pub fn export(common: &Common, options: &ExportOptions) -> Result<u8, CommandError> {
    let project = Project::open(&common.project(&options.packages))?;
    let all = project.cases_for(std::slice::from_ref(&options.case))?;
    let series = project.pins.select(std::slice::from_ref(&options.kernel))?;
    let cases = choose(&all, std::slice::from_ref(&options.case))?;
    let [case] = cases[..] else {
        let names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
        return Err(CommandError::Request(format!(
            "{} names {} cases: one file holds one; name one of {}",
            options.case,
            cases.len(),
            names.join(", ")
        )));
    };
    cancel_on_signals();
    let bars = FetchBars::new();
    let fetched = project.fetch(&series, &|progress| bars.show(progress))?;
    bars.finish();
    let kernel = fetched.kernels.first().ok_or_else(|| CommandError::Machinery("no kernel was fetched".to_owned()))?;
    if let Err(why) = case.runs_on(kernel.series) {
        return Err(CommandError::Request(format!("{} does not run on {}: {why}", case.name, kernel.series)));
    }
    let bars = MatrixBars::new(1);
    let capture = record_case(case, kernel, &fetched.qemu, &project.images(), &RunLimits::default(), &bars)?;
    bars.finish();
    let title = format!("{} on {} ({})", case.name, kernel.series, kernel.release);
    let bytes = written(&capture, options.format, &title).map_err(machinery)?;
    if options.output.as_os_str() == "-" {
        std::io::Write::write_all(&mut std::io::stdout(), &bytes).map_err(|why| machinery(why.into()))?;
    } else {
        std::fs::write(&options.output, &bytes)
            .map_err(|why| CommandError::Machinery(format!("writing {}: {why}", options.output.display())))?;
    }
    Ok(0)
}

fn written(capture: &Capture, format: ExportFormat, title: &str) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    Ok(match format {
        ExportFormat::TraceDat => capture.tracedat()?,
        ExportFormat::Perfetto => formats::perfetto(&capture.timeline()?, title)?,
        ExportFormat::Folded => formats::folded(&capture.timeline()?).into_bytes(),
        ExportFormat::Firefox => formats::firefox(&capture.timeline()?, title)?,
    })
}

fn machinery(why: Box<dyn std::error::Error>) -> CommandError {
    CommandError::Machinery(why.to_string())
}
