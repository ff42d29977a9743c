//! Resolves expectations, measures, milestones, and groups of functions to hide.

use std::collections::HashSet;

use super::{Resolver, actor_place, add_phrase_error, gate, is_reserved};
use crate::case::arguments::Scope;
use crate::case::case::Measure;
use crate::case::case_file::{CaseFile, ExpectFile};
use crate::case::expectation::{Context, Expectation};
use crate::case::findings::Underline;
use crate::case::gate::Gated;
use crate::case::key_path::KeyPath;
use crate::case::phrases::{self, PhraseError};
use crate::case::sent_packet::SentPattern;
use crate::case::step_ref::StepRef;
use crate::case::yaml_types::{OneOrMany, Text};
use crate::nearest::suggestion;
use crate::path::{ContextRules, Profiles};

impl Resolver<'_> {
    pub(super) fn expectations(&mut self, file: &CaseFile) -> Vec<Expectation> {
        let mut out = Vec::new();
        for (context, blocks) in &file.expect {
            let place = KeyPath::default().key("expect").key(context);
            let Some(context) = self.context(context, &place) else { continue };
            for (nth, block) in blocks.0.iter().enumerate() {
                out.push(self.expectation(context.clone(), block, &place.index(nth)));
            }
        }
        out
    }

    /// Resolves `receiver.recv`, `receiver` (if it has only one step), `softirq`, `softirq on sender`, `hardirq` and
    /// `task napi`.
    fn context(&mut self, text: &str, place: &KeyPath) -> Option<Context> {
        match text.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["softirq"] => Some(Context::Softirq { on: None }),
            ["hardirq"] => Some(Context::Hardirq),
            ["task", class] => self.task_class(class, place),
            ["softirq", "on", task] => {
                if !is_reserved(task) {
                    self.actor_at_key(task, place)?;
                }
                Some(Context::Softirq { on: Some((*task).to_owned()) })
            }
            [operation] => {
                let StepRef { actor, step } = self.operation_at_key(operation, place)?;
                Some(Context::Operation { actor, step })
            }
            [first, others @ ..] if is_alternatives(others) => {
                let names = std::iter::once(first).chain(others.iter().skip(1).step_by(2));
                let steps: Option<Vec<StepRef>> = names.map(|name| self.operation_at_key(name, place)).collect();
                steps.map(Context::OneOf)
            }
            _ => {
                let message = format!("`{text}` is not a context");
                let label = "expected ACTOR.STEP, `ACTOR.STEP or ACTOR.STEP`, softirq, `softirq on ACTOR`, hardirq or \
                             `task CLASS`";
                self.findings.add(place, Underline::Key, message, label, None);
                None
            }
        }
    }

    /// Resolves `receiver.recv`, and `receiver` if it has only one step.
    fn operation_at_key(&mut self, operation: &str, place: &KeyPath) -> Option<StepRef> {
        let (actor, step) = operation.split_once('.').unwrap_or((operation, "1"));
        let index = self.actor_at_key(actor, place)?;
        let steps = self.steps.get_index(usize::from(index)).map_or(0, |(_, steps)| steps.len());
        if !operation.contains('.') && steps != 1 {
            let message = format!("`{actor}` has {steps} steps, so the step must be named");
            self.findings.add(place, Underline::Key, message, format!("for example `{actor}.recv`"), None);
            return None;
        }
        self.step_at_key(actor, step, place)
    }

    fn task_class(&mut self, class: &str, place: &KeyPath) -> Option<Context> {
        let known: Vec<&str> = ContextRules::embedded().ok()?.task_classes().collect();
        if known.contains(&class) {
            return Some(Context::Task { class: class.to_owned() });
        }
        let message = format!("`{class}` is not a class of tasks");
        let help =
            suggestion(class, known.iter().copied()).or_else(|| Some(format!("valid here: {}", known.join(", "))));
        self.findings.add(place, Underline::Key, message, "unknown", help);
        None
    }

    fn actor_at_key(&mut self, name: &str, place: &KeyPath) -> Option<u16> {
        let index = self.steps.get_index_of(name);
        if index.is_none() && !self.findings.was_dropped(name) {
            let known = self.steps.keys().map(String::as_str).chain(["softirq", "hardirq"]);
            let help = suggestion(name, known);
            self.findings.add(
                place,
                Underline::Key,
                format!("`{name}` is neither an actor nor a context"),
                "unknown",
                help,
            );
        }
        index.map(|index| index as u16)
    }

    fn step_at_key(&mut self, actor: &str, step: &str, place: &KeyPath) -> Option<StepRef> {
        let names = self.steps.get(actor)?;
        let qualified: Vec<String> = names.iter().map(|name| format!("{actor}.{name}")).collect();
        let known = names.iter().any(|name| name == step)
            || step.parse::<usize>().is_ok_and(|number| (1..=names.len()).contains(&number));
        if known {
            return self.step_of(actor, step, place);
        }
        if self.findings.is_whole(&actor_place(actor)) {
            let help = suggestion(&format!("{actor}.{step}"), qualified.iter().map(String::as_str));
            self.findings.add(place, Underline::Key, format!("`{actor}` has no step `{step}`"), "unknown step", help);
        }
        None
    }

    fn expectation(&mut self, context: Context, file: &ExpectFile, place: &KeyPath) -> Expectation {
        let gate = gate(file.since.as_ref(), file.before.as_ref(), file.only.as_ref(), place, self.findings);
        let at = self.findings.location(place, Underline::Key);
        let is_operation = matches!(context, Context::Operation { .. } | Context::OneOf(_));
        let details: [(&str, &OneOrMany<Text>); 6] = [
            ("data", &file.data),
            ("flags", &file.flags),
            ("from", &file.from),
            ("control", &file.control),
            ("lengths", &file.lengths),
            ("events", &file.events),
        ];
        for (key, _) in details.into_iter().filter(|(_, given)| !given.0.is_empty()) {
            self.check_returned(&context, key, &place.key(key));
        }
        let only_operations = [
            ("returns", &file.returns),
            ("value", &file.value),
            ("fails", &file.fails),
            ("sends", &file.sends),
            ("sleeps", &file.sleeps),
            ("switches", &file.switches),
            ("costs", &file.costs),
        ];
        for (key, _) in only_operations.iter().filter(|(_, given)| !is_operation && !given.0.is_empty()) {
            let message = format!("`{key}` can be expected only of an operation");
            self.findings.add(&place.key(key), Underline::Key, message, "not of an interrupt or another task", None);
        }
        if is_operation && !file.softirqs.0.is_empty() {
            let message = "`softirqs` counts the softirqs of a whole iteration";
            self.findings.add(&place.key("softirqs"), Underline::Key, message, "write it under `softirq:`", None);
        }
        let mut bounds = |key: &str, texts| self.gated(texts, &place.key(key), |_, text, _| phrases::bound(text));
        let value = bounds("value", &file.value);
        let wake_ups = bounds("wake_ups", &file.wake_ups);
        let sleeps = bounds("sleeps", &file.sleeps);
        let switches = bounds("switches", &file.switches);
        let softirqs = bounds("softirqs", &file.softirqs);
        let lengths = bounds("lengths", &file.lengths);
        let sends = self.sends(&file.sends, &context, &place.key("sends"));
        Expectation {
            context,
            gate,
            at,
            returns: self.gated(&file.returns, &place.key("returns"), |_, text, _| phrases::outcomes(text)),
            value,
            fails: self.gated(&file.fails, &place.key("fails"), |_, text, _| phrases::errors(text)),
            data: self.data(&file.data, &place.key("data")),
            flags: self.gated(&file.flags, &place.key("flags"), |_, text, _| phrases::flags(text)),
            from: self.senders_address(&file.from, &place.key("from")),
            control: self.control(&file.control, &place.key("control")),
            lengths,
            sends,
            events: self.events(&file.events, &place.key("events")),
            calls: self.gated(&file.calls, &place.key("calls"), |_, text, _| phrases::call(text)),
            never: self.gated(&file.never, &place.key("never"), |_, text, _| phrases::call(text)),
            wakes: self.wakes(&file.wakes, &place.key("wakes")),
            wake_ups,
            sleeps,
            switches,
            softirqs,
            costs: self.gated(&file.costs, &place.key("costs"), |_, text, _| phrases::cost(text)),
        }
    }

    /// Splits each text from its gate, and parses it with `read`.
    pub(super) fn gated<T>(
        &mut self,
        texts: &OneOrMany<Text>,
        place: &KeyPath,
        read: impl Fn(&mut Self, &str, &KeyPath) -> Result<T, PhraseError>,
    ) -> Vec<Gated<T>> {
        let mut out = Vec::new();
        for (nth, text) in texts.0.iter().enumerate() {
            let place = place.index(nth);
            let result = phrases::gated(&text.0).and_then(|(head, gate)| Ok((read(self, &head, &place)?, gate)));
            match result {
                Ok((value, gate)) => {
                    out.push(Gated { gate, value, at: self.findings.location(&place, Underline::Value) })
                }
                Err(error) => add_phrase_error(self.findings, &place, &error),
            }
        }
        out
    }

    fn sends(&mut self, texts: &OneOrMany<Text>, context: &Context, place: &KeyPath) -> Vec<Gated<SentPattern>> {
        if let (Context::Operation { actor, step }, false) = (context, texts.0.is_empty())
            && self.traits.get(&StepRef { actor: *actor, step: *step }).is_some_and(|traits| !traits.reads_packets)
        {
            let message = "only `read` sees what the kernel sends";
            self.findings.add(place, Underline::Key, message, "expected of a step that reads from a TUN device", None);
        }
        self.gated(texts, place, |this, text, place| {
            let phrase = phrases::sent_packet(text)?;
            let (slots, actors, not_yet) = (&this.slots, &this.actors, HashSet::new());
            let mut scope = Scope { findings: this.findings, slots, actors, not_yet: &not_yet, preset: None };
            Ok(SentPattern::new(phrase, &mut scope, place))
        })
    }

    fn wakes(&mut self, texts: &OneOrMany<Text>, place: &KeyPath) -> Vec<Gated<String>> {
        self.gated(texts, place, |this, text, place| {
            if !is_reserved(text) {
                this.actor(text, place);
            }
            Ok(text.to_owned())
        })
    }

    pub(super) fn measures(&mut self, file: &CaseFile) -> Vec<Measure> {
        let mut out = Vec::new();
        for (name, text) in &file.measure {
            let place = KeyPath::default().key("measure").key(name);
            match text.0.split_whitespace().collect::<Vec<_>>().as_slice() {
                [from, "to", to] => {
                    if let (Some(from), Some(to)) = (self.step_ref(from, &place), self.step_ref(to, &place)) {
                        out.push(Measure { name: name.clone(), from, to });
                    }
                }
                _ => {
                    let message = format!("`{}` is not a duration between two steps", text.0);
                    self.findings.add(&place, Underline::Value, message, "for example `ping.send to ping.recv`", None);
                }
            }
        }
        out
    }

    /// The names of profiles and groups, for [`Profiles::select`].
    pub(super) fn hide(&mut self, file: &CaseFile) -> Vec<String> {
        // The file is part of the program and checked by its tests.
        let Ok(profiles) = Profiles::embedded() else { return Vec::new() };
        let known: Vec<&str> = profiles.names().collect();
        for (nth, Text(name)) in file.hide.0.iter().enumerate() {
            let plain = name.trim_start_matches('-');
            if !known.contains(&plain) {
                let place = KeyPath::default().key("hide").index(nth);
                let message = format!("no profile or group of functions is named `{plain}`");
                let help = suggestion(plain, known.iter().copied());
                let help = help.or_else(|| Some(format!("valid here: {}", known.join(", "))));
                self.findings.add(&place, Underline::Value, message, "unknown", help);
            }
        }
        file.hide.0.iter().map(|Text(name)| name.clone()).collect()
    }

    pub(super) fn milestones(&mut self, file: &CaseFile) -> Vec<Gated<String>> {
        let place = KeyPath::default().key("milestones");
        let all = self.gated(&file.milestones, &place, |_, text, _| phrases::call(text));
        all.into_iter()
            .flat_map(|one| {
                let Gated { gate, value, at } = one;
                value.names.into_iter().map(move |name| Gated { gate: gate.clone(), value: name, at: at.clone() })
            })
            .collect()
    }
}

/// Whether these words are `or` and a name, or several such pairs.
fn is_alternatives(words: &[&str]) -> bool {
    words.len() >= 2 && words.len().is_multiple_of(2) && words.iter().step_by(2).all(|word| *word == "or")
}
