//! From a traced capture to the steady path of each operation and context.

use std::collections::{BTreeMap, BTreeSet};

use rxpath_guest::{Details, OpResult, RunReport, SentPacket, Slot, Tag};

use crate::case::{Case, Context, Lowered, StepRef};
use crate::path::cost::{Costs, SelfCosts};
use crate::path::own_times::TracerCost;
use crate::path::sequence::{NamedPath, Sequence, TimedTree, sequence};
use crate::path::steady::{Steadiness, Unstable, steady};
use crate::path::{CallPath, CapturePaths, CaptureSettings, ContextRules, Profiles, Role, Stream, capture_paths, text};
use crate::trace::{CallForests, NodeKind, TaskKey};

use crate::suite::kernel_metadata::KernelMetadata;
use crate::suite::run::passes::{PassError, Recorded};
use crate::suite::store::path_document::write_document;
use crate::suite::store::saved::SavedPath;

/// One operation of a case, or one context in which the kernel works for it.
#[derive(Clone, Debug)]
pub struct Section {
    /// `receiver.recv`, `softirq`, `hardirq`.
    pub name: String,
    pub(crate) stream: Stream,
    /// Whether the iterations agree, and on which path.
    pub steadiness: Steadiness,
    /// The path of each iteration.
    pub(crate) paths: BTreeMap<u32, CallPath>,
    /// The median cost of one call of each shown function with all that it calls, in instructions, by canonical name.
    pub costs: Costs,
    /// The same without the calls that the path shows beneath the function, but with those that it leaves out.
    pub(crate) self_costs: SelfCosts,
}

impl Section {
    /// The steady path, or the most frequent one if there is none.
    pub(crate) fn shown(&self) -> Option<&CallPath> {
        match &self.steadiness {
            Steadiness::Steady(steady) => Some(&steady.path),
            Steadiness::Inconclusive(unstable) => unstable.most_frequent.as_ref(),
        }
    }
}

/// The paths and results of a traced pass.
#[derive(Clone, Debug, Default)]
pub struct Observation {
    /// The operations in the order of the case, then the contexts.
    pub sections: Vec<Section>,
    /// The agent's results, by step.
    pub(crate) results: BTreeMap<StepRef, Vec<OpResult>>,
    /// The packets that steps read for an expectation.
    pub(crate) packets: Vec<SentPacket>,
    /// What the operations returned beside their results, by step.
    pub(crate) details: BTreeMap<StepRef, Vec<Details>>,
    /// The addresses of the case's sockets.
    pub(crate) addresses: Vec<(Slot, Vec<u8>)>,
    /// One iteration over time; `None` if the tracer's cost is unknown or nothing was recorded.
    pub(crate) sequence: Option<Sequence>,
    /// Descriptions of lost records. If there are any, the capture proves nothing.
    pub losses: Vec<String>,
    /// Whether records were overwritten or dropped.
    pub(crate) lost_records: bool,
}

const SOFTIRQ: &str = "softirq";
const HARDIRQ: &str = "hardirq";
const NMI: &str = "nmi";

impl Observation {
    /// Observes a capture of the case. Functions have costs if the tracer's cost is known.
    pub(crate) fn of(
        case: &Case,
        lowered: &Lowered,
        recorded: &Recorded,
        metadata: &KernelMetadata,
        tracer: Option<TracerCost>,
    ) -> Result<Self, PassError> {
        let forests = recorded.forests(metadata, Tag::Pages)?;
        let roles: Vec<Role> =
            lowered.names.iter().map(|(name, steps)| Role { name: name.clone(), steps: steps.clone() }).collect();
        let rules = ContextRules::embedded();
        let profiles = Profiles::embedded();
        let expected: Vec<&String> = lowered.never_hide.iter().collect();
        // Both data files are part of the program, and its tests check them.
        let (Ok(rules), Ok(Ok(filter))) = (rules, profiles.map(|profiles| profiles.select(&case.hide, &expected)))
        else {
            let losses = vec!["rxpath's own data files are invalid".to_owned()];
            return Ok(Self { losses, ..Self::default() });
        };
        let settings = CaptureSettings { roles: &roles, rules, filter: &filter, tracer };
        let paths = capture_paths(&forests, &recorded.report, metadata, &settings);
        let mut losses = forests.losses.clone();
        let lost_records = !losses.is_empty();
        losses.extend(paths.problems.iter().cloned());
        let mut results: BTreeMap<StepRef, Vec<OpResult>> = BTreeMap::new();
        for result in &recorded.report.results {
            results.entry(StepRef { actor: result.actor, step: result.step }).or_default().push(*result);
        }
        let mut details: BTreeMap<StepRef, Vec<Details>> = BTreeMap::new();
        for one in &recorded.report.details {
            details.entry(StepRef { actor: one.actor, step: one.step }).or_default().push(one.clone());
        }
        let addresses = recorded.report.addresses.clone();
        let packets = sent_packets(&forests);
        let sections = sections(case, &paths);
        let sequence = sequence_of(&sections, &paths, |task| lane(task, &recorded.report, &forests, &roles));
        Ok(Self { sections, sequence, results, packets, details, addresses, losses, lost_records })
    }

    /// The paths of all sections, by name.
    pub(crate) fn shown_paths(&self) -> impl Iterator<Item = (&str, &CallPath)> {
        self.sections.iter().filter_map(|section| Some((section.name.as_str(), section.shown()?)))
    }

    /// The iteration that takes the most of the steady paths, and the first of these.
    pub(crate) fn steadiest_iteration(&self) -> Option<u32> {
        let iterations: BTreeSet<u32> = self.sections.iter().flat_map(|one| one.paths.keys().copied()).collect();
        let differs = |section: &&Section, iteration: u32| section.paths.get(&iteration) != section.shown();
        let others = |one: &u32| self.sections.iter().filter(|section| differs(section, *one)).count();
        iterations.into_iter().min_by_key(others)
    }

    /// The steady paths as the text of a snapshot.
    pub(crate) fn document(&self) -> String {
        write_document(self.sections.iter().filter_map(|section| match &section.steadiness {
            Steadiness::Steady(steady) => Some((section.name.as_str(), &steady.path)),
            Steadiness::Inconclusive(_) => None,
        }))
    }

    /// The paths of all sections, for the results.
    pub(crate) fn saved_paths(&self) -> Vec<SavedPath> {
        let saved = |section: &Section| {
            let (agreeing, iterations) = match &section.steadiness {
                Steadiness::Steady(steady) => (steady.agreeing, steady.iterations),
                Steadiness::Inconclusive(unstable) => (unstable.agreeing, unstable.iterations),
            };
            let shown = section.shown();
            SavedPath {
                name: section.name.clone(),
                path: shown.map(text::write).unwrap_or_default(),
                agreeing,
                iterations,
                costs: section.costs.clone(),
                self_costs: section.self_costs.clone(),
            }
        };
        self.sections.iter().map(saved).collect()
    }

    /// The sections whose iterations do not agree.
    pub(crate) fn unsteady(&self) -> impl Iterator<Item = (&Section, &Unstable)> {
        self.sections.iter().filter_map(|section| match &section.steadiness {
            Steadiness::Inconclusive(unstable) => Some((section, unstable)),
            Steadiness::Steady(_) => None,
        })
    }
}

/// The packets that the agent wrote into the ring buffer.
fn sent_packets(forests: &CallForests) -> Vec<SentPacket> {
    let nodes = forests.by_task.values().flat_map(|forest| &forest.nodes);
    let packets = nodes.filter_map(|node| match &node.kind {
        NodeKind::Marker { bytes } => SentPacket::from_bytes(bytes),
        _ => None,
    });
    packets.collect()
}

/// The order and the name of a task's lane: actors come first, then other tasks, then idle CPUs.
fn lane(task: TaskKey, report: &RunReport, forests: &CallForests, roles: &[Role]) -> (usize, String) {
    let TaskKey::Task(pid) = task else { return (usize::MAX, "idle".to_owned()) };
    match report.actor_tids.iter().position(|tid| *tid == pid) {
        Some(actor) => (actor, roles.get(actor).map_or_else(|| format!("actor{actor}"), |role| role.name.clone())),
        None => (usize::MAX - 1, forests.comms.get(&pid).cloned().unwrap_or_else(|| format!("task {pid}"))),
    }
}

/// The sequence of the iteration that takes the most of the shown paths, and of these the least disturbed one.
fn sequence_of(
    sections: &[Section],
    paths: &CapturePaths,
    lane: impl Fn(TaskKey) -> (usize, String),
) -> Option<Sequence> {
    let is_shown = |section: &Section, iteration: u32| section.paths.get(&iteration) == section.shown();
    let rank = |(iteration, trees): &(&u32, &Vec<TimedTree>)| {
        let others = sections.iter().filter(|section| !is_shown(section, **iteration)).count();
        (others, trees.iter().map(|tree| tree.disturbed).sum::<usize>())
    };
    let (iteration, trees) = paths.timed.iter().min_by_key(rank)?;
    let of_stream = |stream: &Stream| sections.iter().find(|section| section.stream == *stream);
    let named = |stream: &Stream| {
        let section = of_stream(stream)?;
        let path = section.paths.get(iteration)?;
        Some(NamedPath { name: &section.name, path, self_costs: &section.self_costs })
    };
    let mut found = sequence(*iteration, trees, named, lane)?;
    let others = sections.iter().filter(|section| !is_shown(section, *iteration));
    let others = others.filter_map(|section| Some((section.name.clone(), text::write(section.paths.get(iteration)?))));
    found.other_paths = others.collect();
    Some(found)
}

fn expects_task(case: &Case, class: &str) -> bool {
    let of_class = |context: &Context| matches!(context, Context::Task { class: expected } if expected == class);
    case.expectations.iter().any(|expectation| of_class(&expectation.context))
}

/// All operations; softirqs and hard interrupts if there were any; and other tasks if the case has expectations of them.
fn sections(case: &Case, all: &CapturePaths) -> Vec<Section> {
    let mut out = Vec::new();
    for (stream, by_iteration) in &all.streams {
        let name = match stream {
            Stream::Operation { actor, step } => case.step_name(*actor, *step),
            Stream::Softirq => SOFTIRQ.to_owned(),
            Stream::HardIrq => HARDIRQ.to_owned(),
            Stream::Nmi => NMI.to_owned(),
            Stream::Task(class) if expects_task(case, class) => format!("task {class}"),
            Stream::Task(_) => continue,
        };
        let steadiness = steady(by_iteration);
        let steadily_empty = matches!(&steadiness, Steadiness::Steady(steady) if steady.path.nodes.is_empty());
        if steadily_empty && !matches!(stream, Stream::Operation { .. }) {
            continue;
        }
        let (costs, self_costs) = (Costs::new(), SelfCosts::new());
        let (stream, paths) = (stream.clone(), by_iteration.clone());
        let mut section = Section { name, stream, steadiness, paths, costs, self_costs };
        if let (Some(calls), Some(path)) = (all.calls.get(&section.stream), section.shown()) {
            (section.costs, section.self_costs) = (calls.costs(path), calls.self_costs(path));
        }
        out.push(section);
    }
    out
}
