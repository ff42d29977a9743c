//! How values are written in a case file: as a text that may look like a number, alone or in a list, or repeated.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{DeserializeOwned, Error, Visitor};
use serde::{Deserialize, Deserializer};
use serde_yaml::Value;

use super::key_path::KeyPath;

/// A text that may look like a number: `64`, `6.10`, `at least 2`. It is kept as it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text(pub(crate) String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl Visitor<'_> for TextVisitor {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or an integer")
            }

            fn visit_str<E>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.to_owned()))
            }

            // No fractions: 6.10 would have become 6.1 by now.
            fn visit_u64<E>(self, number: u64) -> Result<Text, E> {
                Ok(Text(number.to_string()))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Text, E> {
                Ok(Text(number.to_string()))
            }
        }

        deserializer.deserialize_any(TextVisitor)
    }
}

impl JsonSchema for Text {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer", "number"] })
    }
}

/// A value, or a list of them.
#[derive(Clone, Debug)]
pub(crate) struct OneOrMany<T>(pub(crate) Vec<T>);

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let items = items(Value::deserialize(deserializer)?).into_iter().map(serde_yaml::from_value);
        items.collect::<Result<_, _>>().map(Self).map_err(D::Error::custom)
    }
}

/// The items of a list; a single value is a list of one.
fn items(value: Value) -> Vec<Value> {
    match value {
        Value::Sequence(items) => items,
        one => vec![one],
    }
}

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("OneOrMany{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [one, { "type": "array", "items": one }] })
    }
}

/// The key of an item that says how often it is repeated.
pub(crate) const REPEAT: &str = "repeat";
/// The most repetitions of an item.
pub(crate) const MOST_REPEATS: usize = 2000;

/// The key of the items that a group repeats.
pub(crate) const GROUP: &str = "steps";

/// The place of an item in the file: its index, and for an item of a group its index in the group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ItemPlace {
    nth: usize,
    in_group: Option<usize>,
}

impl ItemPlace {
    /// The path to the item from that of its list.
    pub(crate) fn within(self, list: &KeyPath) -> KeyPath {
        let item = list.index(self.nth);
        self.in_group.map_or(item.clone(), |nth| item.key(GROUP).index(nth))
    }
}

/// A list with each item as often as its `repeat` says, and each group of items (`repeat: 3, steps: […]`) as often as that
/// one says; each with its place in the file.
#[derive(Clone, Debug)]
pub(crate) struct Repeated<T>(pub(crate) Vec<(ItemPlace, T)>);

impl<T> Default for Repeated<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Repeated<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut out = Vec::new();
        for (nth, item) in items(Value::deserialize(deserializer)?).into_iter().enumerate() {
            let is_group = is_group(&item);
            for item in copies(item) {
                let items = match item.get(GROUP) {
                    Some(Value::Sequence(items)) if is_group => items.clone(),
                    _ => vec![item],
                };
                for (in_group, item) in items.into_iter().enumerate() {
                    let place = ItemPlace { nth, in_group: is_group.then_some(in_group) };
                    out.push((place, serde_yaml::from_value(item).map_err(D::Error::custom)?));
                }
            }
        }
        Ok(Self(out))
    }
}

/// Whether this is a valid group: a number of repetitions, and items that are not repeated themselves. Others are reported
/// elsewhere.
fn is_group(item: &Value) -> bool {
    let is_plain = |item: &Value| item.get(REPEAT).is_none() && item.get(GROUP).is_none();
    let Some(Value::Sequence(items)) = item.get(GROUP) else { return false };
    item.as_mapping().is_some_and(|keys| keys.len() == 2)
        && times(item).is_some()
        && !items.is_empty()
        && items.iter().all(is_plain)
}

/// The number of repetitions of an item; `None` if it has none, or an invalid one.
fn times(item: &Value) -> Option<usize> {
    let times = item.get(REPEAT)?.as_str()?.parse().ok()?;
    Some(times).filter(|times| (1..=MOST_REPEATS).contains(times))
}

/// The item as often as its `repeat` says, with `#` replaced by 1, 2, 3 and so on. An invalid `repeat`, which is
/// reported elsewhere, counts as none.
fn copies(item: Value) -> Vec<Value> {
    let Some(times) = times(&item) else { return vec![item] };
    let mut copies = Vec::new();
    for number in 1..=times {
        let mut copy = item.clone();
        for_each_text(&mut copy, &mut |text| *text = text.replace('#', &number.to_string()));
        if let Some(repeat) = copy.get_mut(REPEAT) {
            *repeat = Value::String(number.to_string());
        }
        copies.push(copy);
    }
    copies
}

/// Applies `change` to every text within a value, except to keys.
pub(crate) fn for_each_text(value: &mut Value, change: &mut impl FnMut(&mut String)) {
    match value {
        Value::String(text) => change(text),
        Value::Sequence(items) => items.iter_mut().for_each(|item| for_each_text(item, change)),
        Value::Mapping(pairs) => pairs.iter_mut().for_each(|(_, value)| for_each_text(value, change)),
        _ => {}
    }
}

impl<T: JsonSchema> JsonSchema for Repeated<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Repeated{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        // A single preset may replace the list, but a single step may not: `steps:` is always a list.
        let alone = one.as_object().and_then(|one| one.get("anyOf")?.get(0).cloned());
        let list = json_schema!({ "type": "array", "items": one });
        match alone {
            Some(alone) => json_schema!({ "anyOf": [alone, list] }),
            None => list,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repeated(text: &str) -> Vec<String> {
        let Repeated::<Value>(items) = serde_yaml::from_str(text).unwrap();
        let text = |(place, item): (ItemPlace, Value)| {
            let place = place.in_group.map_or(place.nth.to_string(), |in_group| format!("{}.{in_group}", place.nth));
            format!("{place} {}", serde_yaml::to_string(&item).unwrap().trim().replace('\n', ", "))
        };
        items.into_iter().map(text).collect()
    }

    #[test]
    fn a_group_is_repeated_round_by_round() {
        let text = "[{a: x}, {repeat: '2', steps: [{send: 's-#'}, {recv: 'r-#'}]}, {b: '#', repeat: '2'}]";
        assert_eq!(
            repeated(text),
            [
                "0 a: x",
                "1.0 send: s-1",
                "1.1 recv: r-1",
                "1.0 send: s-2",
                "1.1 recv: r-2",
                "2 b: '1', repeat: '1'",
                "2 b: '2', repeat: '2'"
            ]
        );
    }

    #[test]
    fn what_is_not_a_group_stays_one_item() {
        for text in [
            "[{steps: [{a: x}]}]",
            "[{repeat: '2', name: n, steps: [{a: x}]}]",
            "[{repeat: '2', steps: []}]",
            "[{repeat: '0', steps: [{a: x}]}]",
        ] {
            assert!(repeated(text).iter().all(|item| item.starts_with("0 ") && item.contains("steps")), "{text}");
        }
    }
}
