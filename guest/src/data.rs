//! The bytes that operations send, and the checksum by which the host recognises what was received.

/// The bytes that operations send: 0, 1, 2 … 255, 0, 1 …
pub fn counting_pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| at as u8).collect()
}

/// The checksum of no bytes; see [`checksum`].
pub const CHECKSUM_START: u32 = 0x811c_9dc5;

/// Extends a checksum by these bytes: FNV-1a, 32 bits.
// Inlined, so that the agent's loops do not depend on the crate that this function is in.
#[inline]
pub fn checksum(so_far: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(so_far, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pattern_counts_and_starts_again_after_255() {
        let pattern = counting_pattern(258);
        assert_eq!(pattern[..3], [0, 1, 2]);
        assert_eq!(pattern[254..], [254, 255, 0, 1]);
        assert_eq!(counting_pattern(0), []);
    }

    /// Test vectors from draft-eastlake-fnv, appendix C.
    #[test]
    fn checksums_are_fnv_1a() {
        for (text, expected) in [("", 0x811c_9dc5), ("a", 0xe40c_292c), ("foobar", 0xbf9c_f968)] {
            assert_eq!(checksum(CHECKSUM_START, text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn a_checksum_does_not_depend_on_how_the_bytes_are_split() {
        let whole = checksum(CHECKSUM_START, b"foobar");
        assert_eq!(checksum(checksum(CHECKSUM_START, b"foo"), b"bar"), whole);
    }
}
