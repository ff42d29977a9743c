//! Prepares a saved machine so that a run maps its memory from the file instead of reading it.
//!
//! In a `mapped-ram` image every page of memory has a fixed place, so the file can be the guest's memory, mapped privately. The
//! guest reads from the host's page cache, which all guests of an image share, and gets its own copy of a page when it writes to
//! it. A restore reads every page in the image's bitmap, so it reads none once the bitmap is empty (QEMU
//! docs/devel/migration/mapped-ram.rst; migration/ram.c, `struct MappedRamHeader`).

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::error::VmError;

/// QEMU's name for the block of a machine's memory (hw/i386/pc_q35.c, `default_ram_id`).
pub(super) const MEMORY: &str = "pc.ram";

/// Offset of the first block's pages in an image, in bytes (migration/ram.c, `MAPPED_RAM_FILE_OFFSET_ALIGNMENT`).
pub(super) const MEMORY_AT: u64 = 0x10_0000;

const PAGE: u64 = 4096;
/// `MAPPED_RAM_HDR_VERSION`.
const HEADER_VERSION: u32 = 1;

/// The block's header: big endian and packed, `version`, `page_size`, `bitmap_offset` and `pages_offset`.
struct Header {
    used: u64,
    bitmap_at: u64,
    pages_at: u64,
}

/// Empties the bitmap of the machine's memory.
pub(super) fn leave_memory(image: &Path) -> Result<(), VmError> {
    let io = || VmError::io("emptying the bitmap of", image);
    let file = File::options().read(true).write(true).open(image).map_err(io())?;
    let mut head = vec![0; MEMORY_AT as usize];
    file.read_exact_at(&mut head, 0).map_err(io())?;
    let header = header(&head).filter(|header| header.pages_at == MEMORY_AT).ok_or_else(|| VmError::ImageFormat {
        path: image.to_owned(),
        expected: format!(
            "{MEMORY} as the first block of a mapped-ram image of version {HEADER_VERSION}, with pages from {MEMORY_AT:#x} on"
        ),
    })?;
    let bitmap = vec![0; header.used.div_ceil(8 * PAGE) as usize];
    file.write_all_at(&bitmap, header.bitmap_at).map_err(io())
}

/// Finds the header of the memory's block. Before it are the length of the block's name, the name, and the block's size.
fn header(head: &[u8]) -> Option<Header> {
    let name: Vec<u8> = std::iter::once(MEMORY.len() as u8).chain(MEMORY.bytes()).collect();
    let at = head.windows(name.len()).position(|window| window == name)? + name.len();
    let number = |at: usize| Some(u64::from_be_bytes(head.get(at..at + 8)?.try_into().ok()?));
    let version = u32::from_be_bytes(head.get(at + 8..at + 12)?.try_into().ok()?);
    let header = Header { used: number(at)?, bitmap_at: number(at + 20)?, pages_at: number(at + 28)? };
    let bitmap_end = header.bitmap_at.checked_add(header.used.div_ceil(8 * PAGE))?;
    (version == HEADER_VERSION && number(at + 12)? == PAGE && bitmap_end <= header.pages_at).then_some(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The beginning of an image, with 64 pages of memory.
    fn head(version: u32) -> Vec<u8> {
        let mut head = b"QEVM\x00\x00\x00\x03 and so on \x06pc.ram".to_vec();
        head.extend((64 * PAGE).to_be_bytes());
        head.extend(version.to_be_bytes());
        for number in [PAGE, 100, MEMORY_AT] {
            head.extend(number.to_be_bytes());
        }
        head
    }

    #[test]
    fn only_the_bitmap_of_the_memory_is_emptied() {
        let mut before = head(1);
        before.resize(MEMORY_AT as usize + 64 * PAGE as usize, 0x5a);
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("image");
        std::fs::write(&image, &before).unwrap();
        leave_memory(&image).unwrap();
        before[100..108].fill(0);
        assert_eq!(std::fs::read(&image).unwrap(), before);
    }

    #[test]
    fn an_image_of_a_different_kind_is_an_error_and_stays_as_it_is() {
        for mut before in [head(2), b"nothing like it".to_vec(), head(1)[..40].to_vec()] {
            before.resize(MEMORY_AT as usize, 0);
            let folder = tempfile::tempdir().unwrap();
            let image = folder.path().join("image");
            std::fs::write(&image, &before).unwrap();
            assert!(leave_memory(&image).unwrap_err().to_string().contains("mapped-ram image of version 1"));
            assert_eq!(std::fs::read(&image).unwrap(), before);
        }
    }
}
