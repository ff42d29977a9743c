//! Removes the pages of a saved machine that no restore needs.
//!
//! When a kernel frees the memory of its boot-only sections, it fills it with POISON_FREE_INITMEM (0xcc,
//! include/linux/poison.h; mm/page_alloc.c, `free_reserved_area`): about 12 MB. The contents of a free page mean nothing to the
//! kernel, which zeroes a page when it allocates it (CONFIG_INIT_ON_ALLOC_DEFAULT_ON), and a page of 0xcc within code is padding
//! that never runs. Such pages become holes of the file, which read as zeros.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{FallocateFlags, SeekFrom};

use super::error::VmError;

const POISON_FREE_INITMEM: u8 = 0xcc;
/// The alignment of the guest's pages and of the file system's blocks, in bytes.
const PAGE: usize = 4096;

/// Turns the poisoned pages into holes and returns their number. A file system without holes leaves the image as it is.
pub(super) fn punch_out_poison(image: &Path) -> Result<u64, VmError> {
    let io = || VmError::io("trimming", image);
    let file = File::options().read(true).write(true).open(image).map_err(io())?;
    let length = file.metadata().map_err(io())?.len();
    let mut buffer = vec![0; 256 * PAGE];
    let (mut at, mut pages) = (0, 0);
    while at < length {
        // Beyond the last data there is only a hole (lseek(2): ENXIO).
        let Ok(from) = rustix::fs::seek(file.as_fd(), SeekFrom::Data(at)) else { break };
        // Every page of memory is at a multiple of its size (QEMU docs/devel/migration/mapped-ram.rst).
        at = from - from % PAGE as u64;
        let count = file.read_at(&mut buffer, at).map_err(io())?;
        for (start, length) in poisoned_runs(&buffer[..count]) {
            if !punch_hole(&file, at + start as u64, length as u64) {
                return Ok(pages);
            }
            pages += (length / PAGE) as u64;
        }
        at += (count.max(1)) as u64;
    }
    Ok(pages)
}

/// Turns a part of a file into a hole. Returns false if the file system cannot.
pub(super) fn punch_hole(file: &File, at: u64, length: u64) -> bool {
    let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    rustix::fs::fallocate(file.as_fd(), hole, at, length).is_ok()
}

/// The start and length in bytes of every run of whole poisoned pages.
fn poisoned_runs(data: &[u8]) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (index, page) in data.chunks_exact(PAGE).enumerate() {
        if page.iter().all(|byte| *byte == POISON_FREE_INITMEM) {
            match runs.last_mut().filter(|(start, length)| start + length == index * PAGE) {
                Some((_, length)) => *length += PAGE,
                None => runs.push((index * PAGE, PAGE)),
            }
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the file system can turn data into a hole.
    fn has_holes(folder: &Path) -> bool {
        let path = folder.join("probe");
        std::fs::write(&path, [1; PAGE]).unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        punch_hole(&file, 0, PAGE as u64)
    }

    #[test]
    fn only_whole_poisoned_pages_become_holes_and_the_rest_stays_as_it_was() {
        let mut data = vec![0x11; 6 * PAGE + 100];
        data[PAGE..3 * PAGE].fill(POISON_FREE_INITMEM);
        data[4 * PAGE + 1..5 * PAGE].fill(POISON_FREE_INITMEM);
        data[6 * PAGE..].fill(POISON_FREE_INITMEM);
        assert_eq!(poisoned_runs(&data), [(PAGE, 2 * PAGE)]);
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("image");
        std::fs::write(&image, &data).unwrap();
        let punched = punch_out_poison(&image).unwrap();
        assert_eq!(punched, if has_holes(folder.path()) { 2 } else { 0 });
        data[PAGE..(1 + punched as usize) * PAGE].fill(0);
        assert_eq!(std::fs::read(&image).unwrap(), data);
    }
}
