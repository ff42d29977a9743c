//! Pins, snapshots, and the repository itself.

use std::fs;
use std::os::unix::fs::symlink;

use super::inputs::random;
use crate::fault::{Fault, fault};
use crate::sandbox::{CASE, Sandbox};
use crate::wait::qemu_of;

/// Pending snapshots.
const PENDING: &[&str] =
    &["repo/snapshots/recv/tcp-ready/6.12.snap.new", "repo/snapshots/recv/tcp-ready/6.12.timing.snap.new"];

pub(crate) fn faults() -> Vec<Fault> {
    let damaged = |name, says, bytes: fn(Vec<u8>) -> Vec<u8>| {
        fault(name, 3, says, move |at| {
            let whole = fs::read(at.snapshot()).unwrap();
            fs::write(at.snapshot(), bytes(whole)).unwrap();
            at.shell("$RXPATH $RUN")
        })
        .with_guest()
    };
    let mut all = vec![
        damaged("snapshot: empty", "is damaged: restore it", |_| Vec::new()),
        damaged("snapshot: random bytes", "it is not UTF-8", |_| random(3_000)),
        damaged("snapshot: without its heading", "expected insta's heading", |whole| whole[10..].to_vec()),
        damaged("snapshot: marks of a conflict", "is a mark of a conflict", |whole| {
            [&whole[..], b"<<<<<<< ours\nf\n=======\ng\n>>>>>>> theirs\n"].concat()
        }),
        fault("snapshot: a folder", 3, "it is a folder", |at| {
            fs::remove_file(at.snapshot()).unwrap();
            fs::create_dir(at.snapshot()).unwrap();
            at.shell("$RXPATH $RUN")
        })
        .with_guest(),
        fault("snapshot: timings that are empty", 3, "6.12.timing.snap is damaged", |at| {
            fs::write(at.snapshot().with_file_name("6.12.timing.snap"), "").unwrap();
            at.shell("$RXPATH $RUN")
        })
        .with_guest(),
        fault("snapshot: lines that end as on Windows", 0, "1 pass", |at| {
            let text = fs::read_to_string(at.snapshot()).unwrap();
            fs::write(at.snapshot(), text.replace('\n', "\r\n")).unwrap();
            at.shell("$RXPATH $RUN")
        })
        .with_guest(),
        fault("snapshot: deleted", 1, "1 result has no snapshot yet: recv/tcp-ready on 6.12", |at| {
            fs::remove_file(at.snapshot()).unwrap();
            at.shell("$RXPATH $RUN")
        })
        .with_guest()
        .leaves(PENDING)
        .check(is_proposed),
        fault("matrix: a damaged snapshot", 3, "is damaged: restore it", |at| {
            at.edit_case("\nactors:", "\nmachine: {kernels: {only: '6.12'}}\n\nactors:");
            fs::write(at.snapshot(), "x").unwrap();
            at.rxpath(&["matrix", CASE])
        })
        .with_guest(),
        fault("review: a pending snapshot that is damaged", 3, "6.12.snap.new is damaged", |at| {
            at.write(&format!("repo/{}", &PENDING[0][5..]), random(100));
            at.rxpath(&["review", "--list"])
        }),
        fault("review: a snapshot that is a link", 0, "1 accepted", |at| {
            let text = fs::read_to_string(at.snapshot()).unwrap();
            at.write("repo/elsewhere.snap", &text);
            fs::remove_file(at.snapshot()).unwrap();
            symlink("../../../elsewhere.snap", at.snapshot()).unwrap();
            at.write(PENDING[0], text.replacen("__x64_sys_sendto", "__x64_sys_send", 1));
            at.rxpath(&["review", "--accept", CASE])
        })
        .check(|at| {
            let accepted = fs::read_to_string(at.path("repo/elsewhere.snap")).unwrap();
            match at.snapshot().is_symlink() && accepted.contains("__x64_sys_send\n") {
                true => Ok(()),
                false => Err("the link was replaced".to_owned()),
            }
        }),
        insta("environment: INSTA_FORCE_PASS", "INSTA_FORCE_PASS=1"),
        insta("environment: INSTA_UPDATE=always", "INSTA_FORCE_PASS=1 INSTA_OUTPUT=none INSTA_UPDATE=always"),
        insta("environment: INSTA_UPDATE=no", "INSTA_UPDATE=no"),
        insta("environment: INSTA_PENDING_DIR", "INSTA_PENDING_DIR=/nowhere INSTA_FORCE_UPDATE=1"),
        insta("environment: INSTA_WORKSPACE_ROOT, and no cargo", "INSTA_WORKSPACE_ROOT=/nowhere PATH=/usr/bin:/bin"),
        fault("repository: read-only", 1, "nothing will be proposed for review", |at| {
            other_path(at);
            at.shell_with_mounts("mount --bind . .; mount -o remount,bind,ro .; cd $PWD; $RXPATH $RUN")
        })
        .with_guest(),
        fault("repository: deleted while cases run", 3, "no pending snapshot could be written", |at| {
            at.shell("exec $RXPATH $RUN --repeat 20")
        })
        .during(|at, child| {
            qemu_of(child);
            fs::remove_dir_all(at.path("repo")).unwrap();
        })
        .with_guest()
        .check(|at| match at.path("repo").exists() {
            true => Err("the repository was made again".to_owned()),
            false => Ok(()),
        }),
        fault("pins: random bytes", 2, "kernels.yaml", |at| {
            at.write("repo/kernels/kernels.yaml", random(500));
            at.shell("$RXPATH $RUN")
        }),
        fault("lock: random bytes", 2, "kernels.lock.yaml", |at| {
            at.write("repo/kernels/kernels.lock.yaml", random(500));
            at.shell("$RXPATH $RUN")
        }),
        fault("lock: missing", 2, "kernels.lock.yaml is missing", |at| {
            fs::remove_file(at.path("repo/kernels/kernels.lock.yaml")).unwrap();
            at.shell("$RXPATH $RUN")
        }),
    ];
    all.push(
        fault("results: the folder for them is a file", 0, "1 pass", |at| {
            at.write("repo/target", "");
            at.shell("$RXPATH $RUN")
        })
        .with_guest(),
    );
    all
}

/// A run of a case that changed, with insta's variables in the environment.
fn insta(name: &'static str, variables: &'static str) -> Fault {
    fault(name, 1, "1 change of paths in 1 case", move |at| {
        other_path(at);
        at.shell(&format!("{variables} $RXPATH $RUN"))
    })
    .with_guest()
    .leaves(PENDING)
    .check(|at| {
        let accepted = fs::read_to_string(at.snapshot()).unwrap();
        if accepted.contains("__x64_sys_send\n") { is_proposed(at) } else { Err("it was accepted".to_owned()) }
    })
}

/// Lets the accepted path be one that the kernel does not take.
fn other_path(at: &Sandbox) {
    let text = fs::read_to_string(at.snapshot()).unwrap();
    fs::write(at.snapshot(), text.replacen("__x64_sys_sendto", "__x64_sys_send", 1)).unwrap();
}

fn is_proposed(at: &Sandbox) -> Result<(), String> {
    match fs::read_to_string(at.path(PENDING[0])) {
        Ok(text) if text.starts_with("---\n") && text.contains("__x64_sys_sendto") => Ok(()),
        other => Err(format!("expected a pending snapshot, found {other:?}")),
    }
}
