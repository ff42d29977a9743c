//! An unpacked kernel in the cache: its vmlinux, its configuration and its modules.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::cache::{Cache, CacheLock};
use super::digest::Sha256;
use super::error::KernelError;
use super::lock::LockedKernel;
use super::modules::{Module, ModuleIndex, module_name};
use super::series::Series;
use super::unpack::{self, Entry};
use super::vmlinux;

/// Counts changes of what a stored kernel consists of: kernels stored in another way are not found, and made anew.
const LAYOUT: u32 = 1;

/// A kernel that is ready to boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kernel {
    /// Its series.
    pub series: Series,
    /// The exact version: that of its packages.
    pub version: String,
    /// What `uname -r` says in it.
    pub release: String,
    /// Stands for all its packages: the same digest, the same kernel, on any machine.
    pub digest: Sha256,
    /// Whether it is the newest of its series rather than what the lock says (`--unlocked`): reports must say so.
    pub unlocked: bool,
    /// The kernel proper, an ELF file with a PVH note.
    #[serde(skip)]
    pub vmlinux: PathBuf,
    /// The kernel's build configuration (`CONFIG_…=y` lines).
    #[serde(skip)]
    pub config: PathBuf,
    /// The folder with all this.
    #[serde(skip)]
    folder: PathBuf,
}

/// What a stored kernel says of itself.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    release: String,
    /// The size of vmlinux in bytes: a cheap check that the file is whole.
    vmlinux_size: u64,
}

impl Kernel {
    /// The digest that stands for a kernel's packages.
    pub(super) fn digest_of(locked: &LockedKernel) -> Sha256 {
        Sha256::of_all("rxpath kernel", locked.packages.iter().map(|pin| pin.sha256))
    }

    fn place(cache: &Cache, digest: Sha256) -> PathBuf {
        cache.root().join("kernels").join(format!("{digest}-{LAYOUT}"))
    }

    /// The stored kernel, if it is there and whole.
    pub(super) fn open(cache: &Cache, locked: &LockedKernel, unlocked: bool) -> Option<Self> {
        let digest = Self::digest_of(locked);
        let folder = Self::place(cache, digest);
        let manifest: Manifest = serde_json::from_slice(&fs::read(folder.join("kernel.json")).ok()?).ok()?;
        let (vmlinux, config) = (folder.join("vmlinux"), folder.join("config"));
        let whole = fs::metadata(&vmlinux).is_ok_and(|file| file.len() == manifest.vmlinux_size) && config.is_file();
        whole.then(|| Self {
            series: locked.series,
            version: locked.version.clone(),
            release: manifest.release,
            digest,
            unlocked,
            vmlinux,
            config,
            folder,
        })
    }

    /// Unpacks a kernel's package files below `staging` and stores what is needed of them.
    pub(super) fn make(
        cache: &Cache,
        held: &CacheLock,
        staging: &Path,
        locked: &LockedKernel,
        packages: &[PathBuf],
    ) -> Result<(), KernelError> {
        let mut parts = Parts::new(staging.join("kernel"))?;
        for package in packages {
            unpack::each_entry(package, staging, &mut |path, entry| parts.take(path, entry))?;
        }
        let folder = parts.finish(locked)?;
        held.publish(&folder, &Self::place(cache, Self::digest_of(locked)))
    }

    /// The named modules and all that they need, in an order in which they load; built-in ones are left out.
    ///
    /// # Errors
    ///
    /// When the kernel has no such module (the error tells similar names), or a stored module is damaged.
    pub fn module_closure(&self, names: &[&str]) -> Result<Vec<Module>, KernelError> {
        let read = |name: &Path| {
            let damaged = |problem: String| {
                let whole = format!("the cache is damaged ({problem}): delete this folder, it is fetched anew");
                KernelError::content(self.folder.display().to_string(), whole)
            };
            fs::read(self.folder.join(name)).map_err(|error| damaged(format!("{}: {error}", name.display())))
        };
        let index: ModuleIndex = serde_json::from_slice(&read(Path::new("modules.json"))?)
            .map_err(|error| KernelError::content(self.folder.display().to_string(), error.to_string()))?;
        index.closure(&self.release, names, &|file| read(&Path::new("modules").join(file)))
    }
}

/// The parts of a kernel while its packages are read.
struct Parts {
    folder: PathBuf,
    image: Option<Vec<u8>>,
    config: bool,
    built_in: bool,
    modules: ModuleIndex,
}

impl Parts {
    fn new(folder: PathBuf) -> Result<Self, KernelError> {
        let modules = folder.join("modules");
        fs::create_dir_all(&modules).map_err(|error| KernelError::cache("create", &modules, error))?;
        Ok(Self { folder, image: None, config: false, built_in: false, modules: ModuleIndex::default() })
    }

    /// Keeps an entry of a package if it is a part of the kernel. Only regular files count, and none chooses where it goes.
    fn take(&mut self, path: &str, entry: &mut Entry<'_, '_>) -> io::Result<()> {
        if !entry.header().entry_type().is_file() {
            return Ok(());
        }
        match part_of(path) {
            Part::Image => {
                let mut image = Vec::new();
                entry.read_to_end(&mut image)?;
                self.image = Some(image);
            }
            Part::Config => {
                self.config = true;
                self.copy(entry, "config")?;
            }
            Part::BuiltIn => {
                let mut list = String::new();
                entry.read_to_string(&mut list)?;
                self.modules.add_built_in(&list);
                self.built_in = true;
            }
            Part::Module(name, file) => {
                self.copy(entry, &format!("modules/{file}"))?;
                self.modules.files.insert(name, file);
            }
            Part::None => {}
        }
        Ok(())
    }

    fn copy(&self, entry: &mut Entry<'_, '_>, name: &str) -> io::Result<()> {
        io::copy(entry, &mut fs::File::create(self.folder.join(name))?).map(drop)
    }

    /// Checks that no part is missing, unpacks the image, and gives the folder with everything.
    fn finish(self, locked: &LockedKernel) -> Result<PathBuf, KernelError> {
        let content =
            |problem: String| KernelError::content(format!("kernel {} {}", locked.series, locked.version), problem);
        let missing = |part: &str| content(format!("expected {part} in its packages, found none"));
        let image = self.image.ok_or_else(|| missing("a vmlinuz"))?;
        for (there, part) in [
            (self.config, "a config"),
            (self.built_in, "a modules.builtin"),
            (!self.modules.files.is_empty(), "kernel modules"),
        ] {
            if !there {
                return Err(missing(part));
            }
        }
        let release =
            vmlinux::release(&image).ok_or_else(|| content("its image does not name its release".to_owned()))?;
        let kernel = vmlinux::extract(&image).map_err(|problem| content(problem.to_string()))?;
        let manifest = Manifest { release: release.to_owned(), vmlinux_size: kernel.len() as u64 };
        let as_json = |value: serde_json::Result<Vec<u8>>| value.map_err(|error| content(error.to_string()));
        for (name, bytes) in [
            ("vmlinux", kernel),
            ("modules.json", as_json(serde_json::to_vec(&self.modules))?),
            ("kernel.json", as_json(serde_json::to_vec(&manifest))?),
        ] {
            let path = self.folder.join(name);
            fs::write(&path, bytes).map_err(|error| KernelError::cache("write", &path, error))?;
        }
        Ok(self.folder)
    }
}

/// What a file of a kernel's packages is to the kernel.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Image,
    Config,
    BuiltIn,
    /// A module: its name and its file's name.
    Module(String, String),
    None,
}

/// Debian's layout: everything in `usr/lib/modules/RELEASE/` from 6.19.14 on; before, the image and the configuration in
/// `boot/`, and until 6.1 the modules in `lib/modules/RELEASE/`.
fn part_of(path: &str) -> Part {
    let path = path.strip_prefix("usr/").unwrap_or(path);
    let (rest, in_boot) = match (path.strip_prefix("boot/"), path.strip_prefix("lib/modules/")) {
        (Some(file), _) => (file, true),
        (_, Some(rest)) => (rest.split_once('/').map_or("", |(_release, rest)| rest), false),
        _ => return Part::None,
    };
    match rest {
        "vmlinuz" => Part::Image,
        "config" => Part::Config,
        "modules.builtin" => Part::BuiltIn,
        file if in_boot && file.starts_with("vmlinuz-") => Part::Image,
        file if in_boot && file.starts_with("config-") => Part::Config,
        file if file.starts_with("kernel/") => match (module_name(file), file.rsplit('/').next()) {
            (Some(name), Some(file)) => Part::Module(name, file.to_owned()),
            _ => Part::None,
        },
        _ => Part::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_in_each_of_debians_layouts() {
        for image in ["boot/vmlinuz-6.1.0-56-cloud-amd64", "usr/lib/modules/7.3.4+deb13-cloud-amd64/vmlinuz"] {
            assert_eq!(part_of(image), Part::Image);
        }
        for config in ["boot/config-6.1.0-56-cloud-amd64", "usr/lib/modules/7.3.4+deb13-cloud-amd64/config"] {
            assert_eq!(part_of(config), Part::Config);
        }
        let module = Part::Module("vsock_diag".to_owned(), "vsock-diag.ko.xz".to_owned());
        assert_eq!(part_of("usr/lib/modules/7.3.4/kernel/net/vmw_vsock/vsock-diag.ko.xz"), module);
        assert_eq!(part_of("lib/modules/6.1.0/modules.builtin"), Part::BuiltIn);
        for other in ["boot/System.map-6.1", "lib/modules/6.1.0/modules.order", "usr/share/doc/x", "kernel/a.ko", ""] {
            assert_eq!(part_of(other), Part::None, "{other}");
        }
    }

    #[test]
    fn no_module_chooses_where_its_file_goes() {
        for path in ["lib/modules/x/kernel/../../../../../etc/evil.ko", "lib/modules/x/kernel/.."] {
            match part_of(path) {
                Part::Module(_, file) => {
                    assert!(!file.contains('/') && !file.starts_with(".."), "{file}")
                }
                part => assert_eq!(part, Part::None),
            }
        }
    }
}
