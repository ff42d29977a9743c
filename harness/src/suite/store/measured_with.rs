//! What timings were measured with: the heading of a timing snapshot names it, because the same measurement made twice must give
//! the same instructions.

use std::collections::BTreeMap;

use insta::internals::Content;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The hexadecimal digits of [`MeasuredWith::inputs`].
const DIGITS: usize = 12;

/// What timings were measured with. If all of it is the same, they must be equal to the instruction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MeasuredWith {
    /// The version of the kernel's packages.
    pub kernel: String,
    /// The kernel's compiler, as its configuration names it (CONFIG_CC_VERSION_TEXT); `None` if it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compiler: Option<String>,
    /// QEMU's version.
    pub qemu: String,
    /// A digest of the guest agent.
    pub agent: String,
    /// The version of rxpath.
    pub rxpath: String,
    /// A digest of all that the guest was given: the image's key, and the order with the plan.
    pub inputs: String,
}

/// Why the `info` of a snapshot's heading is not one of these.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HeadingError {
    #[error("the heading's `info` lacks `{0}`")]
    Lacks(&'static str),
    #[error("the heading's `info` has `{0}`, which this rxpath does not know: a newer one may")]
    Unknown(String),
}

impl MeasuredWith {
    /// The digest for [`Self::inputs`].
    pub(crate) fn digest_of_inputs(image_key: &str, order: &[u8]) -> String {
        let mut digest = Sha256::new();
        for part in [image_key.as_bytes(), order] {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
        hex::encode(&digest.finalize()[..DIGITS / 2])
    }

    /// The fields by their names in the heading.
    fn fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let Self { kernel, compiler, qemu, agent, rxpath, inputs } = self;
        let compiler = compiler.as_deref().map(|compiler| ("compiler", compiler));
        let rest = [("qemu", qemu), ("agent", agent), ("rxpath", rxpath), ("inputs", inputs)];
        let rest = rest.into_iter().map(|(name, value)| (name, value.as_str()));
        std::iter::once(("kernel", kernel.as_str())).chain(compiler).chain(rest)
    }

    /// Reads the `info` of a heading.
    pub(crate) fn from_heading(mut info: BTreeMap<String, String>) -> Result<Self, HeadingError> {
        let mut take = |name: &'static str| info.remove(name).ok_or(HeadingError::Lacks(name));
        let found = Self {
            compiler: take("compiler").ok(),
            kernel: take("kernel")?,
            qemu: take("qemu")?,
            agent: take("agent")?,
            rxpath: take("rxpath")?,
            inputs: take("inputs")?,
        };
        info.into_keys().next().map_or(Ok(found), |name| Err(HeadingError::Unknown(name)))
    }

    /// The `info` that insta writes into a heading.
    pub(crate) fn to_insta(&self) -> Content {
        Content::Struct("info", self.fields().map(|(name, value)| (name, Content::from(value))).collect())
    }

    /// The lines of a heading that insta makes of [`Self::to_insta`].
    pub(crate) fn heading(&self) -> String {
        let lines = self.fields().map(|(name, value)| format!("  {name}: {}\n", scalar(value)));
        std::iter::once("info:\n".to_owned()).chain(lines).collect()
    }

    /// Names what is different in `now`, so that the timings may differ. Empty if everything is the same.
    pub(crate) fn differences(&self, now: &Self) -> Vec<&'static str> {
        let named = [
            ("kernel", self.kernel != now.kernel),
            ("compiler", self.compiler != now.compiler),
            ("QEMU", self.qemu != now.qemu),
            ("agent", self.agent != now.agent),
            ("rxpath", self.rxpath != now.rxpath),
        ];
        let named: Vec<_> = named.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect();
        if named.is_empty() && self.inputs != now.inputs { vec!["case or machine"] } else { named }
    }
}

/// A text as a YAML scalar, with quotes where insta writes them.
fn scalar(text: &str) -> String {
    /// What YAML 1.1 reads as the end of a line, and JSON does not escape.
    const LINE_ENDS: [char; 3] = ['\u{85}', '\u{2028}', '\u{2029}'];
    let is_plain = !text.contains(LINE_ENDS)
        && !text.contains([':', '{', '}', '[', ']', ',', '#', '`', '"', '\'', '\\'])
        && text.parse::<f64>().is_err()
        && serde_yaml::from_str::<String>(text).is_ok_and(|read| read == text);
    if is_plain {
        return text.to_owned();
    }
    let escaped = |quoted: String, end: char| quoted.replace(end, &format!("\\u{:04x}", u32::from(end)));
    LINE_ENDS.into_iter().fold(serde_json::Value::from(text).to_string(), escaped)
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn sample() -> MeasuredWith {
        MeasuredWith {
            kernel: "6.12.117-1".to_owned(),
            compiler: Some("x86_64-linux-gnu-gcc-14 (Debian 14.2.0-19) 14.2.0".to_owned()),
            qemu: "1:10.0.13+ds-0+deb13u1".to_owned(),
            agent: "123456789012".to_owned(),
            rxpath: "0.1.0".to_owned(),
            inputs: "0123456789ab".to_owned(),
        }
    }

    fn read(heading: &str) -> MeasuredWith {
        let mut read: BTreeMap<String, BTreeMap<String, String>> = serde_yaml::from_str(heading).unwrap();
        MeasuredWith::from_heading(read.remove("info").unwrap()).unwrap()
    }

    #[test]
    fn a_heading_has_a_line_for_each_field() {
        let expected = "info:\n  kernel: 6.12.117-1\n  compiler: x86_64-linux-gnu-gcc-14 (Debian 14.2.0-19) 14.2.0\n  \
                        qemu: \"1:10.0.13+ds-0+deb13u1\"\n  agent: \"123456789012\"\n  rxpath: 0.1.0\n  inputs: 0123456789ab\n";
        assert_eq!(sample().heading(), expected);
        assert_eq!(read(expected), sample());
        assert!(!MeasuredWith { compiler: None, ..sample() }.heading().contains("compiler"));
    }

    #[test]
    fn what_differs_is_named_and_the_digest_of_inputs_only_where_nothing_else_does() {
        let with = |change: fn(&mut MeasuredWith)| {
            let mut now = sample();
            change(&mut now);
            sample().differences(&now)
        };
        assert_eq!(with(|_| ()), [""; 0]);
        assert_eq!(with(|now| now.kernel.push('2')), ["kernel"]);
        assert_eq!(with(|now| now.compiler = None), ["compiler"]);
        assert_eq!(with(|now| now.qemu.push('2')), ["QEMU"]);
        assert_eq!(with(|now| now.rxpath.push('2')), ["rxpath"]);
        assert_eq!(with(|now| now.inputs.push('2')), ["case or machine"]);
        let both = with(|now| {
            now.agent.push('2');
            now.inputs.push('2');
        });
        assert_eq!(both, ["agent"]);
    }

    #[test]
    fn the_digest_of_inputs_depends_on_where_the_key_ends() {
        let digest = MeasuredWith::digest_of_inputs;
        assert_eq!(digest("ab", b"c").len(), DIGITS);
        assert_ne!(digest("ab", b"c"), digest("a", b"bc"));
    }

    #[test]
    fn what_yaml_reads_as_the_end_of_a_line_is_escaped() {
        for kernel in ["a\u{85}b", "\u{1e026}\u{2028}\u{fffc}", "\u{2029}"] {
            let with = MeasuredWith { kernel: kernel.to_owned(), ..sample() };
            assert_eq!(read(&with.heading()), with);
        }
    }

    proptest! {
        #[test]
        fn any_heading_reads_back(kernel in "\\PC{0,12}", agent in "[0-9e.]{0,5}") {
            let with = MeasuredWith { kernel, agent, ..sample() };
            prop_assert_eq!(read(&with.heading()), with);
        }
    }
}
