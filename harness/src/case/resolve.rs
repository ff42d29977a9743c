//! From what a file says to a case: names become indices, phrases become values, and all that makes no sense is told.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::OnceLock;

use indexmap::IndexMap;
use rxpath_guest::{ActorKind, Condition, Policy, Slot, Step};

use super::arguments::Scope;
use super::case::{Case, CaseActor, CaseStep, Gated, Machine, Measure, StepRef};
use super::expect::{Context, Expectation};
use super::model::{
    ActorFile, ActorKindFile, CaseFile, ExpectFile, Feature, KernelsFile, MOST_REPEATS, MachineFile, Nic, OneOrMany,
    SetupItem, Text,
};
use super::nearest::suggestion;
use super::operations::StepFile;
use super::phrases::{self, ConditionPhrase, PhraseError};
use super::place::{Findings, Place, Underline};
use super::presets;
use super::series::Gate;
use super::{constants, progress};
use crate::kernel::Series;
use crate::path::{ContextRules, Profiles};

/// What captures call contexts, and tasks that are no actors; the classes of kernel threads are in `path/contexts.yaml`.
const CONTEXTS: &[&str] = &["softirq", "hardirq", "agent", "other", "idle"];
/// TASK_COMM_LEN without its terminating zero (`linux/sched.h`).
const LONGEST_ACTOR_NAME: usize = 15;

/// Makes a case of a file. What is wrong is added to the findings; the case is worth something only if there are none.
pub fn resolve(file: &CaseFile, name: String, parameters: Vec<(String, String)>, findings: &mut Findings) -> Case {
    let root = Place::default();
    let machine = machine(&file.machine, findings);
    let kernels = kernels(&file.machine.kernels, &root.key("machine").key("kernels"), findings);
    let setup_steps = setup_steps(file, findings);
    let (slots, steps) = (slots(file, &setup_steps, findings), step_names(file, findings));
    let actors = steps.keys().cloned().collect();
    let mut resolver = Resolver { slots, steps, actors, senders: HashSet::new(), findings };
    let setup = resolver.setup(file, &setup_steps);
    let actors = resolver.actors(file, machine.cpus);
    resolver.senders = progress::senders(&actors);
    let expectations = resolver.expectations(file);
    let measures = resolver.measures(file);
    let hide = resolver.hide(file);
    let milestones = resolver.milestones(file);
    let slots = resolver.slots.into_keys().collect();
    if !parameters.is_empty() && file.sweep.values().any(Vec::is_empty) {
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
        at: findings.location(&root.key("title"), Underline::Value),
        machine,
        kernels,
        setup,
        actors,
        slots,
        iterations: file.iterations,
        warmup: file.warmup,
        hide,
        expectations,
        measures,
        milestones,
        parameters,
    };
    progress::check(&case, findings);
    case
}

fn machine(file: &MachineFile, findings: &mut Findings) -> Machine {
    let place = Place::default().key("machine");
    let memory = phrases::size(&file.memory.0).filter(|memory| (64 << 20..=4 << 30).contains(memory));
    if memory.is_none() {
        let message = format!("`{}` is no memory for a guest", file.memory.0);
        findings.add(&place.key("memory"), Underline::Value, message, "expected 64M to 4G", None);
    }
    for path in file.files.keys().filter(|path| !path.starts_with('/')) {
        let message = format!("`{path}` is not an absolute path");
        findings.add(
            &place.key("files").key(path),
            Underline::Key,
            message,
            "expected a path that begins with /",
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
    Machine {
        cpus: file.cpus,
        memory: memory.unwrap_or(256 << 20),
        nic: file.nic,
        sysctls: pairs(&file.sysctls),
        files: pairs(&file.files),
        append: file.append.0.clone(),
        features,
    }
}

fn kernels(file: &KernelsFile, place: &Place, findings: &mut Findings) -> Gate {
    gate(file.since.as_ref(), file.before.as_ref(), file.only.as_ref(), place, findings)
}

fn gate(
    since: Option<&Text>,
    before: Option<&Text>,
    only: Option<&OneOrMany<Text>>,
    place: &Place,
    findings: &mut Findings,
) -> Gate {
    let mut series = |text: &Text, place: &Place| -> Option<Series> {
        phrases::one_series(&text.0).map_err(|error| blame(findings, place, &error)).ok()
    };
    let since = since.and_then(|text| series(text, &place.key("since")));
    let before = before.and_then(|text| series(text, &place.key("before")));
    let only = only.map_or(&[][..], |only| &only.0);
    let only = only.iter().enumerate().filter_map(|(nth, text)| series(text, &place.key("only").index(nth))).collect();
    let gate = Gate { since, before, only };
    if gate.is_empty() {
        findings.add(place, Underline::Key, format!("no kernel is {gate}"), "a gate that nothing passes", None);
        return Gate::default();
    }
    gate
}

fn blame(findings: &mut Findings, place: &Place, error: &PhraseError) {
    let underline = if error.part.is_empty() { Underline::Value } else { Underline::Part(&error.part) };
    findings.add(place, underline, error.message.clone(), error.expected.clone(), error.help.clone());
}

/// A step of setup, its place (a preset's steps all have that of its name), and whether it is a preset's.
type SetupStep<'a> = (Cow<'a, StepFile>, Place, bool);

fn setup_steps<'a>(file: &'a CaseFile, findings: &mut Findings) -> Vec<SetupStep<'a>> {
    let place = Place::default().key("setup");
    let mut steps = Vec::new();
    for (nth, item) in &file.setup.0 {
        let place = place.index(*nth);
        match item {
            SetupItem::Step(step) => steps.push((Cow::Borrowed(&**step), place, false)),
            SetupItem::Preset(name, number) => {
                if !presets::names().any(|known| known == name) {
                    let help = suggestion(name, presets::names());
                    let message = format!("no preset is named `{name}`");
                    findings.add(&place.key("preset"), Underline::Value, message, "unknown preset", help);
                }
                let preset = presets::steps(name, number.as_deref());
                steps.extend(preset.into_iter().map(|step| (Cow::Owned(step), place.clone(), true)));
            }
        }
    }
    steps
}

/// The names that a step gives to results, with the key that gives them.
fn made(step: &StepFile) -> Vec<(&str, &'static str)> {
    let operations = step.operations();
    let ends = operations
        .iter()
        .flat_map(|(operation, arguments)| arguments.makes().into_iter().map(move |name| (name, *operation)));
    step.into.as_deref().map(|name| (name, "as")).into_iter().chain(ends).collect()
}

fn actor_place(name: &str) -> Place {
    Place::default().key("actors").key(name)
}

fn actor_steps<'a>(name: &str, actor: &'a ActorFile) -> impl Iterator<Item = (&'a StepFile, Place)> {
    let place = actor_place(name).key("steps");
    actor.steps.0.iter().map(move |(nth, step)| (step, place.index(*nth)))
}

/// Numbers every named result of the case.
fn slots(file: &CaseFile, setup: &[SetupStep<'_>], findings: &mut Findings) -> IndexMap<String, Slot> {
    let mut slots = IndexMap::new();
    let in_setup = setup.iter().map(|(step, place, preset)| (&**step, place.clone(), *preset));
    let in_actors = file.actors.iter().flat_map(|(name, actor)| actor_steps(name, actor));
    for (step, place, preset) in in_setup.chain(in_actors.map(|(step, place)| (step, place, false))) {
        for (name, key) in made(step) {
            let next = slots.len() as Slot;
            if name.starts_with('_') {
                // A preset's own: each use of a preset makes it anew.
                slots.entry(name.to_owned()).or_insert(next);
            } else if slots.contains_key(name) {
                let place = if preset { place.clone() } else { place.key(key) };
                let message = format!("there are two results named `{name}`");
                let help = Some("give one of them another name".to_owned());
                findings.add(&place, Underline::Part(name), message, "the second one", help);
            } else {
                slots.insert(name.to_owned(), next);
            }
        }
    }
    slots
}

/// The names steps go by: their own, or the operation's, numbered where the actor has several of it.
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
        let label = format!("expected a-z, 0-9 and -, beginning with a letter, at most {LONGEST_ACTOR_NAME} of them");
        findings.add(&place, Underline::Key, format!("`{name}` cannot be an actor's name"), label, None);
    } else if is_reserved(name) {
        let message = format!("`{name}` cannot be an actor's name: the kernel's own contexts are called so");
        findings.add(&place, Underline::Key, message, "choose another", None);
    }
}

/// Whether this is what a context or a class of tasks is called, which no actor can be.
fn is_reserved(name: &str) -> bool {
    CONTEXTS.contains(&name) || context_rules().is_some_and(|rules| rules.task_classes().any(|class| class == name))
}

/// Read once: every case asks for them. The file is part of the program and checked by its tests.
fn context_rules() -> Option<&'static ContextRules> {
    static RULES: OnceLock<Option<ContextRules>> = OnceLock::new();
    RULES.get_or_init(|| ContextRules::embedded().ok()).as_ref()
}

struct Resolver<'a> {
    findings: &'a mut Findings,
    slots: IndexMap<String, Slot>,
    steps: IndexMap<String, Vec<String>>,
    actors: Vec<String>,
    senders: HashSet<StepRef>,
}

impl Resolver<'_> {
    fn setup(&mut self, file: &CaseFile, steps: &[SetupStep<'_>]) -> Vec<CaseStep> {
        let by_actors = file.actors.values().flat_map(|actor| actor.steps.0.iter()).flat_map(|(_, step)| made(step));
        // A preset is in order by itself; its names may only be taken twice, which has been told.
        let own = steps.iter().filter(|(.., is_preset)| !is_preset).flat_map(|(step, ..)| made(step));
        let mut not_yet: HashSet<String> = by_actors.chain(own).map(|(name, _)| name.to_owned()).collect();
        let mut out = Vec::new();
        for (nth, (step, place, is_preset)) in steps.iter().enumerate() {
            for (key, given) in [("when", !step.when.0.is_empty()), ("after", !step.after.0.is_empty())] {
                if given {
                    let message = format!("`{key}` has no meaning in setup: there are no actors yet");
                    let label = "steps of setup run one after another";
                    self.findings.add(&place.key(key), Underline::Key, message, label, None);
                }
            }
            let name = step.name.clone().unwrap_or_else(|| format!("setup-{}", nth + 1));
            out.extend(self.step(step, name, place, is_preset.then_some(place), &not_yet, Vec::new()));
            for (name, _) in made(step) {
                not_yet.remove(name);
            }
        }
        out
    }

    fn actors(&mut self, file: &CaseFile, cpus: u16) -> Vec<CaseActor> {
        let place = Place::default().key("actors");
        if file.actors.is_empty() {
            self.findings.add(&place, Underline::Key, "nobody acts", "expected at least one actor", None);
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
                    Some("say `machine: {cpus: N}` for more".into()),
                );
            }
            if actor.netns > 0 && !matches!(file.machine.nic, Nic::Veth | Nic::Virtio) {
                let message = "the machine has no second network namespace";
                let help = "say `machine: {nic: veth}` or `nic: virtio`".to_owned();
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
        let own = actor.steps.0.iter().flat_map(|(_, step)| made(step));
        let mut not_yet: HashSet<String> = own.map(|(name, _)| name.to_owned()).collect();
        let mut out = Vec::new();
        for ((step, place), step_name) in actor_steps(name, actor).zip(names) {
            if step.preset.is_some() {
                let message = "a preset belongs in `setup:`";
                self.findings.add(&place.key("preset"), Underline::Key, message, "an actor has steps of its own", None);
            }
            let when = self.conditions(step, name, &place);
            out.extend(self.step(step, step_name, &place, None, &not_yet, when));
            for (name, _) in made(step) {
                not_yet.remove(name);
            }
        }
        out
    }

    fn policy(&mut self, text: Option<&Text>, place: &Place) -> Policy {
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
        let message = format!("`{text}` is no scheduling policy");
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
        place: &Place,
        preset: Option<&Place>,
        not_yet: &HashSet<String>,
        when: Vec<Condition>,
    ) -> Option<CaseStep> {
        if let Some(repeat) = file.repeat.as_ref().filter(|repeat| repeat.0.parse::<usize>().is_err()) {
            let message = format!("`{}` is not a number of times", repeat.0);
            let label = format!("expected 1 to {MOST_REPEATS}");
            self.findings.add(&place.key("repeat"), Underline::Value, message, label, None);
        }
        let operations = file.operations();
        let Some((operation, arguments)) = operations.first() else {
            if self.findings.is_whole(place) {
                let help = "name one, like `recv: {socket: server, bytes: 64}`".to_owned();
                self.findings.add(place, Underline::Value, "this step does nothing", "no operation here", Some(help));
            }
            return None;
        };
        for (second, _) in &operations[1..] {
            let message = format!("this step does two things: `{operation}` and `{second}`");
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
        let waits = if file.after.0.is_empty() { "when" } else { "after" };
        let waits_at = self.findings.location(&place.key(waits), Underline::Value);
        Some(CaseStep { name, operation, at, waits_at, step })
    }

    fn conditions(&mut self, step: &StepFile, actor: &str, place: &Place) -> Vec<Condition> {
        let mut out = Vec::new();
        for (nth, text) in step.when.0.iter().enumerate() {
            let place = place.key("when").index(nth);
            match phrases::condition(&text.0) {
                Ok(phrase) => out.extend(self.condition(phrase, actor, &place)),
                Err(error) => blame(self.findings, &place, &error),
            }
        }
        for (nth, text) in step.after.0.iter().enumerate() {
            if let Some(StepRef { actor, step }) = self.step_ref(&text.0, &place.key("after").index(nth)) {
                out.push(Condition::After { actor, step });
            }
        }
        out
    }

    fn condition(&mut self, phrase: ConditionPhrase, myself: &str, place: &Place) -> Option<Condition> {
        match phrase {
            ConditionPhrase::Sleeps { actor, step } => {
                let index = self.actor(&actor, place)?;
                if actor == myself {
                    let message = format!("`{actor}` waits for itself to sleep");
                    self.findings.add(place, Underline::Part(&actor), message, "expected another actor", None);
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
                    let message = format!("no state of TCP is named `{state}`");
                    self.findings.add(place, Underline::Part(&state), message, "unknown state", help);
                }
                Some(Condition::TcpState { socket, state: number? as u8 })
            }
            ConditionPhrase::Acknowledged { socket } => {
                Some(Condition::QueueOut { socket: self.socket(&socket, place), bytes: 0 })
            }
        }
    }

    fn socket(&mut self, name: &str, place: &Place) -> Slot {
        let not_yet = HashSet::new();
        let (slots, actors) = (&self.slots, &self.actors);
        Scope { findings: self.findings, slots, actors, not_yet: &not_yet, preset: None }.slot(name, place)
    }

    fn actor(&mut self, name: &str, place: &Place) -> Option<u16> {
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

    /// `sender.send`, `sender.2`, or `sender` for its last step.
    fn step_ref(&mut self, text: &str, place: &Place) -> Option<StepRef> {
        match text.split_once('.') {
            Some((actor, step)) => self.step_of(actor, step, place),
            None => {
                let actor = self.actor(text, place)?;
                let steps = self.steps.get_index(usize::from(actor)).map_or(0, |(_, steps)| steps.len());
                Some(StepRef { actor, step: steps.saturating_sub(1) as u16 })
            }
        }
    }

    fn step_of(&mut self, actor: &str, step: &str, place: &Place) -> Option<StepRef> {
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
                let help = format!("say which: {}, or give the steps names", super::nearest::any_of(several));
                (format!("`{actor}` does `{step}` more than once"), Some(help))
            };
            self.findings.add(place, Underline::Part(step), message, "unknown step", help);
        }
        found.map(|step| StepRef { actor: index, step: step as u16 })
    }

    fn expectations(&mut self, file: &CaseFile) -> Vec<Expectation> {
        let mut out = Vec::new();
        for (context, blocks) in &file.expect {
            let place = Place::default().key("expect").key(context);
            let Some(context) = self.context(context, &place) else { continue };
            for (nth, block) in blocks.0.iter().enumerate() {
                out.push(self.expectation(context.clone(), block, &place.index(nth)));
            }
        }
        out
    }

    /// `receiver.recv`, `receiver` if it records one step only, `softirq`, `softirq on sender`, `hardirq`, `task napi`.
    fn context(&mut self, text: &str, place: &Place) -> Option<Context> {
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
                let (actor, step) = operation.split_once('.').unwrap_or((operation, "1"));
                let index = self.actor_at_key(actor, place)?;
                let steps = self.steps.get_index(usize::from(index)).map_or(0, |(_, steps)| steps.len());
                if !operation.contains('.') && steps != 1 {
                    let message = format!("`{actor}` has {steps} steps: which one is meant?");
                    self.findings.add(place, Underline::Key, message, format!("expected like `{actor}.recv`"), None);
                    return None;
                }
                let StepRef { actor, step } = self.step_at_key(actor, step, place)?;
                Some(Context::Operation { actor, step })
            }
            _ => {
                let message = format!("`{text}` is no context");
                let label = "expected ACTOR.STEP, softirq, `softirq on ACTOR`, hardirq or `task CLASS`";
                self.findings.add(place, Underline::Key, message, label, None);
                None
            }
        }
    }

    fn task_class(&mut self, class: &str, place: &Place) -> Option<Context> {
        let known: Vec<&str> = context_rules()?.task_classes().collect();
        if known.contains(&class) {
            return Some(Context::Task { class: class.to_owned() });
        }
        let message = format!("`{class}` is no class of tasks");
        let help = suggestion(class, known.iter().copied()).or_else(|| Some(format!("one of {}", known.join(", "))));
        self.findings.add(place, Underline::Key, message, "unknown", help);
        None
    }

    fn actor_at_key(&mut self, name: &str, place: &Place) -> Option<u16> {
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

    fn step_at_key(&mut self, actor: &str, step: &str, place: &Place) -> Option<StepRef> {
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

    fn expectation(&mut self, context: Context, file: &ExpectFile, place: &Place) -> Expectation {
        let gate = gate(file.since.as_ref(), file.before.as_ref(), file.only.as_ref(), place, self.findings);
        let at = self.findings.location(place, Underline::Key);
        let is_operation = matches!(context, Context::Operation { .. });
        let only_operations = [
            ("returns", &file.returns),
            ("value", &file.value),
            ("fails", &file.fails),
            ("data", &file.data),
            ("sleeps", &file.sleeps),
            ("switches", &file.switches),
            ("costs", &file.costs),
        ];
        for (key, _) in only_operations.iter().filter(|(_, given)| !is_operation && !given.0.is_empty()) {
            let message = format!("`{key}` can be expected of an operation only");
            self.findings.add(&place.key(key), Underline::Key, message, "an interrupt has none", None);
        }
        if is_operation && !file.softirqs.0.is_empty() {
            let message = "`softirqs` counts those of a whole iteration";
            self.findings.add(&place.key("softirqs"), Underline::Key, message, "expected under `softirq:`", None);
        }
        let mut bounds = |key: &str, texts| self.gated(texts, &place.key(key), |_, text, _| phrases::bound(text));
        let mut returns = bounds("returns", &file.returns);
        returns.extend(bounds("value", &file.value));
        let wake_ups = bounds("wake_ups", &file.wake_ups);
        let sleeps = bounds("sleeps", &file.sleeps);
        let switches = bounds("switches", &file.switches);
        let softirqs = bounds("softirqs", &file.softirqs);
        Expectation {
            context,
            gate,
            at,
            returns,
            fails: self.gated(&file.fails, &place.key("fails"), |_, text, _| errno(text)),
            data: self.steps_named(&file.data, &place.key("data")),
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

    /// Each text without its gate, read by `read`.
    fn gated<T>(
        &mut self,
        texts: &OneOrMany<Text>,
        place: &Place,
        read: impl Fn(&mut Self, &str, &Place) -> Result<T, PhraseError>,
    ) -> Vec<Gated<T>> {
        let mut out = Vec::new();
        for (nth, text) in texts.0.iter().enumerate() {
            let place = place.index(nth);
            let result = phrases::gated(&text.0).and_then(|(head, gate)| Ok((read(self, &head, &place)?, gate)));
            match result {
                Ok((value, gate)) => {
                    out.push(Gated { gate, value, at: self.findings.location(&place, Underline::Value) })
                }
                Err(error) => blame(self.findings, &place, &error),
            }
        }
        out
    }

    fn steps_named(&mut self, texts: &OneOrMany<Text>, place: &Place) -> Vec<Gated<StepRef>> {
        let all = self.gated(texts, place, |this, text, place| {
            let step = this.step_ref(text, place);
            if step.is_some_and(|step| !this.senders.contains(&step)) && this.findings.is_empty() {
                let message = format!("`{text}` sends nothing");
                this.findings.add(place, Underline::Part(text), message, "expected a step that sends", None);
            }
            Ok(step)
        });
        all.into_iter().filter_map(|one| Some(Gated { gate: one.gate, value: one.value?, at: one.at })).collect()
    }

    fn wakes(&mut self, texts: &OneOrMany<Text>, place: &Place) -> Vec<Gated<String>> {
        self.gated(texts, place, |this, text, place| {
            if !is_reserved(text) {
                this.actor(text, place);
            }
            Ok(text.to_owned())
        })
    }

    fn measures(&mut self, file: &CaseFile) -> Vec<Measure> {
        let mut out = Vec::new();
        for (name, text) in &file.measure {
            let place = Place::default().key("measure").key(name);
            match text.0.split_whitespace().collect::<Vec<_>>().as_slice() {
                [from, "to", to] => {
                    if let (Some(from), Some(to)) = (self.step_ref(from, &place), self.step_ref(to, &place)) {
                        out.push(Measure { name: name.clone(), from, to });
                    }
                }
                _ => {
                    let message = format!("`{}` is no duration between steps", text.0);
                    self.findings.add(
                        &place,
                        Underline::Value,
                        message,
                        "expected like `ping.send to ping.recv`",
                        None,
                    );
                }
            }
        }
        out
    }

    /// Names of profiles and groups, as [`Profiles::select`] takes them.
    fn hide(&mut self, file: &CaseFile) -> Vec<String> {
        // The file is part of the program and checked by its tests.
        let Ok(profiles) = Profiles::embedded() else { return Vec::new() };
        let known: Vec<&str> = profiles.names().collect();
        for (nth, Text(name)) in file.hide.0.iter().enumerate() {
            let plain = name.trim_start_matches('-');
            if !known.contains(&plain) {
                let place = Place::default().key("hide").index(nth);
                let message = format!("no profile or group of functions is called `{plain}`");
                let help = suggestion(plain, known.iter().copied());
                let help = help.or_else(|| Some(format!("one of {}", known.join(", "))));
                self.findings.add(&place, Underline::Value, message, "unknown", help);
            }
        }
        file.hide.0.iter().map(|Text(name)| name.clone()).collect()
    }

    fn milestones(&mut self, file: &CaseFile) -> Vec<Gated<String>> {
        let place = Place::default().key("milestones");
        let all = self.gated(&file.milestones, &place, |_, text, _| phrases::call(text));
        all.into_iter()
            .flat_map(|one| {
                let Gated { gate, value, at } = one;
                value.names.into_iter().map(move |name| Gated { gate: gate.clone(), value: name, at: at.clone() })
            })
            .collect()
    }
}

/// Whether `name` is `operation` with a number: `recv-2`.
fn is_numbered(name: &str, operation: &str) -> bool {
    let number = name.strip_prefix(operation).and_then(|rest| rest.strip_prefix('-'));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

fn errno(text: &str) -> Result<i32, PhraseError> {
    let number = constants::number(constants::ERRNOS, text).map(|number| number as i32);
    number.ok_or_else(|| {
        let help = suggestion(text, constants::ERRNOS.iter().map(|(name, _)| *name));
        let message = format!("unknown error `{text}`");
        PhraseError {
            part: text.to_owned(),
            message,
            expected: "expected an error's name, like EAGAIN".to_owned(),
            help,
        }
    })
}
