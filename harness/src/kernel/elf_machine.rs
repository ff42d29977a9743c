//! The machine that a file was built for, as far as its headers say.

use std::fmt;

use object::elf::{self, FileClass, Machine as ElfMachine};

/// A family of processors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Machine {
    X86_64,
    X86,
    Arm64,
    /// The number of any other one in an ELF header (elf(5), `e_machine`).
    Other(u16),
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::X86_64 => f.write_str("x86-64"),
            Self::X86 => f.write_str("32-bit x86"),
            Self::Arm64 => f.write_str("arm64"),
            Self::Other(number) => write!(f, "a different machine (ELF number {number})"),
        }
    }
}

/// The machine of an ELF file; `None` for a different file.
pub(super) fn of_elf(file: &[u8]) -> Option<Machine> {
    // The class is byte 4; the machine comes after the type, in files of 32 and of 64 bits (elf(5)).
    let (class, number) = (*file.get(4)?, u16::from_le_bytes(*file.get(18..)?.first_chunk()?));
    if !file.starts_with(&elf::ELFMAG) {
        return None;
    }
    Some(match (ElfMachine(number), FileClass(class)) {
        (elf::EM_X86_64, elf::ELFCLASS64) => Machine::X86_64,
        (elf::EM_X86_64 | elf::EM_386, _) => Machine::X86,
        (elf::EM_AARCH64, _) => Machine::Arm64,
        _ => Machine::Other(number),
    })
}

/// The machine of a kernel image, packed or not; `None` for a file that is not a kernel image.
pub(super) fn of_image(file: &[u8]) -> Option<Machine> {
    // Bit 0 of xloadflags: a 64-bit kernel (the kernel's Documentation/arch/x86/boot.rst).
    let is_64_bit = || file.get(0x236).is_some_and(|flags| flags & 1 == 1);
    if file.get(0x202..0x206) == Some(b"HdrS") {
        return Some(if is_64_bit() { Machine::X86_64 } else { Machine::X86 });
    }
    // Documentation/arch/arm64/booting.rst, and arm64's packed image for EFI (drivers/firmware/efi/libstub/zboot-header.S).
    if file.get(56..60) == Some(b"ARM\x64") || (file.starts_with(b"MZ") && file.get(4..8) == Some(b"zimg")) {
        return Some(Machine::Arm64);
    }
    of_elf(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elf(class: u8, machine: u16) -> Vec<u8> {
        let mut elf = vec![0; 64];
        elf[..5].copy_from_slice(&[0x7f, b'E', b'L', b'F', class]);
        elf[18..20].copy_from_slice(&machine.to_le_bytes());
        elf
    }

    #[test]
    fn the_machine_is_in_the_header() {
        for (file, machine) in [
            (elf(2, 62), Some(Machine::X86_64)),
            (elf(1, 62), Some(Machine::X86)),
            (elf(1, 3), Some(Machine::X86)),
            (elf(2, 183), Some(Machine::Arm64)),
            (elf(2, 243), Some(Machine::Other(243))),
            (b"#!/bin/sh".to_vec(), None),
            (Vec::new(), None),
        ] {
            assert_eq!(of_image(&file), machine);
        }
        let mut arm = vec![0; 64];
        arm[56..60].copy_from_slice(b"ARM\x64");
        assert_eq!(of_image(&arm), Some(Machine::Arm64));
        let mut x86 = vec![0; 0x240];
        x86[0x202..0x206].copy_from_slice(b"HdrS");
        assert_eq!(of_image(&x86), Some(Machine::X86));
        x86[0x236] = 1;
        assert_eq!(of_image(&x86), Some(Machine::X86_64));
    }
}
