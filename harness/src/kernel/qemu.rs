//! QEMU: the pinned one, which is unpacked in the cache and run through its own loader, or one of the host.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::apt;
use super::cache_folder::{Cache, CacheError, CacheLock};
use super::digest::Sha256;
use super::error::{ContentError, KernelError};
use super::links;
use super::lock::LockedQemu;
use super::store::Unstored;
use super::unpack::{self, Entry};
use super::verified::{store_digests, verify_stored};

/// Part of the folder's name in the cache. Increase it when the unpacked files change, so that they are unpacked again.
const LAYOUT: u32 = 2;

/// QEMU's program, relative to the root of the tree.
const BINARY: &str = "usr/bin/qemu-system-x86_64";
/// The loader of the tree's C library.
const LOADER: &str = "usr/lib64/ld-linux-x86-64.so.2";
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";
/// The file with the [`Extent`] of the tree.
const EXTENT: &str = "extent.json";
/// The folders with firmware and option ROMs; some versions lack some of them.
const DATA: [&str; 3] = ["usr/share/qemu", "usr/share/seabios", "usr/lib/ipxe/qemu"];

/// Makes the tree's C library allocate its heap in pages of 2 MiB, several at a time (The GNU C Library, "Memory Allocation
/// Tunables"). QEMU touches 10 MiB of heap before the guest's first instruction: pages of 4 KiB prolong every run.
const HEAP_IN_LARGE_PAGES: &str = "glibc.malloc.hugetlb=1:glibc.malloc.top_pad=4194304";

/// The first version that every pinned kernel boots with in exact mode (kernels/kernels.yaml).
const LEAST_MAJOR: u32 = 10;

/// A QEMU that is ready to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Qemu {
    /// The version of its package, or what `--version` prints for a QEMU of the host.
    pub version: String,
    /// The digest of its packages, or of the program and version of a QEMU of the host.
    pub digest: Sha256,
    /// Whether it differs from the lock: the newest of its suite (`--unlocked`), or one of the host.
    pub unlocked: bool,
    #[serde(skip)]
    binary: PathBuf,
    /// `None` for a QEMU of the host, which finds its files itself.
    #[serde(skip)]
    tree: Option<QemuTree>,
}

/// The paths that make an unpacked QEMU independent of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
struct QemuTree {
    root: PathBuf,
    /// The loader of its C library, which starts the program.
    loader: PathBuf,
    /// The folder with its libraries.
    libraries: PathBuf,
    /// The folders with firmware, for `-L`.
    data: Vec<PathBuf>,
    /// The folder with QEMU's modules, for `QEMU_MODULE_DIR`.
    modules: PathBuf,
}

impl Qemu {
    /// The program and its first arguments; the arguments for the machine follow. The command also needs
    /// [`Self::environment`].
    pub(crate) fn command_prefix(&self) -> Vec<OsString> {
        let Some(tree) = &self.tree else {
            return vec![self.binary.clone().into()];
        };
        let mut prefix: Vec<OsString> =
            vec![tree.loader.clone().into(), "--library-path".into(), tree.libraries.clone().into()];
        prefix.extend(["--argv0".into(), "qemu-system-x86_64".into(), self.binary.clone().into()]);
        prefix.extend(tree.data.iter().flat_map(|folder| ["-L".into(), folder.clone().into()]));
        prefix
    }

    /// The environment variables to set for the command.
    pub(crate) fn environment(&self) -> Vec<(&'static str, OsString)> {
        let of_tree = |tree: &QemuTree| {
            [("QEMU_MODULE_DIR", tree.modules.clone().into()), ("GLIBC_TUNABLES", HEAP_IN_LARGE_PAGES.into())]
        };
        self.tree.iter().flat_map(of_tree).collect()
    }

    /// A QEMU of the host (`--qemu PATH`).
    /// Fails when the file is missing, cannot be run, or does not print a version of QEMU.
    pub(super) fn of_host(path: &Path) -> Result<Self, KernelError> {
        let refused = |problem: String, source| KernelError::Setting {
            setting: "--qemu",
            value: path.display().to_string(),
            problem,
            source,
        };
        let cannot = |action: &'static str| move |error| refused(format!("cannot {action} it"), Some(error));
        let (content, _size) = Sha256::of_file(path).map_err(cannot("read"))?;
        // duct looks up a path without a slash in PATH.
        let binary = std::path::absolute(path).map_err(cannot("find"))?;
        let text = what_it_prints(&binary).map_err(cannot("run"))?;
        let version = text.lines().next().and_then(|line| line.strip_prefix("QEMU emulator version "));
        let version = version.map(str::trim).ok_or_else(|| {
            let problem = format!("expected `QEMU emulator version …` from --version, found: {}", apt::tail(&text));
            refused(problem, None)
        })?;
        let major: Option<u32> = version.split('.').next().and_then(|major| major.parse().ok());
        if major.is_none_or(|major| major < LEAST_MAJOR) {
            let problem = format!("expected version {LEAST_MAJOR}.0 or later, found {version}");
            return Err(refused(problem, None));
        }
        let digest = Sha256::of_all(&format!("host qemu {version}"), [content]);
        Ok(Self { version: version.to_owned(), digest, unlocked: true, binary, tree: None })
    }

    /// The combined digest of QEMU's packages.
    pub(super) fn digest_of(locked: &LockedQemu) -> Sha256 {
        Sha256::of_all("rxpath qemu", locked.packages.iter().map(|pin| pin.sha256))
    }

    fn place(cache: &Cache, digest: Sha256) -> PathBuf {
        cache.root().join("qemu").join(format!("{digest}-{LAYOUT}"))
    }

    /// The unpacked QEMU, if it is in the cache and whole.
    pub(super) fn open(cache: &Cache, locked: &LockedQemu, unlocked: bool) -> Result<Self, Unstored> {
        let digest = Self::digest_of(locked);
        let root = Self::place(cache, digest);
        let tree = QemuTree {
            loader: root.join(LOADER),
            libraries: root.join(LIBRARIES),
            data: DATA.iter().map(|folder| root.join(folder)).filter(|folder| folder.is_dir()).collect(),
            modules: root.join(LIBRARIES).join("qemu"),
            root,
        };
        let text = fs::read(tree.root.join(EXTENT)).map_err(|_| Unstored::Absent)?;
        let noted: Extent = serde_json::from_slice(&text).map_err(|_| Unstored::Incomplete)?;
        if !Extent::of(&tree.root).is_ok_and(|extent| extent == noted) {
            return Err(Unstored::Incomplete);
        }
        verify_stored(&tree.root, || files(&tree.root))?;
        let (version, binary) = (locked.version.clone(), tree.root.join(BINARY));
        Ok(Self { version, digest, unlocked, binary, tree: Some(tree) })
    }

    /// Unpacks what running QEMU needs from its package files, in `staging`, and stores it in the cache.
    pub(super) fn make(
        cache: &Cache,
        held: &CacheLock,
        staging: &Path,
        locked: &LockedQemu,
        packages: &[PathBuf],
    ) -> Result<(), KernelError> {
        let root = staging.join("qemu");
        fs::create_dir_all(&root).map_err(CacheError::io("create", &root))?;
        for package in packages {
            unpack::each_entry(package, staging, &mut |path, entry| take(&root, path, entry))?;
        }
        for needed in [BINARY, LOADER] {
            if !root.join(needed).is_file() {
                return Err(KernelError::content(format!("QEMU {}", locked.version), ContentError::Missing(needed)));
            }
        }
        drop_unused_libraries(&root.join(BINARY), &locked.version)?;
        let noted = Extent::of(&root).and_then(|extent| {
            let json = serde_json::to_vec(&extent).map_err(io::Error::other)?;
            fs::write(root.join(EXTENT), json)?;
            store_digests(&root, files(&root)?)
        });
        noted.map_err(CacheError::io("write", &root))?;
        Ok(held.publish(&root, &Self::place(cache, Self::digest_of(locked)))?)
    }
}

/// The start of what a program prints for `--version`, as long as a version of QEMU can be.
fn what_it_prints(program: &Path) -> io::Result<String> {
    const MOST_BYTES: u64 = 4096;
    const PATIENCE: Duration = Duration::from_secs(10);
    let (reader, writer) = io::pipe()?;
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn()?;
    // Only the child keeps its end of the pipe open.
    drop(command);
    let (done, read) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let outcome = reader.take(MOST_BYTES).read_to_end(&mut bytes).map(|_| bytes);
        let _ = done.send(outcome);
    });
    let bytes = read.recv_timeout(PATIENCE);
    // It may still print, or wait for something.
    let _ = child.kill().and_then(|()| child.wait());
    let bytes = bytes.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Unlinks QEMU's program from the libraries that no machine calls.
fn drop_unused_libraries(binary: &Path, version: &str) -> Result<(), KernelError> {
    let mut program = fs::read(binary).map_err(CacheError::io("read", binary))?;
    links::remove_needed(&mut program, &links::NEVER_CALLED)
        .map_err(|error| KernelError::content(format!("the program of QEMU {version}"), error))?;
    Ok(fs::write(binary, program).map_err(CacheError::io("write", binary))?)
}

/// The number and size of an unpacked QEMU's files: a cheap check that none is missing or truncated.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Extent {
    files: u64,
    bytes: u64,
}

impl Extent {
    /// Counts the files in the folder `usr` of an unpacked QEMU.
    fn of(root: &Path) -> io::Result<Self> {
        let mut extent = Self::default();
        let mut folders = vec![root.join("usr")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    folders.push(entry.path());
                } else {
                    extent.files += 1;
                    extent.bytes += entry.metadata()?.len();
                }
            }
        }
        Ok(extent)
    }
}

/// The regular files of an unpacked QEMU, relative to its root.
fn files(root: &Path) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    let mut folders = vec!["usr".to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder))? {
            let entry = entry?;
            let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
            match entry.file_type()? {
                kind if kind.is_dir() => folders.push(name),
                kind if kind.is_file() => found.push(name),
                _ => {}
            }
        }
    }
    Ok(found)
}

/// Unpacks an entry of a package if QEMU may need it.
fn take(root: &Path, path: &str, entry: &mut Entry<'_, '_>) -> io::Result<()> {
    let kind = entry.header().entry_type();
    if !is_needed(path) || !(kind.is_file() || kind.is_symlink() || kind.is_hard_link()) {
        return Ok(());
    }
    if kind.is_symlink() && entry.link_name()?.is_some_and(|target| target.is_absolute()) {
        return Ok(()); // it would point to the host's files
    }
    // Removes set-user-ID, set-group-ID, sticky, and write permission for group and others.
    entry.set_mask(0o7022);
    // Refuses every path that leaves the root, also through links.
    entry.unpack_in(root).map(drop)
}

fn is_needed(path: &str) -> bool {
    const KEPT: [&str; 5] =
        ["usr/lib/x86_64-linux-gnu/", "usr/lib64/", "usr/lib/ipxe/", "usr/share/qemu/", "usr/share/seabios/"];
    // Character sets and login modules: 10 MB that QEMU never loads.
    const DROPPED: [&str; 2] = ["usr/lib/x86_64-linux-gnu/gconv/", "usr/lib/x86_64-linux-gnu/security/"];
    // Debian has the program under two names, one a hard link to the other.
    let programs = [BINARY, "usr/bin/qemu-system-amd64"];
    programs.contains(&path)
        || KEPT.iter().any(|folder| path.starts_with(folder)) && !DROPPED.iter().any(|folder| path.starts_with(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unpacked_qemu_is_started_through_its_own_loader() {
        let root = PathBuf::from("/c");
        let tree = QemuTree {
            loader: root.join("ld.so"),
            libraries: root.join("a"),
            data: vec![root.join("d")],
            modules: root.join("m"),
            root,
        };
        let digest = Sha256::of(b"");
        let qemu = Qemu { version: "10".into(), digest, unlocked: false, binary: "/c/q".into(), tree: Some(tree) };
        let prefix = qemu.command_prefix();
        let expected = ["/c/ld.so", "--library-path", "/c/a", "--argv0", "qemu-system-x86_64", "/c/q", "-L", "/c/d"];
        assert_eq!(prefix, expected);
        let set = |name| qemu.environment().into_iter().find_map(|(set, value)| (set == name).then_some(value));
        assert_eq!(set("QEMU_MODULE_DIR"), Some("/c/m".into()));
        assert!(set("GLIBC_TUNABLES").is_some(), "its C library is known");
        let host = Qemu { tree: None, ..qemu };
        assert_eq!(host.environment(), [], "a QEMU of the host uses the host's files");
    }

    #[test]
    fn a_hostile_package_cannot_write_outside_or_create_privileged_files() {
        use std::os::unix::fs::PermissionsExt;
        use tar::EntryType::{Block, Link, Regular, Symlink};
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir(&root).unwrap();
        fs::write(folder.path().join("host"), "the host's").unwrap();
        let outside = folder.path().to_str().unwrap();
        let absolute = format!("{outside}/absolute");
        let files = [
            ("usr/share/qemu/../../../../up", Regular, "", 0o644, &b"x"[..]),
            (&*absolute, Regular, "", 0o644, b"x"),
            ("usr/share/qemu/out", Symlink, "../../../..", 0o777, b""),
            ("usr/share/qemu/out/through", Regular, "", 0o644, b"x"),
            ("usr/share/qemu/host", Symlink, outside, 0o777, b""),
            ("usr/share/qemu/hard", Link, "../host", 0o644, b""),
            ("usr/share/qemu/disk", Block, "", 0o666, b""),
            (BINARY, Regular, "", 0o6777, b"q"),
        ];
        for file in files {
            let take = &mut |path: &str, entry: &mut Entry<'_, '_>| take(&root, path, entry);
            let _ = unpack::tests::visit_files(&[file], take); // refusing it and skipping it are both fine
        }
        let mut beside: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        beside.sort();
        assert_eq!(beside, ["host", "root"]);
        for absent in ["host", "hard", "disk"] {
            assert!(!root.join("usr/share/qemu").join(absent).exists(), "{absent}");
        }
        let mode = fs::metadata(root.join(BINARY)).unwrap().permissions().mode();
        assert_eq!(mode & 0o7022, 0, "{mode:o}");
    }

    #[test]
    fn a_missing_file_or_byte_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("usr/lib");
        fs::create_dir_all(&inside).unwrap();
        fs::write(inside.join("a"), "12").unwrap();
        fs::write(inside.join("b"), "").unwrap();
        let whole = Extent::of(folder.path()).unwrap();
        fs::write(inside.join("a"), "1").unwrap();
        assert_ne!(Extent::of(folder.path()).unwrap(), whole);
        fs::write(inside.join("a"), "12").unwrap();
        fs::remove_file(inside.join("b")).unwrap();
        assert_ne!(Extent::of(folder.path()).unwrap(), whole);
    }

    #[test]
    fn documentation_and_other_programs_are_not_unpacked() {
        for needed in [BINARY, LOADER, "usr/share/qemu/bios.bin", "usr/lib/x86_64-linux-gnu/libc.so.6"] {
            assert!(is_needed(needed), "{needed}");
        }
        for other in ["usr/share/doc/qemu/x", "usr/bin/passwd", "etc/shadow", "usr/lib/x86_64-linux-gnu/gconv/a.so", ""]
        {
            assert!(!is_needed(other), "{other}");
        }
    }

    #[test]
    fn a_host_program_that_is_not_qemu_is_refused_with_its_output() {
        let error = Qemu::of_host(Path::new("/bin/true")).unwrap_err();
        assert!(error.is_request() && error.to_string().starts_with("--qemu is `/bin/true`: expected"), "{error}");
        for (script, expected) in [
            ("echo 'QEMU emulator version 7.2.1 (Debian)'", "expected version 10.0 or later, found 7.2.1"),
            ("yes", "expected `QEMU emulator version …` from --version, found: y; y; "),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let program = folder.path().join("qemu");
            fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
            let error = Qemu::of_host(&program).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let error = Qemu::of_host(Path::new("/nowhere/qemu")).unwrap_err();
        assert!(error.is_request() && error.to_string().contains("cannot read it"), "{error}");
    }
}
