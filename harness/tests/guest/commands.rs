//! Faults around the command: killed processes, cancelled runs, and caches that cannot be used. Each is provoked for real and
//! must end in the right verdict, with no process left over.

mod mounts;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Signal, kill_process};

use super::Tested;
use super::common::project;
use super::process::{children, lives, qemu_of, rxpath, said, signal, wait_for};
use super::repository::make_repository;

const KERNEL: &str = "6.12";
const CASE: &str = "recv/tcp-ready";
/// Enough iterations that the run is still going on when the test acts.
const FOR_LONG: [&str; 7] = ["run", "-k", KERNEL, "-c", "recv/tcp-pingpong", "--repeat", "500"];
const ONCE: [&str; 5] = ["run", "-k", KERNEL, "-c", CASE];

/// A cache folder that has the kernels and QEMU of the shared one, and nothing else.
pub(crate) fn private_cache(at: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let project = project()?;
    let series = project.pins.select(&[KERNEL])?;
    project.fetch(&series, &|_| {})?;
    let cache = at.join("cache");
    fs::create_dir(&cache)?;
    for part in ["kernels", "qemu"] {
        std::os::unix::fs::symlink(project.cache.root().join(part), cache.join(part))?;
    }
    Ok(cache)
}

/// Makes sure that the shared cache has the image that the tests run from.
fn warm_up() -> Tested {
    let output = rxpath(None, &ONCE).output()?;
    if output.status.code() == Some(0) { Ok(()) } else { Err(said(&output).into()) }
}

#[test]
fn a_killed_qemu_is_a_crash_of_that_run() -> Tested {
    warm_up()?;
    let arguments = ["run", "-k", KERNEL, "-c", "recv/tcp-pingpong", "--repeat", "3"];
    let harness = rxpath(None, &arguments).spawn()?;
    let qemu = qemu_of(&harness).ok_or("no QEMU came up")?;
    kill_process(qemu, Signal::KILL)?;
    let output = harness.wait_with_output()?;
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("crashed: recv/tcp-pingpong on 6.12") && said.contains("QEMU ended early"), "{said}");
    assert!(!lives(qemu));
    Ok(())
}

#[test]
fn qemu_dies_with_a_harness_that_is_killed() -> Tested {
    warm_up()?;
    let mut harness = rxpath(None, &FOR_LONG).spawn()?;
    let qemu = qemu_of(&harness).ok_or("no QEMU came up")?;
    let all = children(harness.id());
    harness.kill()?;
    harness.wait()?;
    let gone = wait_for(Duration::from_secs(2), || (!all.iter().any(|pid| lives(*pid)) && !lives(qemu)).then_some(()));
    assert!(gone.is_some(), "{all:?} outlived the harness");
    Ok(())
}

#[test]
fn ctrl_c_ends_a_run_within_two_seconds() -> Tested {
    warm_up()?;
    let harness = rxpath(None, &FOR_LONG).spawn()?;
    let qemu = qemu_of(&harness).ok_or("no QEMU came up")?;
    ends_at_once(harness, qemu)
}

#[test]
fn ctrl_c_ends_a_boot_within_two_seconds_and_leaves_nothing_half_made() -> Tested {
    let folder = tempfile::tempdir()?;
    let cache = private_cache(folder.path())?;
    let harness = rxpath(Some(&cache), &ONCE).spawn()?;
    let qemu = qemu_of(&harness).ok_or("no QEMU came up")?;
    std::thread::sleep(Duration::from_millis(300));
    ends_at_once(harness, qemu)?;
    nothing_is_half_made(&cache)
}

fn ends_at_once(harness: std::process::Child, qemu: rustix::process::Pid) -> Tested {
    signal(&harness, Signal::INT);
    let asked = Instant::now();
    let output = harness.wait_with_output()?;
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(2), "it took {took:?}");
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(said(&output).contains("interrupted"), "{}", said(&output));
    assert!(!lives(qemu));
    Ok(())
}

fn nothing_is_half_made(cache: &Path) -> Tested {
    let names = |folder: &str| -> Vec<String> {
        let listing = fs::read_dir(cache.join(folder)).into_iter().flatten().flatten();
        listing.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    };
    assert_eq!(names("images"), Vec::<String>::new());
    assert_eq!(names("staging"), Vec::<String>::new());
    Ok(())
}

#[test]
fn two_processes_with_one_empty_cache_boot_once_and_both_pass() -> Tested {
    let folder = tempfile::tempdir()?;
    let cache = private_cache(folder.path())?;
    let both = [rxpath(Some(&cache), &ONCE).spawn()?, rxpath(Some(&cache), &ONCE).spawn()?];
    let mut boots = 0;
    for one in both {
        let output = one.wait_with_output()?;
        let said = said(&output);
        assert_eq!(output.status.code(), Some(0), "{said}");
        boots += said.matches("no warm image yet").count();
    }
    assert_eq!(boots, 1);
    assert_eq!(fs::read_dir(cache.join("images"))?.count(), 1);
    Ok(())
}

#[test]
fn lost_events_make_a_run_inconclusive_and_never_changed() -> Tested {
    let folder = tempfile::tempdir()?;
    let root = folder.path();
    let repository = make_repository(root)?;
    fs::create_dir_all(root.join("cases/recv"))?;
    let case = fs::read_to_string(repository.join("cases").join(format!("{CASE}.yaml")))?;
    // The smallest ring buffer that the kernel makes.
    let machine = "machine:\n  files: {/sys/kernel/tracing/buffer_size_kb: 8}\n\nactors:";
    fs::write(root.join("cases").join(format!("{CASE}.yaml")), case.replacen("actors:", machine, 1))?;
    let output = rxpath(None, &[&ONCE[..], &["--root", root.to_str().ok_or("not UTF-8")?]].concat()).output()?;
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("inconclusive: recv/tcp-ready on 6.12"), "{said}");
    assert!(said.contains("overwritten before they were read"), "{said}");
    Ok(())
}

#[test]
fn kvm_is_used_where_a_guest_boots_with_it_and_refused_with_the_reason_elsewhere() -> Tested {
    let output = rxpath(None, &[&ONCE[..], &["--accel", "kvm"]].concat()).output()?;
    let said = said(&output);
    match output.status.code() {
        Some(0 | 1) => assert!(said.contains("native (KVM) mode"), "{said}"),
        _ => {
            assert_eq!(output.status.code(), Some(2), "{said}");
            assert!(said.contains("KVM does not work on this machine: /dev/kvm "), "{said}");
        }
    }
    Ok(())
}
