//! Makes a case of a case file: names become indices, phrases become values, and errors are recorded.

mod expected;
mod returned;
mod steps;

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;

use indexmap::IndexMap;
use rxpath_guest::Slot;

use super::arguments::Scope;
use super::case::{Case, CaseMachine};
use super::case_file::{ActorFile, CaseFile, KernelsFile, MachineFile, Nic, SetupItem};
use super::case_name::CaseName;
use super::deadlock;
use super::diagnostic::Location;
use super::feature::Feature;
use super::findings::{Findings, Underline};
use super::gate::Gate;
use super::key_path::KeyPath;
use super::operations::StepFile;
use super::phrases::{self, PhraseError};
use super::presets;
use super::step_ref::StepRef;
use super::yaml_types::{OneOrMany, Text};
use crate::kernel::Series;
use crate::nearest::{any_of, suggestion};
use crate::path::ContextRules;

use returned::StepTraits;

/// The names of contexts, and of tasks that are not actors, in captures. Classes of kernel threads are in
/// `path/contexts.yaml`.
const CONTEXTS: &[&str] = &["softirq", "hardirq", "agent", "other", "idle"];
/// TASK_COMM_LEN without its terminating zero (`linux/sched.h`).
const LONGEST_ACTOR_NAME: usize = 15;

/// Makes a case of a file. Errors are added to `findings`; the case is valid only if there are none.
pub(crate) fn resolve(file: &CaseFile, name: CaseName, findings: &mut Findings) -> Case {
    let root = KeyPath::default();
    let machine = machine(&file.machine, findings);
    let kernels = kernels(&file.machine.kernels, &root.key("machine").key("kernels"), findings);
    let setup_steps = setup_steps(file, findings);
    let (slots, steps) = (slots(file, &setup_steps, findings), step_names(file, findings));
    let actors = steps.keys().cloned().collect();
    let machine_at = findings.location(&root.key("machine"), Underline::Key);
    let settings_at = settings_at(&machine, findings);
    let deadline_ns = deadline_ns(file, findings);
    let mut resolver = Resolver { slots, steps, actors, traits: HashMap::new(), findings };
    let setup = resolver.setup(file, &setup_steps);
    let actors = resolver.actors(file, machine.cpus);
    // A step with an error is left out, and those after it would have wrong numbers.
    if resolver.findings.is_empty() {
        resolver.traits = StepTraits::of_all(&actors).collect();
    }
    let expectations = resolver.expectations(file);
    let measures = resolver.measures(file);
    let hide = resolver.hide(file);
    let milestones = resolver.milestones(file);
    let slots = resolver.slots.into_keys().collect();
    if name.parameters().next().is_some() && file.sweep.values().any(Vec::is_empty) {
        findings.add(
            &root.key("sweep"),
            Underline::Key,
            "a parameter has no values",
            "expected a list of values",
            None,
        );
    }
    let case = Case {
        name,
        title: file.title.clone(),
        about: file.about.trim().to_owned(),
        machine,
        kernels,
        settings_at,
        machine_at,
        deadline_ns,
        setup,
        actors,
        slots,
        iterations: file.iterations,
        warmup: file.warmup,
        hide,
        expectations,
        measures,
        milestones,
    };
    deadlock::check(&case, findings);
    case
}

fn machine(file: &MachineFile, findings: &mut Findings) -> CaseMachine {
    let place = KeyPath::default().key("machine");
    let memory = phrases::size(&file.memory.0).filter(|memory| (64 << 20..=4 << 30).contains(memory));
    if memory.is_none() {
        let message = format!("invalid memory size `{}`", file.memory.0);
        findings.add(&place.key("memory"), Underline::Value, message, "expected 64M to 4G", None);
    }
    for path in file.files.keys().filter(|path| !path.starts_with('/')) {
        let message = format!("`{path}` is not an absolute path");
        findings.add(
            &place.key("files").key(path),
            Underline::Key,
            message,
            "expected a path that starts with /",
            None,
        );
    }
    let mut features = file.features.0.clone();
    match file.nic {
        Nic::Loopback => {}
        Nic::Veth => features.push(Feature::Veth),
        Nic::Tun => features.push(Feature::Tun),
        Nic::Virtio => features.push(Feature::VirtioNet),
    }
    features.sort();
    features.dedup();
    let pairs = |map: &IndexMap<String, Text>| map.iter().map(|(key, value)| (key.clone(), value.0.clone())).collect();
    CaseMachine {
        cpus: file.cpus,
        memory: memory.unwrap_or(256 << 20),
        nic: file.nic,
        sysctls: pairs(&file.sysctls),
        files: pairs(&file.files),
        append: file.append.0.clone(),
        features,
        modules: modules(&file.modules, &place.key("modules"), findings),
    }
}

/// Where the file has the machine's sysctls and files.
fn settings_at(machine: &CaseMachine, findings: &Findings) -> Vec<(Location, String)> {
    let all = [("sysctls", &machine.sysctls), ("files", &machine.files)];
    let all = all.into_iter().flat_map(|(key, pairs)| pairs.iter().map(move |pair| (key, pair)));
    all.map(|(key, (name, value))| {
        let place = KeyPath::default().key("machine").key(key).key(name);
        (findings.location(&place, Underline::Key), format!("{name}: {value}"))
    })
    .collect()
}

/// The case's own deadline. Hard interrupts are not recorded with it, so they cannot be expected.
fn deadline_ns(file: &CaseFile, findings: &mut Findings) -> Option<u64> {
    const ALLOWED: RangeInclusive<u64> = 1_000_000..=600_000_000_000;
    let root = KeyPath::default();
    let text = &file.deadline.as_ref()?.0;
    let deadline_ns = phrases::duration_ns(text).filter(|ns| ALLOWED.contains(ns));
    if deadline_ns.is_none() {
        let message = format!("`{text}` is not a deadline");
        findings.add(&root.key("deadline"), Underline::Value, message, "expected 1 ms to 600 s, such as `10 s`", None);
    }
    if file.expect.contains_key("hardirq") {
        let message = "hard interrupts are not recorded in a case with a `deadline`";
        findings.add(&root.key("expect").key("hardirq"), Underline::Key, message, "remove this or the deadline", None);
    }
    deadline_ns
}

fn modules(file: &OneOrMany<Text>, place: &KeyPath, findings: &mut Findings) -> Vec<(String, Gate)> {
    let is_name = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
    let mut out = Vec::new();
    for (nth, Text(text)) in file.0.iter().enumerate() {
        let place = place.index(nth);
        match phrases::gated(text) {
            Ok((name, gate)) if is_name(&name) => out.push((name.replace('-', "_"), gate)),
            Ok((name, _)) => {
                let message = format!("`{name}` is not the name of a module");
                findings.add(
                    &place,
                    Underline::Value,
                    message,
                    "expected a name such as `nf_tables`, without .ko",
                    None,
                );
            }
            Err(error) => add_phrase_error(findings, &place, &error),
        }
    }
    out
}

fn kernels(file: &KernelsFile, place: &KeyPath, findings: &mut Findings) -> Gate {
    gate(file.since.as_ref(), file.before.as_ref(), file.only.as_ref(), place, findings)
}

fn gate(
    since: Option<&Text>,
    before: Option<&Text>,
    only: Option<&OneOrMany<Text>>,
    place: &KeyPath,
    findings: &mut Findings,
) -> Gate {
    let mut series = |text: &Text, place: &KeyPath| -> Option<Series> {
        phrases::one_series(&text.0).map_err(|error| add_phrase_error(findings, place, &error)).ok()
    };
    let since = since.and_then(|text| series(text, &place.key("since")));
    let before = before.and_then(|text| series(text, &place.key("before")));
    let only = only.map_or(&[][..], |only| &only.0);
    let only = only.iter().enumerate().filter_map(|(nth, text)| series(text, &place.key("only").index(nth))).collect();
    let gate = Gate { since, before, only };
    if gate.is_empty() {
        findings.add(place, Underline::Key, format!("no kernel matches `{gate}`"), "this gate admits no kernel", None);
        return Gate::default();
    }
    gate
}

fn add_phrase_error(findings: &mut Findings, place: &KeyPath, error: &PhraseError) {
    let underline = if error.part.is_empty() { Underline::Value } else { Underline::Part(&error.part) };
    findings.add(place, underline, error.message.clone(), error.expected.clone(), error.help.clone());
}

/// A step of setup, its place (that of the preset's name, for the steps of a preset), and whether it is part of a
/// preset.
type SetupStep<'a> = (&'a StepFile, KeyPath, bool);

fn setup_steps<'a>(file: &'a CaseFile, findings: &mut Findings) -> Vec<SetupStep<'a>> {
    let place = KeyPath::default().key("setup");
    let mut steps = Vec::new();
    for (nth, item) in &file.setup.0 {
        let place = nth.within(&place);
        match item {
            SetupItem::Step(step) => steps.push((&**step, place, false)),
            SetupItem::Preset(name, number) => {
                if !presets::names().any(|known| known == name) {
                    let help = suggestion(name, presets::names());
                    let message = format!("no preset is named `{name}`");
                    findings.add(&place.key("preset"), Underline::Value, message, "unknown preset", help);
                }
                let preset = presets::steps(name, number.as_deref());
                steps.extend(preset.iter().map(|step| (step, place.clone(), true)));
            }
        }
    }
    steps
}

/// The names that a step gives to results, each with the key that it is written under.
fn made_names(step: &StepFile) -> Vec<(&str, &'static str)> {
    let operations = step.operations();
    let ends = operations
        .iter()
        .flat_map(|(operation, arguments)| arguments.made_names().into_iter().map(move |name| (name, *operation)));
    step.into.as_deref().map(|name| (name, "as")).into_iter().chain(ends).collect()
}

fn actor_place(name: &str) -> KeyPath {
    KeyPath::default().key("actors").key(name)
}

fn actor_steps<'a>(name: &str, actor: &'a ActorFile) -> impl Iterator<Item = (&'a StepFile, KeyPath)> {
    let place = actor_place(name).key("steps");
    actor.steps.0.iter().map(move |(nth, step)| (step, nth.within(&place)))
}

/// Gives every named result of the case a slot.
fn slots(file: &CaseFile, setup: &[SetupStep<'_>], findings: &mut Findings) -> IndexMap<String, Slot> {
    let mut slots = IndexMap::new();
    let in_setup = setup.iter().cloned();
    let in_actors = file.actors.iter().flat_map(|(name, actor)| actor_steps(name, actor));
    for (step, place, preset) in in_setup.chain(in_actors.map(|(step, place)| (step, place, false))) {
        for (name, key) in made_names(step) {
            let next = slots.len() as Slot;
            if name.starts_with('_') {
                // Internal to a preset: each use of the preset defines it again.
                slots.entry(name.to_owned()).or_insert(next);
            } else if slots.contains_key(name) {
                let place = if preset { place.clone() } else { place.key(key) };
                let message = format!("two results are named `{name}`");
                let help = Some("rename one of them".to_owned());
                findings.add(&place, Underline::Part(name), message, "the second one", help);
            } else {
                slots.insert(name.to_owned(), next);
            }
        }
    }
    slots
}

/// The names of all steps by actor: their own, or the operation's, numbered if the actor runs the operation more than
/// once.
fn step_names(file: &CaseFile, findings: &mut Findings) -> IndexMap<String, Vec<String>> {
    let mut all = IndexMap::new();
    for (actor, body) in &file.actors {
        check_actor_name(actor, findings);
        let operation = |step: &StepFile| step.operations().first().map_or("step", |(name, _)| *name);
        let unnamed = || body.steps.0.iter().map(|(_, step)| step).filter(|step| step.name.is_none()).map(operation);
        let mut names: Vec<String> = Vec::new();
        for (step, place) in actor_steps(actor, body) {
            let name = match &step.name {
                Some(name) => name.clone(),
                None if unnamed().filter(|other| *other == operation(step)).count() < 2 => operation(step).to_owned(),
                None => {
                    let before =
                        body.steps.0.iter().map(|(_, other)| other).take_while(|other| !std::ptr::eq(*other, step));
                    let before = before.filter(|other| other.name.is_none() && operation(other) == operation(step));
                    format!("{}-{}", operation(step), before.count() + 1)
                }
            };
            if names.contains(&name) && step.name.is_some() {
                let message = format!("`{actor}` has two steps named `{name}`");
                findings.add(&place.key("name"), Underline::Value, message, "the second one", None);
            }
            names.push(name);
        }
        all.insert(actor.clone(), names);
    }
    all
}

fn check_actor_name(name: &str, findings: &mut Findings) {
    let place = actor_place(name);
    let well_formed = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-');
    if !well_formed || name.len() > LONGEST_ACTOR_NAME {
        let label = format!("expected at most {LONGEST_ACTOR_NAME} of a-z, 0-9 and -, starting with a letter");
        findings.add(&place, Underline::Key, format!("invalid actor name `{name}`"), label, None);
    } else if is_reserved(name) {
        let message = format!("invalid actor name `{name}`: it is the name of a context of the kernel");
        findings.add(&place, Underline::Key, message, "choose a different name", None);
    }
}

/// Whether this is the name of a context or of a class of tasks, which actors cannot have.
fn is_reserved(name: &str) -> bool {
    // The file of classes is part of the program and checked by its tests.
    let is_class = |rules: &ContextRules| rules.task_classes().any(|class| class == name);
    CONTEXTS.contains(&name) || ContextRules::embedded().is_ok_and(is_class)
}

struct Resolver<'a> {
    findings: &'a mut Findings,
    slots: IndexMap<String, Slot>,
    steps: IndexMap<String, Vec<String>>,
    actors: Vec<String>,
    /// What is known of the steps, if all of them are valid.
    traits: HashMap<StepRef, StepTraits>,
}

impl Resolver<'_> {
    fn socket(&mut self, name: &str, place: &KeyPath) -> Slot {
        let not_yet = HashSet::new();
        let (slots, actors) = (&self.slots, &self.actors);
        Scope { findings: self.findings, slots, actors, not_yet: &not_yet, preset: None }.slot(name, place)
    }

    fn actor(&mut self, name: &str, place: &KeyPath) -> Option<u16> {
        let index = self.steps.get_index_of(name);
        if index.is_none() && !self.findings.was_dropped(name) {
            let help = suggestion(name, self.steps.keys().map(String::as_str));
            self.findings.add(
                place,
                Underline::Part(name),
                format!("no actor is named `{name}`"),
                "unknown actor",
                help,
            );
        }
        index.map(|index| index as u16)
    }

    /// Resolves `sender.send`, `sender.2`, or `sender` for its last step.
    fn step_ref(&mut self, text: &str, place: &KeyPath) -> Option<StepRef> {
        match text.split_once('.') {
            Some((actor, step)) => self.step_of(actor, step, place),
            None => {
                let actor = self.actor(text, place)?;
                let steps = self.steps.get_index(usize::from(actor)).map_or(0, |(_, steps)| steps.len());
                Some(StepRef { actor, step: steps.saturating_sub(1) as u16 })
            }
        }
    }

    fn step_of(&mut self, actor: &str, step: &str, place: &KeyPath) -> Option<StepRef> {
        let index = self.actor(actor, place)?;
        let (_, names) = self.steps.get_index(usize::from(index))?;
        let by_number = step.parse::<usize>().ok().filter(|number| (1..=names.len()).contains(number));
        let found = names.iter().position(|name| name == step).or(by_number.map(|number| number - 1));
        if found.is_none() && !self.findings.was_dropped(step) && self.findings.is_whole(&actor_place(actor)) {
            let several: Vec<_> = names.iter().filter(|name| is_numbered(name, step)).map(String::as_str).collect();
            let (message, help) = if several.is_empty() {
                let names = names.iter().map(String::as_str);
                (format!("`{actor}` has no step `{step}`"), suggestion(step, names))
            } else {
                let help = format!("use {}, or give the steps names", any_of(several));
                (format!("`{actor}` runs `{step}` more than once"), Some(help))
            };
            self.findings.add(place, Underline::Part(step), message, "unknown step", help);
        }
        found.map(|step| StepRef { actor: index, step: step as u16 })
    }
}

/// Whether `name` is `operation` followed by a number: `recv-2`.
fn is_numbered(name: &str, operation: &str) -> bool {
    let number = name.strip_prefix(operation).and_then(|rest| rest.strip_prefix('-'));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}
