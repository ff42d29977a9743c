//! `rxpath show`: the call trees of one case on one kernel.

use super::arguments::{Common, ShowOptions};
use super::error::CommandError;
use crate::report::{FetchBars, MatrixBars, Screen, terminal};
use crate::suite::{Project, choose, record_case};
use crate::vm::{RunLimits, cancel_on_signals};

/// Runs the traced pass and prints what it shows.
pub fn show(common: &Common, options: &ShowOptions) -> Result<u8, CommandError> {
    let project = Project::open(&common.project(&options.packages))?;
    let all = project.cases_for(std::slice::from_ref(&options.case))?;
    let series = project.pins.select(std::slice::from_ref(&options.kernel))?;
    cancel_on_signals();
    let bars = FetchBars::new();
    let fetched = project.fetch(&series, &|progress| bars.show(progress))?;
    bars.finish();
    for case in choose(&all, std::slice::from_ref(&options.case))? {
        for kernel in &fetched.kernels {
            if let Err(why) = case.runs_on(kernel.series) {
                return Err(CommandError::Request(format!("{} does not run on {}: {why}", case.name, kernel.series)));
            }
            let bars = MatrixBars::new(1);
            let broken = |why: &dyn std::fmt::Display| CommandError::Machinery(why.to_string());
            let capture = record_case(case, kernel, &fetched.qemu, &project.images(), &RunLimits::default(), &bars)?;
            if let Err(why) = &capture.tracer {
                eprintln!("rxpath: no costs of functions on {}: {why}", kernel.series);
            }
            let observation = capture.observation(case).map_err(|why| broken(&why))?;
            bars.finish();
            Screen::of_output().show(&terminal::observation(case, kernel, &observation));
        }
    }
    Ok(0)
}
