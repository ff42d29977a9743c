//! What exactness hangs on inside a guest: no two of its timers come due together. Of two idle CPUs that are woken at once,
//! which one QEMU lets execute first is the host's doing.

use std::fs;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

use rxpath::case::PassKind;
use rxpath::kernel::Series;
use rxpath::suite::{Project, ProjectOptions, choose, image_with_files};
use rxpath::vm::{ImageKind, RunLimits, run_plan, timers_due};

/// One that waits for a timeout in ticks, and two that timers did come due together in when idle CPUs stopped ticking (on 6.18).
const CASES: [&str; 3] = ["errors/timeout", "recv/tcp-lowat", "wakeup/two-tcp-waiters"];

/// A CPU's timer counts in units of so many nanoseconds, which are instructions: what is due within one of another could as well be
/// due at once.
const UNIT: u64 = 16;

fn main() -> ExitCode {
    rxpath::vm::run_launcher_if_requested();
    let arguments = Arguments::from_args();
    let trials = match project() {
        Ok(project) => project.pins.series().into_iter().map(trial).collect(),
        Err(why) => vec![Trial::test("the_workshop_opens", || Err(why))],
    };
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(series: Series) -> Trial {
    Trial::test(format!("no_two_timers_of_a_guest_come_due_together::{series}"), move || {
        CASES.iter().try_for_each(|case| check(case, series))
    })
}

fn project() -> Result<Project, Failed> {
    let options = ProjectOptions { root: Some(env!("CARGO_MANIFEST_DIR").into()), ..ProjectOptions::default() };
    Ok(Project::open(&options)?)
}

fn check(case: &str, series: Series) -> Result<(), Failed> {
    let project = project()?;
    let all = project.cases()?;
    let case = *choose(&all, &[case.to_owned()])?.first().ok_or("no such case")?;
    let fetched = project.fetch(&[series], &|_| {})?;
    let kernel = fetched.kernels.first().ok_or("no such kernel")?;
    let image = image_with_files(case, kernel, &fetched, &project.images(), Vec::new())?;
    let place = tempfile::tempdir()?;
    let recording = place.path().join("recording");
    let limits = RunLimits { keep_recording: Some(recording.clone()), ..RunLimits::default() };
    run_plan(&image, ImageKind::Traced, case.lower(series, PassKind::Trace).plan, &limits)?;
    let due = timers_due(&fs::read(&recording)?)?;
    if due.len() < 10 {
        return Err(format!("{} on {series}: only {} timers came due in a whole run", case.name, due.len()).into());
    }
    match due.windows(2).find(|pair| pair[1] - pair[0] < UNIT) {
        None => Ok(()),
        Some(pair) => {
            let why = format!(
                "{} on {series}: timers came due after {} and {} instructions, expected {UNIT} between any two at least: see \
                 \"How a run is exact\" in ARCHITECTURE.md for what keeps them apart",
                case.name, pair[0], pair[1]
            );
            Err(why.into())
        }
    }
}
