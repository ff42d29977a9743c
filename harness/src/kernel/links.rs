//! Unlinks QEMU from libraries that it never calls on rxpath's machines: loading them takes about 10 ms, a tenth of a run.
//!
//! It changes, in place, only what the loader reads: it removes the library from the dynamic section (DT_NEEDED) and from the
//! list of required versions (DT_VERNEED), and makes the symbols from it weak, so that the loader does not require them
//! (elf(5), and "Symbol Versioning" in the Linux Standard Base). QEMU's code stays as it is. If QEMU called such a function
//! nevertheless, it would end with a segmentation fault.

use object::elf::{
    self, FileHeader64, SectionHeader64, SectionType, Sym64, Vernaux, Verneed, VersionIndex, VersymIndex,
};
use object::read::elf::{Dyn, FileHeader, SectionHeader, SectionTable};
use object::{LittleEndian, U16};

const LE: LittleEndian = LittleEndian;

/// The names of the libraries, up to `.so`.
pub(super) const NEVER_CALLED: [&str; 18] = [
    "libcapstone", // disassembly in the monitor and the log
    "libpng16",    // screens, which no machine has
    "libjpeg",
    "libsasl2",
    "libgio-2.0", // screens over D-Bus
    "libgobject-2.0",
    "libgmodule-2.0",
    "libudev",   // the host's USB devices
    "libpmem",   // persistent memory
    "libnuma",   // the host's NUMA nodes
    "libfdt",    // device trees
    "librdmacm", // migration by RDMA
    "libibverbs",
    "libslirp", // networks outside the machine
    "libvdeplug",
    "libbpf",
    "libfuse3", // disks
    "libaio",
];

/// Why a program cannot be unlinked from a library.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    #[error("expected a 64-bit ELF program")]
    Elf(#[from] object::read::Error),
    #[error("its {0} is truncated")]
    Truncated(&'static str),
}

/// Unlinks a program from these libraries, and returns the file names of those that it was linked with.
pub(super) fn remove_needed(program: &mut [u8], libraries: &[&str]) -> Result<Vec<String>, LinkError> {
    let header = FileHeader64::<LittleEndian>::parse(&*program)?;
    let sections = header.sections(LE, &*program)?;
    let removed = |name: &[u8]| libraries.iter().any(|stem| is_library(name, stem));
    let Some(needs) = Needs::of(program, &sections, &removed)? else {
        return Ok(Vec::new());
    };
    let mut edits = Vec::new();
    needs.relink(&mut edits);
    weaken(program, &sections, &needs, &mut edits)?;
    let names = remove_entries(program, &sections, &needs, &removed, &mut edits)?;
    if names.is_empty() {
        return Ok(names);
    }
    for (at, bytes) in edits {
        let place = program.get_mut(at..at + bytes.len()).ok_or(LinkError::Truncated("dynamic linking information"))?;
        place.copy_from_slice(&bytes);
    }
    Ok(names)
}

/// An offset in the file, and the bytes to write there.
type Edit = (usize, Vec<u8>);

fn is_library(name: &[u8], stem: &str) -> bool {
    name.strip_prefix(stem.as_bytes()).is_some_and(|rest| rest.starts_with(b".so"))
}

/// The list of required versions: an entry for each library.
struct Needs {
    /// The offsets in the file of the entries that stay, in order.
    kept: Vec<usize>,
    /// The offset of the first entry, before any is removed.
    first: usize,
    /// The versions in the entries that stay, as the symbols refer to them.
    versions: Vec<VersionIndex>,
}

impl Needs {
    /// Reads the list; `None` if there is none, or if no entry stays.
    fn of(
        program: &[u8],
        sections: &SectionTable<'_, FileHeader64<LittleEndian>>,
        removed: &dyn Fn(&[u8]) -> bool,
    ) -> Result<Option<Self>, LinkError> {
        let Some((section, first)) = section_of(sections, elf::SHT_GNU_VERNEED) else { return Ok(None) };
        let strings = sections.strings(LE, program, section.link(LE))?;
        let mut needs = Self { kept: Vec::new(), first, versions: Vec::new() };
        let mut at = first;
        loop {
            let need: &Verneed<LittleEndian> = read(program, at, "list of versions")?;
            let stays = !removed(strings.get(need.vn_file.get(LE)).unwrap_or_default());
            if stays {
                needs.kept.push(at);
                let mut version_at = at + need.vn_aux.get(LE) as usize;
                for _ in 0..need.vn_cnt.get(LE) {
                    let version: &Vernaux<LittleEndian> = read(program, version_at, "list of versions")?;
                    needs.versions.push(version.vna_other.get(LE));
                    version_at += version.vna_next.get(LE) as usize;
                }
            }
            match need.vn_next.get(LE) {
                0 => break,
                next => at += next as usize,
            }
        }
        Ok((!needs.kept.is_empty()).then_some(needs))
    }

    /// Links each entry that stays to the next one that stays.
    fn relink(&self, edits: &mut Vec<Edit>) {
        let next = self.kept.iter().skip(1).map(Some).chain([None]);
        for (at, next) in self.kept.iter().zip(next) {
            let step = next.map_or(0, |next| next - at) as u32;
            edits.push((at + std::mem::offset_of!(Verneed<LittleEndian>, vn_next), step.to_le_bytes().to_vec()));
        }
    }
}

/// Makes every undefined symbol weak, except those whose version belongs to a library that stays.
fn weaken(
    program: &[u8],
    sections: &SectionTable<'_, FileHeader64<LittleEndian>>,
    needs: &Needs,
    edits: &mut Vec<Edit>,
) -> Result<(), LinkError> {
    let (Some((_, versions_at)), Some((symbols, symbols_at))) =
        (section_of(sections, elf::SHT_GNU_VERSYM), section_of(sections, elf::SHT_DYNSYM))
    else {
        return Ok(());
    };
    let count = symbols.sh_size(LE) as usize / size_of::<Sym64<LittleEndian>>();
    // Entry 0 is reserved.
    for index in 1..count {
        let at = symbols_at + index * size_of::<Sym64<LittleEndian>>();
        let version_at = versions_at + index * size_of::<VersymIndex>();
        let symbol: &Sym64<LittleEndian> = read(program, at, "table of symbols")?;
        let version =
            read::<U16<LittleEndian, VersymIndex>>(program, version_at, "table of symbols' versions")?.get(LE);
        if symbol.st_shndx.get(LE) != elf::SHN_UNDEF || needs.versions.contains(&version.index()) {
            continue;
        }
        let info = elf::STB_WEAK | symbol.st_info.st_type();
        edits.push((at + std::mem::offset_of!(Sym64<LittleEndian>, st_info), vec![info.0]));
        edits.push((version_at, elf::VER_NDX_GLOBAL.0.to_le_bytes().to_vec()));
    }
    Ok(())
}

/// Removes the libraries from the dynamic section, which becomes shorter, and returns their names.
fn remove_entries(
    program: &[u8],
    sections: &SectionTable<'_, FileHeader64<LittleEndian>>,
    needs: &Needs,
    removed: &dyn Fn(&[u8]) -> bool,
    edits: &mut Vec<Edit>,
) -> Result<Vec<String>, LinkError> {
    let Some((section, at)) = section_of(sections, elf::SHT_DYNAMIC) else { return Ok(Vec::new()) };
    let strings = sections.strings(LE, program, section.link(LE))?;
    let Some((entries, _)) = section.dynamic(LE, program)? else { return Ok(Vec::new()) };
    let (mut names, mut kept) = (Vec::new(), Vec::new());
    for entry in entries {
        let (tag, mut value) = (entry.d_tag(LE), entry.d_val(LE));
        if tag == elf::DT_NEEDED {
            let name = strings.get(value as u32).unwrap_or_default();
            if removed(name) {
                names.push(String::from_utf8_lossy(name).into_owned());
                continue;
            }
        }
        if tag == elf::DT_VERNEED {
            value += (needs.kept[0] - needs.first) as u64;
        }
        if tag == elf::DT_VERNEEDNUM {
            value = needs.kept.len() as u64;
        }
        kept.push((tag, value));
    }
    kept.resize(entries.len(), (elf::DT_NULL, 0));
    let bytes = kept.iter().flat_map(|(tag, value)| [tag.0.to_le_bytes(), value.to_le_bytes()]).flatten().collect();
    edits.push((at, bytes));
    Ok(names)
}

/// The first section of this kind, and the offset of its content in the file.
fn section_of<'a>(
    sections: &SectionTable<'a, FileHeader64<LittleEndian>>,
    kind: SectionType,
) -> Option<(&'a SectionHeader64<LittleEndian>, usize)> {
    let section = sections.iter().find(|section| section.sh_type(LE) == kind)?;
    Some((section, usize::try_from(section.sh_offset(LE)).ok()?))
}

/// Reads a value at an offset of the file.
fn read<'a, T: object::Pod>(program: &'a [u8], at: usize, what: &'static str) -> Result<&'a T, LinkError> {
    let rest = program.get(at..).ok_or(LinkError::Truncated(what))?;
    object::from_bytes(rest).map(|(found, _)| found).map_err(|()| LinkError::Truncated(what))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::process::{Command, Output};

    use super::*;

    /// A library with versions that is only called when a panic unwinds.
    const UNWINDER: &str = "libgcc_s";

    /// The program of this test.
    fn this_program() -> Vec<u8> {
        std::fs::read(std::env::current_exe().unwrap()).unwrap()
    }

    fn run(program: &Path, environment: &[(&str, &str)]) -> Output {
        let mut command = Command::new(program);
        command.arg("--list").envs(environment.iter().copied()).output().unwrap()
    }

    #[test]
    fn a_program_runs_without_a_library_that_it_does_not_call() {
        let mut program = this_program();
        let before = program.len();
        let removed = remove_needed(&mut program, &[UNWINDER, "libneverheardof"]).unwrap();
        assert_eq!(removed, ["libgcc_s.so.1"]);
        assert_eq!(program.len(), before);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("program");
        std::fs::write(&path, program).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let loaded = run(&path, &[("LD_TRACE_LOADED_OBJECTS", "1")]);
        let loaded = String::from_utf8_lossy(&loaded.stdout).into_owned();
        assert!(loaded.contains("libc.so.6") && !loaded.contains(UNWINDER), "{loaded}");
        // LD_BIND_NOW makes the loader look up every other symbol, with its version, before the program starts.
        let listed = run(&path, &[("LD_BIND_NOW", "1")]);
        assert!(listed.status.success(), "{listed:?}");
        assert!(String::from_utf8_lossy(&listed.stdout).contains("does_not_call: test"));
    }

    #[test]
    fn a_program_without_the_library_stays_as_it_is() {
        let mut program = this_program();
        assert_eq!(remove_needed(&mut program, &["libneverheardof"]).unwrap(), [""; 0]);
        assert!(program == this_program());
    }

    #[test]
    fn a_file_that_is_not_a_program_is_reported() {
        assert!(matches!(remove_needed(&mut [0; 100], &NEVER_CALLED), Err(LinkError::Elf(_))));
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(16))]
        #[test]
        fn a_damaged_program_does_not_cause_a_panic(places in proptest::collection::vec((0_usize..20_000, proptest::num::u8::ANY), 1..40)) {
            let mut program = this_program();
            for (at, value) in places {
                program[at] = value;
            }
            let _ = remove_needed(&mut program, &[UNWINDER]);
        }
    }
}
