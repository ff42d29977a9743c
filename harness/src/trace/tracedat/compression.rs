//! Unpacks the compressed sections and pages of a `trace.dat`.

use std::io::Read;

use super::TraceDatError;
use super::reader::Reader;
use crate::trace::ring_page::Endian;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Zlib,
    Zstd,
}

/// The most bytes that one compressed byte may expand to: kernel text and pages shrink to about a fifth.
const MOST_EXPANSION: usize = 1024;

impl Compression {
    pub(super) fn by_name(name: &[u8]) -> Result<Self, TraceDatError> {
        match name {
            b"none" | b"" => Ok(Self::None),
            b"zlib" => Ok(Self::Zlib),
            b"zstd" => Ok(Self::Zstd),
            _ => Err(TraceDatError::Compression { found: String::from_utf8_lossy(name).chars().take(20).collect() }),
        }
    }

    /// Unpacks bytes that are at offset `at` in the file and must expand to `expected` bytes.
    pub(super) fn unpack(self, packed: &[u8], expected: usize, at: usize) -> Result<Vec<u8>, TraceDatError> {
        let broken = || TraceDatError::Compressed { at, length: packed.len(), expected };
        if expected > packed.len().saturating_mul(MOST_EXPANSION) {
            return Err(broken());
        }
        let mut bytes = Vec::with_capacity(expected);
        let mut unpack = |stream: &mut dyn Read| stream.take(expected as u64 + 1).read_to_end(&mut bytes);
        let unpacked = match self {
            Self::None => unpack(&mut &*packed),
            Self::Zlib => unpack(&mut flate2::read::ZlibDecoder::new(packed)),
            Self::Zstd => unpack(&mut ruzstd::decoding::StreamingDecoder::new(packed).map_err(|_| broken())?),
        };
        unpacked.map_err(|_| broken())?;
        if bytes.len() == expected { Ok(bytes) } else { Err(broken()) }
    }
}

/// Unpacks a CPU's pages: the number of chunks, then each chunk after its packed and unpacked size.
pub(super) fn unpack_chunks(
    bytes: &[u8],
    from: usize,
    endian: Endian,
    compression: Compression,
) -> Result<Vec<u8>, TraceDatError> {
    let mut reader = Reader::new(bytes, endian, "a CPU's compressed pages");
    let mut pages = Vec::new();
    for _ in 0..reader.u32()? {
        let (packed, unpacked) = (reader.u32()?, reader.u32()?);
        let at = from.saturating_add(reader.at);
        pages.extend(compression.unpack(reader.take(packed.into())?, unpacked as usize, at)?);
    }
    Ok(pages)
}
