//! Exactness depends on this inside a guest: no two of its timers come due together. When two idle CPUs are woken at once, the
//! host decides which one QEMU runs first.

use std::fs;

use libtest_mimic::Failed;

use rxpath::case::PassKind;
use rxpath::kernel::Series;
use rxpath::suite::{choose, image_with_files};
use rxpath::vm::{ImageKind, RunLimits, run_plan, timers_due};

use super::common::project;

/// One waits for a timeout in ticks; in the other two, timers came due together when idle CPUs stopped ticking (on 6.18).
const CASES: [&str; 3] = ["errors/timeout", "recv/tcp-lowat", "wakeup/two-tcp-waiters"];

/// A CPU's timer counts in units of 16 ns, which are 16 instructions: two timers within one unit may come due at once.
const UNIT: u64 = 16;

pub(crate) fn no_two_timers_come_due_together(series: Series) -> Result<(), Failed> {
    CASES.iter().try_for_each(|case| check(case, series))
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
            let message = format!(
                "{} on {series}: timers came due after {} and {} instructions, expected {UNIT} between any two at least: see \
                 \"How a run is exact\" in ARCHITECTURE.md for what keeps them apart",
                case.name, pair[0], pair[1]
            );
            Err(message.into())
        }
    }
}
