//! What a run leaves for a reviewer.

use std::fs;
use std::path::Path;
use std::process::Command;

use rxpath::report::{Overview, markdown};
use rxpath::suite::{CaseResult, Results};

use super::process::RXPATH;

#[test]
fn a_run_on_a_bumped_kernel_keeps_what_was_accepted_of_paths_and_of_timings_apart() {
    // From 6.12 to 6.18, the first case changed only in its timings, the second one in its path too.
    let cases = ["errors/bad-address", "socket/netlink-create"];
    let real = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    for name in ["cases", "kernels"] {
        std::os::unix::fs::symlink(real.join(name), folder.path().join(name)).unwrap();
    }
    for case in cases {
        let to = folder.path().join("snapshots").join(case);
        fs::create_dir_all(&to).unwrap();
        for ending in ["snap", "timing.snap"] {
            let old = real.join("snapshots").join(case).join(format!("6.12.{ending}"));
            fs::copy(old, to.join(format!("6.18.{ending}"))).unwrap();
        }
    }
    let json = folder.path().join("results.json");
    let output = Command::new(RXPATH)
        .args(["run", "-k", "6.18", "-c", cases[0], "-c", cases[1], "--root"])
        .arg(folder.path())
        .arg("--json")
        .arg(&json)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let results = Results::load(&json).unwrap();
    let differs = |one: &CaseResult| (one.accepted_paths().is_some(), one.has_other_timings());
    assert_eq!(results.cases.iter().map(differs).collect::<Vec<_>>(), [(false, true), (true, true)]);
    let text = markdown::report(&Overview::of(&results), markdown::SUMMARY_LIMIT);
    assert!(text.contains("2 changed on `6.18`") && text.contains("of paths in 1 case."), "{text}");
    assert!(text.contains("| `errors/bad-address` `receiver.recv` | `6.18` |"), "{text}");
    assert!(!text.contains("without a snapshot"), "{text}");
}
