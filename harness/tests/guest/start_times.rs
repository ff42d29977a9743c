//! Timings do not depend on the moment at which a run starts. A new agent, a longer order or a new point release of the
//! kernel changes that moment, and with it what the scheduler does around sleeps and wake-ups.

use std::collections::BTreeMap;

use rxpath::suite::{MatrixOptions, Silent, choose, run_matrix};
use rxpath::vm::RunLimits;

use super::common::{one_guest, project};

/// Cases whose medians moved by 2 to 7 % with the start of the run.
const CASES: [(&str, &[&str]); 2] =
    [("7.3", &["errors/interrupted-by-task"]), ("6.18", &["wakeup/two-tcp-waiters", "wakeup/two-waiters"])];

/// By how many bytes the order is longer than usual: a delay of 1.8, 20 and 355 µs.
const PADDINGS: [usize; 3] = [9, 100, 1777];

/// The costs of a kernel's cases by case and name, when their runs start later than usual.
fn costs(kernel: &str, cases: &[&str], order_padding: usize) -> BTreeMap<String, u64> {
    let project = project().unwrap();
    let wanted: Vec<String> = cases.iter().map(|case| (*case).to_owned()).collect();
    let all = project.cases_for(&wanted).unwrap();
    let cases = choose(&all, &wanted).unwrap();
    let fetched = project.fetch(&project.pins.select(&[kernel]).unwrap(), &|_| {}).unwrap();
    let options = MatrixOptions { limits: RunLimits { order_padding, ..RunLimits::default() }, ..one_guest() };
    let results = run_matrix(&cases, &fetched, &project.images(), &project.snapshots(), &options, &Silent).cases;
    let timings = results.iter().flat_map(|result| result.timings.iter().map(move |timing| (result, timing)));
    timings.map(|(result, timing)| (format!("{} {}", result.case, timing.name), timing.cost)).collect()
}

#[test]
fn timings_do_not_depend_on_when_the_run_starts() {
    for (kernel, cases) in CASES {
        let usual = costs(kernel, cases, 0);
        assert!(usual.len() >= cases.len(), "{usual:?}");
        for padding in PADDINGS {
            for (name, found) in costs(kernel, cases, padding) {
                let expected = usual[&name];
                // The band that `rxpath run` allows.
                let apart = found.abs_diff(expected) * 200 > expected;
                assert!(!apart, "{name} on {kernel}: {found} after {padding} more bytes, otherwise {expected}");
            }
        }
    }
}
