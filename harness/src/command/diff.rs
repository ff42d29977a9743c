//! `rxpath diff` and `rxpath matrix`: what changed between kernels, and since which.

use std::collections::BTreeMap;

use super::arguments::{Common, DiffFormat, DiffOptions, DiffPart, MatrixArguments, Packages};
use super::error::CommandError;
use crate::case::Case;
use crate::error_chain;
use crate::kernel::{Fetched, Kernel, KernelName, Series};
use crate::path::cost::Costs;
use crate::report::{FetchBars, MatrixBars, Screen, diff_markdown, diff_report, diff_terminal, terminal};
use crate::suite::{
    CaseDiff, DiffRequest, KernelKnowledge, Project, SnapshotKind, choose, diff_case, kernel_matrix, metadata_of,
    record_case,
};
use crate::vm::{RunLimits, cancel_on_signals};

/// Prints what changed of a case from one kernel to another.
pub fn diff(common: &Common, options: &DiffOptions) -> Result<u8, CommandError> {
    let project = Project::open(&common.project(&Packages::default()))?;
    let all = project.cases_for(std::slice::from_ref(&options.case))?;
    let cases = choose(&all, std::slice::from_ref(&options.case))?;
    let sides = [one_series(&project, &options.from)?, one_series(&project, &options.to)?];
    if sides[0] == sides[1] {
        return Err(CommandError::Request(format!(
            "--from and --to both name {}: there is nothing to compare",
            sides[0]
        )));
    }
    let mut diffs = Vec::new();
    for case in cases {
        for series in sides {
            if let Err(why) = case.runs_on(series) {
                return Err(CommandError::Request(format!(
                    "{} cannot be compared: it does not run on {series}: {why}",
                    case.name
                )));
            }
        }
        diffs.push(case_diff(&project, case, sides, options)?);
    }
    match options.format {
        DiffFormat::Text => {
            let text: String = diffs.iter().map(|diff| diff_terminal(diff, options.context)).collect();
            Screen::of_output().show(&text);
        }
        DiffFormat::Markdown => diffs.iter().for_each(|diff| print!("{}", diff_markdown(diff, options.context))),
        DiffFormat::Json => {
            let report = diff_report(&sides[0].to_string(), &sides[1].to_string(), &diffs);
            println!("{}", serde_json::to_string_pretty(&report).unwrap_or_default());
        }
    }
    Ok(0)
}

fn case_diff(
    project: &Project,
    case: &Case,
    sides: [Series; 2],
    options: &DiffOptions,
) -> Result<CaseDiff, CommandError> {
    let only = options.only.map(|part| match part {
        DiffPart::Path => SnapshotKind::Path,
        DiffPart::Timing => SnapshotKind::Timing,
    });
    let [old, new] = sides.map(KernelName::from);
    let snapshots = project.snapshots();
    let request = DiffRequest { snapshots: &snapshots, case: &case.name, old, new, only };
    diff_case(request, || {
        if !options.no_costs {
            cancel_on_signals();
        }
        let knowledge = on_each(project, &sides, |kernel, fetched, bars| {
            let metadata = metadata_of(case, kernel, fetched, &project.images(), bars)?;
            let costs =
                if options.no_costs { BTreeMap::new() } else { measured_costs(project, case, kernel, fetched, bars) };
            Ok(KernelKnowledge { metadata, costs })
        })?;
        knowledge.try_into().map_err(|_| CommandError::Machinery("expected two kernels".to_owned()))
    })
}

/// Prints the classes of kernels with equal paths, and where each change came in.
pub fn matrix(common: &Common, options: &MatrixArguments) -> Result<u8, CommandError> {
    let project = Project::open(&common.project(&Packages::default()))?;
    let wanted: Vec<String> = options.case.iter().cloned().collect();
    let all = project.cases_for(&wanted)?;
    if wanted.is_empty() && !options.all {
        return Err(CommandError::Request("name a case, or say --all".to_owned()));
    }
    for case in choose(&all, &wanted)? {
        let mut series = project.pins.series();
        series.retain(|series| case.runs_on(*series).is_ok());
        series.sort();
        let kernels = on_each(&project, &series, |kernel, fetched, bars| {
            Ok((kernel.series.into(), metadata_of(case, kernel, fetched, &project.images(), bars)?))
        })?;
        let sections = kernel_matrix(&project.snapshots(), &case.name, &kernels)?;
        println!("{}", case.name);
        for (name, matrix) in sections {
            print!("{}", terminal::matrix(&name, &matrix));
        }
        println!();
    }
    Ok(0)
}

fn one_series(project: &Project, name: &str) -> Result<Series, CommandError> {
    let found = project.pins.select(&[name])?;
    found.first().copied().ok_or_else(|| CommandError::Request(format!("{name} is not pinned")))
}

/// The costs of functions by section, from a traced pass. A failure is only reported, because the paths can be compared
/// without costs.
fn measured_costs(
    project: &Project,
    case: &Case,
    kernel: &Kernel,
    fetched: &Fetched,
    bars: &MatrixBars,
) -> BTreeMap<String, Costs> {
    let capture = record_case(case, kernel, &fetched.qemu, &project.images(), &RunLimits::default(), bars);
    capture.and_then(|capture| capture.costs(case)).unwrap_or_else(|error| {
        eprintln!("rxpath: the costs of functions on {} are unknown: {}", kernel.series, error_chain(&error));
        BTreeMap::new()
    })
}

fn on_each<T>(
    project: &Project,
    series: &[Series],
    of: impl Fn(&Kernel, &Fetched, &MatrixBars) -> Result<T, CommandError>,
) -> Result<Vec<T>, CommandError> {
    let bars = FetchBars::new();
    let fetched: Fetched = project.fetch(series, &|progress| bars.show(progress))?;
    bars.finish();
    let bars = MatrixBars::new(series.len());
    let one = |series: &Series| {
        let kernel = fetched.kernels.iter().find(|kernel| kernel.series == *series);
        let kernel = kernel.ok_or_else(|| CommandError::Machinery(format!("{series} was not fetched")))?;
        of(kernel, &fetched, &bars)
    };
    let all = series.iter().map(one).collect();
    bars.finish();
    all
}
