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
use crate::suite::{
    MatrixOptions, MetadataByImage, Project, ResultCache, SnapshotKind, TwoKernels, accepted, choose, kernel_matrix,
};
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

/// Prints the groups of kernels with equal paths, and where each change first appeared. A kernel that skips a case has no
/// snapshot of it, and is left out.
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
    let snapshots = project.snapshots();
    let has_snapshot =
        |case: &Case, series: &Series| snapshots.file(&case.name, &(*series).into(), SnapshotKind::Path).is_file();
    for case in &chosen {
        // Before any kernel boots for its symbols.
        let on: Vec<&Series> = pinned.iter().filter(|series| case.runs_on(**series).is_ok()).collect();
        if let (Some(first), false) = (on.first(), on.iter().any(|series| has_snapshot(case, series))) {
            accepted(&snapshots, &case.name, &(**first).into())?;
        }
    }
    pinned.retain(|series| chosen.iter().any(|case| has_snapshot(case, series)));
    let (fetched, images) = (fetch(&project, &pinned)?, project.images());
    let bars = MatrixBars::new(chosen.len());
    let metadata = |series: &Series| {
        let kernel = fetched.kernels.iter().find(|kernel| kernel.series == *series);
        let kernel = kernel.ok_or(CommandError::NotFetched((*series).into()))?;
        Ok(MetadataByImage::new(kernel, &fetched, &images, &bars))
    };
    let mut metadata = pinned.iter().map(metadata).collect::<Result<Vec<_>, CommandError>>()?;
    for case in chosen {
        bars.next(&case.name);
        let of_case = metadata.iter_mut().filter(|metadata| has_snapshot(case, &metadata.kernel.series));
        let kernels = of_case.map(|metadata| Ok((metadata.kernel.name(), metadata.of(case)?)));
        let kernels = kernels.collect::<Result<Vec<_>, CommandError>>()?;
        let sections = kernel_matrix(&snapshots, &case.name, &kernels)?;
        let sections = sections.iter().map(|(name, matrix)| report::matrix(name, matrix));
        let text = format!("{}\n{}\n", case.name, sections.collect::<String>());
        if !bars.suspended(|| print(text))? {
            break;
        }
    }
    bars.finish();
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
