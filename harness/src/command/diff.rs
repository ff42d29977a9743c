//! `rxpath diff` and `rxpath matrix`: what changed between kernels, and in which kernel it first appeared.

use std::collections::BTreeMap;

use super::command_line::{Common, DiffArguments, DiffFormat, DiffPart, MatrixArguments, Packages};
use super::error::CommandError;
use super::{does_not_run, fetch, warn_no_costs};
use crate::case::Case;
use crate::kernel::{Fetched, Kernel, KernelName, Series};
use crate::path::cost::Costs;
use crate::report::{self, MatrixBars, Screen, diff_markdown, diff_report, diff_terminal};
use crate::suite::{
    CaseDiff, DiffRequest, KernelKnowledge, Project, SnapshotKind, choose, diff_case, kernel_matrix, metadata_of,
    record_case,
};
use crate::vm::{RunLimits, cancel_on_signals};

/// Prints what changed in a case between two kernels.
pub(crate) fn diff(common: &Common, options: &DiffArguments) -> Result<u8, CommandError> {
    let project = Project::open(&common.project(&Packages::default()))?;
    let all = project.cases_for(std::slice::from_ref(&options.case))?;
    let cases = choose(&all, std::slice::from_ref(&options.case))?;
    let sides = [one_series(&project, &options.from)?, one_series(&project, &options.to)?];
    if sides[0] == sides[1] {
        return Err(CommandError::Request(format!(
            "--from and --to are the same kernel, {}: choose two different ones",
            sides[0]
        )));
    }
    let mut diffs = Vec::new();
    for case in cases {
        for series in sides {
            case.runs_on(series).map_err(|reason| does_not_run(case, &series.into(), &reason))?;
        }
        diffs.push(case_diff(&project, case, sides, options)?);
    }
    match options.format {
        DiffFormat::Text => {
            let screen = Screen::of_output();
            diffs.iter().for_each(|diff| screen.show(&diff_terminal(diff, options.context)));
        }
        DiffFormat::Markdown => diffs.iter().for_each(|diff| print!("{}", diff_markdown(diff, options.context))),
        DiffFormat::Json => {
            let report = diff_report(&sides[0].to_string(), &sides[1].to_string(), &diffs);
            println!("{}", serde_json::to_string_pretty(&report)?);
        }
    }
    Ok(0)
}

fn case_diff(
    project: &Project,
    case: &Case,
    sides: [Series; 2],
    options: &DiffArguments,
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
        knowledge.try_into().map_err(|_| CommandError::NotFetched(sides[1]))
    })
}

/// Prints the groups of kernels with equal paths, and where each change first appeared.
pub(crate) fn matrix(common: &Common, options: &MatrixArguments) -> Result<u8, CommandError> {
    let project = Project::open(&common.project(&Packages::default()))?;
    let wanted: Vec<String> = options.case.iter().cloned().collect();
    let all = project.cases_for(&wanted)?;
    if wanted.is_empty() && !options.all {
        return Err(CommandError::Request("expected a case or --all".to_owned()));
    }
    for case in choose(&all, &wanted)? {
        let mut series = pinned(&project, &options.kernels)?;
        series.retain(|series| case.runs_on(*series).is_ok());
        series.sort();
        let kernels = on_each(&project, &series, |kernel, fetched, bars| {
            Ok((kernel.series.into(), metadata_of(case, kernel, fetched, &project.images(), bars)?))
        })?;
        let sections = kernel_matrix(&project.snapshots(), &case.name, &kernels)?;
        println!("{}", case.name);
        for (name, matrix) in sections {
            print!("{}", report::matrix(&name, &matrix));
        }
        println!();
    }
    Ok(0)
}

/// The pinned kernels with these names; all of them if there is none.
fn pinned(project: &Project, names: &[String]) -> Result<Vec<Series>, CommandError> {
    project.pins.select(names).map_err(|error| {
        let hint =
            "matrix shows accepted snapshots, which only pinned kernels have; `rxpath run --against` compares others";
        CommandError::Request(format!("{error}: {hint}"))
    })
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
        warn_no_costs(&kernel.name(), &error);
        BTreeMap::new()
    })
}

fn on_each<T>(
    project: &Project,
    series: &[Series],
    of: impl Fn(&Kernel, &Fetched, &MatrixBars) -> Result<T, CommandError>,
) -> Result<Vec<T>, CommandError> {
    let fetched = fetch(project, series)?;
    let bars = MatrixBars::new(series.len());
    let one = |series: &Series| {
        let kernel = fetched.kernels.iter().find(|kernel| kernel.series == *series);
        let kernel = kernel.ok_or(CommandError::NotFetched(*series))?;
        of(kernel, &fetched, &bars)
    };
    let all = series.iter().map(one).collect();
    bars.finish();
    all
}
