//! A kernel's image: a bzImage or a vmlinux.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use super::error::OwnError;
use crate::kernel::elf_machine::{self, Machine};
use crate::kernel::store::BootFile;
use crate::kernel::vmlinux::ImageError;
use crate::kernel::{strip, vmlinux};

/// How many bytes at the start of a file identify its kind.
const START: u64 = 4096;

/// The bytes of an image.
#[derive(Debug)]
pub(super) enum OwnImage {
    BzImage(Vec<u8>),
    /// Without symbols and debugging information.
    Vmlinux(Vec<u8>),
}

/// Reads an image, and checks that it is one for x86-64.
pub(super) fn read(path: &Path) -> Result<OwnImage, OwnError> {
    let start = start(path).map_err(OwnError::read(path))?;
    match elf_machine::of_image(&start) {
        Some(Machine::X86_64) => {}
        Some(machine) => return Err(OwnError::OtherMachine { path: path.to_owned(), machine }),
        None => {
            let start = hex::encode(&start[..start.len().min(8)]);
            return Err(OwnError::NotKernel { path: path.to_owned(), start });
        }
    }
    let bytes = fs::read(path).map_err(OwnError::read(path))?;
    if elf_machine::of_elf(&bytes).is_none() {
        return Ok(OwnImage::BzImage(bytes));
    }
    match strip::strip(&bytes) {
        Ok(stripped) => Ok(OwnImage::Vmlinux(stripped)),
        Err(_) => {
            let source = ImageError::NoKernel("one with damaged headers");
            Err(OwnError::Image { path: path.to_owned(), source })
        }
    }
}

/// The first bytes of a file.
pub(super) fn start(path: &Path) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    File::open(path)?.take(START).read_to_end(&mut start)?;
    Ok(start)
}

impl OwnImage {
    /// The bytes that identify the kernel.
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::BzImage(bytes) | Self::Vmlinux(bytes) => bytes,
        }
    }

    /// The unpacked kernel. `path` is the image's, for errors.
    pub(super) fn vmlinux(&self, path: &Path) -> Result<Vec<u8>, OwnError> {
        match self {
            Self::BzImage(bytes) => {
                vmlinux::unpack(bytes).map_err(|source| OwnError::Image { path: path.to_owned(), source })
            }
            Self::Vmlinux(bytes) => Ok(bytes.clone()),
        }
    }

    /// The file to boot: the vmlinux, which saves the guest's own unpacking, or a bzImage whose vmlinux has no PVH note.
    pub(super) fn boots(&self, vmlinux: &[u8], path: &Path) -> Result<BootFile, OwnError> {
        let has_note = vmlinux::has_pvh_note(vmlinux);
        match (has_note, self) {
            (Ok(true), _) => Ok(BootFile::Vmlinux),
            (Ok(false), Self::BzImage(_)) => Ok(BootFile::BzImage),
            (Ok(false), Self::Vmlinux(_)) => Err(OwnError::NoPvhNote { path: path.to_owned() }),
            (Err(source), _) => Err(OwnError::Image { path: path.to_owned(), source }),
        }
    }

    /// What `uname -r` prints: in a bzImage's header, and in the banner.
    pub(super) fn release<'a>(&'a self, banner: &'a str) -> &'a str {
        let in_header = match self {
            Self::BzImage(bytes) => vmlinux::release(bytes),
            Self::Vmlinux(_) => None,
        };
        in_header.or_else(|| banner.split(' ').nth(2)).unwrap_or_default()
    }
}

/// The banner of a kernel (init/version-timestamp.c, `linux_banner`): `Linux version 6.12.117 (user@host) (compiler) #1 …`.
pub(super) fn banner(vmlinux: &[u8]) -> Option<&str> {
    const START: &[u8] = b"Linux version ";
    // /proc/version has a format with the same start, but no digit after it.
    let found = memchr::memmem::find_iter(vmlinux, START)
        .map(|at| &vmlinux[at..])
        .find(|text| text.get(START.len()).is_some_and(u8::is_ascii_digit))?;
    let text = found.get(..found.len().min(1024))?.split(|byte| matches!(byte, 0 | b'\n')).next()?;
    std::str::from_utf8(text).ok()
}

/// Whether a bzImage contains this vmlinux: both have the same banner, in which `make` counts the builds. If that cannot be
/// found out, they are.
pub(super) fn is_same_build(bz_image: &Path, vmlinux: &Path) -> bool {
    let read = |path: &Path| fs::read(path).ok();
    let packed = read(bz_image).and_then(|image| vmlinux::unpack(&image).ok());
    let Some((packed, whole)) = packed.zip(read(vmlinux)) else { return true };
    banner(&packed) == banner(&whole)
}
