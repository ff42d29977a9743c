//! A plain boot, the unit of cost: the least that any runner of kernels without saved machines needs.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use super::console;
use super::error::VmError;
use super::guest_folder::GuestFolder;
use super::hang::Patience;
use super::initramfs;
use super::machine::{Accelerator, QemuProgram};
use super::process::{Launch, QemuProcess};

const DOING: &str = "booting";

/// Boots a bzImage on QEMU's translator, with a thread for each of two CPUs, to an init that ends the machine at once.
pub(crate) fn plain_boot(qemu: &QemuProgram, image: &Path) -> Result<(), VmError> {
    let folder = GuestFolder::new()?;
    let initramfs = folder.initramfs();
    fs::write(&initramfs, initramfs::build(&init(), &[])).map_err(VmError::io("writing", &initramfs))?;
    let mut console = OsString::from("file:");
    console.push(folder.console());
    let fixed = "-nodefaults -no-user-config -no-reboot -display none -machine q35 -accel tcg,thread=multi -cpu max -smp 2 -m 256M";
    let mut arguments: Vec<OsString> = fixed.split(' ').map(OsString::from).collect();
    arguments.extend(["-append".into(), "console=ttyS0 panic=-1 rdinit=/init".into(), "-serial".into(), console]);
    arguments.extend(["-kernel".into(), image.into(), "-initrd".into(), initramfs.into()]);
    let accelerator = Accelerator::Translator;
    let launch = Launch { qemu, accelerator, core: None, patience: Patience::BOOT, keep_failures: None };
    let mut qemu = QemuProcess::start(launch, arguments, folder)?;
    let status = qemu.wait(DOING)?;
    // A panic restarts the machine too.
    match status.success() && console::find_splat(&qemu.console()).is_none() {
        true => Ok(()),
        false => Err(qemu.fault_of_end(DOING, status)),
    }
}

/// A program for x86-64 that restarts the machine (reboot(2)), which ends QEMU (`-no-reboot`): an ELF header, a program header and
/// the code (elf(5)).
fn init() -> Vec<u8> {
    const AT: u64 = 0x40_0000;
    const HEADERS: u64 = 64 + 56;
    const CODE: [u8; 24] = [
        0xb8, 169, 0, 0, 0, // mov eax, __NR_reboot
        0xbf, 0xad, 0xde, 0xe1, 0xfe, // mov edi, LINUX_REBOOT_MAGIC1
        0xbe, 0x69, 0x19, 0x12, 0x28, // mov esi, LINUX_REBOOT_MAGIC2
        0xba, 0x67, 0x45, 0x23, 0x01, // mov edx, LINUX_REBOOT_CMD_RESTART
        0x0f, 0x05, // syscall
        0xeb, 0xfe, // jmp to itself
    ];
    let size = HEADERS + CODE.len() as u64;
    // ELFCLASS64, ELFDATA2LSB, EV_CURRENT.
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    file.extend([2_u16, 62].map(u16::to_le_bytes).concat()); // ET_EXEC, EM_X86_64
    file.extend(1_u32.to_le_bytes());
    file.extend([AT + HEADERS, 64, 0].map(u64::to_le_bytes).concat()); // entry, program headers, section headers
    file.extend(0_u32.to_le_bytes());
    file.extend([64_u16, 56, 1, 0, 0, 0].map(u16::to_le_bytes).concat()); // sizes and numbers of headers
    file.extend([1_u32, 5].map(u32::to_le_bytes).concat()); // PT_LOAD, PF_R | PF_X
    file.extend([0, AT, AT, size, size, 0x1000].map(u64::to_le_bytes).concat()); // offset, addresses, sizes, alignment
    file.extend(CODE);
    file
}

#[cfg(test)]
mod tests {
    use object::read::elf::ElfFile64;
    use object::{Object, ObjectSegment};

    use super::*;

    #[test]
    fn the_init_is_an_elf_file_whose_entry_is_its_code() {
        let file = init();
        let elf = ElfFile64::<object::Endianness>::parse(&*file).unwrap();
        let segment = elf.segments().next().unwrap();
        assert_eq!(segment.data().unwrap().len(), file.len());
        let code = (elf.entry() - segment.address()) as usize;
        assert_eq!(&file[code..code + 5], [0xb8, 169, 0, 0, 0]);
    }
}
