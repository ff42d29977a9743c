//! `rxpath bench`: how long rxpath itself takes here, and against an earlier measurement.

use std::path::Path;

use super::arguments::{BenchArguments, Common};
use super::error::CommandError;
use crate::report::terminal;
use crate::suite::benchmark::{BENCH_VERSION, Bench, BenchOptions, bench};
use crate::suite::{Project, choose};
use crate::vm::cancel_on_signals;

/// Measures, prints each figure as it comes, writes and compares what was asked for.
pub fn run(common: &Common, options: &BenchArguments) -> Result<u8, CommandError> {
    let earlier = options.compare.as_deref().map(read).transpose()?;
    let project = Project::open(&common.project(&options.packages))?;
    choose(&project.cases()?, std::slice::from_ref(&options.case))?;
    let series = project.pins.select(&options.kernels)?;
    cancel_on_signals();
    let fetched = project.fetch(&series, &|_| {})?;
    let wanted = BenchOptions {
        runs: options.runs,
        boots: options.boots.unwrap_or(options.runs),
        matrix_runs: options.matrix_runs,
        case: &options.case,
    };
    let told = |figure: &crate::suite::benchmark::Figure| print!("{}", terminal::figure(figure, earlier.as_ref()));
    let measured = bench(&project, &fetched, &wanted, &told)?;
    if let Some(file) = &options.output {
        let text = serde_json::to_string_pretty(&measured).unwrap_or_default() + "\n";
        std::fs::write(file, text)
            .map_err(|why| CommandError::Machinery(format!("writing {}: {why}", file.display())))?;
    }
    Ok(0)
}

fn read(file: &Path) -> Result<Bench, CommandError> {
    let wrong = |why: String| CommandError::Request(format!("reading {}: {why}", file.display()));
    let text = std::fs::read(file).map_err(|why| wrong(why.to_string()))?;
    let bench: Bench = serde_json::from_slice(&text).map_err(|why| wrong(why.to_string()))?;
    if bench.version == BENCH_VERSION {
        Ok(bench)
    } else {
        Err(wrong(format!("it is of version {}, expected {BENCH_VERSION}: measure again", bench.version)))
    }
}
