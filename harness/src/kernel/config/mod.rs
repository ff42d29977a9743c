//! A kernel's configuration: what it was built with, whether rxpath can work with that, and whether two kernels compare.

mod compare;
mod options_for;
mod required;

pub(crate) use compare::incomparable;
pub(crate) use options_for::options_for;
pub use required::MissingOptions;
pub(crate) use required::fragment;

#[cfg(test)]
pub(crate) use tests::PINNED;

use std::collections::BTreeMap;
use std::io::Read;

/// The largest plausible configuration in bytes: Debian's have 300 kB.
const LARGEST: u64 = 16 << 20;

/// The options of a kernel by their names, such as `CONFIG_HZ`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Config {
    /// `y`, `m`, a number or a text. Options that are not set have no entry.
    values: BTreeMap<String, String>,
}

impl Config {
    /// Reads the text of a `.config`, in which an option that is not set is a comment (Documentation/kbuild/kconfig.rst).
    pub(crate) fn parse(text: &str) -> Self {
        let options = text.lines().filter_map(|line| line.trim().split_once('='));
        let options = options.filter(|(name, value)| name.starts_with("CONFIG_") && *value != "n");
        let text_of =
            |value: &str| value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).map(str::to_owned);
        let values = options.map(|(name, value)| (name.to_owned(), text_of(value).unwrap_or_else(|| value.to_owned())));
        Self { values: values.collect() }
    }

    /// The value of an option: `y`, `m`, a number, or a text without quotes; `None` if it is not set.
    pub(crate) fn value(&self, option: &str) -> Option<&str> {
        self.values.get(option).map(String::as_str)
    }

    /// Whether an option is built in or a module.
    pub(crate) fn is_set(&self, option: &str) -> bool {
        matches!(self.value(option), Some("y" | "m"))
    }

    /// The options among these that are not set.
    pub(crate) fn missing<'a>(&self, options: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
        options.into_iter().filter(|option| !self.is_set(option)).collect()
    }
}

impl From<BTreeMap<String, String>> for Config {
    fn from(values: BTreeMap<String, String>) -> Self {
        Self { values }
    }
}

/// The configuration that is embedded in a kernel with CONFIG_IKCONFIG=y: gzip between two marks (kernel/configs.c).
pub(super) fn embedded(vmlinux: &[u8]) -> Option<String> {
    let start = memchr::memmem::find(vmlinux, b"IKCFG_ST\x1f\x8b")? + "IKCFG_ST".len();
    let mut text = String::new();
    flate2::bufread::GzDecoder::new(&vmlinux[start..]).take(LARGEST).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// What the pinned kernels' configurations have of the options in this folder, by series.
    pub(crate) const PINNED: [(&str, &str); 6] = [
        ("5.10", include_str!("../../../tests/data/config/5.10")),
        ("6.1", include_str!("../../../tests/data/config/6.1")),
        ("6.12", include_str!("../../../tests/data/config/6.12")),
        ("6.18", include_str!("../../../tests/data/config/6.18")),
        ("7.2", include_str!("../../../tests/data/config/7.2")),
        ("7.3", include_str!("../../../tests/data/config/7.3")),
    ];

    #[test]
    fn values_of_every_kind_are_read() {
        let text = "#\n# Automatically generated file; DO NOT EDIT.\nCONFIG_NET=y\nCONFIG_TUN=m\n# CONFIG_KASAN is not set\n\
                    CONFIG_HZ=250\nCONFIG_CC_VERSION_TEXT=\"gcc (Debian) 12 = x\"\nCONFIG_OFF=n\nnonsense\n";
        let config = Config::parse(text);
        assert_eq!(config.value("CONFIG_NET"), Some("y"));
        assert_eq!(config.value("CONFIG_HZ"), Some("250"));
        assert_eq!(config.value("CONFIG_CC_VERSION_TEXT"), Some("gcc (Debian) 12 = x"));
        assert_eq!(config.value("CONFIG_KASAN"), None);
        assert!(config.is_set("CONFIG_TUN") && !config.is_set("CONFIG_HZ") && !config.is_set("CONFIG_OFF"));
        assert_eq!(config.missing(["CONFIG_TUN", "CONFIG_MPTCP", "CONFIG_OFF"]), ["CONFIG_MPTCP", "CONFIG_OFF"]);
    }

    #[test]
    fn an_embedded_configuration_is_found_in_the_kernel() {
        let mut kernel = b"code IKCFG_ST is a name too IKCFG_ST".to_vec();
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(b"CONFIG_NET=y\n").unwrap();
        kernel.extend(encoder.finish().unwrap());
        kernel.extend_from_slice(b"IKCFG_EDdata");
        assert_eq!(embedded(&kernel).as_deref(), Some("CONFIG_NET=y\n"));
        assert_eq!(embedded(b"IKCFG_ST"), None);
        assert_eq!(embedded(b"IKCFG_ST\x1f\x8bIKCFG_ED"), None);
    }
}
