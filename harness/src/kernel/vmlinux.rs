//! Extracts the kernel, an ELF file, from a bzImage. QEMU can boot it directly, so that the guest need not unpack it.
//!
//! The offsets are from the kernel's Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header".

use object::LittleEndian;
use object::elf::{FileHeader64, NoteType};
use object::read::elf::{FileHeader, ProgramHeader};

use super::elf_machine::{self, Machine};
use super::payload::{self, PayloadError};

/// Why a file has no kernel that QEMU can boot.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    #[error("expected a bzImage with `HdrS` at 0x202, found something else")]
    NoBzImage,
    #[error("expected boot protocol 2.08 or later, found {0:#x}")]
    OldProtocol(u16),
    #[error("the boot header puts {length} bytes of payload at {start:#x}, outside the file of {size} bytes")]
    PayloadOutside {
        /// An offset in the file.
        start: u64,
        /// In bytes.
        length: u64,
        /// The size of the file in bytes.
        size: usize,
    },
    #[error(transparent)]
    Payload(#[from] PayloadError),
    #[error("expected an x86-64 kernel, found one for {0}")]
    OtherMachine(Machine),
    #[error("expected an x86-64 ELF kernel with a PVH note, found {0}")]
    NoKernel(&'static str),
}

/// Extracts the ELF kernel from a bzImage, which need not have a PVH note.
pub(super) fn unpack(image: &[u8]) -> Result<Vec<u8>, ImageError> {
    let kernel = payload::unpack(payload(image)?)?;
    match elf_machine::of_elf(&kernel) {
        Some(Machine::X86_64) => Ok(kernel),
        Some(other) => Err(ImageError::OtherMachine(other)),
        None => Err(ImageError::NoKernel("a different file")),
    }
}

/// Extracts an ELF kernel that QEMU can boot from a bzImage.
pub(super) fn extract(image: &[u8]) -> Result<Vec<u8>, ImageError> {
    let kernel = unpack(image)?;
    if has_pvh_note(&kernel)? { Ok(kernel) } else { Err(ImageError::NoKernel("one without that note")) }
}

/// The release (`uname -r`) in the header of a bzImage.
pub(super) fn release(image: &[u8]) -> Option<&str> {
    let start = usize::from(read_u16(image, 0x20e)?) + 0x200;
    let text = image.get(start..)?.split(|byte| *byte == 0).next()?;
    std::str::from_utf8(text.get(..text.len().min(256))?).ok()?.split(' ').next()
}

fn payload(image: &[u8]) -> Result<&[u8], ImageError> {
    if image.get(0x202..0x206) != Some(b"HdrS") {
        return Err(ImageError::NoBzImage);
    }
    let protocol = read_u16(image, 0x206).ok_or(ImageError::NoBzImage)?;
    if protocol < 0x208 {
        return Err(ImageError::OldProtocol(protocol));
    }
    let field = |at| read_u32(image, at).map(u64::from).ok_or(ImageError::NoBzImage);
    // "If this field contains 0, the real value is 4."
    let setup_sectors = image.get(0x1f1).map_or(4, |count| if *count == 0 { 4 } else { u64::from(*count) });
    let start = (setup_sectors + 1) * 512 + field(0x248)?;
    let length = field(0x24c)?;
    let range = usize::try_from(start).ok().zip(usize::try_from(start + length).ok());
    range.and_then(|(start, end)| image.get(start..end)).ok_or(ImageError::PayloadOutside {
        start,
        length,
        size: image.len(),
    })
}

/// Whether QEMU can boot an ELF file as a kernel: its note names the 32-bit entry point (the kernel's
/// XEN_ELFNOTE_PHYS32_ENTRY, include/xen/interface/elfnote.h; QEMU's hw/i386/x86-common.c).
pub(super) fn has_pvh_note(elf: &[u8]) -> Result<bool, ImageError> {
    const PHYS32_ENTRY: NoteType = NoteType(18);
    let has_entry = || -> object::read::Result<bool> {
        let header = FileHeader64::<LittleEndian>::parse(elf)?;
        for segment in header.program_headers(LittleEndian, elf)? {
            let Some(mut notes) = segment.notes(LittleEndian, elf)? else { continue };
            while let Some(note) = notes.next()? {
                if note.name() == b"Xen" && note.n_type(LittleEndian) == PHYS32_ENTRY {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    };
    has_entry().map_err(|_| ImageError::NoKernel("one with damaged headers"))
}

fn read_u16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_le_bytes(*bytes))
}

fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write;

    use super::*;
    use crate::kernel::payload::tests::{PACKED, UNPACKED};

    /// A bzImage with the given payload, and a release in its header.
    pub(crate) fn image(payload: &[u8]) -> Vec<u8> {
        let mut image = vec![0; 1024];
        image[0x1f1] = 1;
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x206..0x208].copy_from_slice(&0x20f_u16.to_le_bytes());
        image[0x20e..0x210].copy_from_slice(&0x100_u16.to_le_bytes());
        image[0x236] = 1;
        image[0x300..0x30d].copy_from_slice(b"6.1.0-x (me) ");
        image[0x24c..0x250].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        image.extend_from_slice(payload);
        image
    }

    pub(crate) fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    /// [`UNPACKED`] with a different note.
    pub(crate) fn without_pvh_note() -> Vec<u8> {
        let mut elf = UNPACKED.to_vec();
        elf[184] = 17;
        elf
    }

    fn problem(image: &[u8]) -> String {
        extract(image).unwrap_err().to_string()
    }

    #[test]
    fn the_kernel_is_extracted_from_every_packing() {
        for (name, payload) in PACKED {
            assert!(extract(&image(payload)).unwrap() == UNPACKED, "{name}");
        }
    }

    #[test]
    fn the_release_is_the_first_word_of_the_version_in_the_header() {
        assert_eq!(release(&image(&[])), Some("6.1.0-x"));
        assert_eq!(release(&[0; 16]), None);
    }

    #[test]
    fn a_file_without_a_kernel_is_refused_with_the_reason() {
        assert!(matches!(extract(b""), Err(ImageError::NoBzImage)));
        assert!(matches!(extract(&[0; 4096]), Err(ImageError::NoBzImage)));
        let mut old = image(PACKED[0].1);
        old[0x206..0x208].copy_from_slice(&0x207_u16.to_le_bytes());
        assert!(matches!(extract(&old), Err(ImageError::OldProtocol(0x207))));
        assert!(problem(&image(b"abcdefgh")).ends_with("starts with 61626364"));
        assert!(problem(&image(&gzip(&[0; 100]))).ends_with("found a different file"));
        assert!(problem(&image(&gzip(&without_pvh_note()))).ends_with("found one without that note"));
        let mut arm = UNPACKED.to_vec();
        arm[18] = 183;
        assert_eq!(problem(&image(&gzip(&arm))), "expected an x86-64 kernel, found one for arm64");
    }

    #[test]
    fn a_payload_outside_the_file_is_refused() {
        let mut outside = image(PACKED[0].1);
        outside[0x24c..0x250].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(matches!(extract(&outside), Err(ImageError::PayloadOutside { start: 1024, .. })));
    }

    proptest::proptest! {
        #[test]
        fn damaged_images_do_not_cause_a_panic(
            flips in proptest::collection::vec((0_usize..1400, proptest::num::u8::ANY), 1..8),
            cut in 0_usize..1400,
            which in 0_usize..7,
        ) {
            let mut image = image(PACKED[which].1);
            for (at, value) in flips {
                if let Some(byte) = image.get_mut(at) {
                    *byte = value;
                }
            }
            image.truncate(cut);
            if let Ok(kernel) = extract(&image) {
                proptest::prop_assert!(kernel.starts_with(b"\x7fELF"));
            }
        }
    }
}
