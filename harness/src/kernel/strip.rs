//! Strips symbols and debugging information, ten times the kernel itself, from a vmlinux.

use object::elf::{self, FileHeader64, SectionHeader64};
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader};
use object::{LittleEndian, U16, U32, U64};

const LE: LittleEndian = LittleEndian;

/// Copies what is loaded, the program headers, and the headers of the sections that are loaded.
pub(super) fn strip(file: &[u8]) -> object::read::Result<Vec<u8>> {
    let header = FileHeader64::<LittleEndian>::parse(file)?;
    let segments = header.program_headers(LE, file)?;
    let ends = segments.iter().map(|segment| segment.p_offset(LE).saturating_add(segment.p_filesz(LE)));
    let headers_end = header.e_phoff(LE) + u64::from(header.e_phentsize(LE)) * segments.len() as u64;
    let end = ends.chain([headers_end]).max().unwrap_or_default().min(file.len() as u64);
    let sections = header.sections(LE, file)?;
    let mut names = vec![0];
    let mut kept = vec![empty_header()];
    for section in sections.iter() {
        let is_inside = section.sh_type(LE) == elf::SHT_NOBITS
            || section.sh_offset(LE).checked_add(section.sh_size(LE)).is_some_and(|section_end| section_end <= end);
        if section.sh_flags(LE).contains(elf::SHF_ALLOC) && is_inside {
            let mut copy = *section;
            // A link names a section by its number, which changes.
            copy.sh_link = U32::new(LE, 0);
            copy.sh_name = U32::new(LE, names.len() as u32);
            names.extend_from_slice(sections.section_name(LE, section)?);
            names.push(0);
            kept.push(copy);
        }
    }
    let mut table = empty_header();
    table.sh_name = U32::new(LE, names.len() as u32);
    names.extend_from_slice(b".shstrtab\0");
    table.sh_type = U32::new(LE, elf::SHT_STRTAB);
    table.sh_offset = U64::new(LE, end);
    table.sh_size = U64::new(LE, names.len() as u64);
    kept.push(table);

    let mut stripped = file[..end as usize].to_vec();
    stripped.extend_from_slice(&names);
    stripped.resize(stripped.len().next_multiple_of(8), 0);
    let mut new = *header;
    new.e_shoff = U64::new(LE, stripped.len() as u64);
    new.e_shentsize = U16::new(LE, size_of::<SectionHeader64<LittleEndian>>() as u16);
    new.e_shnum = U16::new(LE, kept.len() as u16);
    new.e_shstrndx = U16::new(LE, elf::SymbolSection(kept.len() as u16 - 1));
    stripped.extend_from_slice(object::bytes_of_slice(&kept));
    stripped[..size_of_val(&new)].copy_from_slice(object::bytes_of(&new));
    Ok(stripped)
}

fn empty_header() -> SectionHeader64<LittleEndian> {
    SectionHeader64 {
        sh_name: U32::new(LE, 0),
        sh_type: U32::new(LE, elf::SHT_NULL),
        sh_flags: U64::new(LE, elf::SectionFlags(0)),
        sh_addr: U64::new(LE, 0),
        sh_offset: U64::new(LE, 0),
        sh_size: U64::new(LE, 0),
        sh_link: U32::new(LE, 0),
        sh_info: U32::new(LE, 0),
        sh_addralign: U64::new(LE, 1),
        sh_entsize: U64::new(LE, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::payload::tests::UNPACKED;

    #[test]
    fn what_is_loaded_stays_and_symbols_go() {
        let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let stripped = strip(&program).unwrap();
        assert!(stripped.len() < program.len());
        let parse = |file: &[u8]| -> Vec<(Vec<u8>, u64, Vec<u8>)> {
            let header = FileHeader64::<LittleEndian>::parse(file).unwrap();
            let sections = header.sections(LE, file).unwrap();
            let loaded = sections.iter().filter(|section| section.sh_flags(LE).contains(elf::SHF_ALLOC));
            let part = |section: &SectionHeader64<_>| {
                let name = sections.section_name(LE, section).unwrap().to_vec();
                (name, section.sh_addr(LE), section.data(LE, file).unwrap().to_vec())
            };
            loaded.map(part).collect()
        };
        assert!(parse(&stripped) == parse(&program));
        let header = FileHeader64::<LittleEndian>::parse(&*stripped).unwrap();
        assert!(header.sections(LE, &*stripped).unwrap().section_by_name(LE, b".symtab").is_none());
        assert!(strip(&stripped).unwrap() == stripped);
    }

    #[test]
    fn a_file_without_sections_keeps_what_is_loaded() {
        let stripped = strip(UNPACKED).unwrap();
        assert!(stripped.len() > UNPACKED.len() && stripped[64..UNPACKED.len()] == UNPACKED[64..]);
        assert!(strip(&stripped).unwrap() == stripped);
        assert!(strip(b"\x7fELF").is_err());
    }
}
