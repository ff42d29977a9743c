//! Setups that many cases share, by name: `setup: tcp-pair`.

use std::sync::LazyLock;

use indexmap::IndexMap;

use super::operations::StepFile;

static PRESETS: LazyLock<IndexMap<String, Vec<StepFile>>> =
    // The file is part of the program: a test below reads it.
    LazyLock::new(|| serde_yaml::from_str(include_str!("presets.yaml")).unwrap_or_default());

/// The names of all presets.
pub fn names() -> impl Iterator<Item = &'static str> {
    PRESETS.keys().map(String::as_str)
}

/// The steps of a preset.
pub fn steps(name: &str) -> Option<&'static [StepFile]> {
    PRESETS.get(name).map(Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_presets_can_be_read() {
        let presets: IndexMap<String, Vec<StepFile>> = serde_yaml::from_str(include_str!("presets.yaml")).unwrap();
        assert!(presets.contains_key("tcp-pair"));
        assert_eq!(presets.len(), names().count());
    }
}
