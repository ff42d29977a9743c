//! Extracts the kernel, an ELF file, from a bzImage. QEMU can boot it directly, so that the guest need not unpack it.
//!
//! The offsets are from the kernel's Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header".

use std::io::{self, Read};

use object::LittleEndian;
use object::elf::{EM_X86_64, FileHeader64, NoteType};
use object::read::elf::{FileHeader, ProgramHeader};

/// The largest plausible kernel in bytes: the largest so far has 62 MB.
const LARGEST: usize = 512 << 20;

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
    #[error("expected a payload packed with lz4 or zstd, found one that starts with {0}")]
    UnknownPacking(String),
    #[error("the lz4 payload has a block of {size} bytes, but only {left} are left")]
    Lz4Truncated { size: usize, left: usize },
    #[error("the lz4 payload is damaged")]
    Lz4(#[from] lz4_flex::block::DecompressError),
    #[error("the zstd payload is damaged")]
    Zstd(#[source] io::Error),
    #[error("the payload unpacks to more than {LARGEST} bytes")]
    TooLarge,
    #[error("expected an x86-64 ELF kernel with a PVH note, found {0}")]
    NoKernel(&'static str),
}

/// Extracts the ELF kernel from a bzImage.
pub(super) fn extract(image: &[u8]) -> Result<Vec<u8>, ImageError> {
    let payload = payload(image)?;
    // The payload ends with its unpacked size, which is not part of the packed stream.
    let packed = payload.split_last_chunk::<4>().map_or(payload, |(packed, _size)| packed);
    let kernel = match payload.first_chunk::<4>() {
        Some([0x02, 0x21, 0x4c, 0x18]) => unpack_lz4(packed)?,
        Some([0x28, 0xb5, 0x2f, 0xfd]) => unpack_zstd(packed)?,
        magic => {
            return Err(ImageError::UnknownPacking(hex::encode(magic.map_or(&[][..], |magic| &magic[..]))));
        }
    };
    check_kernel(&kernel)?;
    Ok(kernel)
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

/// Unpacks lz4's "legacy frame": blocks of at most 8 MB unpacked, each after its packed size (lz4_Frame_format.md).
fn unpack_lz4(stream: &[u8]) -> Result<Vec<u8>, ImageError> {
    const BLOCK: usize = 8 << 20;
    let mut rest = &stream[4..];
    let mut kernel = Vec::new();
    let mut block = vec![0; BLOCK];
    while let Some((size, after)) = rest.split_first_chunk::<4>() {
        let size = u32::from_le_bytes(*size) as usize;
        let Some((packed, after)) = after.split_at_checked(size) else {
            return Err(ImageError::Lz4Truncated { size, left: after.len() });
        };
        let unpacked = lz4_flex::block::decompress_into(packed, &mut block)?;
        if kernel.len() + unpacked > LARGEST {
            return Err(ImageError::TooLarge);
        }
        kernel.extend_from_slice(&block[..unpacked]);
        rest = after;
    }
    Ok(kernel)
}

fn unpack_zstd(stream: &[u8]) -> Result<Vec<u8>, ImageError> {
    // The kernel's build uses windows of 128 MB (scripts/Makefile.lib, zstd22_with_size).
    let decoder = ruzstd::decoding::StreamingDecoder::new_with_max_window_size(stream, 128 << 20);
    let decoder = decoder.map_err(|error| ImageError::Zstd(io::Error::other(error)))?;
    let mut kernel = Vec::with_capacity(64 << 20);
    decoder.take(LARGEST as u64 + 1).read_to_end(&mut kernel).map_err(ImageError::Zstd)?;
    if kernel.len() > LARGEST { Err(ImageError::TooLarge) } else { Ok(kernel) }
}

/// Checks that QEMU can boot an ELF file as a kernel: its note names the 32-bit entry point (the kernel's
/// XEN_ELFNOTE_PHYS32_ENTRY, include/xen/interface/elfnote.h; QEMU's hw/i386/x86-common.c).
fn check_kernel(elf: &[u8]) -> Result<(), ImageError> {
    const PHYS32_ENTRY: NoteType = NoteType(18);
    let header = FileHeader64::<LittleEndian>::parse(elf).map_err(|_| ImageError::NoKernel("a different file"))?;
    if header.e_machine(LittleEndian) != EM_X86_64 {
        return Err(ImageError::NoKernel("one for a different machine"));
    }
    let has_entry = || -> object::read::Result<bool> {
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
    match has_entry() {
        Ok(true) => Ok(()),
        Ok(false) => Err(ImageError::NoKernel("one without that note")),
        Err(_) => Err(ImageError::NoKernel("one with damaged headers")),
    }
}

fn read_u16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_le_bytes(*bytes))
}

fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bzImage with the given payload, and a release in its header.
    fn image(payload: &[u8]) -> Vec<u8> {
        let mut image = vec![0; 1024];
        image[0x1f1] = 1;
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x206..0x208].copy_from_slice(&0x20f_u16.to_le_bytes());
        image[0x20e..0x210].copy_from_slice(&0x100_u16.to_le_bytes());
        image[0x300..0x30d].copy_from_slice(b"6.1.0-x (me) ");
        image[0x24c..0x250].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        image.extend_from_slice(payload);
        image
    }

    /// The smallest ELF file that is accepted as a kernel: one program header, one note.
    fn elf() -> Vec<u8> {
        let mut elf = vec![0; 64 + 56];
        elf[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        elf[18] = 62;
        elf[32] = 64;
        elf[54] = 56;
        elf[56] = 1;
        elf[64] = 4;
        elf[64 + 8] = 120;
        elf[64 + 32] = 20;
        elf.extend_from_slice(&[4, 0, 0, 0, 4, 0, 0, 0, 18, 0, 0, 0]);
        elf.extend_from_slice(b"Xen\0\x01\x02\x03\x04");
        elf
    }

    /// An lz4 legacy frame with one block of literals.
    fn lz4(content: &[u8]) -> Vec<u8> {
        let mut block = vec![0xf0];
        let mut rest = content.len() - 15;
        while rest >= 255 {
            block.push(255);
            rest -= 255;
        }
        block.push(rest as u8);
        block.extend_from_slice(content);
        let mut frame = vec![0x02, 0x21, 0x4c, 0x18];
        frame.extend_from_slice(&(block.len() as u32).to_le_bytes());
        frame.extend_from_slice(&block);
        frame.extend_from_slice(&(content.len() as u32).to_le_bytes());
        frame
    }

    /// A zstd frame with one uncompressed block.
    fn zstd(content: &[u8]) -> Vec<u8> {
        let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x88];
        frame.extend_from_slice(&((content.len() as u32) << 3 | 1).to_le_bytes()[..3]);
        frame.extend_from_slice(content);
        frame.extend_from_slice(&(content.len() as u32).to_le_bytes());
        frame
    }

    #[test]
    fn the_kernel_is_extracted_from_either_packing() {
        assert_eq!(extract(&image(&lz4(&elf()))).unwrap(), elf());
        assert_eq!(extract(&image(&zstd(&elf()))).unwrap(), elf());
    }

    #[test]
    fn the_release_is_the_first_word_of_the_version_in_the_header() {
        assert_eq!(release(&image(&[])), Some("6.1.0-x"));
        assert_eq!(release(&[0; 16]), None);
    }

    #[test]
    fn a_file_without_a_kernel_is_refused_with_the_reason() {
        let error = |image: &[u8]| extract(image).unwrap_err().to_string();
        assert!(error(b"").contains("expected a bzImage"));
        assert!(error(&[0; 4096]).contains("expected a bzImage"));
        let mut old = image(&lz4(&elf()));
        old[0x206..0x208].copy_from_slice(&0x207_u16.to_le_bytes());
        assert!(error(&old).contains("found 0x207"));
        assert!(error(&image(b"\x1f\x8b\x08\x00????")).contains("starts with 1f8b0800"));
        assert!(error(&image(&lz4(&[0; 100]))).contains("found a different file"));
        let mut without_note = elf();
        without_note[128] = 17;
        assert!(error(&image(&zstd(&without_note))).contains("found one without that note"));
    }

    #[test]
    fn a_payload_outside_the_file_is_refused() {
        let mut outside = image(&lz4(&elf()));
        outside[0x24c..0x250].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(matches!(extract(&outside), Err(ImageError::PayloadOutside { start: 1024, .. })));
    }

    proptest::proptest! {
        #[test]
        fn damaged_images_do_not_cause_a_panic(
            flips in proptest::collection::vec((0_usize..1400, proptest::num::u8::ANY), 1..8),
            cut in 0_usize..1400,
            packed_with_zstd in proptest::bool::ANY,
        ) {
            let mut image = image(&if packed_with_zstd { zstd(&elf()) } else { lz4(&elf()) });
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
