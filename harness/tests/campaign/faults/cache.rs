//! The cache, and what the machine lacks.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::inputs::random;
use crate::fault::{Fault, fault};
use crate::sandbox::{Sandbox, image, kernel};

pub(crate) fn faults() -> Vec<Fault> {
    let mut all: Vec<Fault> = [',', ':', ';', '$']
        .into_iter()
        .zip(["path: a comma", "path: a colon", "path: a semicolon", "path: a dollar sign"])
        .map(|(sign, name)| {
            fault(name, 2, "cannot use a folder whose name", move |at| {
                let mut command = at.shell("$RXPATH $RUN");
                command.env("RXPATH_CACHE", at.path(&format!("cache{sign}x")));
                command
            })
        })
        .collect();
    all.extend([
        fault("cache: a file", 3, "in the cache (RXPATH_CACHE names a different folder)", |at| {
            fs::remove_dir_all(at.path("cache")).unwrap();
            at.write("cache", "");
            at.shell("$RXPATH $RUN")
        }),
        fault("cache: others can write to it", 2, "other users can write to it", |at| {
            fs::set_permissions(at.path("cache"), Permissions::from_mode(0o777)).unwrap();
            at.shell("$RXPATH $RUN")
        }),
        fault("cache: made with umask 000", 0, "recv/tcp-blocking", |at| {
            // The second command refuses the folder if the first one made it with that mask.
            at.shell("umask 000; export RXPATH_CACHE=$RXPATH_CACHE-new; cd /; $RXPATH cases list && $RXPATH cases list")
        })
        .leaves(&["cache-new"]),
        fault("prune: an images/ of somebody else's", 0, "0 ", |at| {
            fs::remove_dir_all(at.path("cache/images")).unwrap();
            at.write("cache/images/holiday/beach.jpg", "x");
            at.write("cache/images/0123456789abcdef0123456789abcdef/beach.jpg", "x");
            at.rxpath(&["cache", "prune"])
        })
        .check(|at| {
            let mut kept = ["holiday", "0123456789abcdef0123456789abcdef"].into_iter();
            match kept.all(|name| at.path("cache/images").join(name).join("beach.jpg").is_file()) {
                true => Ok(()),
                false => Err("it was deleted".to_owned()),
            }
        }),
        fault("prune: a folder without a CACHEDIR.TAG", 2, "no CACHEDIR.TAG of rxpath", |at| {
            fs::remove_file(at.path("cache/CACHEDIR.TAG")).unwrap();
            at.rxpath(&["cache", "prune"])
        }),
        fault(
            "kernel: one byte of vmlinux changed",
            3,
            "kernel 6.12 is fetched again: the cache is damaged: vmlinux",
            |at| {
                flip(&at.copy(kernel()).join("vmlinux"));
                without_archive(at, "$RXPATH $RUN")
            },
        ),
        fault("kernel: vmlinux cut short", 3, "kernel 6.12 is fetched again: the cache is damaged", |at| {
            let file = at.copy(kernel()).join("vmlinux");
            fs::File::options().write(true).open(file).unwrap().set_len(1000).unwrap();
            without_archive(at, "$RXPATH $RUN")
        }),
        fault("kernel: its description is random", 3, "kernel 6.12 is fetched again: the cache is damaged", |at| {
            fs::write(at.copy(kernel()).join("kernel.json"), random(60)).unwrap();
            without_archive(at, "$RXPATH $RUN")
        }),
        fault(
            "QEMU: 4,000 bytes of its program changed",
            3,
            "QEMU is fetched again: the cache is damaged: usr/bin/",
            |at| {
                flip(&qemu(at).join("usr/bin/qemu-system-x86_64"));
                without_archive(at, "$RXPATH $RUN")
            },
        ),
        fault("QEMU: its loader cannot be executed", 3, "Permission denied", |at| {
            let loader = qemu(at).join("usr/lib64/ld-linux-x86-64.so.2");
            fs::set_permissions(loader, Permissions::from_mode(0o644)).unwrap();
            at.shell("$RXPATH $RUN")
        })
        .with_guest(),
        fault("archive: not there", 3, "cannot fetch linux-image-6.12", |at| {
            fs::remove_file(at.path("cache").join(kernel())).unwrap();
            without_archive(at, "$RXPATH kernels fetch 6.12")
        }),
        fault("archive: a wrong package in --packages", 2, "differs from the lock", |at| {
            fs::remove_file(at.path("cache").join(kernel())).unwrap();
            let lock = fs::read_to_string(at.path("repo/kernels/kernels.lock.yaml")).unwrap();
            let path =
                lock.lines().find_map(|line| line.trim().strip_prefix("path: ").filter(|path| path.contains("6.12.")));
            let name = path.and_then(|path| path.rsplit('/').next()).unwrap();
            at.write(&format!("repo/packages/{name}"), random(100));
            without_archive(at, "$RXPATH kernels fetch 6.12 --packages packages")
        }),
        fault("archive: an address that is none", 2, "RXPATH_MIRROR is", |at| {
            fs::remove_file(at.path("cache").join(kernel())).unwrap();
            at.shell("RXPATH_MIRROR='no address' $RXPATH kernels fetch 6.12")
        }),
        beside_image("image: one letter of its symbols changed", flip, "symbols-3"),
        beside_image("image: its symbols are random", |file| fs::write(file, random(5_000)).unwrap(), "symbols-3"),
        beside_image("image: its layout is cut short", |file| fs::write(file, "{").unwrap(), "layout-3"),
        beside_image("image: its checks are random", |file| fs::write(file, random(500)).unwrap(), "checked.json"),
        fault("machine: /dev/shm is full", 3, "this machine lacks something", |at| {
            at.shell_with_mounts("mount -t tmpfs -o size=4k none /dev/shm; $RXPATH $RUN")
        })
        .with_guest(),
        fault("machine: /dev/shm fills up", 3, "this machine lacks something", |at| {
            at.shell_with_mounts("mount -t tmpfs -o size=400k none /dev/shm; $RXPATH $RUN")
        })
        .with_guest(),
        fault("machine: no /dev/pts", 0, "1 pass", |at| {
            at.shell_with_mounts("mount -t tmpfs none /dev/pts; $RXPATH $RUN")
        })
        .with_guest(),
        fault("machine: little address space", 3, "this machine lacks something", |at| {
            at.shell("ulimit -v 700000; $RXPATH $RUN")
        })
        .with_guest(),
        fault("machine: few descriptors", 3, "Too many open files", |at| at.shell("ulimit -n 9; $RXPATH $RUN"))
            .with_guest(),
    ]);
    if rustix::process::geteuid().is_root() {
        all.push(fault("cache: of a different user", 2, "it belongs to a different user", |at| {
            std::os::unix::fs::chown(at.path("cache"), Some(12_345), None).unwrap();
            at.shell("$RXPATH $RUN")
        }));
    }
    all
}

/// A run with a damaged file beside its image, which is made again from what is verified.
fn beside_image(name: &'static str, damage: fn(&Path), file: &'static str) -> Fault {
    fault(name, 0, "1 pass", move |at| {
        damage(&at.copy(image()).join(file));
        at.shell("$RXPATH $RUN")
    })
    .with_guest()
}

/// A script whose archive is an empty folder.
fn without_archive(at: &Sandbox, script: &str) -> std::process::Command {
    let mut command = at.shell(script);
    let archive = format!("file:{}", at.path("tmp").display());
    command.env("RXPATH_MIRROR", &archive).env("RXPATH_SECURITY_MIRROR", &archive);
    command
}

/// Changes 4,000 bytes in the middle of a file.
fn flip(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    let end = bytes.len().min(middle + 4_000);
    bytes[middle..end].iter_mut().for_each(|byte| *byte ^= 1);
    fs::write(file, bytes).unwrap();
}

/// A copy of QEMU that the cache uses.
fn qemu(at: &Sandbox) -> PathBuf {
    fs::read_dir(at.copy("qemu")).unwrap().next().unwrap().unwrap().path()
}
