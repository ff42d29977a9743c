//! `rxpath run`: the matrix, its table of verdicts, its exit code.

use std::os::unix::process::CommandExt;

use super::arguments::{AccelChoice, Common, ModeChoice, RunOptions};
use super::error::CommandError;
use crate::kernel::Fetched;
use crate::report::{FetchBars, MatrixBars, Overview, Screen, sweeps, terminal};
use crate::suite::native::{self, Wanted};
use crate::suite::{MatrixOptions, Project, ProjectError, Results, choose, run_matrix};
use crate::vm::{Accelerator, RunLimits, cancel_on_signals};

/// insta learns from its environment what a difference means: here, a pending snapshot and nothing else.
const INSTA: [(&str, &str); 3] = [("INSTA_FORCE_PASS", "1"), ("INSTA_OUTPUT", "none"), ("INSTA_UPDATE", "new")];

/// Runs the matrix.
pub fn run(common: &Common, options: &RunOptions) -> Result<u8, CommandError> {
    settle_insta()?;
    let project = Project::open(&common.project(&options.packages))?;
    let all = project.cases_for(&options.cases)?;
    let cases = choose(&all, &options.cases)?;
    let series = project.pins.select(&options.kernels)?;
    cancel_on_signals();
    let bars = FetchBars::new();
    let fetched = project.fetch(&series, &|progress| bars.show(progress))?;
    bars.finish();
    let jobs = options.jobs.map_or_else(default_jobs, usize::from);
    let accelerator = accelerator(options, &project, &fetched)?;
    let matrix = MatrixOptions {
        jobs,
        limits: RunLimits { keep_failures: Some(project.cache.root().join("failures")), ..RunLimits::default() },
        // What a snapshot holds is what exact mode shows.
        propose: accelerator == Accelerator::Exact,
        accelerator,
        save_captures: options.save_capture.clone(),
    };
    let mut digests = terminal::Digests::new();
    let mut last: Option<Results> = None;
    for _ in 0..options.repeat {
        let bars = MatrixBars::new(cases.len() * fetched.kernels.len());
        let results = run_matrix(&cases, &fetched, &project.images(), &project.snapshots(), &matrix, &bars);
        bars.finish();
        let results = results.map_err(ProjectError::from)?;
        for one in &results.cases {
            let seen = digests.entry((one.case.to_string(), one.kernel.to_string())).or_default();
            *seen.entry((one.capture_digest.clone(), one.timing_digest.clone())).or_default() += 1;
        }
        let worst_so_far = last.as_ref().is_some_and(|last| last.worst() > results.worst());
        if !worst_so_far {
            last = Some(results);
        }
        if crate::vm::is_cancelled() {
            return Err(CommandError::Machinery("interrupted".to_owned()));
        }
    }
    let Some(results) = last else { return Ok(0) };
    // For `rxpath report` and `rxpath review`, without being asked; where it cannot be written, only they miss it.
    let _ = results.save(&project.last_results());
    if let Some(file) = &options.json {
        write_json(file, &results)?;
    }
    if let Some(folder) = &options.html {
        super::report::write_html(&Overview::of(&results), folder)?;
    }
    print!("{}", Screen::of_output().fit(&terminal::results(&results)));
    print!("{}", sweeps::sweeps(&results));
    if options.repeat > 1 {
        print!("{}", terminal::digests(options.repeat, &digests));
    }
    let varied = matrix.accelerator == Accelerator::Exact && digests.values().any(|seen| seen.len() > 1);
    Ok(results.worst().exit_code().max(u8::from(varied)))
}

/// What executes the guests; says so where the user ought to know.
fn accelerator(options: &RunOptions, project: &Project, fetched: &Fetched) -> Result<Accelerator, CommandError> {
    let wanted = match (options.mode, options.accel) {
        (Some(ModeChoice::Exact) | None, None) => return Ok(Accelerator::Exact),
        (Some(ModeChoice::Exact), Some(_)) => {
            let why =
                "--accel belongs to --mode native: exact mode has only one way to run, QEMU's counted instructions";
            return Err(CommandError::Request(why.to_owned()));
        }
        (_, Some(AccelChoice::Kvm)) => Wanted::Kvm,
        (_, Some(AccelChoice::Tcg)) => Wanted::Translator,
        (Some(ModeChoice::Native), None) => Wanted::Best,
    };
    let (accelerator, note) = native::accelerator(project, fetched, wanted)?;
    if let Some(note) = note {
        eprintln!("note: {note}");
    }
    Ok(accelerator)
}

fn default_jobs() -> usize {
    std::thread::available_parallelism().map_or(1, |count| count.get())
}

/// Starts this command over with insta's settings in its environment, where insta reads them.
fn settle_insta() -> Result<(), CommandError> {
    if std::env::var_os(INSTA[0].0).is_some() {
        return Ok(());
    }
    let why = std::process::Command::new("/proc/self/exe").args(std::env::args_os().skip(1)).envs(INSTA).exec();
    Err(CommandError::Machinery(format!("starting over with insta's settings: {why}")))
}

fn write_json(file: &std::path::Path, results: &Results) -> Result<(), CommandError> {
    results.save(file).map_err(|why| CommandError::Machinery(format!("writing {}: {why}", file.display())))
}
