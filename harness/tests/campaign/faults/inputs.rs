//! Files that the user names, and that are something else.

use crate::fault::{Fault, fault};
use crate::sandbox::Sandbox;

const RESULTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/harness/tests/data/results/four-cases.json");

pub(crate) fn faults() -> Vec<Fault> {
    let device = "it is a pipe, a socket or a device";
    vec![
        fault("decode: a device that never ends", 2, device, |at| at.rxpath(&["decode", "/dev/zero"])),
        fault("decode: random bytes", 2, "x.dat: ", |at| with(at, "repo/x.dat", &random(5_000), &["decode", "x.dat"])),
        fault("decode: an empty file", 2, "x.dat: ", |at| with(at, "repo/x.dat", b"", &["decode", "x.dat"])),
        fault("decode: no file", 2, "No such file", |at| at.rxpath(&["decode", "nowhere.dat"])),
        fault("decode: a folder without a capture", 2, "expected header_page", |at| at.rxpath(&["decode", "cases"])),
        fault("report: a device that never ends", 2, device, |at| at.rxpath(&["report", "--from", "/dev/zero"])),
        fault("report: random bytes", 2, "does not hold the results of a run", |at| {
            with(at, "repo/r.json", &random(5_000), &["report", "--from", "r.json"])
        }),
        fault("report: results that are cut short", 2, "does not hold the results of a run", |at| {
            let whole = std::fs::read(RESULTS).unwrap();
            with(at, "repo/r.json", &whole[..whole.len() / 2], &["report", "--from", "r.json"])
        }),
        fault("report: results of a later version", 2, "has version 99", |at| {
            with(at, "repo/r.json", br#"{"version": 99}"#, &["report", "--from", "r.json"])
        }),
        fault("report: results nested too deep", 2, "does not hold the results of a run", |at| {
            let text = format!(r#"{{"version": 2, "cases": {}"#, "[".repeat(100_000));
            with(at, "repo/r.json", text.as_bytes(), &["report", "--from", "r.json"])
        }),
        fault("report: results through a pipe", 0, "24 pass on 5.10", |at| {
            at.shell(&format!("$RXPATH report --from <(cat {RESULTS})"))
        }),
        fault("report: a message that controls the terminal", 0, "failed: recv/tcp-blocking", |at| {
            let text = std::fs::read_to_string(RESULTS).unwrap();
            let problem = r#""problems": [{"place": "x", "message": "\u001b]0;owned\u0007", "evidence": ""}]"#;
            let text = text.replacen(r#""verdict": "pass""#, r#""verdict": "failed""#, 1);
            let text = text.replacen(r#""problems": []"#, problem, 1);
            with(at, "repo/r.json", text.as_bytes(), &["report", "--from", "r.json"])
        }),
        fault("bench --compare: a device that never ends", 2, device, |at| {
            at.rxpath(&["bench", "--compare", "/dev/zero"])
        }),
        fault("--qemu: not QEMU", 2, "expected `QEMU emulator version", |at| qemu(at, "echo something else")),
        fault("--qemu: too old", 2, "expected version 10.0 or later, found 7.2.1", |at| {
            qemu(at, "echo 'QEMU emulator version 7.2.1'")
        }),
        fault("--qemu: prints without end", 2, "expected `QEMU emulator version", |at| qemu(at, "exec yes")),
        fault("--qemu: never answers", 2, "timed out", |at| qemu(at, "exec sleep 1000")),
        fault("--qemu: not a program", 2, "--qemu is `/dev/null`", |at| at.shell("$RXPATH $RUN --qemu /dev/null")),
        fault("--kernel: a device", 2, "/dev/zero", |at| at.rxpath(&["run", "-k", "/dev/zero"])),
        fault("--root: no repository", 2, "no kernels/kernels.yaml and cases/", |at| {
            at.rxpath(&["cases", "list", "--root", "kernels"])
        }),
        fault("init: a folder with files", 2, "the folder is not empty", |at| at.rxpath(&["init", "."])),
    ]
}

/// Bytes without a pattern, the same each time.
pub(crate) fn random(count: usize) -> Vec<u8> {
    let next = |seed: &u64| Some(seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407));
    std::iter::successors(Some(1), next).map(|seed| (seed >> 56) as u8).take(count).collect()
}

fn with(at: &Sandbox, name: &str, bytes: &[u8], arguments: &[&str]) -> std::process::Command {
    at.write(name, bytes);
    at.rxpath(arguments)
}

/// A run with this script as its QEMU.
fn qemu(at: &Sandbox, script: &str) -> std::process::Command {
    at.write("qemu", format!("#!/bin/sh\n{script}\n"));
    at.shell("chmod +x ../qemu; $RXPATH $RUN --qemu ../qemu")
}
