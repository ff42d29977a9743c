//! What arguments can refer to, and where their errors go.

use std::collections::HashSet;

use indexmap::IndexMap;
use rxpath_guest::{Known, Number, Slot};

use crate::case::findings::{Findings, Underline};
use crate::case::key_path::KeyPath;
use crate::case::phrases::integer;
use crate::nearest::suggestion;

/// The names that arguments can refer to, and the errors in them.
pub(crate) struct Scope<'a> {
    pub(crate) findings: &'a mut Findings,
    /// The slots of named results, in their order.
    pub(crate) slots: &'a IndexMap<String, Slot>,
    pub(crate) actors: &'a [String],
    /// Names that no earlier step of the actor has defined.
    pub(crate) not_yet: &'a HashSet<String>,
    /// The place of the preset that the arguments are in, if any.
    pub(crate) preset: Option<&'a KeyPath>,
}

impl Scope<'_> {
    /// Reports an error at its place in the file; within a preset, at the preset's name.
    pub(crate) fn report(
        &mut self,
        at: &KeyPath,
        underline: Underline<'_>,
        message: String,
        label: &str,
        help: Option<String>,
    ) {
        self.findings.add(self.preset.unwrap_or(at), underline, message, label, help);
    }

    /// A number that counts from `from`, such as `64` or `-1`, or from what a named result holds: `isn`, `isn+1`.
    pub(crate) fn number(&mut self, text: &str, from: Option<Known>, at: &KeyPath) -> Number {
        if let Some(plus) = integer(text) {
            return Number { from, plus };
        }
        let sign = text.rfind(['+', '-']).filter(|_| !self.slots.contains_key(text));
        let split = sign.and_then(|sign| Some((&text[..sign], integer(text[sign..].trim_start_matches('+'))?)));
        let (name, plus) = split.unwrap_or((text, 0));
        Number { from: Some(Known::Value(self.slot(name, at))), plus }
    }

    /// The slot of a named result; 0, with an error, if there is none.
    pub(crate) fn slot(&mut self, name: &str, at: &KeyPath) -> Slot {
        match self.slots.get(name) {
            Some(slot) if !self.not_yet.contains(name) => *slot,
            Some(slot) => {
                let message = format!("`{name}` is used before the step that defines it");
                self.report(
                    at,
                    Underline::Part(name),
                    message,
                    "not defined yet",
                    Some("move the step that defines it before this one".into()),
                );
                *slot
            }
            None => {
                if !self.findings.was_dropped(name) {
                    let known = self.slots.keys().map(String::as_str).filter(|name| !name.starts_with('_'));
                    let help = suggestion(name, known).unwrap_or_else(|| {
                        "give the result of a step this name with `as:`, or use a preset in `setup:`".into()
                    });
                    self.report(
                        at,
                        Underline::Part(name),
                        format!("nothing is named `{name}`"),
                        "undefined name",
                        Some(help),
                    );
                }
                0
            }
        }
    }
}
