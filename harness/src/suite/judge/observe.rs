//! From a traced capture to what it shows: the steady path of every operation and context.

use std::collections::BTreeMap;

use rxpath_guest::{OpResult, Tag};

use crate::case::{Case, Context, Lowered, StepRef};
use crate::path::cost::{Costs, TracerCost};
use crate::path::profiles::Visibility;
use crate::path::steady::{Steadiness, steady};
use crate::path::{
    CallPath, CapturePaths, CaptureSettings, ContextRules, Filter, Profiles, Role, Stream, canonical, capture_paths,
    text,
};
use crate::trace::{CallForests, Node, NodeKind, TooDeep, shadow_stack_losses};

use crate::suite::kernel_metadata::KernelMetadata;
use crate::suite::run::passes::{PassError, Recorded};

/// One part of what a case shows on a kernel: an operation, or a context that the case speaks of.
#[derive(Clone, Debug)]
pub struct Section {
    /// Its name: `receiver.recv`, `softirq`, `hardirq`.
    pub name: String,
    /// Which part of the capture it is.
    pub stream: Stream,
    /// What the iterations agree on, if they do.
    pub steadiness: Steadiness,
    /// The path of every iteration.
    pub paths: BTreeMap<u32, CallPath>,
    /// What a call of each function takes with all that it calls in this context: instructions, median, by canonical name.
    pub costs: Costs,
}

/// What a traced pass shows.
#[derive(Clone, Debug)]
pub struct Observation {
    /// Its parts, operations first, in the order of the case.
    pub sections: Vec<Section>,
    /// The agent's results, by step.
    pub(crate) results: BTreeMap<StepRef, Vec<OpResult>>,
    /// What was lost or is missing, in words; if there is anything, the capture proves nothing.
    pub losses: Vec<String>,
    /// Raw names behind the canonical ones, where they differ.
    pub raw_names: BTreeMap<String, Vec<String>>,
}

/// Names of the contexts beside the operations.
pub(crate) const SOFTIRQ: &str = "softirq";
const HARDIRQ: &str = "hardirq";
const NMI: &str = "nmi";

impl Observation {
    /// What this capture of the case shows; with costs of functions, if it is known what tracing them cost.
    pub fn of(
        case: &Case,
        lowered: &Lowered,
        recorded: &Recorded,
        facts: &KernelMetadata,
        tracer: Option<TracerCost>,
    ) -> Result<Self, PassError> {
        let forests = recorded.forests(facts, Tag::Pages)?;
        let roles: Vec<Role> =
            lowered.names.iter().map(|(name, steps)| Role { name: name.clone(), steps: steps.clone() }).collect();
        let rules = ContextRules::embedded();
        let profiles = Profiles::embedded();
        let expected: Vec<&String> = lowered.never_hide.iter().collect();
        // Both data files are part of the program and checked by its tests.
        let (Ok(rules), Ok(Ok(filter))) = (rules, profiles.map(|profiles| profiles.select(&case.hide, &expected)))
        else {
            return Ok(Self::of_nothing("rxpath's own data files are broken"));
        };
        let settings = CaptureSettings { roles: &roles, rules: &rules, filter: &filter, tracer };
        let paths = capture_paths(&forests, &recorded.report, facts, &settings);
        let mut losses = forests.losses.clone();
        losses.extend(shadow_stack_losses(
            forests.too_deep.iter().filter(|loss| is_seen(loss, &forests, facts, &filter)),
        ));
        losses.extend(paths.problems.iter().cloned());
        let mut results: BTreeMap<StepRef, Vec<OpResult>> = BTreeMap::new();
        for result in &recorded.report.results {
            results.entry(StepRef { actor: result.actor, step: result.step }).or_default().push(*result);
        }
        Ok(Self { sections: sections(case, &paths), results, losses, raw_names: paths.raw_names })
    }

    fn of_nothing(why: &str) -> Self {
        Self {
            sections: Vec::new(),
            results: BTreeMap::new(),
            losses: vec![why.to_owned()],
            raw_names: BTreeMap::new(),
        }
    }

    /// The steady paths as text, section by section: what a snapshot holds.
    pub fn document(&self) -> String {
        let mut out = String::new();
        for section in &self.sections {
            if let Steadiness::Steady(steady) = &section.steadiness {
                if !out.is_empty() {
                    out.push('\n');
                }
                out.push_str(&format!("{SECTION_MARK}{}\n{}", section.name, text::write(&steady.path)));
            }
        }
        out
    }

    /// The sections whose iterations do not agree, with the places where they part.
    pub fn unsteady(&self) -> impl Iterator<Item = (&Section, &crate::path::steady::Unstable)> {
        self.sections.iter().filter_map(|section| match &section.steadiness {
            Steadiness::Inconclusive(unstable) => Some((section, unstable)),
            Steadiness::Steady(_) => None,
        })
    }
}

/// Whether what is missing would have been shown: not if it lies beneath a call that is left out with all beneath it.
///
/// Up to 6.10 a task's shadow stack holds 50 calls, and a packet that is sent, received and acknowledged within one system
/// call goes deeper; what lies that deep is mostly the scheduler's accounting of the wake-up.
fn is_seen(loss: &TooDeep, forests: &CallForests, facts: &KernelMetadata, filter: &Filter) -> bool {
    let Some(forest) = forests.by_task.get(&loss.task) else { return true };
    let is_it =
        |node: &Node| matches!(node.what, NodeKind::Call { func, end } if func == loss.func && end == Some(loss.time));
    let Some(at) = forest.nodes.iter().position(is_it) else { return true };
    let mut depth = forest.nodes[at].depth + 1;
    let enclosing = forest.nodes[..=at].iter().rev().filter(|node| {
        let encloses = node.depth < depth && matches!(node.what, NodeKind::Call { .. });
        if encloses {
            depth = node.depth;
        }
        encloses
    });
    let mut names = enclosing.filter_map(|node| match node.what {
        NodeKind::Call { func, .. } => facts.symbols.name(func),
        _ => None,
    });
    !names.any(|name| filter.visibility(canonical(name)) == Visibility::Hidden)
}

fn expects_task(case: &Case, class: &str) -> bool {
    let of_class = |context: &Context| matches!(context, Context::Task { class: expected } if expected == class);
    case.expectations.iter().any(|expectation| of_class(&expectation.context))
}

/// How a section begins in a snapshot.
pub(crate) const SECTION_MARK: &str = "# ";

/// The sections of a snapshot's text: name and path.
pub fn read_document(document: &str) -> Result<Vec<(String, CallPath)>, String> {
    let mut out = Vec::new();
    for part in format!("\n{document}").split(&format!("\n{SECTION_MARK}")).skip(1) {
        let (name, body) = part.split_once('\n').unwrap_or((part, ""));
        let path = text::parse(body).map_err(|why| format!("section {name}: {why}"))?;
        out.push((name.trim().to_owned(), path));
    }
    Ok(out)
}

/// Operations always, softirqs and hard interrupts where there were any; what other tasks did where the case speaks of it.
fn sections(case: &Case, paths: &CapturePaths) -> Vec<Section> {
    let mut out = Vec::new();
    for (stream, by_iteration) in &paths.streams {
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
        let costs = paths.costs.get(stream).cloned().unwrap_or_default();
        out.push(Section { name, stream: stream.clone(), steadiness, paths: by_iteration.clone(), costs });
    }
    out
}
