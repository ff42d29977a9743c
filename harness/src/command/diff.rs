//! `rxpath diff` and `rxpath matrix`: what changed between kernels, and in which kernel it first appeared.

use std::collections::BTreeMap;

use super::arguments::{Common, DiffArguments, DiffFormat, DiffPart, MatrixArguments, Packages};
use super::error::CommandError;
use super::{check_runs_on, fetch, warn_no_costs};
use crate::case::Case;
use crate::diff::side_by_side;
use crate::kernel::{Fetched, Kernel, KernelName, Series};
use crate::path::cost::Costs;
use crate::report::{self, MatrixBars, Screen, diff_markdown, diff_report, diff_terminal};
use crate::suite::{
    CaseDiff, CompareError, KernelMetadata, Project, Side, accepted, accepted_costs, choose, compare, facts_of,
    record_case, section_matrix,
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
            check_runs_on(case, series)?;
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
    let only = options.only;
    let snapshots = project.snapshots();
    let names = sides.map(KernelName::from);
    let timings = match only {
        Some(DiffPart::Path) => None,
        _ => {
            let [old, new] = names.each_ref().map(|kernel| accepted_costs(&snapshots, &case.name, kernel));
            let both = old.and_then(|old| Ok(side_by_side(&old, &new?)));
            // Paths can be compared even if the timings were never accepted.
            let may_lack = only.is_none() && matches!(both, Err(CompareError::NoTimings { .. }));
            if may_lack { None } else { Some(both?) }
        }
    };
    let sections = match only {
        Some(DiffPart::Timing) => Vec::new(),
        _ => {
            let [old, new] = names.each_ref().map(|kernel| accepted(&snapshots, &case.name, kernel));
            let (old, new) = (old?, new?);
            let facts = all_facts(project, case, &sides)?;
            let measured = if options.no_costs { Vec::new() } else { all_costs(project, case, &sides)? };
            let mut costs = measured.into_iter();
            let mut side = |at: usize, sections| {
                let costs = costs.next().unwrap_or_default();
                Side { kernel: names[at].clone(), facts: &facts[at], sections, costs }
            };
            compare(side(0, old), side(1, new))?
        }
    };
    let [old, new] = names;
    Ok(CaseDiff { case: case.name.clone(), old, new, sections, timings })
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
        let mut series = project.pins.series();
        series.retain(|series| case.runs_on(*series).is_ok());
        series.sort();
        let facts = all_facts(&project, case, &series)?;
        let mut kernels: Vec<Side> = Vec::new();
        for (series, facts) in series.iter().zip(&facts) {
            let name = KernelName::from(*series);
            let sections = accepted(&project.snapshots(), &case.name, &name)?;
            kernels.push(Side { kernel: name, facts, sections, costs: BTreeMap::new() });
        }
        let mut names: Vec<String> = Vec::new();
        for (name, _) in kernels.iter().flat_map(|side| &side.sections) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        println!("{}", case.name);
        for name in names {
            let matrix = section_matrix(&name, &kernels)?;
            print!("{}", report::matrix(&name, &matrix));
        }
        println!();
    }
    Ok(0)
}

fn one_series(project: &Project, name: &str) -> Result<Series, CommandError> {
    let found = project.pins.select(&[name])?;
    found.first().copied().ok_or_else(|| CommandError::Request(format!("{name} is not pinned")))
}

fn all_facts(project: &Project, case: &Case, series: &[Series]) -> Result<Vec<KernelMetadata>, CommandError> {
    on_each(project, series, |kernel, fetched, bars| {
        facts_of(case, kernel, fetched, &project.images(), bars).map_err(CommandError::from)
    })
}

/// Measures the costs of functions in each section of a case, in a traced pass on each kernel. A diff is useful without them, so
/// an error is only a warning.
fn all_costs(project: &Project, case: &Case, series: &[Series]) -> Result<Vec<BTreeMap<String, Costs>>, CommandError> {
    cancel_on_signals();
    on_each(project, series, |kernel, fetched, bars| {
        let images = project.images();
        let found =
            record_case(case, kernel, &fetched.qemu, &images, &RunLimits::default(), bars).and_then(|capture| {
                let observation = capture.observation(case)?;
                capture.tracer?;
                Ok(observation)
            });
        let sections = match found {
            Ok(observation) => observation.sections,
            Err(error) => {
                warn_no_costs(kernel.series, &*error);
                Vec::new()
            }
        };
        Ok(sections.into_iter().map(|section| (section.name, section.costs)).collect())
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
        let kernel = kernel.ok_or_else(|| CommandError::NotFetched(*series))?;
        of(kernel, &fetched, &bars)
    };
    let all = series.iter().map(one).collect();
    bars.finish();
    all
}
