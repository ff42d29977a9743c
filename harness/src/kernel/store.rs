//! Unpacked kernels in the cache: vmlinux, configuration and modules.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::built_in;
use super::cache_folder::{Cache, CacheError, CacheLock};
use super::config::Config;
use super::digest::Sha256;
use super::error::{ContentError, KernelError};
use super::lock::LockedKernel;
use super::modules::{Module, ModuleIndex, module_name};
use super::name::KernelName;
use super::own;
use super::series::Series;
use super::unpack::{self, Entry};
use super::verified::{self, Damage, verify_stored};
use super::vmlinux;

/// Part of the folder's name in the cache. Increase it when the stored files change, so that kernels are unpacked again.
const LAYOUT: u32 = 1;

pub(super) const MANIFEST: &str = "kernel.json";
const CONFIG: &str = "config";
const MODULE_INDEX: &str = "modules.json";
const MODULES: &str = "modules";

/// Why something is not in the cache, or cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unstored {
    #[error("it is not in the cache")]
    Absent,
    #[error("the cache is damaged: invalid {MANIFEST}")]
    Manifest(#[source] serde_json::Error),
    #[error("the cache is damaged: a file is missing or has a different size")]
    Incomplete,
    #[error("the cache is damaged")]
    Damaged(#[from] Damage),
}

/// A kernel that is ready to boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kernel {
    /// The name in results, snapshots and reports.
    #[serde(skip)]
    pub(super) name: KernelName,
    pub series: Series,
    /// The version of its packages; of a kernel at a path, its release.
    pub version: String,
    /// What `uname -r` prints in it.
    pub release: String,
    /// `Linux version 6.12.117 (user@host) (compiler) #1 …`, if it was read from the image.
    #[serde(skip)]
    pub banner: Option<String>,
    /// Identifies the kernel on any machine: the combined digest of its packages; of a kernel at a path, that of its image.
    pub digest: Sha256,
    /// Whether it is the newest of its series instead of the locked one (`--unlocked`). Reports must say so.
    pub unlocked: bool,
    /// The file in `folder` that QEMU boots.
    #[serde(skip)]
    pub(super) boots: BootFile,
    /// Its configuration, if there is one.
    #[serde(skip)]
    pub(super) config: Option<PathBuf>,
    #[serde(skip)]
    pub(super) modules: ModuleFiles,
    /// The folder with its files.
    #[serde(skip)]
    pub(super) folder: PathBuf,
}

/// A file that QEMU can boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum BootFile {
    /// An ELF file with a PVH note.
    #[serde(rename = "vmlinux")]
    Vmlinux,
    #[serde(rename = "bzImage")]
    BzImage,
}

impl BootFile {
    /// Its name in a kernel's folder.
    pub(super) fn file(self) -> &'static str {
        match self {
            Self::Vmlinux => "vmlinux",
            Self::BzImage => "bzImage",
        }
    }
}

/// Where a kernel's modules are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ModuleFiles {
    /// In the kernel's folder, with an index.
    Stored,
    /// Nowhere: the archive has the image only, without modules and configuration.
    LeftArchive,
    /// Outside the cache: the index has their paths.
    InPlace(ModuleIndex),
}

/// The content of `kernel.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    release: String,
    /// In bytes: a cheap check that the file is complete.
    vmlinux_size: u64,
}

impl Kernel {
    /// The name of this kernel in results, snapshots and reports.
    pub fn name(&self) -> KernelName {
        self.name.clone()
    }

    /// The file that QEMU boots.
    pub(crate) fn boot_image(&self) -> PathBuf {
        self.folder.join(self.boots.file())
    }

    /// The unpacked kernel, an ELF file without symbols.
    pub(crate) fn vmlinux(&self) -> PathBuf {
        self.folder.join(BootFile::Vmlinux.file())
    }

    /// The kernel's configuration; `None` if it has none.
    pub(crate) fn config(&self) -> Result<Option<Config>, KernelError> {
        let Some(path) = &self.config else { return Ok(None) };
        let text = fs::read(path).map_err(|error| KernelError::io("read", path, error))?;
        Ok(Some(Config::parse(&String::from_utf8_lossy(&text))))
    }

    /// Checks that the kernel has what every case needs. Returns why that is unknown, if it has no configuration.
    /// Fails when options are missing, or the configuration cannot be read.
    pub(crate) fn check_options(&self) -> Result<Option<String>, KernelError> {
        let Some(config) = self.config()? else { return Ok(Some(self.without_configuration())) };
        match config.required() {
            Ok(()) => Ok(None),
            Err(source) => Err(KernelError::MissingOptions { kernel: self.name(), source }),
        }
    }

    fn without_configuration(&self) -> String {
        let name = &self.name;
        match &self.modules {
            ModuleFiles::LeftArchive => format!(
                "the archive no longer has the modules and the configuration of {name}: cases that need a module are skipped, and \
                 rxpath tries to run all others"
            ),
            ModuleFiles::InPlace(index) if index.files.contains_key("configs") => format!(
                "{name} has its configuration in a module (CONFIG_IKCONFIG=m), which rxpath does not read, so it tries to run every \
                 case"
            ),
            _ => format!("{name} has no configuration, so rxpath tries to run every case on it"),
        }
    }

    /// Whether it has snapshots: it is the kernel that the pins have for its series.
    pub(crate) fn is_pinned(&self) -> bool {
        self.name == KernelName::from(self.series)
    }

    /// The combined digest of a kernel's packages.
    pub(super) fn digest_of(locked: &LockedKernel) -> Sha256 {
        Sha256::of_all("rxpath kernel", locked.packages.iter().map(|pin| pin.sha256))
    }

    /// The release of the kernel in a folder of the cache; `None` if the folder is incomplete.
    pub(super) fn stored_release(folder: &Path) -> Option<KernelName> {
        let manifest: Manifest = serde_json::from_slice(&fs::read(folder.join(MANIFEST)).ok()?).ok()?;
        Some(manifest.release.as_str().into())
    }

    fn place(cache: &Cache, digest: Sha256) -> PathBuf {
        cache.root().join("kernels").join(format!("{digest}-{LAYOUT}"))
    }

    /// The stored kernel, if it is in the cache and whole.
    pub(super) fn open(cache: &Cache, locked: &LockedKernel, unlocked: bool) -> Result<Self, Unstored> {
        let digest = Self::digest_of(locked);
        let folder = Self::place(cache, digest);
        let text = fs::read(folder.join(MANIFEST)).map_err(|_| Unstored::Absent)?;
        let manifest: Manifest = serde_json::from_slice(&text).map_err(Unstored::Manifest)?;
        verify_stored(&folder, || Ok(Self::verified_files(&folder)))?;
        let size = fs::metadata(folder.join(BootFile::Vmlinux.file())).map_or(0, |file| file.len());
        if size != manifest.vmlinux_size || locked.has_modules() && !folder.join(CONFIG).is_file() {
            return Err(Unstored::Incomplete);
        }
        Ok(Self {
            name: locked.series.into(),
            series: locked.series,
            version: locked.version.clone(),
            release: manifest.release,
            banner: None,
            digest,
            unlocked,
            boots: BootFile::Vmlinux,
            config: Some(folder.join(CONFIG)).filter(|config| config.is_file()),
            modules: if locked.has_modules() { ModuleFiles::Stored } else { ModuleFiles::LeftArchive },
            folder,
        })
    }

    /// The files that are verified when the kernel is opened. A module is verified when it is loaded.
    fn verified_files(folder: &Path) -> Vec<String> {
        let files = [BootFile::Vmlinux.file(), CONFIG, MANIFEST, MODULE_INDEX];
        files.into_iter().filter(|name| folder.join(name).is_file()).map(str::to_owned).collect()
    }

    /// Unpacks a kernel from its package files, in `staging`, and stores it in the cache.
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
        let modules = parts.modules.files.values().cloned().collect();
        let folder = parts.finish(locked)?;
        let stored = verified::store_digests(&folder.join(MODULES), modules)
            .and_then(|()| verified::store_digests(&folder, Self::verified_files(&folder)));
        stored.map_err(CacheError::io("write", &folder))?;
        Ok(held.publish(&folder, &Self::place(cache, Self::digest_of(locked)))?)
    }

    /// Takes the image out of a kernel's package files, into a file in `staging`.
    pub(super) fn packed_image(staging: &Path, packages: &[PathBuf], owner: &str) -> Result<PathBuf, KernelError> {
        let mut parts = Parts::new(staging.join("kernel"))?;
        for package in packages {
            unpack::each_entry(package, staging, &mut |path, entry| parts.take(path, entry))?;
        }
        let image =
            parts.image.ok_or_else(|| KernelError::content(owner.to_owned(), ContentError::Missing("a vmlinuz")))?;
        let path = staging.join("vmlinuz");
        fs::write(&path, image).map_err(CacheError::io("write", &path))?;
        Ok(path)
    }

    /// Returns the named modules and all their dependencies in the order in which to load them, without built-in ones.
    /// Fails when the kernel does not have a module (the error has similar names), or a stored module is damaged.
    pub(crate) fn module_closure(&self, names: &[&str]) -> Result<Vec<Module>, KernelError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let index = self.module_index()?;
        index.closure(&self.release, names, &|file| match &self.modules {
            ModuleFiles::InPlace(_) => Ok(own::read_module(Path::new(file), &self.release)?),
            ModuleFiles::Stored | ModuleFiles::LeftArchive => {
                verified::verify_one(&self.folder.join(MODULES), file).map_err(|damage| {
                    KernelError::content(self.folder.display().to_string(), ContentError::Changed(damage))
                })?;
                self.read(&format!("{MODULES}/{file}"))
            }
        })
    }

    /// The kernel's modules. Debian's packages list those that are built in; other kernels may not.
    pub(super) fn module_index(&self) -> Result<ModuleIndex, KernelError> {
        let mut index = match &self.modules {
            ModuleFiles::InPlace(index) => index.clone(),
            ModuleFiles::Stored | ModuleFiles::LeftArchive => serde_json::from_slice(&self.read(MODULE_INDEX)?)
                .map_err(|error| KernelError::content(self.folder.display().to_string(), error))?,
        };
        if self.modules == ModuleFiles::Stored {
            return Ok(index);
        }
        let built_in: Vec<&str> = match self.config()? {
            Some(config) => built_in::of_config(&config).collect(),
            None => built_in::of_image(&self.read(BootFile::Vmlinux.file())?).collect(),
        };
        index.built_in.extend(built_in.into_iter().map(str::to_owned));
        Ok(index)
    }

    /// Reads a file in the kernel's folder.
    fn read(&self, name: &str) -> Result<Vec<u8>, KernelError> {
        let damaged = |error| {
            KernelError::content(self.folder.display().to_string(), ContentError::Damaged(name.to_owned(), error))
        };
        fs::read(self.folder.join(name)).map_err(damaged)
    }
}

/// The parts of a kernel found so far in its packages.
struct Parts {
    folder: PathBuf,
    image: Option<Vec<u8>>,
    config: bool,
    built_in: bool,
    modules: ModuleIndex,
}

impl Parts {
    fn new(folder: PathBuf) -> Result<Self, KernelError> {
        let modules = folder.join(MODULES);
        fs::create_dir_all(&modules).map_err(CacheError::io("create", &modules))?;
        Ok(Self { folder, image: None, config: false, built_in: false, modules: ModuleIndex::default() })
    }

    /// Keeps an entry of a package if it is a part of the kernel. Takes only regular files, and only their names from the
    /// package, not their paths.
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
                self.copy(entry, CONFIG)?;
            }
            Part::BuiltIn => {
                let mut list = String::new();
                entry.read_to_string(&mut list)?;
                self.modules.add_built_in(&list);
                self.built_in = true;
            }
            Part::Module(name, file) => {
                self.copy(entry, &format!("{MODULES}/{file}"))?;
                self.modules.files.insert(name, file);
            }
            Part::None => {}
        }
        Ok(())
    }

    fn copy(&self, entry: &mut Entry<'_, '_>, name: &str) -> io::Result<()> {
        io::copy(entry, &mut fs::File::create(self.folder.join(name))?).map(drop)
    }

    /// Checks that no part is missing, unpacks the image, and returns the folder of the kernel.
    fn finish(self, locked: &LockedKernel) -> Result<PathBuf, KernelError> {
        let unusable = |error| KernelError::content(format!("kernel {} {}", locked.series, locked.version), error);
        for (name, bytes) in self.files(locked.has_modules()).map_err(unusable)? {
            let path = self.folder.join(name);
            fs::write(&path, bytes).map_err(CacheError::io("write", &path))?;
        }
        Ok(self.folder)
    }

    /// The files that are made from the parts.
    fn files(&self, with_modules: bool) -> Result<[(&'static str, Vec<u8>); 3], ContentError> {
        let image = self.image.as_ref().ok_or(ContentError::Missing("a vmlinuz"))?;
        for (found, part) in [
            (self.config || !with_modules, "a config"),
            (self.built_in || !with_modules, "a modules.builtin"),
            (!self.modules.files.is_empty() || !with_modules, "kernel modules"),
        ] {
            if !found {
                return Err(ContentError::Missing(part));
            }
        }
        let release = vmlinux::release(image).ok_or(ContentError::NoRelease)?;
        let kernel = vmlinux::extract(image)?;
        let manifest = Manifest { release: release.to_owned(), vmlinux_size: kernel.len() as u64 };
        Ok([
            ("vmlinux", kernel),
            (MODULE_INDEX, serde_json::to_vec(&self.modules)?),
            (MANIFEST, serde_json::to_vec(&manifest)?),
        ])
    }
}

/// The role of a file in a kernel's packages.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Image,
    Config,
    BuiltIn,
    /// With the names of the module and of its file.
    Module(String, String),
    None,
}

/// Whether the file at this path of a package belongs to a kernel.
pub(super) fn is_part(path: &str) -> bool {
    part_of(path) != Part::None || path.rsplit('/').next().is_some_and(|file| file.starts_with("vmlinux-"))
}

/// The role of the file at this path. From 6.19.14 on, Debian has everything in `usr/lib/modules/RELEASE/`; before, the image
/// and the configuration in `boot/`; up to 6.1, the modules in `lib/modules/RELEASE/`.
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
    fn a_module_cannot_choose_its_folder() {
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
