//! Reads the numbers and strings of a `trace.dat`.

use super::TraceDatError;
use crate::trace::ring_page::Endian;

fn slice(file: &[u8], from: u64, length: u64) -> Option<&[u8]> {
    file.get(usize::try_from(from).ok()?..)?.get(..usize::try_from(length).ok()?)
}

/// A file whose bytes may be read only once: a hostile file that refers to the same bytes again and again would take
/// endless time and memory.
pub(super) struct File<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) unclaimed: usize,
}

impl<'a> File<'a> {
    pub(super) fn claim(&mut self, from: u64, length: u64) -> Option<&'a [u8]> {
        let claimed = slice(self.bytes, from, length)?;
        self.unclaimed = self.unclaimed.checked_sub(claimed.len())?;
        Some(claimed)
    }
}

#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
    pub(super) endian: Endian,
    pub(super) part: &'static str,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8], endian: Endian, part: &'static str) -> Self {
        Self { bytes, at: 0, endian, part }
    }

    pub(super) fn malformed(&self, expected: &'static str) -> TraceDatError {
        TraceDatError::Malformed { at: self.at, part: self.part, expected }
    }

    pub(super) fn seek(&mut self, at: u64) -> Result<(), TraceDatError> {
        match usize::try_from(at).ok().filter(|at| *at < self.bytes.len()) {
            Some(at) => {
                self.at = at;
                Ok(())
            }
            None => Err(self.malformed("an offset inside the file before this")),
        }
    }

    pub(super) fn take(&mut self, length: u64) -> Result<&'a [u8], TraceDatError> {
        let taken =
            slice(self.bytes, self.at as u64, length).ok_or_else(|| self.malformed("more bytes than the part has"))?;
        self.at += taken.len();
        Ok(taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, TraceDatError> {
        Ok(self.take(1)?[0])
    }

    pub(super) fn u16(&mut self) -> Result<u16, TraceDatError> {
        let bytes = self.take(2)?;
        self.endian.u16(bytes, 0).ok_or_else(|| self.malformed("a 16-bit number"))
    }

    pub(super) fn u32(&mut self) -> Result<u32, TraceDatError> {
        let bytes = self.take(4)?;
        self.endian.u32(bytes, 0).ok_or_else(|| self.malformed("a 32-bit number"))
    }

    pub(super) fn u64(&mut self) -> Result<u64, TraceDatError> {
        let bytes = self.take(8)?;
        self.endian.u64(bytes, 0).ok_or_else(|| self.malformed("a 64-bit number"))
    }

    /// Reads bytes up to a zero, and the zero.
    pub(super) fn string(&mut self) -> Result<&'a [u8], TraceDatError> {
        let rest = self.bytes.get(self.at..).unwrap_or(&[]);
        let length =
            rest.iter().position(|byte| *byte == 0).ok_or_else(|| self.malformed("a zero-terminated string"))?;
        self.at += length + 1;
        Ok(&rest[..length])
    }
}
