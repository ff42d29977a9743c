//! Takes the kernel proper, an ELF file, out of a bzImage: QEMU boots it as it is, so the guest need not unpack it.
//!
//! The offsets are those of the kernel's Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header".

use std::io::Read;

/// The largest kernel that is believed, in bytes: the largest so far has 62 MB.
const LARGEST: usize = 512 << 20;

/// Why no kernel could be taken out of a file.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageProblem {
    /// The boot header's signature is missing.
    #[error("expected a bzImage with `HdrS` at 0x202, found something else")]
    NoBzImage,
    /// The boot header is older than its payload fields.
    #[error("expected boot protocol 2.08 or later, found {0:#x}")]
    OldProtocol(u16),
    /// The payload lies outside the file.
    #[error("the boot header puts {length} bytes of payload at {start:#x}, outside the file of {size} bytes")]
    PayloadOutside {
        /// Where the payload would begin in the file.
        start: u64,
        /// Its length in bytes.
        length: u64,
        /// The size of the file in bytes.
        size: usize,
    },
    /// The payload is packed in a way that this program does not know.
    #[error("expected a payload packed with lz4 or zstd, found one that begins with {0}")]
    UnknownPacking(String),
    /// The payload cannot be unpacked.
    #[error("the {packing} payload is damaged: {problem}")]
    Damaged {
        /// The way it is packed.
        packing: &'static str,
        /// What the decoder says.
        problem: String,
    },
    /// The payload holds more than a kernel can.
    #[error("the payload unpacks to more than {LARGEST} bytes")]
    TooLarge,
    /// What was unpacked is not what QEMU can boot.
    #[error("expected an x86-64 ELF kernel with a PVH note, found {0}")]
    NoKernel(&'static str),
}

/// The ELF kernel inside a bzImage.
pub fn extract(image: &[u8]) -> Result<Vec<u8>, ImageProblem> {
    let payload = payload(image)?;
    // The payload ends with its unpacked size, which is no part of the packed stream.
    let packed = payload.split_last_chunk::<4>().map_or(payload, |(packed, _size)| packed);
    let kernel = match payload.first_chunk::<4>() {
        Some([0x02, 0x21, 0x4c, 0x18]) => unpack_lz4(packed)?,
        Some([0x28, 0xb5, 0x2f, 0xfd]) => unpack_zstd(packed)?,
        magic => {
            return Err(ImageProblem::UnknownPacking(hex::encode(magic.map_or(&[][..], |magic| &magic[..]))));
        }
    };
    check_kernel(&kernel)?;
    Ok(kernel)
}

/// The release (`uname -r`) that a bzImage says it is.
pub fn release(image: &[u8]) -> Option<&str> {
    let start = usize::from(read_u16(image, 0x20e)?) + 0x200;
    let text = image.get(start..)?.split(|byte| *byte == 0).next()?;
    std::str::from_utf8(text.get(..text.len().min(256))?).ok()?.split(' ').next()
}

fn payload(image: &[u8]) -> Result<&[u8], ImageProblem> {
    if image.get(0x202..0x206) != Some(b"HdrS") {
        return Err(ImageProblem::NoBzImage);
    }
    let protocol = read_u16(image, 0x206).ok_or(ImageProblem::NoBzImage)?;
    if protocol < 0x208 {
        return Err(ImageProblem::OldProtocol(protocol));
    }
    let field = |at| read_u32(image, at).map(u64::from).ok_or(ImageProblem::NoBzImage);
    // "If this field contains 0, the real value is 4."
    let setup_sectors = image.get(0x1f1).map_or(4, |count| if *count == 0 { 4 } else { u64::from(*count) });
    let start = (setup_sectors + 1) * 512 + field(0x248)?;
    let length = field(0x24c)?;
    let range = usize::try_from(start).ok().zip(usize::try_from(start + length).ok());
    range.and_then(|(start, end)| image.get(start..end)).ok_or(ImageProblem::PayloadOutside {
        start,
        length,
        size: image.len(),
    })
}

/// lz4's "legacy frame": blocks of at most 8 MB unpacked, each after its packed size (lz4_Frame_format.md).
fn unpack_lz4(stream: &[u8]) -> Result<Vec<u8>, ImageProblem> {
    const BLOCK: usize = 8 << 20;
    let damaged = |problem: String| ImageProblem::Damaged { packing: "lz4", problem };
    let mut rest = &stream[4..];
    let mut kernel = Vec::new();
    let mut block = vec![0; BLOCK];
    while let Some((size, after)) = rest.split_first_chunk::<4>() {
        let size = u32::from_le_bytes(*size) as usize;
        let Some((packed, after)) = after.split_at_checked(size) else {
            return Err(damaged(format!("a block of {size} bytes where only {} are left", after.len())));
        };
        let unpacked =
            lz4_flex::block::decompress_into(packed, &mut block).map_err(|error| damaged(error.to_string()))?;
        if kernel.len() + unpacked > LARGEST {
            return Err(ImageProblem::TooLarge);
        }
        kernel.extend_from_slice(&block[..unpacked]);
        rest = after;
    }
    Ok(kernel)
}

fn unpack_zstd(stream: &[u8]) -> Result<Vec<u8>, ImageProblem> {
    let damaged = |problem: String| ImageProblem::Damaged { packing: "zstd", problem };
    // The kernel's build uses windows of 128 MB (scripts/Makefile.lib, zstd22_with_size).
    let decoder = ruzstd::decoding::StreamingDecoder::new_with_max_window_size(stream, 128 << 20);
    let decoder = decoder.map_err(|error| damaged(error.to_string()))?;
    let mut kernel = Vec::with_capacity(64 << 20);
    decoder.take(LARGEST as u64 + 1).read_to_end(&mut kernel).map_err(|error| damaged(error.to_string()))?;
    if kernel.len() > LARGEST { Err(ImageProblem::TooLarge) } else { Ok(kernel) }
}

/// Checks that QEMU can boot an ELF file as a kernel: the note it looks for names the 32-bit entry point (the kernel's
/// XEN_ELFNOTE_PHYS32_ENTRY, include/xen/interface/elfnote.h; QEMU's hw/i386/x86-common.c).
fn check_kernel(elf: &[u8]) -> Result<(), ImageProblem> {
    const X86_64: u16 = 62;
    const PT_NOTE: u32 = 4;
    const PHYS32_ENTRY: u32 = 18;
    if elf.get(..6) != Some(b"\x7fELF\x02\x01") || read_u16(elf, 18) != Some(X86_64) {
        return Err(ImageProblem::NoKernel("no x86-64 ELF file"));
    }
    let headers = || -> Option<bool> {
        let table = usize::try_from(read_u64(elf, 32)?).ok()?;
        let (size, count) = (usize::from(read_u16(elf, 54)?), usize::from(read_u16(elf, 56)?));
        for header in (0..count).map_while(|index| elf.get(table.checked_add(index * size)?..)) {
            if read_u32(header, 0)? == PT_NOTE {
                let start = usize::try_from(read_u64(header, 8)?).ok()?;
                let length = usize::try_from(read_u64(header, 32)?).ok()?;
                let notes = elf.get(start..start.checked_add(length)?)?;
                if has_note(notes, b"Xen\0", PHYS32_ENTRY) {
                    return Some(true);
                }
            }
        }
        Some(false)
    };
    match headers() {
        Some(true) => Ok(()),
        Some(false) => Err(ImageProblem::NoKernel("one without that note")),
        None => Err(ImageProblem::NoKernel("one with damaged headers")),
    }
}

fn has_note(mut notes: &[u8], owner: &[u8], kind: u32) -> bool {
    let aligned = |size: u32| (size as usize).checked_next_multiple_of(4);
    while let (Some(name), Some(content), Some(found)) = (read_u32(notes, 0), read_u32(notes, 4), read_u32(notes, 8)) {
        let size = aligned(name).zip(aligned(content)).and_then(|(name, content)| name.checked_add(content));
        if found == kind && notes.get(12..12 + owner.len()) == Some(owner) && name as usize == owner.len() {
            return true;
        }
        match size.and_then(|size| notes.get(size.checked_add(12)?..)) {
            Some(rest) => notes = rest,
            None => return false,
        }
    }
    false
}

fn read_u16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_le_bytes(*bytes))
}

fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

fn read_u64(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
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

    /// The smallest ELF file that passes for a kernel: one program header, one note.
    fn elf() -> Vec<u8> {
        let mut elf = vec![0; 64 + 56];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
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

    /// An lz4 legacy frame whose one block holds only literals.
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

    /// A zstd frame whose one block is stored as it is.
    fn zstd(content: &[u8]) -> Vec<u8> {
        let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x88];
        frame.extend_from_slice(&((content.len() as u32) << 3 | 1).to_le_bytes()[..3]);
        frame.extend_from_slice(content);
        frame.extend_from_slice(&(content.len() as u32).to_le_bytes());
        frame
    }

    #[test]
    fn the_kernel_comes_out_of_either_packing() {
        assert_eq!(extract(&image(&lz4(&elf()))), Ok(elf()));
        assert_eq!(extract(&image(&zstd(&elf()))), Ok(elf()));
    }

    #[test]
    fn the_release_is_the_first_word_of_the_headers_text() {
        assert_eq!(release(&image(&[])), Some("6.1.0-x"));
        assert_eq!(release(&[0; 16]), None);
    }

    #[test]
    fn what_is_no_kernel_is_refused_with_the_reason() {
        assert_eq!(extract(b""), Err(ImageProblem::NoBzImage));
        assert_eq!(extract(&[0; 4096]), Err(ImageProblem::NoBzImage));
        let mut old = image(&lz4(&elf()));
        old[0x206..0x208].copy_from_slice(&0x207_u16.to_le_bytes());
        assert_eq!(extract(&old), Err(ImageProblem::OldProtocol(0x207)));
        assert_eq!(extract(&image(b"\x1f\x8b\x08\x00????")), Err(ImageProblem::UnknownPacking("1f8b0800".to_owned())));
        assert_eq!(extract(&image(&lz4(&[0; 100]))), Err(ImageProblem::NoKernel("no x86-64 ELF file")));
        let mut without_note = elf();
        without_note[128] = 17;
        assert_eq!(extract(&image(&zstd(&without_note))), Err(ImageProblem::NoKernel("one without that note")));
    }

    #[test]
    fn a_payload_outside_the_file_is_refused() {
        let mut outside = image(&lz4(&elf()));
        outside[0x24c..0x250].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(matches!(extract(&outside), Err(ImageProblem::PayloadOutside { start: 1024, .. })));
    }

    proptest::proptest! {
        #[test]
        fn damaged_images_are_refused_without_panic(
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
