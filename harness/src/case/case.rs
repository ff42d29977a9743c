//! A case, read and checked: every name is resolved and every phrase understood.

use rxpath_guest::{ActorIndex, ActorKind, Op, Policy, StepIndex};

use super::case_file::Nic;
use super::case_name::CaseName;
use super::diagnostic::Location;
use super::expectation::{Context, Expectation};
use super::feature::Feature;
use super::gate::{Gate, Gated};
use super::step_ref::StepRef;
use crate::kernel::Series;

/// A case that can be run.
#[derive(Clone, Debug)]
pub struct Case {
    pub name: CaseName,
    /// What happens, in one line.
    pub title: String,
    /// What the kernel does, in two or three sentences.
    pub(crate) about: String,
    pub(crate) machine: CaseMachine,
    /// The kernels it runs on.
    pub(crate) kernels: Gate,
    /// The sysctls and files of the machine, in the order in which they are set, each with the words of the file.
    pub(crate) settings_at: Vec<(Location, String)>,
    pub(crate) machine_at: Location,
    /// The guest time that a pass may take, in nanoseconds, if the case sets it.
    pub(crate) deadline_ns: Option<u64>,
    /// Steps that run once, before the actors start.
    pub(crate) setup: Vec<CaseStep>,
    pub(crate) actors: Vec<CaseActor>,
    /// The names of the slots.
    pub(crate) slots: Vec<String>,
    /// How often every actor runs its steps.
    pub(crate) iterations: u32,
    /// Iterations that run before the recorded ones.
    pub(crate) warmup: u32,
    /// Groups of functions that snapshots leave out.
    pub(crate) hide: Vec<String>,
    pub(crate) expectations: Vec<Expectation>,
    pub(crate) measures: Vec<Measure>,
    /// Functions whose durations the timing pass measures.
    pub(crate) milestones: Vec<Gated<String>>,
}

impl Case {
    /// The reason why the case does not run on kernels of this series, as an error.
    pub fn runs_on(&self, series: Series) -> Result<(), String> {
        if self.kernels.admits(series) { Ok(()) } else { Err(format!("the case is for kernels {}", self.kernels)) }
    }

    /// `receiver.recv`.
    pub(crate) fn step_name(&self, actor: ActorIndex, step: StepIndex) -> String {
        let actor = self.actors.get(usize::from(actor));
        let step = actor.and_then(|actor| actor.steps.get(usize::from(step)));
        format!("{}.{}", actor.map_or("?", |actor| &actor.name), step.map_or("?", |step| &step.name))
    }

    /// What a step does.
    pub(crate) fn op(&self, step: StepRef) -> Option<&Op> {
        let actor = self.actors.get(usize::from(step.actor))?;
        actor.steps.get(usize::from(step.step)).map(|step| &step.step.op)
    }

    pub(crate) fn step_at(&self, step: StepRef) -> Option<&Location> {
        let actor = self.actors.get(usize::from(step.actor))?;
        actor.steps.get(usize::from(step.step)).map(|step| &step.at)
    }

    /// A context as the case writes it: `receiver.recv`, `softirq on sender`.
    pub(crate) fn context_name(&self, context: &Context) -> String {
        match context {
            Context::Operation { actor, step } => self.step_name(*actor, *step),
            Context::OneOf(steps) => {
                let names = steps.iter().map(|step| self.step_name(step.actor, step.step));
                names.collect::<Vec<_>>().join(" or ")
            }
            Context::Softirq { on: None } => "softirq".to_owned(),
            Context::Softirq { on: Some(task) } => format!("softirq on {task}"),
            Context::Hardirq => "hardirq".to_owned(),
            Context::Task { class } => format!("task {class}"),
        }
    }

    /// Every function that the case names, with the kernels on which it names it.
    pub(crate) fn functions(&self) -> impl Iterator<Item = Gated<&str>> {
        let calls = self.expectations.iter().flat_map(|expectation| {
            let calls = expectation.calls.iter().chain(&expectation.never);
            calls.flat_map(|call| {
                let gate = expectation.gate.and(&call.gate);
                call.value.names.iter().map(move |name| Gated {
                    gate: gate.clone(),
                    value: name.as_str(),
                    at: call.at.clone(),
                })
            })
        });
        let milestones = self.milestones.iter();
        calls.chain(milestones.map(|one| Gated {
            gate: one.gate.clone(),
            value: one.value.as_str(),
            at: one.at.clone(),
        }))
    }
}

/// What a case needs of the virtual machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CaseMachine {
    pub(crate) cpus: u16,
    /// In bytes.
    pub(crate) memory: u64,
    pub(crate) nic: Nic,
    /// Kernel parameters, by their sysctl(8) name.
    pub(crate) sysctls: Vec<(String, String)>,
    /// Files to write before setup, with their content.
    pub(crate) files: Vec<(String, String)>,
    /// Words added to the kernel command line.
    pub(crate) append: String,
    /// What the kernel must have been built with.
    pub(crate) features: Vec<Feature>,
    /// Modules to load, with the kernels that need them.
    pub(crate) modules: Vec<(String, Gate)>,
}

/// A step with its names and locations.
#[derive(Clone, Debug)]
pub(crate) struct CaseStep {
    /// Its name within its actor.
    pub(crate) name: String,
    pub(crate) at: Location,
    /// The location of what it waits for; of the step itself, if it waits for nothing.
    pub(crate) waits_at: Location,
    /// Its operation, as the file writes it.
    pub(crate) words: String,
    /// What the guest runs.
    pub(crate) step: rxpath_guest::Step,
}

#[derive(Clone, Debug)]
pub(crate) struct CaseActor {
    pub(crate) name: String,
    pub(crate) kind: ActorKind,
    /// The CPU it is bound to.
    pub(crate) cpu: u16,
    pub(crate) policy: Policy,
    /// Its network namespace.
    pub(crate) netns: u8,
    /// What it does in every iteration.
    pub(crate) steps: Vec<CaseStep>,
}

/// The time from the start of one step to the end of a second one in the same iteration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Measure {
    pub(crate) name: String,
    pub(crate) from: StepRef,
    pub(crate) to: StepRef,
}
