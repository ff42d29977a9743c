//! Kernel modules: what each needs, and in which order to load them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use serde::{Deserialize, Serialize};

use super::error::KernelError;
use super::nearest;

/// The largest module that is believed, unpacked, in bytes.
const LARGEST: u64 = 256 << 20;

/// One module, as the kernel takes it (init_module(2)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// Its name, with `_` and never `-`, as in /proc/modules.
    pub name: String,
    /// The ELF file.
    pub bytes: Vec<u8>,
}

/// Which modules a kernel has: stored ones and built-in ones.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModuleIndex {
    /// The stored modules' file names, by module name.
    pub files: BTreeMap<String, String>,
    /// The names of the built-in modules.
    pub built_in: BTreeSet<String>,
}

impl ModuleIndex {
    /// Adds the built-in modules that a `modules.builtin` file lists (Documentation/kbuild/kbuild.rst).
    pub fn add_built_in(&mut self, list: &str) {
        self.built_in.extend(list.lines().filter_map(module_name));
    }

    /// The named modules and all they need, each once, in an order in which they load. A built-in module needs no loading.
    ///
    /// `read` gives a stored file's content; `kernel` is the release, for errors.
    pub fn closure(
        &self,
        kernel: &str,
        names: &[&str],
        read: &dyn Fn(&str) -> Result<Vec<u8>, KernelError>,
    ) -> Result<Vec<Module>, KernelError> {
        let mut loading = Loading { index: self, kernel, read, seen: BTreeSet::new(), ordered: Vec::new() };
        for name in names {
            loading.add(&plain(name), None)?;
        }
        Ok(loading.ordered)
    }

    fn unknown(&self, kernel: &str, name: &str, needed_by: Option<&str>) -> KernelError {
        let names = self.files.keys().chain(&self.built_in).map(String::as_str);
        KernelError::UnknownModule {
            kernel: kernel.to_owned(),
            name: name.to_owned(),
            needed_by_module: needed_by.map(str::to_owned),
            nearest: nearest::nearest_names(name, names),
        }
    }
}

struct Loading<'a> {
    index: &'a ModuleIndex,
    kernel: &'a str,
    read: &'a dyn Fn(&str) -> Result<Vec<u8>, KernelError>,
    seen: BTreeSet<String>,
    ordered: Vec<Module>,
}

impl Loading<'_> {
    fn add(&mut self, name: &str, needed_by: Option<&str>) -> Result<(), KernelError> {
        // Seen before its dependencies are, so that a circle (which no kernel has) ends.
        if self.index.built_in.contains(name) || !self.seen.insert(name.to_owned()) {
            return Ok(());
        }
        let file = self.index.files.get(name).ok_or_else(|| self.index.unknown(self.kernel, name, needed_by))?;
        let damaged =
            |problem: String| KernelError::content(format!("module {name} of kernel {}", self.kernel), problem);
        let bytes = unpack(file, (self.read)(file)?).map_err(|error| damaged(error.to_string()))?;
        let needs = needs(&bytes).ok_or_else(|| damaged("expected an ELF file with a .modinfo section".to_owned()))?;
        for needed in needs.hard {
            self.add(&needed, Some(name))?;
        }
        for wished in needs.soft {
            // modprobe goes on without a soft dependency that is not there (modprobe.d(5)).
            if self.index.files.contains_key(&wished) {
                self.add(&wished, Some(name))?;
            }
        }
        self.ordered.push(Module { name: name.to_owned(), bytes });
        Ok(())
    }
}

/// The module name that a path such as `kernel/net/9p/9pnet-x.ko.xz` stands for, if it is a module's.
pub fn module_name(path: &str) -> Option<String> {
    let file = path.trim().rsplit('/').next()?;
    let stem = [".ko", ".ko.xz", ".ko.zst"].iter().find_map(|extension| file.strip_suffix(extension))?;
    (!stem.is_empty()).then(|| plain(stem))
}

/// The name as the kernel has it: modprobe takes `-` and `_` for the same.
fn plain(name: &str) -> String {
    name.replace('-', "_")
}

fn unpack(file: &str, bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    let mut unpacked = Vec::new();
    if file.ends_with(".xz") {
        lzma_rust2::XzReader::new(&*bytes, true).take(LARGEST).read_to_end(&mut unpacked)?;
    } else if file.ends_with(".zst") {
        let decoder = ruzstd::decoding::StreamingDecoder::new(&*bytes).map_err(io::Error::other)?;
        decoder.take(LARGEST).read_to_end(&mut unpacked)?;
    } else {
        return Ok(bytes);
    }
    Ok(unpacked)
}

/// What a module says it needs.
#[derive(Debug, Default, PartialEq, Eq)]
struct Needs {
    /// Modules whose symbols it uses (`depends=`).
    hard: Vec<String>,
    /// Modules that it wants loaded before it (`softdep=pre: …`).
    soft: Vec<String>,
}

/// Reads a module's `.modinfo` section: texts `key=value`, each ended by a zero byte (include/linux/moduleparam.h).
fn needs(elf: &[u8]) -> Option<Needs> {
    let mut needs = Needs::default();
    for text in section(elf, b".modinfo")?.split(|byte| *byte == 0) {
        let text = String::from_utf8_lossy(text);
        if let Some(list) = text.strip_prefix("depends=") {
            needs.hard.extend(list.split(',').filter(|name| !name.is_empty()).map(plain));
        } else if let Some(list) = text.strip_prefix("softdep=") {
            let before = list.split_once("pre:").map_or("", |(_, names)| names);
            let before = before.split("post:").next().unwrap_or_default();
            needs.soft.extend(before.split_whitespace().map(plain));
        }
    }
    Some(needs)
}

/// The content of a section of a 64-bit little-endian ELF file (elf(5)).
fn section<'a>(elf: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    let number = |at: usize, size: usize| -> Option<usize> {
        let bytes = elf.get(at..at.checked_add(size)?)?;
        let value = bytes.iter().rev().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
        usize::try_from(value).ok()
    };
    if elf.get(..6) != Some(b"\x7fELF\x02\x01") {
        return None;
    }
    let (table, size, count, names) = (number(40, 8)?, number(58, 2)?, number(60, 2)?, number(62, 2)?);
    let header = |index: usize| table.checked_add(index.checked_mul(size)?);
    let content = |index: usize| {
        let start = number(header(index)?.checked_add(24)?, 8)?;
        elf.get(start..start.checked_add(number(header(index)?.checked_add(32)?, 8)?)?)
    };
    let name_table = content(names)?;
    let found = (0..count).find(|index| {
        let name = header(*index).and_then(|at| number(at, 4)).and_then(|start| name_table.get(start..));
        name.is_some_and(|name| name.split(|byte| *byte == 0).next() == Some(wanted))
    })?;
    content(found)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An ELF file with nothing but a `.modinfo` section.
    pub fn module_with(modinfo: &[u8]) -> Vec<u8> {
        let names = b"\0.modinfo\0";
        let mut elf = vec![0; 64];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
        elf.extend_from_slice(names);
        elf.extend_from_slice(modinfo);
        let table = elf.len();
        let mut header = |name: u32, start: usize, size: usize| {
            let mut header = [0; 64];
            header[..4].copy_from_slice(&name.to_le_bytes());
            header[24..32].copy_from_slice(&(start as u64).to_le_bytes());
            header[32..40].copy_from_slice(&(size as u64).to_le_bytes());
            elf.extend_from_slice(&header);
        };
        header(0, 64, names.len());
        header(1, 64 + names.len(), modinfo.len());
        elf[40..48].copy_from_slice(&(table as u64).to_le_bytes());
        elf[58] = 64;
        elf[60] = 2;
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
    fn modules_come_after_what_they_need_and_once() {
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
    fn a_soft_dependency_is_loaded_first_if_it_is_there() {
        let index = index(&["sctp.ko", "crc32c.ko", "libcrc32c.ko", "veth.ko"], "");
        let order = names(&index, &["sctp"]);
        assert_eq!(order, Ok(["libcrc32c", "crc32c", "sctp"].map(str::to_owned).into()));
    }

    #[test]
    fn an_unknown_module_is_told_with_similar_names() {
        let index = index(&["vsock.ko", "veth.ko"], "");
        assert_eq!(names(&index, &["vsok"]), Err("kernel 6.1.0-x has no module `vsok`; nearest are vsock".to_owned()));
    }

    #[test]
    fn a_dependency_that_is_not_there_is_told_with_who_needs_it() {
        let told = names(&index(&["lost.ko"], ""), &["lost"]).unwrap_err();
        assert!(told.starts_with("kernel 6.1.0-x has no module `gone` (needed by `lost`)"), "{told}");
    }

    #[test]
    fn modules_that_need_each_other_end() {
        let order = names(&index(&["loop-a.ko", "loop-b.ko"], ""), &["loop-a"]).unwrap();
        assert_eq!(order, ["loop_b", "loop_a"]);
    }

    #[test]
    fn module_files_are_told_from_others() {
        assert_eq!(module_name("kernel/net/vmw_vsock/vsock-diag.ko.xz").as_deref(), Some("vsock_diag"));
        assert_eq!(module_name("kernel/net/x.ko.zst").as_deref(), Some("x"));
        assert_eq!(module_name("modules.order"), None);
        assert_eq!(module_name("kernel/.ko"), None);
    }

    proptest::proptest! {
        #[test]
        fn a_damaged_module_is_refused_or_read_without_panic(
            flips in proptest::collection::vec((0_usize..240, proptest::num::u8::ANY), 1..8),
            cut in 0_usize..260,
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
