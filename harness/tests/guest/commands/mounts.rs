//! Caches on file systems that cannot be written, or are full. Needs a host that allows mounts: root, or user namespaces.

use std::error::Error;
use std::fs;
use std::process::{Command, Output};

use super::super::Tested;
use super::super::process::{RXPATH, rxpath, said};
use super::{ONCE, private_cache};

/// Runs a shell script with mounts of its own.
fn in_own_mounts(script: &str) -> Result<Output, Box<dyn Error>> {
    let ways: [&[&str]; 2] = [&["--user", "--map-root-user", "--mount"], &["--mount"]];
    let way = ways.into_iter().find(|way| {
        let tried = Command::new("unshare").args(*way).args(["mount", "-t", "tmpfs", "none", "/mnt"]).output();
        tried.is_ok_and(|tried| tried.status.success())
    });
    let way =
        way.ok_or("this host allows no mounts (unshare): leave these tests out with -E 'not test(/mounts::/)'")?;
    let root = env!("CARGO_MANIFEST_DIR");
    Ok(Command::new("unshare").args(way).args(["sh", "-ec", script]).current_dir(root).output()?)
}

#[test]
fn a_read_only_cache_works_when_everything_is_there_and_is_reported_when_not() -> Tested {
    let folder = tempfile::tempdir()?;
    let cache = private_cache(folder.path())?;
    let frozen = |command: &str| {
        let cache = cache.display();
        format!("mount --bind {cache} {cache}; mount -o remount,bind,ro {cache}; RXPATH_CACHE={cache} {command}")
    };
    let command = format!("{} {}", RXPATH, ONCE.join(" "));
    let empty = in_own_mounts(&frozen(&command))?;
    let text = said(&empty);
    assert_eq!(empty.status.code(), Some(3), "{text}");
    assert!(text.contains("Read-only file system") && text.contains("RXPATH_CACHE"), "{text}");

    let made = rxpath(Some(&cache), &ONCE).output()?;
    assert_eq!(made.status.code(), Some(0), "{}", said(&made));
    let full = in_own_mounts(&frozen(&command))?;
    assert_eq!(full.status.code(), Some(0), "{}", said(&full));
    Ok(())
}

#[test]
fn a_full_disk_is_broken_and_leaves_nothing_half_made() -> Tested {
    let folder = tempfile::tempdir()?;
    let cache = private_cache(folder.path())?;
    let small = folder.path().join("small");
    fs::create_dir(&small)?;
    let script = format!(
        "mount -t tmpfs -o size=24m,mode=755 none {small}; cp -P {cache}/kernels {cache}/qemu {small}; code=0; \
         RXPATH_CACHE={small} {rxpath} {once} || code=$?; ls {small}/images {small}/staging | sed 's/^/left: /'; exit $code",
        small = small.display(),
        cache = cache.display(),
        rxpath = RXPATH,
        once = ONCE.join(" ")
    );
    let output = in_own_mounts(&script)?;
    let said = said(&output);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("broken: recv/tcp-ready on 6.12"), "{said}");
    assert!(said.contains("No space left"), "{said}");
    let left: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("left: ")).collect();
    assert!(left.iter().all(|line| line.is_empty() || line.ends_with(':')), "{left:?}");
    Ok(())
}
