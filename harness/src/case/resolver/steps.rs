//! Resolves setup and actors: what they do, and what they wait for.

use std::collections::HashSet;

use rxpath_guest::{ActorKind, Condition, Policy, Step};

use super::{Resolver, SetupStep, actor_place, actor_steps, add_phrase_error, made_names};
use crate::case::arguments::Scope;
use crate::case::case::{CaseActor, CaseStep};
use crate::case::case_file::{ActorFile, ActorKindFile, CaseFile, Nic};
use crate::case::constants;
use crate::case::findings::Underline;
use crate::case::key_path::KeyPath;
use crate::case::operations::StepFile;
use crate::case::phrases::{self, ConditionPhrase};
use crate::case::step_ref::StepRef;
use crate::case::yaml_types::{GROUP, MOST_REPEATS, Repeated, Text};
use crate::nearest::suggestion;

impl Resolver<'_> {
    pub(super) fn setup(&mut self, file: &CaseFile, steps: &[SetupStep<'_>]) -> Vec<CaseStep> {
        let by_actors =
            file.actors.values().flat_map(|actor| actor.steps.0.iter()).flat_map(|(_, step)| made_names(step));
        // Presets define names before they use them. Names that are defined twice have been reported.
        let own = steps.iter().filter(|(.., is_preset)| !is_preset).flat_map(|(step, ..)| made_names(step));
        let mut not_yet: HashSet<String> = by_actors.chain(own).map(|(name, _)| name.to_owned()).collect();
        let mut out = Vec::new();
        for (nth, (step, place, is_preset)) in steps.iter().enumerate() {
            for (key, given) in [("when", !step.when.0.is_empty()), ("after", !step.after.0.is_empty())] {
                if given {
                    let message = format!("`{key}` has no effect in setup, because there are no actors yet");
                    let label = "the steps of setup run one after the other";
                    self.findings.add(&place.key(key), Underline::Key, message, label, None);
                }
            }
            let name = step.name.clone().unwrap_or_else(|| format!("setup-{}", nth + 1));
            out.extend(self.step(step, name, place, is_preset.then_some(place), &not_yet, Vec::new()));
            for (name, _) in made_names(step) {
                not_yet.remove(name);
            }
        }
        out
    }

    pub(super) fn actors(&mut self, file: &CaseFile, cpus: u16) -> Vec<CaseActor> {
        let place = KeyPath::default().key("actors");
        if file.actors.is_empty() {
            self.findings.add(&place, Underline::Key, "there are no actors", "expected at least one actor", None);
        }
        let mut out = Vec::new();
        for (name, actor) in &file.actors {
            let place = actor_place(name);
            if actor.cpu >= cpus {
                let message = format!("there is no CPU {}: the machine has {cpus}", actor.cpu);
                let label = format!("expected 0 to {}", cpus.saturating_sub(1));
                self.findings.add(
                    &place.key("cpu"),
                    Underline::Value,
                    message,
                    label,
                    Some("write `machine: {cpus: N}` for more".into()),
                );
            }
            if actor.netns > 0 && !matches!(file.machine.nic, Nic::Veth | Nic::Virtio) {
                let message = "the machine has no second network namespace";
                let help = "write `machine: {nic: veth}` or `nic: virtio`".to_owned();
                self.findings.add(&place.key("netns"), Underline::Value, message, "expected 0", Some(help));
            }
            out.push(CaseActor {
                name: name.clone(),
                kind: match actor.kind {
                    ActorKindFile::Thread => ActorKind::Thread,
                    ActorKindFile::Process => ActorKind::Process,
                },
                cpu: actor.cpu,
                policy: self.policy(actor.policy.as_ref(), &place.key("policy")),
                netns: actor.netns,
                steps: self.actor_steps(name, actor),
            });
        }
        out
    }

    fn actor_steps(&mut self, name: &str, actor: &ActorFile) -> Vec<CaseStep> {
        let names = self.steps.get(name).cloned().unwrap_or_default();
        let own = actor.steps.0.iter().flat_map(|(_, step)| made_names(step));
        let mut not_yet: HashSet<String> = own.map(|(name, _)| name.to_owned()).collect();
        let mut out = Vec::new();
        for ((step, place), step_name) in actor_steps(name, actor).zip(names) {
            if step.preset.is_some() {
                let message = "a preset belongs in `setup:`";
                self.findings.add(&place.key("preset"), Underline::Key, message, "an actor cannot use presets", None);
            }
            let when = self.conditions(step, name, &place);
            out.extend(self.step(step, step_name, &place, None, &not_yet, when));
            for (name, _) in made_names(step) {
                not_yet.remove(name);
            }
        }
        out
    }

    fn policy(&mut self, text: Option<&Text>, place: &KeyPath) -> Policy {
        let Some(Text(text)) = text else { return Policy::Other };
        match text.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["other"] => return Policy::Other,
            ["batch"] => return Policy::Batch,
            ["idle"] => return Policy::Idle,
            ["fifo", priority] => {
                if let Some(priority) = priority.parse().ok().filter(|priority| (1..=99).contains(priority)) {
                    return Policy::Fifo(priority);
                }
            }
            _ => {}
        }
        let message = format!("`{text}` is not a scheduling policy");
        self.findings.add(
            place,
            Underline::Value,
            message,
            "expected `other`, `batch`, `idle`, or `fifo 1` to `fifo 99`",
            None,
        );
        Policy::Other
    }

    fn step(
        &mut self,
        file: &StepFile,
        name: String,
        place: &KeyPath,
        preset: Option<&KeyPath>,
        not_yet: &HashSet<String>,
        when: Vec<Condition>,
    ) -> Option<CaseStep> {
        if let Some(repeat) = file.repeat.as_ref().filter(|repeat| !is_repeat(repeat)) {
            let message = format!("`{}` is not a number of repetitions", repeat.0);
            let label = format!("expected 1 to {MOST_REPEATS}");
            self.findings.add(&place.key("repeat"), Underline::Value, message, label, None);
        }
        if let Some(steps) = &file.steps {
            self.wrong_group(file, steps, place);
            return None;
        }
        let operations = file.operations();
        let Some((operation, arguments)) = operations.first() else {
            if self.findings.is_whole(place) {
                let help = "add one, such as `recv: {socket: server, bytes: 64}`".to_owned();
                self.findings.add(
                    place,
                    Underline::Value,
                    "this step has no operation",
                    "no operation here",
                    Some(help),
                );
            }
            return None;
        };
        for (second, _) in &operations[1..] {
            let message = format!("this step has two operations: `{operation}` and `{second}`");
            self.findings.add(
                &place.key(second),
                Underline::Key,
                message,
                "the second one",
                Some("make it a step of its own".into()),
            );
        }
        let mut scope = Scope { findings: self.findings, slots: &self.slots, actors: &self.actors, not_yet, preset };
        let op = arguments.resolve(&mut scope, &place.key(operation));
        let into = file.into.as_ref().and_then(|name| self.slots.get(name)).copied();
        let step = Step { when, op, into, recorded: file.record.unwrap_or(true) };
        let at = self.findings.location(&place.key(operation), Underline::Key);
        let words = match preset {
            Some(_) => format!("{operation} of the preset"),
            None => format!("{operation}: {}", self.findings.location(&place.key(operation), Underline::Value).words()),
        };
        let waits = if file.after.0.is_empty() { "when" } else { "after" };
        let waits_at = self.findings.location(&place.key(waits), Underline::Value);
        Some(CaseStep { name, at, waits_at, words, step })
    }

    /// Reports why these steps are not repeated: those of a valid group are steps of the actor.
    fn wrong_group(&mut self, file: &StepFile, steps: &Repeated<StepFile>, place: &KeyPath) {
        if file.repeat.as_ref().is_some_and(|repeat| !is_repeat(repeat)) || !self.findings.is_whole(place) {
            return;
        }
        let repeated = steps.0.iter().find(|(_, step)| step.repeat.is_some() || step.steps.is_some());
        let (at, message, label) = if file.repeat.is_none() {
            (place.key(GROUP), "a group of steps needs `repeat`", "how often?")
        } else if steps.0.is_empty() {
            (place.key(GROUP), "a group of steps is empty", "expected at least one step")
        } else if let Some((at, _)) = repeated {
            (at.within(&place.key(GROUP)), "a step of a group cannot be repeated itself", "write it several times")
        } else {
            (place.key(GROUP), "a group of steps has only `repeat` and `steps`", "move the other keys to its steps")
        };
        self.findings.add(&at, Underline::Key, message, label, None);
    }

    fn conditions(&mut self, step: &StepFile, actor: &str, place: &KeyPath) -> Vec<Condition> {
        let mut out = Vec::new();
        for (nth, text) in step.when.0.iter().enumerate() {
            let place = place.key("when").index(nth);
            match phrases::condition(&text.0) {
                Ok(phrase) => out.extend(self.condition(phrase, actor, &place)),
                Err(error) => add_phrase_error(self.findings, &place, &error),
            }
        }
        for (nth, text) in step.after.0.iter().enumerate() {
            if let Some(StepRef { actor, step }) = self.step_ref(&text.0, &place.key("after").index(nth)) {
                out.push(Condition::After { actor, step });
            }
        }
        out
    }

    fn condition(&mut self, phrase: ConditionPhrase, own_name: &str, place: &KeyPath) -> Option<Condition> {
        match phrase {
            ConditionPhrase::Sleeps { actor, step } => {
                let index = self.actor(&actor, place)?;
                if actor == own_name {
                    let message = format!("`{actor}` waits for itself to sleep");
                    self.findings.add(place, Underline::Part(&actor), message, "expected a different actor", None);
                    return None;
                }
                let step = match step {
                    Some(step) => Some(self.step_of(&actor, &step, place)?.step),
                    None => None,
                };
                Some(Condition::Sleeps { actor: index, step })
            }
            ConditionPhrase::QueueHolds { socket, bytes } => {
                Some(Condition::QueueIn { socket: self.socket(&socket, place), bytes })
            }
            ConditionPhrase::Ready { socket, events } => {
                Some(Condition::Ready { socket: self.socket(&socket, place), events })
            }
            ConditionPhrase::TcpState { socket, state } => {
                let socket = self.socket(&socket, place);
                let number = constants::number(constants::TCP_STATES, &state);
                if number.is_none() {
                    let help = suggestion(&state, constants::TCP_STATES.iter().map(|(name, _)| *name));
                    let message = format!("no TCP state is named `{state}`");
                    self.findings.add(place, Underline::Part(&state), message, "unknown state", help);
                }
                Some(Condition::TcpState { socket, state: number? as u8 })
            }
            ConditionPhrase::Acknowledged { socket } => {
                Some(Condition::QueueOut { socket: self.socket(&socket, place), bytes: 0 })
            }
        }
    }
}

/// Whether this is a valid number of repetitions.
fn is_repeat(text: &Text) -> bool {
    text.0.parse::<usize>().is_ok_and(|times| (1..=MOST_REPEATS).contains(&times))
}
