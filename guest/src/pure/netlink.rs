//! Messages of rtnetlink(7): attributes, headers, and the acknowledgement.

/// Marks an attribute whose value is a list of attributes (`linux/netlink.h`).
pub const NESTED: u16 = 1 << 15;

/// Length of `struct nlmsghdr`, in bytes.
const HEADER: usize = 16;

/// A message: `struct nlmsghdr` (length, type, flags, sequence number, port) and its body.
pub fn message(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let length = (HEADER + body.len()) as u32;
    [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), &flags.to_ne_bytes(), &[0; 8], body].concat()
}

/// The errno in an acknowledgement (`struct nlmsgerr`), 0 for success; `None` if the message is too short for one.
pub fn acknowledged_errno(answer: &[u8]) -> Option<i32> {
    // The body starts with the errno, negative.
    answer.get(HEADER..)?.first_chunk().map(|word| -i32::from_ne_bytes(*word))
}

/// `struct nlattr` and its value, padded to 4 bytes.
pub fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut out = [((4 + value.len()) as u16).to_ne_bytes(), kind.to_ne_bytes()].concat();
    out.extend(value);
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

/// An attribute whose value is a NUL-terminated text.
pub fn text(kind: u16, text: &str) -> Vec<u8> {
    attribute(kind, &[text.as_bytes(), &[0]].concat())
}

/// `struct ifinfomsg` for the interface with this index.
pub fn link_header(index: u32) -> Vec<u8> {
    [[0; 4], index.to_ne_bytes(), [0; 4], [0; 4]].concat()
}

/// `struct tcmsg`.
pub fn traffic_header(index: u32, handle: u32, parent: u32, info: u32) -> Vec<u8> {
    [0, index, handle, parent, info].into_iter().flat_map(u32::to_ne_bytes).collect()
}

/// The guest is an x86-64 machine, so numbers in native order are little endian here.
#[cfg(all(test, target_endian = "little"))]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_padded_but_their_length_is_not() {
        for (value, expected) in [
            (&b""[..], &b"\x04\0\x03\0"[..]),
            (b"a", b"\x05\0\x03\0a\0\0\0"),
            (b"abcd", b"\x08\0\x03\0abcd"),
            (b"abcde", b"\x09\0\x03\0abcde\0\0\0"),
        ] {
            assert_eq!(attribute(3, value), expected, "{value:?}");
        }
        assert_eq!(text(3, "lo"), b"\x07\0\x03\0lo\0\0");
        assert_eq!(attribute(18 | NESTED, &text(1, "veth")), b"\x10\0\x12\x80\x09\0\x01\0veth\0\0\0\0");
    }

    #[test]
    fn headers_have_the_kernels_layout() {
        assert_eq!(link_header(2), b"\0\0\0\0\x02\0\0\0\0\0\0\0\0\0\0\0");
        assert_eq!(traffic_header(2, 3, 4, 0x0105), b"\0\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\x05\x01\0\0");
        assert_eq!(message(16, 0x0605, b"body"), b"\x14\0\0\0\x10\0\x05\x06\0\0\0\0\0\0\0\0body");
    }

    #[test]
    fn an_acknowledgement_has_an_errno() {
        let answer = |errno: i32| message(2, 0, &[&errno.to_ne_bytes()[..], &[0; 16]].concat());
        assert_eq!(acknowledged_errno(&answer(0)), Some(0));
        assert_eq!(acknowledged_errno(&answer(-17)), Some(17), "EEXIST");
        assert_eq!(acknowledged_errno(&answer(-17)[..19]), None, "truncated");
        assert_eq!(acknowledged_errno(b""), None);
    }
}
