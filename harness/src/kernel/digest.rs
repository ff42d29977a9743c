//! SHA-256 digests of bytes and files, and their text form.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Digest;

use super::from_text::from_text;

/// A SHA-256 digest, written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256([u8; 32]);

impl Sha256 {
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// The digest of a file's content, and its size in bytes.
    pub(super) fn of_file(path: &Path) -> io::Result<(Self, u64)> {
        let mut file = File::open(path)?;
        let mut hasher = sha2::Sha256::new();
        let mut buffer = vec![0; 1 << 18];
        let mut size = 0;
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok((Self(hasher.finalize().into()), size)),
                read => {
                    hasher.update(&buffer[..read]);
                    size += read as u64;
                }
            }
        }
    }

    /// Combines digests, in any order, into one: the digest of `tag` and the sorted digests as text, one a line.
    pub(super) fn of_all(tag: &str, parts: impl IntoIterator<Item = Self>) -> Self {
        let mut parts: Vec<Self> = parts.into_iter().collect();
        parts.sort();
        let lines = parts.iter().fold(format!("{tag}\n"), |text, part| text + &part.to_string() + "\n");
        Self::of(lines.as_bytes())
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sha256({self})")
    }
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid sha256 `{0}`: expected 64 lower-case hexadecimal digits")]
pub struct InvalidSha256(String);

impl FromStr for Sha256 {
    type Err = InvalidSha256;

    fn from_str(text: &str) -> Result<Self, InvalidSha256> {
        let mut bytes = [0; 32];
        let lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
        match hex::decode_to_slice(text, &mut bytes) {
            Ok(()) if lower => Ok(Self(bytes)),
            _ => Err(InvalidSha256(text.chars().take(80).collect())),
        }
    }
}

impl Serialize for Sha256 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sha256 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_survives_its_text_form() {
        let digest = Sha256::of(b"");
        assert_eq!(digest.to_string(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(digest.to_string().parse(), Ok(digest));
    }

    #[test]
    fn text_of_a_different_length_or_case_is_rejected() {
        let text = Sha256::of(b"").to_string();
        for wrong in [&text[1..], &text.to_uppercase(), &format!("{text}0"), "", "xyz"] {
            assert!(wrong.parse::<Sha256>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_combined_digest_does_not_depend_on_the_order() {
        let (a, b) = (Sha256::of(b"a"), Sha256::of(b"b"));
        assert_eq!(Sha256::of_all("t", [a, b]), Sha256::of_all("t", [b, a]));
        assert_ne!(Sha256::of_all("t", [a]), Sha256::of_all("u", [a]));
        assert_ne!(Sha256::of_all("t", [a]), Sha256::of_all("t", [a, a]));
    }
}
