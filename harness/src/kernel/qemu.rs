//! QEMU: the pinned one, unpacked in the cache and run through its own loader, or one of the host's.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::apt;
use super::cache::{Cache, CacheLock};
use super::digest::Sha256;
use super::error::KernelError;
use super::links;
use super::lock::LockedQemu;
use super::unpack::{self, Entry};

/// Counts changes of what is kept of QEMU's packages: trees kept in another way are not found, and made anew.
const LAYOUT: u32 = 2;

/// The program, below the tree's root.
const BINARY: &str = "usr/bin/qemu-system-x86_64";
/// The loader of the tree's C library.
const LOADER: &str = "usr/lib64/ld-linux-x86-64.so.2";
/// Where the tree's libraries are.
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";
/// The file, in the tree's root, that says how much there is.
const EXTENT: &str = "extent.json";
/// Where QEMU looks for firmware and option ROMs; not every version's packages fill all of them.
const DATA: [&str; 3] = ["usr/share/qemu", "usr/share/seabios", "usr/lib/ipxe/qemu"];

/// Has the tree's C library take its heap in pages of 2 MiB, several at a time (The GNU C Library, "Memory Allocation
/// Tunables"): QEMU touches 10 MiB of heap before a guest's first instruction, page after page, and a run is that much longer.
const HEAP_IN_LARGE_PAGES: &str = "glibc.malloc.hugetlb=1:glibc.malloc.top_pad=4194304";

/// A QEMU that is ready to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Qemu {
    /// Its version: that of the package, or what a QEMU of the host says of itself.
    pub version: String,
    /// Stands for its content: the packages', or a host QEMU's program and version.
    pub digest: Sha256,
    /// Whether it is the newest of its suite rather than what the lock says (`--unlocked`), or the host's.
    pub unlocked: bool,
    /// The program.
    #[serde(skip)]
    pub binary: PathBuf,
    /// What only an unpacked QEMU needs to be told; none for a QEMU of the host, which finds its own.
    #[serde(skip)]
    pub tree: Option<QemuTree>,
}

/// How an unpacked QEMU finds what belongs to it, so that it needs nothing of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QemuTree {
    /// The root of the unpacked packages.
    pub root: PathBuf,
    /// The loader to start the program with.
    pub loader: PathBuf,
    /// The folders with its libraries.
    pub library_path: Vec<PathBuf>,
    /// The folders with firmware, for `-L`.
    pub data_dirs: Vec<PathBuf>,
    /// The folder with QEMU's own modules, for `QEMU_MODULE_DIR`.
    pub module_dir: PathBuf,
}

impl Qemu {
    /// The program and its first arguments; what QEMU is to do follows them. `QEMU_MODULE_DIR` belongs to it: see
    /// [`Self::environment`].
    pub fn command_prefix(&self) -> Vec<OsString> {
        let Some(tree) = &self.tree else {
            return vec![self.binary.clone().into()];
        };
        let mut libraries = OsString::new();
        for (index, folder) in tree.library_path.iter().enumerate() {
            if index > 0 {
                libraries.push(":");
            }
            libraries.push(folder);
        }
        let mut prefix: Vec<OsString> = vec![tree.loader.clone().into(), "--library-path".into(), libraries];
        prefix.extend(["--argv0".into(), "qemu-system-x86_64".into(), self.binary.clone().into()]);
        prefix.extend(tree.data_dirs.iter().flat_map(|folder| ["-L".into(), folder.clone().into()]));
        prefix
    }

    /// What must be set in the environment of that command.
    pub fn environment(&self) -> Vec<(&'static str, OsString)> {
        let of_tree = |tree: &QemuTree| {
            [("QEMU_MODULE_DIR", tree.module_dir.clone().into()), ("GLIBC_TUNABLES", HEAP_IN_LARGE_PAGES.into())]
        };
        self.tree.iter().flat_map(of_tree).collect()
    }

    /// A QEMU of the host (`--qemu PATH`).
    ///
    /// # Errors
    ///
    /// When the file is not there, cannot be run, or does not say its version as QEMU does.
    pub fn of_host(path: &Path) -> Result<Self, KernelError> {
        let refused =
            |message: String| KernelError::Setting { setting: "--qemu", value: path.display().to_string(), message };
        let (content, _size) = Sha256::of_file(path).map_err(|error| refused(format!("could not read it: {error}")))?;
        // A path without a slash would be looked for in PATH.
        let binary = std::path::absolute(path).map_err(|error| refused(error.to_string()))?;
        let output = duct::cmd!(&binary, "--version").stdin_null().stdout_capture().stderr_capture().unchecked().run();
        let output = output.map_err(|error| refused(format!("could not run it: {error}")))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let version = text.lines().next().and_then(|line| line.strip_prefix("QEMU emulator version "));
        let version = version.map(str::trim).filter(|_| output.status.success()).ok_or_else(|| {
            let said = format!("{text}{}", String::from_utf8_lossy(&output.stderr));
            refused(format!("expected `QEMU emulator version …` of --version, found: {}", apt::tail(&said)))
        })?;
        let digest = Sha256::of_all(&format!("host qemu {version}"), [content]);
        Ok(Self { version: version.to_owned(), digest, unlocked: true, binary, tree: None })
    }

    /// The digest that stands for QEMU's packages.
    pub(super) fn digest_of(locked: &LockedQemu) -> Sha256 {
        Sha256::of_all("rxpath qemu", locked.packages.iter().map(|pin| pin.sha256))
    }

    fn place(cache: &Cache, digest: Sha256) -> PathBuf {
        cache.root().join("qemu").join(format!("{digest}-{LAYOUT}"))
    }

    /// The unpacked QEMU, if it is there.
    pub(super) fn open(cache: &Cache, locked: &LockedQemu, unlocked: bool) -> Option<Self> {
        let digest = Self::digest_of(locked);
        let root = Self::place(cache, digest);
        let tree = QemuTree {
            loader: root.join(LOADER),
            library_path: vec![root.join(LIBRARIES)],
            data_dirs: DATA.iter().map(|folder| root.join(folder)).filter(|folder| folder.is_dir()).collect(),
            module_dir: root.join(LIBRARIES).join("qemu"),
            root,
        };
        let noted: Extent = serde_json::from_slice(&fs::read(tree.root.join(EXTENT)).ok()?).ok()?;
        let whole = Extent::of(&tree.root).is_ok_and(|extent| extent == noted);
        let (version, binary) = (locked.version.clone(), tree.root.join(BINARY));
        whole.then_some(Self { version, digest, unlocked, binary, tree: Some(tree) })
    }

    /// Unpacks QEMU's package files below `staging` and stores what is needed to run it.
    pub(super) fn make(
        cache: &Cache,
        held: &CacheLock,
        staging: &Path,
        locked: &LockedQemu,
        packages: &[PathBuf],
    ) -> Result<(), KernelError> {
        let root = staging.join("qemu");
        fs::create_dir_all(&root).map_err(|error| KernelError::cache("create", &root, error))?;
        for package in packages {
            unpack::each_entry(package, staging, &mut |path, entry| take(&root, path, entry))?;
        }
        for needed in [BINARY, LOADER] {
            if !root.join(needed).is_file() {
                let problem = format!("expected {needed} in its packages, found none");
                return Err(KernelError::content(format!("QEMU {}", locked.version), problem));
            }
        }
        drop_unused_libraries(&root.join(BINARY), &locked.version)?;
        let noted = Extent::of(&root).and_then(|extent| {
            let json = serde_json::to_vec(&extent).map_err(io::Error::other)?;
            fs::write(root.join(EXTENT), json)
        });
        noted.map_err(|error| KernelError::cache("write", &root, error))?;
        held.publish(&root, &Self::place(cache, Self::digest_of(locked)))
    }
}

/// Has the program's loader load none of the libraries that no machine calls.
fn drop_unused_libraries(binary: &Path, version: &str) -> Result<(), KernelError> {
    let mut program = fs::read(binary).map_err(|error| KernelError::cache("read", binary, error))?;
    links::remove_needed(&mut program, &links::NEVER_CALLED)
        .map_err(|problem| KernelError::content(format!("the program of QEMU {version}"), problem.to_string()))?;
    fs::write(binary, program).map_err(|error| KernelError::cache("write", binary, error))
}

/// How much an unpacked QEMU is: a cheap check that nothing of it went missing or was cut off.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Extent {
    files: u64,
    bytes: u64,
}

impl Extent {
    /// What is in the folder `usr` of an unpacked QEMU.
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

/// Unpacks an entry of a package if running QEMU can need it.
fn take(root: &Path, path: &str, entry: &mut Entry<'_, '_>) -> io::Result<()> {
    let kind = entry.header().entry_type();
    if !is_needed(path) || !(kind.is_file() || kind.is_symlink() || kind.is_hard_link()) {
        return Ok(());
    }
    if kind.is_symlink() && entry.link_name()?.is_some_and(|target| target.is_absolute()) {
        return Ok(()); // it would lead to the host's files
    }
    // No set-user-id, no set-group-id, nothing that others may write.
    entry.set_mask(0o7022);
    // Refuses every path that leads out of the root, through links too.
    entry.unpack_in(root).map(drop)
}

fn is_needed(path: &str) -> bool {
    const KEPT: [&str; 5] =
        ["usr/lib/x86_64-linux-gnu/", "usr/lib64/", "usr/lib/ipxe/", "usr/share/qemu/", "usr/share/seabios/"];
    // Character sets and login modules, 10 MB that QEMU loads nothing of.
    const DROPPED: [&str; 2] = ["usr/lib/x86_64-linux-gnu/gconv/", "usr/lib/x86_64-linux-gnu/security/"];
    // Debian ships the program under two names, one a hard link to the other.
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
            library_path: vec![root.join("a"), root.join("b")],
            data_dirs: vec![root.join("d")],
            module_dir: root.join("m"),
            root,
        };
        let digest = Sha256::of(b"");
        let qemu = Qemu { version: "10".into(), digest, unlocked: false, binary: "/c/q".into(), tree: Some(tree) };
        let prefix = qemu.command_prefix();
        let expected =
            ["/c/ld.so", "--library-path", "/c/a:/c/b", "--argv0", "qemu-system-x86_64", "/c/q", "-L", "/c/d"];
        assert_eq!(prefix, expected);
        let set = |name| qemu.environment().into_iter().find_map(|(set, value)| (set == name).then_some(value));
        assert_eq!(set("QEMU_MODULE_DIR"), Some("/c/m".into()));
        assert!(set("GLIBC_TUNABLES").is_some(), "its C library is known");
        let host = Qemu { tree: None, ..qemu };
        assert_eq!(host.environment(), [], "a QEMU of the host has the host's");
    }

    #[test]
    fn a_hostile_package_writes_nothing_outside_and_makes_nothing_privileged() {
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
            let _ = unpack::tests::visit_files(&[file], take); // refused loudly or left out, either will do
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
    fn a_tree_that_lost_a_file_or_a_byte_is_noticed() {
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
    fn a_host_program_that_is_no_qemu_is_refused_with_what_it_said() {
        let error = Qemu::of_host(Path::new("/bin/true")).unwrap_err();
        assert!(error.is_request() && error.to_string().starts_with("--qemu is `/bin/true`: expected"), "{error}");
        let error = Qemu::of_host(Path::new("/nowhere/qemu")).unwrap_err();
        assert!(error.is_request() && error.to_string().contains("could not read it"), "{error}");
    }
}
