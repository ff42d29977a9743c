//! Checks the shape of a file with the JSON Schema, and reports every wrong type, unknown key and missing key at once.
//!
//! serde stops at the first error and reads `5.10` as the number 5.1. So this check runs first: the schema, which is
//! generated from the structures that serde reads into, decides the type of each scalar. Invalid values are left out or
//! replaced by placeholders, so that the rest of the file can still be read and checked.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use serde_yaml::Value as Yaml;

use super::findings::{Findings, Underline};
use super::key_path::KeyPath;
use super::phrases;
use super::yaml_tree::{Content, Node};
use crate::nearest::{any_of, nearest, suggestion};

/// The file's content with types according to the schema, and with `$name` replaced by the values of parameters.
pub(crate) fn read(schema: &Json, parameters: &BTreeMap<String, String>, findings: &mut Findings) -> Yaml {
    let root = findings.root().clone();
    Reader { schema, parameters, findings }.value(schema, &root, &KeyPath::default())
}

struct Reader<'a> {
    schema: &'a Json,
    parameters: &'a BTreeMap<String, String>,
    findings: &'a mut Findings,
}

impl<'a> Reader<'a> {
    fn value(&mut self, schema: &'a Json, node: &Node, place: &KeyPath) -> Yaml {
        let schema = self.follow(schema);
        let Some(branch) = self.branch(schema, node) else {
            return self.wrong_type(schema, node, place);
        };
        match &node.content {
            Content::Mapping(pairs) => self.mapping(branch, pairs, place),
            Content::Sequence(items) => self.sequence(branch, schema, items, place),
            Content::Scalar { .. } => self.scalar(branch, node, place),
        }
    }

    /// Resolves a `$ref`.
    fn follow(&self, schema: &'a Json) -> &'a Json {
        let target = schema.get("$ref").and_then(Json::as_str).and_then(|reference| reference.strip_prefix("#/$defs/"));
        match target.and_then(|name| self.schema.get("$defs")?.get(name)) {
            Some(target) => self.follow(target),
            None => schema,
        }
    }

    fn alternatives(&self, schema: &'a Json) -> Option<&'a Vec<Json>> {
        ["anyOf", "oneOf"].into_iter().find_map(|key| schema.get(key)).and_then(Json::as_array)
    }

    /// The alternative of the schema for a node of this kind; the schema itself, if it has no alternatives.
    fn branch(&self, schema: &'a Json, node: &Node) -> Option<&'a Json> {
        let schema = self.follow(schema);
        if self.choices(schema).is_some() {
            return matches!(node.content, Content::Scalar { .. }).then_some(schema);
        }
        match self.alternatives(schema) {
            Some(all) => all.iter().find_map(|one| self.branch(one, node)),
            None => {
                let kinds = self.kinds(schema);
                let fits = |kind: &&str| match (&node.content, *kind) {
                    (Content::Mapping(_), "object") | (Content::Sequence(_), "array") => true,
                    (Content::Scalar { .. }, kind) => self.scalar_as(kind, node).is_some(),
                    _ => false,
                };
                (kinds.is_empty() || kinds.iter().any(fits)).then_some(schema)
            }
        }
    }

    /// The values of an enumeration: an `enum`, or alternatives that are all constants.
    fn choices(&self, schema: &'a Json) -> Option<Vec<&'a str>> {
        let schema = self.follow(schema);
        if let Some(values) = schema.get("enum").and_then(Json::as_array) {
            return values.iter().map(Json::as_str).collect();
        }
        if let Some(value) = schema.get("const") {
            return value.as_str().map(|value| vec![value]);
        }
        let all = self.alternatives(schema)?;
        let choices: Option<Vec<Vec<&str>>> = all.iter().map(|one| self.choices(one)).collect();
        choices.map(|choices| choices.concat())
    }

    fn kinds(&self, schema: &'a Json) -> Vec<&'a str> {
        let schema = self.follow(schema);
        if let Some(all) = self.alternatives(schema) {
            let mut kinds: Vec<_> = all.iter().flat_map(|one| self.kinds(one)).collect();
            kinds.sort();
            kinds.dedup();
            return kinds;
        }
        match schema.get("type") {
            Some(Json::String(kind)) => vec![kind],
            Some(Json::Array(kinds)) => kinds.iter().filter_map(Json::as_str).collect(),
            _ if self.choices(schema).is_some() => vec!["string"],
            _ => Vec::new(),
        }
    }

    fn scalar_as(&self, kind: &str, node: &Node) -> Option<Yaml> {
        let Content::Scalar { text, plain } = &node.content else { return None };
        let text = self.substitute(text);
        match kind {
            "null" => node.is_null().then_some(Yaml::Null),
            "string" => (!node.is_null()).then_some(Yaml::String(text)),
            _ if !plain => None,
            "boolean" => match text.as_str() {
                "true" | "True" | "TRUE" => Some(Yaml::Bool(true)),
                "false" | "False" | "FALSE" => Some(Yaml::Bool(false)),
                _ => None,
            },
            "integer" => phrases::integer(&text).map(|number| Yaml::Number(number.into())),
            "number" => text.parse::<f64>().ok().map(|number| Yaml::Number(number.into())),
            _ => None,
        }
    }

    /// Replaces `$name` by the value of a parameter.
    fn substitute(&self, text: &str) -> String {
        if !text.contains('$') {
            return text.to_owned();
        }
        // Longer names first, so that `$size` does not replace a part of `$sizes`.
        let mut names: Vec<_> = self.parameters.iter().collect();
        names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        names.into_iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("${name}"), value))
    }

    fn scalar(&mut self, schema: &'a Json, node: &Node, place: &KeyPath) -> Yaml {
        let text = node.text().unwrap_or_default();
        if let Some(choices) = self.choices(schema) {
            let text = self.substitute(text);
            if choices.contains(&text.as_str()) {
                return Yaml::String(text);
            }
            let help = suggestion(&text, choices.iter().copied());
            let label = format!("expected {}", choice_label(&choices));
            self.findings.add(place, Underline::Value, format!("`{text}` is not valid here"), label, help);
            return self.filled(schema, place);
        }
        if let Some(only) = schema.get("const")
            && phrases::integer(text).map(Json::from).as_ref() != Some(only)
        {
            let message = format!("`{text}` is not valid here");
            self.findings.add(place, Underline::Value, message, format!("expected {only}"), described(schema));
            return self.filled(schema, place);
        }
        let kinds = self.kinds(schema);
        // Where the schema allows a text, everything is one: `5.10` is then not a number.
        let order = ["null", "string", "boolean", "integer", "number"];
        let value = order.into_iter().filter(|kind| kinds.contains(kind)).find_map(|kind| self.scalar_as(kind, node));
        match value {
            Some(Yaml::Number(number)) => self.in_range(schema, number, place),
            Some(value) => value,
            None => self.wrong_type(schema, node, place),
        }
    }

    fn in_range(&mut self, schema: &'a Json, number: serde_yaml::Number, place: &KeyPath) -> Yaml {
        let format = schema.get("format").and_then(Json::as_str).unwrap_or_default();
        let (lowest, highest) = match format {
            "uint8" => (0, i64::from(u8::MAX)),
            "uint16" => (0, i64::from(u16::MAX)),
            "uint32" => (0, i64::from(u32::MAX)),
            "int32" => (i64::from(i32::MIN), i64::from(i32::MAX)),
            _ => (i64::MIN, i64::MAX),
        };
        let limit = |key| schema.get(key).and_then(Json::as_f64).map(|limit| limit as i64);
        let lowest = limit("minimum").unwrap_or(lowest).max(lowest);
        let highest = limit("maximum").unwrap_or(highest).min(highest);
        match number.as_i64() {
            Some(found) if !(lowest..=highest).contains(&found) => {
                let message = format!("{found} is out of range");
                let label = format!("expected {lowest} to {highest}");
                self.findings.add(place, Underline::Value, message, label, described(schema));
                self.filled(schema, place)
            }
            _ => Yaml::Number(number),
        }
    }

    fn sequence(&mut self, schema: &'a Json, outer: &'a Json, items: &[Node], place: &KeyPath) -> Yaml {
        let least = schema.get("minItems").and_then(Json::as_u64).unwrap_or(0);
        if (items.len() as u64) < least {
            let help = described(outer).or_else(|| described(schema));
            self.findings.add(place, Underline::Key, "this list is empty", format!("expected at least {least}"), help);
            self.findings.fill(place);
        }
        let Some(each) = schema.get("items") else { return Yaml::Sequence(Vec::new()) };
        let items = items.iter().enumerate().map(|(nth, item)| self.value(each, item, &place.index(nth)));
        Yaml::Sequence(items.collect())
    }

    fn mapping(&mut self, schema: &'a Json, pairs: &[(Node, Node)], place: &KeyPath) -> Yaml {
        let mut out = serde_yaml::Mapping::new();
        let properties = schema.get("properties").and_then(Json::as_object);
        let others = schema.get("additionalProperties").filter(|others| others.is_object());
        let what = schema.get("x-what").and_then(Json::as_str).unwrap_or("this mapping");
        for (nth, (key, value)) in pairs.iter().enumerate() {
            let Some(name) = key.text() else {
                self.findings.add_at(key.span.clone(), "a key must be a text", "a list or a mapping", None);
                continue;
            };
            if pairs[..nth].iter().any(|(earlier, _)| earlier.text() == Some(name)) {
                self.findings.add_at(key.span.clone(), format!("`{name}` is written twice"), "the second one", None);
                continue;
            }
            let known = properties.and_then(|properties| properties.get(name)).or(others);
            match known {
                Some(schema) => {
                    let value = self.value(schema, value, &place.key(name));
                    out.insert(Yaml::String(name.to_owned()), value);
                }
                None => {
                    self.unknown_key(schema, key, name, what);
                    self.findings.drop_words(value);
                    self.findings.fill(&place.key(name));
                }
            }
        }
        let unknown = pairs.iter().filter_map(|(key, _)| key.text()).filter(|name| !out.contains_key(*name)).collect();
        self.add_missing(schema, &mut out, unknown, what, place);
        Yaml::Mapping(out)
    }

    fn unknown_key(&mut self, schema: &'a Json, key: &Node, name: &str, what: &str) {
        let kind = schema.get("x-keys").and_then(Json::as_str).unwrap_or("key");
        let valid = schema.get("properties").and_then(Json::as_object).into_iter().flat_map(|all| all.keys());
        let help = suggestion(name, valid.map(String::as_str));
        self.findings.add_at(
            key.span.clone(),
            format!("unknown {kind} `{name}`"),
            format!("not a part of {what}"),
            help,
        );
    }

    fn add_missing(
        &mut self,
        schema: &'a Json,
        out: &mut serde_yaml::Mapping,
        unknown: Vec<&str>,
        what: &str,
        place: &KeyPath,
    ) {
        let required = schema.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str);
        for name in required {
            if out.contains_key(name) {
                continue;
            }
            let property = schema.get("properties").and_then(|all| all.get(name)).unwrap_or(&Json::Null);
            // If an unknown key is a misspelling of this one, that has been reported.
            if !unknown.iter().any(|key| nearest(key, [name]).contains(&name)) {
                let help = described(property).map(|text| format!("{name}: {text}"));
                let label = format!("no `{name}` here");
                self.findings.add(place, Underline::Key, format!("{what} needs `{name}`"), label, help);
            }
            let filled = self.filled(property, &place.key(name));
            out.insert(Yaml::String(name.to_owned()), filled);
        }
    }

    fn wrong_type(&mut self, schema: &'a Json, node: &Node, place: &KeyPath) -> Yaml {
        let mut expected: Vec<&str> = self.kinds(schema).into_iter().map(kind_in_words).collect();
        expected.retain(|kind| *kind != "nothing");
        expected.sort();
        expected.dedup();
        let found = match &node.content {
            _ if node.is_null() => "nothing".to_owned(),
            Content::Mapping(_) => "a mapping".to_owned(),
            Content::Sequence(_) => "a list".to_owned(),
            Content::Scalar { text, .. } => format!("`{text}`"),
        };
        let expected = expected.join(" or ");
        let name = schema.get("x-what").and_then(Json::as_str).map(|what| format!(" ({what})")).unwrap_or_default();
        let underline = if node.span.is_empty() { Underline::Key } else { Underline::Value };
        let message = format!("expected {expected}{name}, found {found}");
        self.findings.add(place, underline, message, format!("not {expected}"), described(schema));
        self.findings.drop_words(node);
        self.filled(schema, place)
    }

    /// A valid placeholder for an invalid value, so that the rest of the file can be read.
    fn filled(&mut self, schema: &'a Json, place: &KeyPath) -> Yaml {
        self.findings.fill(place);
        self.filler(schema)
    }

    fn filler(&self, schema: &'a Json) -> Yaml {
        let schema = self.follow(schema);
        if let Some(value) = schema.get("default").or_else(|| schema.get("const")) {
            return serde_yaml::to_value(value).unwrap_or_default();
        }
        if let Some(choices) = self.choices(schema) {
            return Yaml::String(choices.first().copied().unwrap_or_default().to_owned());
        }
        if let Some(all) = self.alternatives(schema) {
            return all.first().map_or(Yaml::Null, |one| self.filler(one));
        }
        let kinds = self.kinds(schema);
        let is = |kind| kinds.contains(&kind);
        if is("null") {
            Yaml::Null
        } else if is("array") {
            Yaml::Sequence(Vec::new())
        } else if is("object") {
            let required =
                schema.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str);
            let property = |name: &str| schema.get("properties").and_then(|all| all.get(name));
            let pairs = required.filter_map(|name| Some((Yaml::String(name.to_owned()), self.filler(property(name)?))));
            Yaml::Mapping(pairs.collect())
        } else if is("string") {
            Yaml::String(String::new())
        } else if is("boolean") {
            Yaml::Bool(false)
        } else {
            let least = schema.get("minimum").and_then(Json::as_f64).unwrap_or(0.0);
            Yaml::Number((least as i64).into())
        }
    }
}

fn described(schema: &Json) -> Option<String> {
    schema.get("description").and_then(Json::as_str).map(|text| text.replace('\n', " "))
}

fn choice_label(choices: &[&str]) -> String {
    if choices.len() <= 6 { any_of(choices.iter().copied()) } else { "one of the valid names".to_owned() }
}

fn kind_in_words(kind: &str) -> &str {
    match kind {
        "object" => "a mapping",
        "array" => "a list",
        "string" => "a text",
        "integer" | "number" => "a number",
        "boolean" => "true or false",
        "null" => "nothing",
        other => other,
    }
}
