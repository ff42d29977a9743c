//! Case files, and what lies between them.

use std::os::unix::fs::symlink;
use std::process::Command;

use super::inputs::random;
use crate::fault::{Fault, fault};
use crate::sandbox::Sandbox;

pub(crate) fn faults() -> Vec<Fault> {
    vec![
        fault("case: a device that never ends", 2, "it is a pipe, a socket or a device", |at| {
            symlink("/dev/zero", at.path("repo/cases/recv/zero.yaml")).unwrap();
            check(at)
        }),
        fault("case: a pipe without a writer", 2, "it is a pipe, a socket or a device", |at| {
            at.shell("mkfifo cases/recv/pipe.yaml && $RXPATH cases check")
        })
        .leaves(&["repo/cases/recv/pipe.yaml"]),
        fault("case: random bytes", 2, "it is not UTF-8", |at| case(at, "recv/x", &random(5_000))),
        fault("case: too large", 2, "it has more than 1 MiB", |at| case(at, "recv/x", &b"#".repeat(2 << 20))),
        fault("case: empty", 2, "cases/recv/x.yaml", |at| case(at, "recv/x", b"")),
        fault("case: aliases that multiply", 2, "cases/recv/x.yaml", |at| {
            let level = |n: u8| {
                format!("{0}: &{0} [{1}]\n", (b'b' + n) as char, vec![format!("*{}", (b'a' + n) as char); 9].join(", "))
            };
            case(at, "recv/x", format!("a: &a [x, x]\n{}", (0..9).map(level).collect::<String>()).as_bytes())
        }),
        fault("case: nested too deep", 2, "cases/recv/x.yaml", |at| {
            case(at, "recv/x", format!("rxpath: {}", "[".repeat(100_000)).as_bytes())
        }),
        fault("case: 5,000 steps", 0, "2 cases, no errors", |at| {
            let step = |n| format!("      - send: {{socket: client, bytes: 64}}\n        name: s{n}\n");
            let steps: String = (0..5_000).map(step).collect();
            let text =
                format!("rxpath: 1\ntitle: t\nabout: t\nsetup: tcp-pair\nactors:\n  sender:\n    steps:\n{steps}");
            case(at, "recv/x", text.as_bytes())
        }),
        fault("case: a name that controls the terminal", 2, r"\u{1b}]0;owned\u{7}.yaml", |at| {
            case(at, "recv/\u{1b}]0;owned\u{7}", b"")
        }),
        fault("case: a title that controls the terminal", 0, r"\u{1b}]0;owned\u{7}", |at| {
            at.edit_case("title: ", "title: \"\\e]0;owned\\a\" #");
            at.rxpath(&["cases", "list"])
        }),
        fault("case: a name in capital letters", 2, "invalid name of a case file", |at| case(at, "recv/X", b"")),
        fault("case: a folder too many", 2, "invalid name of a case file", |at| case(at, "recv/a/b", b"")),
        fault("cases: a link back to the group", 0, "1 case, no errors", |at| {
            symlink("..", at.path("repo/cases/recv/loop")).unwrap();
            check(at)
        }),
        fault("cases: none", 2, "there are no cases in", |at| {
            std::fs::remove_file(at.case()).unwrap();
            at.rxpath(&["run"])
        }),
        fault("sweep: a value that is a path", 2, "invalid value", |at| sweep(at, "{c: ['../../../../../x']}")),
        fault("sweep: a name that is a path", 2, "invalid name of a parameter", |at| sweep(at, "{'../../x': [1]}")),
        fault("sweep: a value with a comma", 2, "invalid value", |at| sweep(at, "{c: ['1,d=2']}")),
        fault("sweep: eight parameters with 50 values", 2, "more than 1000 cases", |at| {
            let values = (0..50).map(|value| value.to_string()).collect::<Vec<_>>().join(", ");
            sweep(at, &format!("{{{}}}", (0..8).map(|p| format!("p{p}: [{values}]")).collect::<Vec<_>>().join(", ")))
        }),
        fault("sweep: 10,000 values", 2, "more than 1000 cases", |at| {
            sweep(
                at,
                &format!("{{c: [{}]}}", (0..10_000).map(|value| value.to_string()).collect::<Vec<_>>().join(", ")),
            )
        }),
        fault("cases new: a path out of the repository", 2, "invalid case name", |at| {
            at.rxpath(&["cases", "new", "../../x"])
        }),
        fault("cases new: there already", 2, "already exists", |at| at.rxpath(&["cases", "new", "recv/tcp-ready"])),
        fault("iterations: 1,500", 0, "1 pass", |at| {
            at.edit_case("\nactors:", "\niterations: 1500\n\nactors:");
            std::fs::remove_dir_all(at.path("repo/snapshots")).unwrap();
            // Without snapshots everything that holds is changed; what it must not be is hung.
            at.shell("$RXPATH $RUN > out; code=$?; sed 's/1 changed/1 pass/' out; rm out; exit $((code - 1))")
        })
        .with_guest()
        .leaves(&["repo/snapshots"]),
    ]
}

fn check(at: &Sandbox) -> Command {
    at.rxpath(&["cases", "check"])
}

/// A further case.
fn case(at: &Sandbox, name: &str, text: &[u8]) -> Command {
    at.write(&format!("repo/cases/{name}.yaml"), text);
    check(at)
}

fn sweep(at: &Sandbox, sweep: &str) -> Command {
    at.edit_case("\nactors:", &format!("\nsweep: {sweep}\n\nactors:"));
    check(at)
}
