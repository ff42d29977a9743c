//! Prepares a saved machine so that a run maps its memory from a file instead of reading it.
//!
//! In a `mapped-ram` image every page of memory has a fixed place, so the file can be the guest's memory, mapped privately. The
//! guest reads from the host's page cache, which all guests of an image share, and gets its own copy of a page when it writes to
//! it. A restore reads every page in the image's bitmap, so it reads none once the bitmap is empty (QEMU
//! docs/devel/migration/mapped-ram.rst; migration/ram.c, `struct MappedRamHeader`).
//!
//! A derived image has most pages in common with its base. Its guests map the base's memory, and its bitmap has the pages that
//! differ: the restore reads these over it. The other pages are holes.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::SeekFrom;

use super::error::VmError;
use super::trim::punch_hole;

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

/// Empties the bitmap of the machine's memory: a restore reads no page, and the image itself is mapped.
pub(super) fn leave_memory(image: &Path) -> Result<(), VmError> {
    let io = || VmError::io("emptying the bitmap of", image);
    let (file, header) = open(image, true)?;
    let bitmap = vec![0; header.used.div_ceil(8 * PAGE) as usize];
    file.write_all_at(&bitmap, header.bitmap_at).map_err(io())
}

/// Leaves in an image only the pages in which its memory differs from the base's, and returns their number. The bitmap has
/// exactly these (docs/devel/migration/mapped-ram.rst: one bit for a page, the first in the lowest bit of the first byte).
pub(super) fn keep_differences(image: &Path, base: &Path) -> Result<u64, VmError> {
    let io = || VmError::io("comparing with its base", image);
    let ((file, header), (base_file, base_header)) = (open(image, true)?, open(base, false)?);
    if base_header.used != header.used {
        let expected = format!("memory of {} bytes, as {} has", base_header.used, base.display());
        return Err(VmError::ImageFormat { path: image.to_owned(), expected });
    }
    let mut bitmap = vec![0; header.used.div_ceil(8 * PAGE) as usize];
    let (mut own, mut theirs) = (vec![0; 256 * PAGE as usize], vec![0; 256 * PAGE as usize]);
    let (mut at, end) = (MEMORY_AT, MEMORY_AT + header.used);
    while let Some(data) = [&file, &base_file].into_iter().filter_map(|file| next_data(file, at)).min() {
        at = data - data % PAGE;
        if at >= end {
            break;
        }
        let length = (own.len() as u64).min(end - at) as usize;
        file.read_exact_at(&mut own[..length], at).map_err(io())?;
        base_file.read_exact_at(&mut theirs[..length], at).map_err(io())?;
        let pages = own[..length].chunks(PAGE as usize).zip(theirs[..length].chunks(PAGE as usize));
        let is_same: Vec<bool> = pages.map(|(one, other)| one == other).collect();
        let mut start = at;
        for run in is_same.chunk_by(|one, next| one == next) {
            let end = start + run.len() as u64 * PAGE;
            if run[0] {
                punch_hole(&file, start, end - start);
            } else {
                let pages = (start - MEMORY_AT) / PAGE..(end - MEMORY_AT) / PAGE;
                pages.for_each(|page| bitmap[(page / 8) as usize] |= 1 << (page % 8));
            }
            start = end;
        }
        at += length as u64;
    }
    file.write_all_at(&bitmap, header.bitmap_at).map_err(io())?;
    Ok(bitmap.iter().map(|byte| u64::from(byte.count_ones())).sum())
}

/// Where the first data at or after `at` is; `None` if there is only a hole (lseek(2): ENXIO).
fn next_data(file: &File, at: u64) -> Option<u64> {
    rustix::fs::seek(file.as_fd(), SeekFrom::Data(at)).ok()
}

/// Opens an image, and finds its memory.
fn open(image: &Path, to_write: bool) -> Result<(File, Header), VmError> {
    let io = || VmError::io("opening", image);
    let file = File::options().read(true).write(to_write).open(image).map_err(io())?;
    let mut head = vec![0; MEMORY_AT as usize];
    file.read_exact_at(&mut head, 0).map_err(io())?;
    let header = header(&head).filter(|header| header.pages_at == MEMORY_AT).ok_or_else(|| VmError::ImageFormat {
        path: image.to_owned(),
        expected: format!(
            "{MEMORY} as the first block of a mapped-ram image of version {HEADER_VERSION}, with pages from {MEMORY_AT:#x} on"
        ),
    })?;
    Ok((file, header))
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
    fn only_the_pages_that_differ_from_the_base_stay_and_are_in_the_bitmap() {
        let with = |pages: &[(usize, u8)]| {
            let mut bytes = head(1);
            bytes.resize(MEMORY_AT as usize + 64 * PAGE as usize, 0);
            for (page, byte) in pages {
                bytes[MEMORY_AT as usize + page * PAGE as usize + 7] = *byte;
            }
            [bytes, b"devices".to_vec()].concat()
        };
        let folder = tempfile::tempdir().unwrap();
        let [image, base] = ["image", "base"].map(|name| folder.path().join(name));
        // Page 3 is the same, 9 is new, 17 was changed, 18 was cleared.
        let before = with(&[(3, 1), (9, 2), (17, 3)]);
        std::fs::write(&image, &before).unwrap();
        let base_bytes = with(&[(3, 1), (17, 4), (18, 5), (63, 0)]);
        std::fs::write(&base, &base_bytes).unwrap();
        assert_eq!(keep_differences(&image, &base).unwrap(), 3);
        let after = std::fs::read(&image).unwrap();
        assert_eq!(after[100..108], [0, 0b10, 0b110, 0, 0, 0, 0, 0]);
        assert_eq!(std::fs::read(&base).unwrap(), base_bytes);
        // What a restore reads: the pages in the bitmap, over those of the base.
        let (memory, end) = (MEMORY_AT as usize, before.len() - 7);
        let mut restored = base_bytes[memory..end].to_vec();
        for page in [9, 17, 18] {
            let place = page * PAGE as usize..(page + 1) * PAGE as usize;
            restored[place.clone()].copy_from_slice(&after[memory..][place]);
        }
        assert!(restored == before[memory..end] && after[end..] == before[end..]);
    }

    #[test]
    fn a_base_with_less_memory_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let [image, base] = ["image", "base"].map(|name| folder.path().join(name));
        let (mut more, mut less) = (head(1), head(1));
        let at = less.len() - 32 - 4;
        less[at..at + 8].copy_from_slice(&(8 * PAGE).to_be_bytes());
        for (file, bytes) in [(&image, &mut more), (&base, &mut less)] {
            bytes.resize(MEMORY_AT as usize + 64 * PAGE as usize, 0);
            std::fs::write(file, bytes).unwrap();
        }
        let error = keep_differences(&image, &base).unwrap_err().to_string();
        assert!(error.contains("memory of 32768 bytes"), "{error}");
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
