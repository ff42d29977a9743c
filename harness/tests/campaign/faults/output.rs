//! Output that cannot be written.

use std::os::unix::fs::symlink;
use std::process::Command;

use crate::fault::{Fault, fault};
use crate::sandbox::{CASE, KERNEL, Sandbox, shared_cache};

const RESULTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/harness/tests/data/results/four-cases.json");
const CAPTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/harness/tests/data/6.12");
const FULL: &str = "could not write to standard output: No space left on device";

/// Commands that print without a guest.
const PRINT: [(&str, &str, &str); 10] = [
    ("cases list", "full: cases list", "closed: cases list"),
    ("cases check", "full: cases check", "closed: cases check"),
    ("cases schema", "full: cases schema", "closed: cases schema"),
    ("kernels list", "full: kernels list", "closed: kernels list"),
    ("kernels list --json", "full: kernels list --json", "closed: kernels list --json"),
    ("kernels config", "full: kernels config", "closed: kernels config"),
    ("cache list", "full: cache list", "closed: cache list"),
    ("review --list", "full: review --list", "closed: review --list"),
    ("report --from RESULTS", "full: report", "closed: report"),
    ("decode CAPTURE", "full: decode", "closed: decode"),
];

pub(crate) fn faults() -> Vec<Fault> {
    let script = |command: &str, to: &str| {
        let command = command.replace("RESULTS", RESULTS).replace("CAPTURE", CAPTURE);
        format!("set -o pipefail; $RXPATH {command} {to}")
    };
    let full = PRINT.map(|(command, name, _)| {
        let script = script(command, "> /dev/full");
        fault(name, 3, FULL, move |at| at.shell(&script))
    });
    let closed = PRINT.map(|(command, _, name)| {
        // `true` has gone before anything is printed, and says nothing.
        let script = script(command, "| (exec <&-; sleep 0.3)");
        fault(name, 0, "", move |at| at.shell(&script))
    });
    let others = [
        fault("full: --help", 3, FULL, |at| at.shell("$RXPATH --help > /dev/full")),
        fault("full: the table of a run", 3, FULL, |at| at.shell("$RXPATH $RUN > /dev/full")).with_guest(),
        fault("full: standard error, with a wrong case", 2, "", |at| at.shell("$RXPATH run -c no/such 2> /dev/full")),
        fault("closed: the table of a run keeps its exit code", 1, "", |at| {
            at.edit_case("returns: 64", "returns: 63");
            at.shell("set -o pipefail; $RXPATH $RUN 2>/dev/null | (exec <&-; sleep 2)")
        })
        .with_guest()
        .leaves(&["repo/snapshots"]),
        fault("full: matrix", 3, FULL, |at| {
            at.edit_case("\nactors:", "\nmachine: {kernels: {only: '6.12'}}\n\nactors:");
            at.shell(&format!("$RXPATH matrix {CASE} > /dev/full"))
        })
        .with_guest(),
        fault("full: diff --format json", 3, FULL, |at| diff_of_two(at, "> /dev/full")).with_guest(),
        fault("closed: diff --format json", 0, "", |at| diff_of_two(at, "2>/dev/null | (exec <&-; sleep 2)"))
            .with_guest(),
        fault("closed: matrix", 0, "", |at| {
            at.edit_case("\nactors:", "\nmachine: {kernels: {only: '6.12'}}\n\nactors:");
            at.shell(&format!("set -o pipefail; $RXPATH matrix {CASE} 2>/dev/null | (exec <&-; sleep 2)"))
        })
        .with_guest(),
        fault("--output of export in a folder that is a file", 3, "could not write kernels/kernels.yaml/x", |at| {
            at.shell(&format!("$RXPATH export {CASE} -k {KERNEL} --format folded -o kernels/kernels.yaml/x"))
        }),
        fault("--json on a full device", 3, "could not write /dev/full", |at| {
            at.shell("$RXPATH $RUN --json /dev/full")
        })
        .with_guest()
        .check(|_| is_device("/dev/full")),
        fault("--json through a link", 0, "1 pass", |at| {
            at.write("repo/results.json", "");
            symlink("results.json", at.path("repo/link.json")).unwrap();
            at.shell("$RXPATH $RUN --json link.json")
        })
        .with_guest()
        .check(|at| match at.path("repo/link.json").is_symlink() {
            true if at.path("repo/results.json").metadata().is_ok_and(|data| data.len() > 100) => Ok(()),
            _ => Err("the link was replaced".to_owned()),
        }),
        fault("--json in a folder that is a file", 3, "could not write kernels/kernels.yaml/x.json", |at| {
            at.shell("$RXPATH $RUN --json kernels/kernels.yaml/x.json")
        }),
        fault("--html in a folder that is a file", 3, "could not write kernels/kernels.yaml", |at| {
            at.shell("$RXPATH $RUN --html kernels/kernels.yaml")
        }),
        fault("--save-capture in a folder that is a file", 3, "could not write kernels/kernels.yaml", |at| {
            at.shell("$RXPATH $RUN --save-capture kernels/kernels.yaml")
        }),
        fault("--junit on a full device", 3, "could not write /dev/full", |at| {
            at.shell("$RXPATH $RUN --junit /dev/full | grep '^1 pass'; exit ${PIPESTATUS[0]}")
        })
        .with_guest(),
    ];
    full.into_iter().chain(closed).chain(others).collect()
}

/// In the shared cache, which has an image of the second kernel after the first time.
fn diff_of_two(at: &Sandbox, to: &str) -> Command {
    let mut command =
        at.shell(&format!("set -o pipefail; $RXPATH diff {CASE} --from {KERNEL} --to 6.18 -j 1 --format json {to}"));
    command.env("RXPATH_CACHE", shared_cache());
    command
}

fn is_device(path: &str) -> Result<(), String> {
    match std::fs::metadata(path) {
        Ok(data) if !data.is_file() => Ok(()),
        _ => Err(format!("{path} was replaced by a file")),
    }
}
