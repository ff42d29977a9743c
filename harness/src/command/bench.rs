//! `rxpath bench`: how long rxpath itself takes on this machine.

use std::cell::RefCell;
use std::io;
use std::path::{Path, PathBuf};

use super::command_line::{BenchArguments, Common};
use super::error::CommandError;
use super::{make_ready, named_kernels, print};
use crate::read_file::read_named;
use crate::report::{FetchBars, listings};
use crate::suite::benchmark::{self, BENCH_VERSION, Bench, BenchOptions, Figure, UNIT_KERNEL};
use crate::suite::{Project, choose};
use crate::vm::cancel_on_signals;

/// Why an earlier measurement cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MeasurementError {
    #[error("could not read {}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{} is not a measurement, as `rxpath bench --output FILE` writes it", path.display())]
    Invalid { path: PathBuf, source: serde_json::Error },
    #[error("{} has version {version}, expected {BENCH_VERSION}: measure again", path.display())]
    OtherVersion { path: PathBuf, version: u32 },
}

/// Measures, and prints each figure as soon as it is known.
pub(crate) fn bench(common: &Common, arguments: &BenchArguments) -> Result<u8, CommandError> {
    let earlier = arguments.compare.as_deref().map(read).transpose()?;
    let project = Project::open(&common.project(&arguments.packages))?;
    choose(&project.cases()?, std::slice::from_ref(&arguments.case))?;
    let named = named_kernels(&project, &arguments.kernels)?;
    cancel_on_signals();
    let fetched = make_ready(&project, &named)?;
    let mut kernels = Vec::new();
    for reference in &named {
        let name = project.name_of(reference)?;
        let kernel = fetched.kernels.iter().find(|kernel| kernel.name() == name);
        kernels.extend(kernel.map(|kernel| (kernel, reference.to_string())));
    }
    let bars = FetchBars::new();
    let unit = project.packed_image(UNIT_KERNEL, &|progress| bars.show(progress));
    bars.finish();
    let options = BenchOptions {
        runs: arguments.runs,
        boots: arguments.boots.unwrap_or(arguments.runs),
        new_runs: arguments.new_runs,
        matrix_runs: arguments.matrix_runs,
        cold_runs: arguments.cold_runs,
        case: &arguments.case,
        unit: &unit?,
    };
    // Figures that cannot be printed are still worth writing to a file.
    let unprinted = RefCell::new(None);
    let show = |figure: &Figure| {
        if let Err(error) = print(listings::figure(figure, earlier.as_ref())) {
            unprinted.borrow_mut().get_or_insert(error);
        }
    };
    let measured = benchmark::bench(&project, &fetched, &kernels, &options, &show)?;
    if let Some(file) = &arguments.output {
        let text = serde_json::to_string_pretty(&measured)? + "\n";
        std::fs::write(file, text).map_err(CommandError::write(file))?;
    }
    unprinted.into_inner().map_or(Ok(0), Err)
}

fn read(file: &Path) -> Result<Bench, MeasurementError> {
    let path = file.to_owned();
    let text = match read_named(file, 1 << 20) {
        Ok(text) => text,
        Err(source) => return Err(MeasurementError::Unreadable { path, source }),
    };
    match serde_json::from_slice::<Bench>(&text) {
        Ok(bench) if bench.version == BENCH_VERSION => Ok(bench),
        Ok(Bench { version, .. }) => Err(MeasurementError::OtherVersion { path, version }),
        Err(source) => Err(MeasurementError::Invalid { path, source }),
    }
}
