//! Kernel modules: their dependencies, and the order in which to load them.

use std::collections::{BTreeMap, BTreeSet};

use object::LittleEndian;
use object::elf::FileHeader64;
use object::read::elf::{FileHeader, SectionHeader};
use serde::{Deserialize, Serialize};

use super::error::{ContentError, KernelError};
use super::payload;
use super::vmlinux::ImageError;
use crate::nearest::nearest;

/// A module, ready for init_module(2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Module {
    /// With `_` instead of `-`, as in /proc/modules.
    pub(crate) name: String,
    /// The ELF file.
    pub(crate) bytes: Vec<u8>,
}

/// The modules of a kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ModuleIndex {
    /// The file names of the modules that can be loaded, by module name.
    pub(super) files: BTreeMap<String, String>,
    /// The names of the built-in modules.
    pub(super) built_in: BTreeSet<String>,
}

impl ModuleIndex {
    /// Adds the modules in a `modules.builtin` file (Documentation/kbuild/kbuild.rst).
    pub(super) fn add_built_in(&mut self, list: &str) {
        self.built_in.extend(list.lines().filter_map(module_name));
    }

    /// Whether a module is built in or can be loaded.
    pub(super) fn has(&self, name: &str) -> bool {
        self.files.contains_key(name) || self.built_in.contains(name)
    }

    /// Returns the named modules and all their dependencies, each once, in the order in which to load them, without
    /// built-in ones. `read` reads a module's file; `release` is the kernel's, for errors.
    pub(super) fn closure(
        &self,
        release: &str,
        names: &[&str],
        read: &dyn Fn(&str) -> Result<Vec<u8>, KernelError>,
    ) -> Result<Vec<Module>, KernelError> {
        let mut loading = Loading { index: self, release, read, seen: BTreeSet::new(), ordered: Vec::new() };
        for name in names {
            loading.add(&plain(name), None)?;
        }
        Ok(loading.ordered)
    }

    /// Modules with similar names.
    pub(super) fn nearest(&self, name: &str) -> Vec<&str> {
        nearest(name, self.files.keys().chain(&self.built_in).map(String::as_str))
    }

    fn unknown(&self, release: &str, name: &str, dependent: Option<&str>) -> KernelError {
        KernelError::UnknownModule {
            release: release.to_owned(),
            name: name.to_owned(),
            dependent: dependent.map(str::to_owned),
            nearest: self.nearest(name).into_iter().map(str::to_owned).collect(),
        }
    }
}

struct Loading<'a> {
    index: &'a ModuleIndex,
    release: &'a str,
    read: &'a dyn Fn(&str) -> Result<Vec<u8>, KernelError>,
    seen: BTreeSet<String>,
    ordered: Vec<Module>,
}

impl Loading<'_> {
    fn add(&mut self, name: &str, dependent: Option<&str>) -> Result<(), KernelError> {
        // Marked as seen before its dependencies, so that a cycle (which no kernel has) ends.
        if self.index.built_in.contains(name) || !self.seen.insert(name.to_owned()) {
            return Ok(());
        }
        let file = self.index.files.get(name).ok_or_else(|| self.index.unknown(self.release, name, dependent))?;
        let damaged =
            |error: ContentError| KernelError::content(format!("module {name} of kernel {}", self.release), error);
        let bytes =
            payload::unpack_module((self.read)(file)?).map_err(|error| damaged(ImageError::from(error).into()))?;
        let needs = needs(&bytes).map_err(damaged)?;
        for needed in needs.hard {
            self.add(&needed, Some(name))?;
        }
        for wished in needs.soft {
            // Like modprobe, ignore a missing soft dependency (modprobe.d(5)).
            if self.index.files.contains_key(&wished) {
                self.add(&wished, Some(name))?;
            }
        }
        self.ordered.push(Module { name: name.to_owned(), bytes });
        Ok(())
    }
}

/// The name of the module at a path such as `kernel/net/9p/9pnet-x.ko.xz`; `None` if it is not a module.
pub(super) fn module_name(path: &str) -> Option<String> {
    let file = path.trim().rsplit('/').next()?;
    let stem = [".ko", ".ko.xz", ".ko.zst", ".ko.gz"].iter().find_map(|extension| file.strip_suffix(extension))?;
    (!stem.is_empty()).then(|| plain(stem))
}

/// The name as the kernel spells it: modprobe treats `-` and `_` as the same.
fn plain(name: &str) -> String {
    name.replace('-', "_")
}

/// The dependencies of a module.
#[derive(Debug, Default, PartialEq, Eq)]
struct Needs {
    /// Modules whose symbols it uses (`depends=`).
    hard: Vec<String>,
    /// Modules to load before it, if they exist (`softdep=pre: …`).
    soft: Vec<String>,
}

/// Reads the dependencies in a module's `.modinfo` section.
fn needs(elf: &[u8]) -> Result<Needs, ContentError> {
    let mut needs = Needs::default();
    for text in modinfo(elf)? {
        let text = String::from_utf8_lossy(text);
        if let Some(list) = text.strip_prefix("depends=") {
            needs.hard.extend(list.split(',').filter(|name| !name.is_empty()).map(plain));
        } else if let Some(list) = text.strip_prefix("softdep=") {
            let before = list.split_once("pre:").map_or("", |(_, names)| names);
            let before = before.split("post:").next().unwrap_or_default();
            needs.soft.extend(before.split_whitespace().map(plain));
        }
    }
    Ok(needs)
}

/// The release of the kernel that a module's file was built for: the first word of its `vermagic` (include/linux/vermagic.h).
pub(super) fn built_for(file: &[u8]) -> Option<String> {
    let elf = payload::unpack_module(file.to_vec()).ok()?;
    let vermagic = modinfo(&elf).ok()?.find_map(|text| text.strip_prefix(b"vermagic="))?;
    String::from_utf8_lossy(vermagic).split(' ').next().map(str::to_owned)
}

/// The texts of a module's `.modinfo` section: `key=value`, each ended by a zero byte (include/linux/moduleparam.h).
fn modinfo(elf: &[u8]) -> Result<impl Iterator<Item = &[u8]>, ContentError> {
    let sections = FileHeader64::<LittleEndian>::parse(elf)?.sections(LittleEndian, elf)?;
    let section = sections.section_by_name(LittleEndian, b".modinfo");
    let (_, modinfo) = section.ok_or(ContentError::NoModuleInfo)?;
    Ok(modinfo.data(LittleEndian, elf)?.split(|byte| *byte == 0))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An ELF file with only a `.modinfo` section.
    pub(crate) fn module_with(modinfo: &[u8]) -> Vec<u8> {
        let names = b"\0.modinfo\0";
        let mut elf = vec![0; 64];
        elf[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        elf.extend_from_slice(names);
        elf.extend_from_slice(modinfo);
        let table = elf.len();
        let mut header = |name: u32, start: usize, size: usize| {
            let mut header = [0; 64];
            header[..4].copy_from_slice(&name.to_le_bytes());
            header[4] = 1; // SHT_PROGBITS
            header[24..32].copy_from_slice(&(start as u64).to_le_bytes());
            header[32..40].copy_from_slice(&(size as u64).to_le_bytes());
            elf.extend_from_slice(&header);
        };
        header(0, 0, 0);
        header(0, 64, names.len());
        header(1, 64 + names.len(), modinfo.len());
        elf[40..48].copy_from_slice(&(table as u64).to_le_bytes());
        elf[58] = 64;
        elf[60] = 3;
        elf[62] = 1;
        elf
    }

    fn index(files: &[&str], built_in: &str) -> ModuleIndex {
        let files = files.iter().map(|file| (module_name(file).unwrap(), (*file).to_owned())).collect();
        let mut index = ModuleIndex { files, built_in: BTreeSet::new() };
        index.add_built_in(built_in);
        index
    }

    fn read(file: &str) -> Result<Vec<u8>, KernelError> {
        let modinfo: &[u8] = match file {
            "veth.ko" => b"license=GPL\0depends=\0",
            "virtio_net.ko" => b"depends=net_failover,virtio\0name=virtio_net\0",
            "net_failover.ko" => b"depends=failover\0",
            "failover.ko" => b"depends=\0",
            "sctp.ko" => b"softdep=pre: crc32c absent post: veth\0depends=libcrc32c\0",
            "lost.ko" => b"depends=gone\0",
            "loop-a.ko" => b"depends=loop_b\0",
            "loop-b.ko" => b"depends=loop_a\0",
            _ => b"depends=\0",
        };
        Ok(module_with(modinfo))
    }

    fn names(index: &ModuleIndex, wanted: &[&str]) -> Result<Vec<String>, String> {
        let modules = index.closure("6.1.0-x", wanted, &read).map_err(|error| error.to_string())?;
        Ok(modules.into_iter().map(|module| module.name).collect())
    }

    #[test]
    fn modules_come_once_and_after_their_dependencies() {
        let index =
            index(&["virtio_net.ko", "net_failover.ko", "failover.ko", "veth.ko"], "kernel/drivers/virtio/virtio.ko\n");
        let order = names(&index, &["virtio-net", "failover", "veth", "virtio_net"]);
        assert_eq!(order, Ok(["failover", "net_failover", "virtio_net", "veth"].map(str::to_owned).into()));
    }

    #[test]
    fn a_built_in_module_needs_no_loading() {
        assert_eq!(names(&index(&[], "kernel/drivers/char/virtio_console.ko\n"), &["virtio-console"]), Ok(vec![]));
    }

    #[test]
    fn a_soft_dependency_is_loaded_first_if_it_exists() {
        let index = index(&["sctp.ko", "crc32c.ko", "libcrc32c.ko", "veth.ko"], "");
        let order = names(&index, &["sctp"]);
        assert_eq!(order, Ok(["libcrc32c", "crc32c", "sctp"].map(str::to_owned).into()));
    }

    #[test]
    fn an_unknown_module_is_reported_with_similar_names() {
        let index = index(&["vsock.ko", "veth.ko"], "");
        assert_eq!(names(&index, &["vsok"]), Err("kernel 6.1.0-x has no module `vsok`; nearest are vsock".to_owned()));
    }

    #[test]
    fn a_missing_dependency_is_reported_with_the_module_that_needs_it() {
        let message = names(&index(&["lost.ko"], ""), &["lost"]).unwrap_err();
        assert!(message.starts_with("kernel 6.1.0-x has no module `gone` (needed by `lost`)"), "{message}");
    }

    #[test]
    fn a_cycle_of_dependencies_ends() {
        let order = names(&index(&["loop-a.ko", "loop-b.ko"], ""), &["loop-a"]).unwrap();
        assert_eq!(order, ["loop_b", "loop_a"]);
    }

    #[test]
    fn modules_are_recognized_by_their_file_names() {
        assert_eq!(module_name("kernel/net/vmw_vsock/vsock-diag.ko.xz").as_deref(), Some("vsock_diag"));
        assert_eq!(module_name("kernel/net/x.ko.zst").as_deref(), Some("x"));
        assert_eq!(module_name("kernel/net/y.ko.gz").as_deref(), Some("y"));
        assert_eq!(module_name("modules.order"), None);
        assert_eq!(module_name("kernel/.ko"), None);
    }

    proptest::proptest! {
        #[test]
        fn a_damaged_module_does_not_cause_a_panic(
            flips in proptest::collection::vec((0_usize..280, proptest::num::u8::ANY), 1..8),
            cut in 0_usize..300,
        ) {
            let mut elf = module_with(b"depends=a,b\0");
            for (at, value) in flips {
                if let Some(byte) = elf.get_mut(at) {
                    *byte = value;
                }
            }
            elf.truncate(cut);
            let _ = needs(&elf);
        }
    }
}
