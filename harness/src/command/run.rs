//! `rxpath run`: runs cases on kernels, prints their verdicts and writes reports.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;

use super::command_line::{AccelChoice, Common, ModeChoice, RunArguments};
use super::error::CommandError;
use super::{make_ready, named_kernels, one_kernel, print};
use crate::kernel::config::{Config, incomparable};
use crate::kernel::{Fetched, Kernel, KernelName};
use crate::output::warn;
use crate::report::source_url::SourceUrl;
use crate::report::{MatrixBars, Overview, Screen, junit, sweeps, terminal};
use crate::suite::native::{self, Wanted};
use crate::suite::{CacheBefore, MatrixOptions, Project, Results, SavedReference, choose, compare_against, run_matrix};
use crate::vm::{Accelerator, RunLimits, VmError, cancel_on_signals, is_cancelled};

/// insta's settings: a difference writes a pending snapshot and does nothing else. insta reads them from the environment only.
/// Without a workspace root it would ask cargo for one.
const INSTA: [(&str, &str); 4] = [
    ("INSTA_FORCE_PASS", "1"),
    ("INSTA_OUTPUT", "none"),
    ("INSTA_UPDATE", "new"),
    ("INSTA_WORKSPACE_ROOT", env!("CARGO_MANIFEST_DIR")),
];

/// The outcome of the runs.
pub(super) struct Finished {
    /// The worst results, if the run was repeated.
    pub(super) results: Results,
    /// The kernel that the others were compared with.
    pub(super) reference: Option<KernelName>,
    /// The saved results that they were compared with.
    pub(super) saved: Option<SavedReference>,
    /// Whether repeated runs differ although they must not.
    varied: bool,
}

/// Runs the cases. The exit code is that of the worst verdict, or 1 if repeated runs differ.
pub(crate) fn run(common: &Common, arguments: &RunArguments) -> Result<u8, CommandError> {
    let Finished { results, varied, .. } = run_cases(common, arguments)?;
    Ok(results.worst().exit_code().max(u8::from(varied)))
}

/// Runs the cases, prints their verdicts and writes the reports.
pub(super) fn run_cases(common: &Common, arguments: &RunArguments) -> Result<Finished, CommandError> {
    restart_for_insta()?;
    let sources = SourceUrl::from_environment()?;
    let project = Project::open(&common.project(&arguments.packages))?;
    let all = project.cases_for(&arguments.cases)?;
    let cases = choose(&all, &arguments.cases)?;
    if cases.is_empty() {
        return Err(CommandError::Request(format!("there are no cases in {}", project.root.join("cases").display())));
    }
    // Dropped after everything that uses a kernel.
    let mut before = arguments.no_keep.then(|| CacheBefore::of(&project)).transpose()?;
    let mut kernels = named_kernels(&project, &arguments.kernels)?;
    if arguments.bisect && kernels.len() != 1 {
        return Err(CommandError::Request("--bisect judges one kernel: name it with --kernel".to_owned()));
    }
    let saved = arguments.against.as_deref().and_then(SavedReference::find).transpose()?;
    let reference = arguments.against.as_deref().filter(|_| saved.is_none());
    let reference = reference.map(|named| one_kernel(&project, "--against", named)).transpose()?;
    kernels.extend(reference.clone().filter(|reference| !kernels.contains(reference)));
    if let Some(before) = &mut before {
        before.kernels.clone_from(&kernels);
    }
    check_outputs(arguments)?;
    cancel_on_signals();
    let fetched = make_ready(&project, &kernels)?;
    if let Some(before) = &mut before {
        before.add(&fetched);
    }
    let reference = reference.map(|reference| project.name_of(&reference)).transpose()?;
    if let Some(reference) = &reference {
        let kernel = fetched.kernels.iter().find(|kernel| kernel.name() == *reference);
        warn_incomparable(&fetched, reference, kernel.map_or(Ok(None), Kernel::config)?)?;
    }
    let jobs = arguments.jobs.map_or_else(default_jobs, usize::from);
    let accelerator = accelerator(arguments, &project, &fetched)?;
    if let Some(saved) = &saved {
        saved.check_mode(accelerator)?;
        warn_incomparable(&fetched, saved.label(), saved.options())?;
    }
    // Snapshots hold the results of exact mode. Those of the built-in catalogue cannot be changed, and git checks files out.
    let mut propose = accelerator == Accelerator::Exact && !project.is_catalogue && !arguments.bisect;
    if let (true, Err(error)) = (propose, project.snapshots().check_writable()) {
        warn(format_args!(
            "note: nothing will be proposed for review: cannot write into {}: {error}",
            project.root.display()
        ));
        propose = false;
    }
    let matrix = MatrixOptions {
        jobs,
        limits: RunLimits { keep_failures: Some(project.cache.root().join("failures")), ..RunLimits::default() },
        propose,
        accelerator,
        save_captures: arguments.save_capture.clone(),
    };
    let mut digests = terminal::Digests::new();
    let mut worst: Option<Results> = None;
    for _ in 0..arguments.repeat {
        let bars = MatrixBars::new(cases.len() * fetched.kernels.len());
        let mut results = run_matrix(&cases, &fetched, &project.images(), &project.snapshots(), &matrix, &bars);
        bars.finish();
        if let Some(reference) = &reference {
            compare_against(&mut results, reference);
        }
        if let Some(saved) = &saved {
            saved.compare(&mut results);
        }
        for one in &results.cases {
            // A pass without a capture is not a different capture.
            if one.capture_digest.is_empty() || one.timing_digest.is_empty() {
                continue;
            }
            let seen = digests.entry((one.case.to_string(), one.kernel.to_string())).or_default();
            *seen.entry((one.capture_digest.clone(), one.timing_digest.clone())).or_default() += 1;
        }
        // The last run may have been cancelled and have fewer cases.
        let rank = |results: &Results| (results.worst(), results.cases.len());
        if worst.as_ref().is_none_or(|worst| rank(worst) <= rank(&results)) {
            worst = Some(results);
        }
        if is_cancelled() {
            break;
        }
    }
    let Some(results) = worst else { return Err(CommandError::Request("nothing was run".to_owned())) };
    if is_cancelled() && results.cases.is_empty() {
        return Err(VmError::Interrupted.into());
    }
    // The default input of `rxpath report` and `rxpath review`. A run does not need it, so an error is ignored.
    if !arguments.bisect && project.root.exists() {
        let _ = results.save(&project.last_results());
    }
    let mut text = Screen::of_output().fit(&terminal::results(
        &results,
        saved.as_ref().map(SavedReference::results),
        common.detail(),
    ));
    if matrix.propose {
        text += terminal::hint(&results, common.detail());
    }
    if !common.quiet {
        text += &sweeps::sweeps(&results);
    }
    if arguments.repeat > 1 && !is_cancelled() {
        text += &terminal::digests(arguments.repeat, &digests);
    }
    let printed = print(text);
    if is_cancelled() {
        return Err(VmError::Interrupted.into());
    }
    if let Some(file) = &arguments.json {
        results.save(file).map_err(CommandError::write(file))?;
    }
    if let Some(file) = &arguments.junit {
        super::write(file, junit::junit(&results)?.as_bytes())?;
    }
    if let Some(folder) = &arguments.html {
        let reference = saved.as_ref().map(SavedReference::results);
        let overview = Overview::of(&results).compared_with(reference).with_sources(sources);
        super::report::write_html(&overview, folder)?;
    }
    printed?;
    let varied = matrix.accelerator == Accelerator::Exact && digests.values().any(|seen| seen.len() > 1);
    Ok(Finished { results, reference, saved, varied })
}

/// Reports the options that make the figures of other kernels differ from those of the reference whatever the code is.
pub(super) fn warn_incomparable(
    fetched: &Fetched,
    reference: &str,
    before: Option<Config>,
) -> Result<(), CommandError> {
    let Some(before) = before else { return Ok(()) };
    for kernel in fetched.kernels.iter().filter(|kernel| kernel.name() != *reference) {
        for difference in kernel.config()?.map_or_else(Vec::new, |after| incomparable(&before, &after)) {
            warn(format_args!("note: {reference} and {}: {difference}", kernel.name()));
        }
    }
    Ok(())
}

/// Chooses what executes the guests, and prints a note if that needs an explanation.
fn accelerator(arguments: &RunArguments, project: &Project, fetched: &Fetched) -> Result<Accelerator, CommandError> {
    let wanted = match (arguments.mode, arguments.accel) {
        (Some(ModeChoice::Exact) | None, None) => return Ok(Accelerator::Exact),
        (Some(ModeChoice::Exact), Some(_)) => {
            let text =
                "--accel needs --mode native: exact mode always uses QEMU's translator, which counts instructions";
            return Err(CommandError::Request(text.to_owned()));
        }
        (_, Some(AccelChoice::Kvm)) => Wanted::Kvm,
        (_, Some(AccelChoice::Tcg)) => Wanted::Translator,
        (Some(ModeChoice::Native), None) => Wanted::Best,
    };
    let (accelerator, note) = native::accelerator(project, fetched, wanted)?;
    if let Some(note) = note {
        warn(format_args!("note: {note}"));
    }
    Ok(accelerator)
}

pub(super) fn default_jobs() -> usize {
    std::thread::available_parallelism().map_or(1, |count| count.get())
}

/// Restarts this command with only these settings of insta in its environment, unless they are so already.
fn restart_for_insta() -> Result<(), CommandError> {
    let set: BTreeMap<OsString, OsString> =
        std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"INSTA_")).collect();
    if set == INSTA.map(|(name, value)| (name.into(), value.into())).into() {
        return Ok(());
    }
    let mut command = std::process::Command::new("/proc/self/exe");
    set.keys().for_each(|name| _ = command.env_remove(name));
    Err(CommandError::Restart(command.args(std::env::args_os().skip(1)).envs(INSTA).exec()))
}

/// Checks that what a run writes can be written, before guests run for it. Leaves no file behind.
fn check_outputs(arguments: &RunArguments) -> Result<(), CommandError> {
    for file in [&arguments.json, &arguments.junit].into_iter().flatten() {
        check_file(file).map_err(CommandError::write(file))?;
    }
    for folder in [&arguments.html, &arguments.save_capture].into_iter().flatten() {
        let check = std::fs::create_dir_all(folder).and_then(|()| tempfile::tempfile_in(folder));
        check.map_err(CommandError::write(folder))?;
    }
    Ok(())
}

fn check_file(file: &Path) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let is_new = file.symlink_metadata().is_err();
    File::options().append(true).create(true).open(file)?;
    if is_new { std::fs::remove_file(file) } else { Ok(()) }
}
