//! Unpacks the payload of a bzImage, in every packing that the kernel's build offers (CONFIG_KERNEL_GZIP and so on), and
//! modules.

use std::io::{self, Read};

use bzip2::bufread::BzDecoder;
use flate2::bufread::GzDecoder;
use lzma_rust2::XzReader;

/// The largest plausible kernel in bytes: the largest so far has 62 MB.
const LARGEST: u64 = 512 << 20;

/// The largest window in bytes that the kernel's build uses with zstd and xz (scripts/Makefile.lib, `zstd22_with_size`;
/// scripts/xz_wrap.sh).
const LARGEST_WINDOW: u64 = 128 << 20;

/// Why a payload cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    #[error("expected a payload packed with gzip, bzip2, lzma, xz, lzo, lz4 or zstd, found one that starts with {0}")]
    UnknownPacking(String),
    #[error("the {packing} payload is damaged")]
    Damaged {
        packing: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("the payload unpacks to more than {LARGEST} bytes")]
    TooLarge,
}

/// A way to pack a payload.
struct Packing {
    name: &'static str,
    /// What a stream starts with (lib/decompress.c, `compressed_formats`).
    magic: &'static [u8],
    unpack: fn(&[u8]) -> io::Result<Vec<u8>>,
}

const PACKINGS: [Packing; 7] = [
    Packing { name: "gzip", magic: &[0x1f, 0x8b], unpack: |packed| read_all(GzDecoder::new(packed)) },
    Packing { name: "bzip2", magic: b"BZh", unpack: |packed| read_all(BzDecoder::new(packed)) },
    Packing { name: "lzma", magic: &[0x5d, 0x00], unpack: lzma },
    Packing { name: "xz", magic: b"\xfd7zXZ\0", unpack: |packed| read_all(XzReader::new(packed, false)) },
    Packing { name: "lzo", magic: &LZOP_MAGIC, unpack: lzo },
    Packing { name: "lz4", magic: &[0x02, 0x21, 0x4c, 0x18], unpack: lz4 },
    Packing { name: "zstd", magic: &[0x28, 0xb5, 0x2f, 0xfd], unpack: zstd },
];

/// How a stream is packed, by its first bytes.
fn packing_of(stream: &[u8]) -> Option<&'static Packing> {
    PACKINGS.iter().find(|packing| stream.starts_with(packing.magic))
}

/// Unpacks the payload of a bzImage. All packings but gzip and lz4 say themselves where they end; the unpacked size, which
/// the kernel's build appends to all but gzip, is left out.
pub(super) fn unpack(payload: &[u8]) -> Result<Vec<u8>, PayloadError> {
    let Some(&Packing { name, unpack, .. }) = packing_of(payload) else {
        return Err(PayloadError::UnknownPacking(hex::encode(&payload[..payload.len().min(4)])));
    };
    let unpacked = unpack(payload).map_err(|source| PayloadError::Damaged { packing: name, source })?;
    if unpacked.len() as u64 > LARGEST { Err(PayloadError::TooLarge) } else { Ok(unpacked) }
}

/// Unpacks a module, which may be packed with gzip, xz or zstd (CONFIG_MODULE_COMPRESS).
pub(super) fn unpack_module(file: Vec<u8>) -> Result<Vec<u8>, PayloadError> {
    match packing_of(&file) {
        Some(Packing { name: "gzip" | "xz" | "zstd", .. }) => unpack(&file),
        _ => Ok(file),
    }
}

/// Reads a stream up to the limit, and one byte more if there is one.
fn read_all(stream: impl Read) -> io::Result<Vec<u8>> {
    let mut unpacked = Vec::new();
    stream.take(LARGEST + 1).read_to_end(&mut unpacked)?;
    Ok(unpacked)
}

fn lzma(stream: &[u8]) -> io::Result<Vec<u8>> {
    read_all(lzma_rust2::LzmaReader::new_mem_limit(stream, (LARGEST / 1024) as u32, None)?)
}

fn zstd(stream: &[u8]) -> io::Result<Vec<u8>> {
    let decoder = ruzstd::decoding::StreamingDecoder::new_with_max_window_size(stream, LARGEST_WINDOW);
    read_all(decoder.map_err(io::Error::other)?)
}

/// Unpacks lz4's "legacy frame": blocks of at most 8 MB unpacked, each after its packed size (lz4_Frame_format.md).
fn lz4(stream: &[u8]) -> io::Result<Vec<u8>> {
    const BLOCK: usize = 8 << 20;
    // The frame does not say where it ends; the appended size would look like a block.
    let stream = stream.split_last_chunk::<4>().map_or(stream, |(packed, _size)| packed);
    let mut rest = Bytes(stream.get(4..).unwrap_or_default());
    let mut unpacked = Vec::new();
    let mut block = vec![0; BLOCK];
    while !rest.0.is_empty() && unpacked.len() as u64 <= LARGEST {
        let size = u32::from_le_bytes(rest.array()?);
        let packed = rest.take(size)?;
        let length = lz4_flex::block::decompress_into(packed, &mut block).map_err(io::Error::other)?;
        unpacked.extend_from_slice(&block[..length]);
    }
    Ok(unpacked)
}

const LZOP_MAGIC: [u8; 9] = [0x89, b'L', b'Z', b'O', 0, b'\r', b'\n', 0x1a, b'\n'];

/// Unpacks a file of lzop as the kernel does (lib/decompress_unlzo.c): without its checksums.
fn lzo(stream: &[u8]) -> io::Result<Vec<u8>> {
    const BLOCK: u32 = 256 << 10;
    const HAS_FILTER: u32 = 0x800;
    let mut rest = Bytes(&stream[LZOP_MAGIC.len()..]);
    let version = u16::from_be_bytes(rest.array()?);
    let is_new = version >= 0x940;
    // The library's version, the version needed, the method and since 0x940 the level.
    rest.take(if is_new { 6 } else { 5 })?;
    let flags = u32::from_be_bytes(rest.array()?);
    // The filter, the mode and the time, which has 8 bytes since 0x940.
    rest.take(if flags & HAS_FILTER == 0 { 0 } else { 4 })?;
    rest.take(if is_new { 12 } else { 8 })?;
    let [name_length] = rest.array()?;
    // The name and the header's checksum.
    rest.take(u32::from(name_length) + 4)?;
    let mut unpacked = Vec::new();
    let mut block = vec![0; BLOCK as usize];
    loop {
        let length = u32::from_be_bytes(rest.array()?);
        if length == 0 || unpacked.len() as u64 > LARGEST {
            return Ok(unpacked);
        }
        let size = u32::from_be_bytes(rest.array()?);
        rest.take(4)?; // the block's checksum
        let packed = rest.take(size)?;
        if length > BLOCK || size > length {
            return Err(io::Error::other(format!("a block of {size} bytes that unpack to {length}")));
        }
        if size == length {
            unpacked.extend_from_slice(packed);
            continue;
        }
        let found =
            lzokay::decompress::decompress(packed, &mut block).map_err(|error| io::Error::other(error.to_string()))?;
        if found != length as usize {
            return Err(io::Error::other(format!("a block unpacks to {found} bytes instead of {length}")));
        }
        unpacked.extend_from_slice(&block[..found]);
    }
}

/// The part of a stream that is not read yet.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: u32) -> io::Result<&'a [u8]> {
        let left = self.0.len();
        let (taken, rest) = self.0.split_at_checked(count as usize).ok_or_else(|| truncated(count, left))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk().ok_or_else(|| truncated(N as u32, self.0.len()))?;
        self.0 = rest;
        Ok(*taken)
    }
}

fn truncated(wanted: u32, left: usize) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, format!("expected {wanted} more bytes, found {left}"))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    macro_rules! stored {
        ($($name:literal),*) => { [$(($name, include_bytes!(concat!("../../tests/data/payload/", $name)).as_slice())),*] };
    }

    /// An ELF file with a PVH note, a banner and calls, unpacked and as the kernel's build packs a vmlinux (scripts/Makefile.lib).
    pub(crate) const UNPACKED: &[u8] = include_bytes!("../../tests/data/payload/unpacked");
    pub(crate) const PACKED: [(&str, &[u8]); 7] = stored!["gz", "bz2", "lzma", "xz", "lzo", "lz4", "zst"];

    #[test]
    fn every_packing_of_the_kernels_build_is_unpacked() {
        for (name, payload) in PACKED {
            let unpacked = unpack(payload).unwrap_or_else(|error| panic!("{name}: {error:?}"));
            assert!(unpacked == UNPACKED, "{name}");
        }
    }

    #[test]
    fn a_truncated_payload_is_reported_with_its_packing() {
        for (name, payload) in PACKED {
            let message = unpack(&payload[..payload.len() / 2]).unwrap_err().to_string();
            assert!(message.ends_with("payload is damaged"), "{name}: {message}");
        }
    }

    #[test]
    fn an_unknown_packing_is_reported_with_its_first_bytes() {
        assert!(unpack(b"\x01\x02\x03\x04\x05").unwrap_err().to_string().ends_with("starts with 01020304"));
        assert!(unpack(b"").unwrap_err().to_string().ends_with("starts with "));
    }

    proptest::proptest! {
        #[test]
        fn a_damaged_payload_does_not_cause_a_panic(
            which in 0_usize..7,
            flips in proptest::collection::vec((0_usize..330, proptest::num::u8::ANY), 1..6),
            cut in 0_usize..400,
        ) {
            let mut payload = PACKED[which].1.to_vec();
            for (at, value) in flips {
                if let Some(byte) = payload.get_mut(at) {
                    *byte = value;
                }
            }
            payload.truncate(cut);
            let _ = unpack(&payload);
        }
    }
}
