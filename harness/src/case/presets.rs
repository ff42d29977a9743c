//! Setups that many cases share, by their names: `setup: tcp-pair`.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use indexmap::IndexMap;
use serde_yaml::Value;

use super::operations::StepFile;
use super::yaml_types::for_each_text;

static PRESETS: LazyLock<IndexMap<String, Vec<Value>>> =
    // The file is part of the program, and a test below checks that it can be read.
    LazyLock::new(|| serde_yaml::from_str(include_str!("presets.yaml")).unwrap_or_default());

pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    PRESETS.keys().map(String::as_str)
}

/// The steps of a preset. If there is a number, every name that they make ends in it: `client-3`. They are read once: cases with a
/// thousand connections have the same thousand presets.
pub(crate) fn steps(preset: &str, number: Option<&str>) -> &'static [StepFile] {
    type Known = BTreeMap<(String, Option<String>), &'static [StepFile]>;
    static KNOWN: Mutex<Known> = Mutex::new(Known::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (preset.to_owned(), number.map(str::to_owned));
    known.entry(key).or_insert_with(|| read(preset, number).leak())
}

fn read(preset: &str, number: Option<&str>) -> Vec<StepFile> {
    let mut steps = PRESETS.get(preset).cloned().unwrap_or_default();
    if let Some(number) = number {
        let names: Vec<String> = steps.iter().flat_map(made).collect();
        for step in &mut steps {
            for_each_text(step, &mut |text| {
                if names.contains(text) {
                    text.push('-');
                    text.push_str(number);
                }
            });
        }
    }
    steps.into_iter().filter_map(|step| serde_yaml::from_value(step).ok()).collect()
}

/// The names that a step gives to results.
fn made(step: &Value) -> Vec<String> {
    let pair = step.get("socketpair");
    let names = [step.get("as"), pair.and_then(|pair| pair.get("first")), pair.and_then(|pair| pair.get("second"))];
    names.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_of_every_preset_can_be_read() {
        let presets: IndexMap<String, Vec<Value>> = serde_yaml::from_str(include_str!("presets.yaml")).unwrap();
        assert!(presets.contains_key("tcp-pair"));
        for (name, values) in presets {
            assert_eq!(steps(&name, None).len(), values.len(), "{name}");
        }
    }

    #[test]
    fn a_numbered_preset_numbers_its_names_and_nothing_else() {
        let steps = steps("tcp-pair", Some("7"));
        let names: Vec<_> = steps.iter().filter_map(|step| step.into.as_deref()).collect();
        assert_eq!(names, ["_listener-7", "client-7", "server-7"]);
    }
}
