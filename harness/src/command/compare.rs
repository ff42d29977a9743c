//! `rxpath diff` and `rxpath matrix`: what changed between kernels, and since which.

use super::arguments::{Common, DiffOptions, MatrixArguments, Packages};
use super::error::CommandError;
use crate::case::Case;
use crate::kernel::{Fetched, Series};
use crate::report::{FetchBars, MatrixBars, Screen, terminal};
use crate::suite::{CompareError, KernelFacts, Side, Workshop, accepted, choose, compare, facts_of, section_matrix};

/// Prints what changed of a case from one kernel to another.
pub fn diff(common: &Common, options: &DiffOptions) -> Result<u8, CommandError> {
    let workshop = Workshop::open(&common.workshop(&Packages::default()))?;
    let all = workshop.cases()?;
    let cases = choose(&all, std::slice::from_ref(&options.case))?;
    let sides = [one_series(&workshop, &options.from)?, one_series(&workshop, &options.to)?];
    if sides[0] == sides[1] {
        return Err(CommandError::Request(format!(
            "--from and --to both name {}: there is nothing to compare",
            sides[0]
        )));
    }
    for case in cases {
        for series in sides {
            if let Err(why) = case.runs_on(series) {
                return Err(CommandError::Request(format!(
                    "{} cannot be compared: it does not run on {series}: {why}",
                    case.name
                )));
            }
        }
        let [old, new] = sides.map(|series| accepted(&workshop.snapshots(), &case.name, &series.to_string()));
        let (old, new) = (old.map_err(request)?, new.map_err(request)?);
        let facts = all_facts(&workshop, case, &sides)?;
        let names = sides.map(|series| series.to_string());
        let sections = {
            let side = |at: usize, sections| Side { kernel: names[at].clone(), facts: &facts[at], sections };
            compare(side(0, old), side(1, new)).map_err(machinery)?
        };
        let text = terminal::diff(&case.name, &names[0], &names[1], &sections, options.context);
        Screen::of_output().show(&text);
    }
    Ok(0)
}

/// Prints the classes of kernels with equal paths, and where each change came in.
pub fn matrix(common: &Common, options: &MatrixArguments) -> Result<u8, CommandError> {
    let workshop = Workshop::open(&common.workshop(&Packages::default()))?;
    let all = workshop.cases()?;
    let wanted: Vec<String> = options.case.iter().cloned().collect();
    if wanted.is_empty() && !options.all {
        return Err(CommandError::Request("name a case, or say --all".to_owned()));
    }
    for case in choose(&all, &wanted)? {
        let mut series = workshop.pins.series();
        series.retain(|series| case.runs_on(*series).is_ok());
        series.sort();
        let facts = all_facts(&workshop, case, &series)?;
        let mut kernels: Vec<Side> = Vec::new();
        for (series, facts) in series.iter().zip(&facts) {
            let name = series.to_string();
            let sections = accepted(&workshop.snapshots(), &case.name, &name).map_err(request)?;
            kernels.push(Side { kernel: name, facts, sections });
        }
        let mut names: Vec<String> = Vec::new();
        for (name, _) in kernels.iter().flat_map(|side| &side.sections) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        println!("{}", case.name);
        for name in names {
            let matrix = section_matrix(&name, &kernels).map_err(machinery)?;
            print!("{}", terminal::matrix(&name, &matrix));
        }
        println!();
    }
    Ok(0)
}

fn one_series(workshop: &Workshop, name: &str) -> Result<Series, CommandError> {
    let found = workshop.pins.select(&[name])?;
    found.first().copied().ok_or_else(|| CommandError::Request(format!("{name} is not pinned")))
}

fn all_facts(workshop: &Workshop, case: &Case, series: &[Series]) -> Result<Vec<KernelFacts>, CommandError> {
    let bars = FetchBars::new();
    let fetched: Fetched = workshop.fetch(series, &|progress| bars.show(progress))?;
    bars.finish();
    let bars = MatrixBars::new(series.len());
    let of = |series: &Series| {
        let kernel = fetched.kernels.iter().find(|kernel| kernel.series == *series);
        let kernel = kernel.ok_or_else(|| CommandError::Machinery(format!("{series} was not fetched")))?;
        facts_of(case, kernel, &fetched, &workshop.images(), &bars).map_err(machinery)
    };
    let facts = series.iter().map(of).collect();
    bars.finish();
    facts
}

fn request(why: CompareError) -> CommandError {
    CommandError::Request(why.to_string())
}

fn machinery(why: CompareError) -> CommandError {
    CommandError::Machinery(why.to_string())
}
