//! `rxpath diff` and `rxpath matrix`: what changed between kernels, and in which kernel it first appeared.

use super::command_line::{Common, DiffArguments, DiffFormat, DiffPart, MatrixArguments, Packages};
use super::error::CommandError;
use super::run::{default_jobs, warn_incomparable};
use super::{fetch, make_ready, one_kernel, print, show};
use crate::case::Case;
use crate::kernel::{Fetched, Kernel, KernelName, Series};
use crate::output::warn;
use crate::report::source_url::SourceUrl;
use crate::report::{self, DiffView, MatrixBars, Overview, Screen, diff_markdown, diff_report, diff_terminal};
use crate::suite::{MatrixOptions, Project, ResultCache, TwoKernels, accepted, choose, kernel_matrix, metadata_of};
use crate::vm::{Accelerator, RunLimits, VmError, cancel_on_signals, is_cancelled};

/// Prints what changed between two kernels, after running the cases without saved results.
pub(crate) fn diff(common: &Common, options: &DiffArguments) -> Result<u8, CommandError> {
    let sources = SourceUrl::from_environment()?;
    let project = Project::open(&common.project(&options.packages))?;
    let all = project.cases_for(&options.cases)?;
    let cases = choose(&all, &options.cases)?;
    let old = one_kernel(&project, "--from", &options.from)?;
    let new = one_kernel(&project, "--to", &options.to)?;
    cancel_on_signals();
    let names = [project.name_of(&old)?, project.name_of(&new)?];
    if names[0] == names[1] {
        let text = format!("--from and --to are the same kernel, {}: choose two different ones", names[0]);
        return Err(CommandError::Request(text));
    }
    let fetched = make_ready(&project, &[old, new])?;
    let images = project.images();
    let snapshots = project.snapshots();
    let cache = ResultCache::new(&project.cache);
    let [old, new] = [named(&fetched, &names[0])?, named(&fetched, &names[1])?];
    warn_incomparable(&fetched, &names[0], old.config()?)?;
    let two = TwoKernels { old, new, fetched: &fetched, images: &images, snapshots: &snapshots, cache: &cache };
    let matrix = MatrixOptions {
        jobs: options.jobs.map_or_else(default_jobs, usize::from),
        limits: RunLimits { keep_failures: Some(project.cache.root().join("failures")), ..RunLimits::default() },
        propose: false,
        accelerator: Accelerator::Exact,
        save_captures: None,
    };
    let bars = MatrixBars::new(2 * cases.len());
    let found = two.diff(&cases, &matrix, &bars);
    bars.finish();
    if is_cancelled() {
        return Err(VmError::Interrupted.into());
    }
    let (diff, results) = found?;
    let view = DiffView {
        context: options.context,
        top: options.top,
        paths: options.only != Some(DiffPart::Timing),
        timings: options.only != Some(DiffPart::Path),
        each_case: !options.cases.is_empty(),
    };
    if let Some(folder) = &options.html {
        super::report::write_html(&Overview::of(&results).with_sources(sources), folder)?;
        let page = folder.join(report::html::DIFF_PAGE);
        super::write(&page, report::html::diff_page(&diff).as_bytes())?;
        warn(format_args!("what changed: {}", page.display()));
    }
    match options.format {
        DiffFormat::Text => show(Screen::of_output(), &diff_terminal(&diff, view))?,
        DiffFormat::Markdown => _ = print(diff_markdown(&diff, view))?,
        DiffFormat::Json => _ = print(serde_json::to_string_pretty(&diff_report(&diff, view))? + "\n")?,
    }
    Ok(0)
}

fn named<'f>(fetched: &'f Fetched, name: &KernelName) -> Result<&'f Kernel, CommandError> {
    let kernel = fetched.kernels.iter().find(|kernel| kernel.name() == *name);
    kernel.ok_or_else(|| CommandError::NotFetched(name.clone()))
}

/// Prints the groups of kernels with equal paths, and where each change first appeared.
pub(crate) fn matrix(common: &Common, options: &MatrixArguments) -> Result<u8, CommandError> {
    let project = Project::open(&common.project(&Packages::default()))?;
    let wanted: Vec<String> = options.case.iter().cloned().collect();
    let all = project.cases_for(&wanted)?;
    if wanted.is_empty() && !options.all {
        return Err(CommandError::Request("expected a case or --all".to_owned()));
    }
    let chosen = choose(&all, &wanted)?;
    let mut pinned = pinned(&project, &options.kernels)?;
    pinned.sort();
    let kernels_of = |case: &Case| pinned.iter().copied().filter(|series| case.runs_on(*series).is_ok()).collect();
    for case in &chosen {
        // Before any kernel boots for its symbols.
        let kernels: Vec<Series> = kernels_of(case);
        for series in kernels {
            accepted(&project.snapshots(), &case.name, &series.into())?;
        }
    }
    for case in chosen {
        let series: Vec<Series> = kernels_of(case);
        let kernels = on_each(&project, &series, |kernel, fetched, bars| {
            Ok((kernel.series.into(), metadata_of(case, kernel, fetched, &project.images(), bars)?))
        })?;
        let sections = kernel_matrix(&project.snapshots(), &case.name, &kernels)?;
        print(format!("{}\n", case.name))?;
        for (name, matrix) in sections {
            print(report::matrix(&name, &matrix))?;
        }
        print("\n")?;
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

fn on_each<T>(
    project: &Project,
    series: &[Series],
    of: impl Fn(&Kernel, &Fetched, &MatrixBars) -> Result<T, CommandError>,
) -> Result<Vec<T>, CommandError> {
    let fetched = fetch(project, series)?;
    let bars = MatrixBars::new(series.len());
    let one = |series: &Series| {
        let kernel = fetched.kernels.iter().find(|kernel| kernel.series == *series);
        let kernel = kernel.ok_or(CommandError::NotFetched((*series).into()))?;
        of(kernel, &fetched, &bars)
    };
    let all = series.iter().map(one).collect();
    bars.finish();
    all
}
