//! Turns a capture into the paths of its operations and softirqs, iteration by iteration.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rxpath_guest::{ActorIndex, RunReport, StepIndex};

use super::contexts::{Context, ContextRules, CutTree, Kept, separate};
use super::cost::CallSamples;
use super::own_runs::OwnRun;
use super::own_times::{Costing, OwnTime, OwnTimes, TracerCost};
use super::profiles::Filter;
use super::recorded_operations::{Operation, operations};
use super::sequence::{TimedLine, TimedRun, TimedTree};
use super::shape::{Shaper, Woken};
use super::{CallPath, FunctionNames, NameTable, PathEntry, PathNode, fold, too_deep};
use crate::trace::{CallForests, Node, NodeKind, TaskKey};

/// An actor's name and those of its steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Role {
    pub name: String,
    /// By step index.
    pub steps: Vec<String>,
}

/// A part of a capture whose iterations are compared. Every stream has a path in every iteration.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Stream {
    /// What an actor's own task did in one of its steps.
    Operation { actor: ActorIndex, step: StepIndex },
    /// Softirqs of concern, each beneath a [`PathEntry::In`] that names what ran it.
    Softirq,
    /// Hard interrupts of concern.
    HardIrq,
    /// Non-maskable interrupts, if the case expects something in them.
    Nmi,
    /// Work of the other tasks of this class, beneath a [`PathEntry::In`].
    Task(Arc<str>),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct CapturePaths {
    /// By stream, then by iteration. An iteration in which a stream did not run has an empty path.
    pub streams: BTreeMap<Stream, BTreeMap<u32, CallPath>>,
    /// The samples of each stream's calls; empty if the tracer's cost is unknown.
    pub calls: BTreeMap<Stream, CallSamples>,
    /// The trees of each iteration with their times; empty if the tracer's cost is unknown.
    pub timed: BTreeMap<u32, Vec<TimedTree>>,
    /// Sentences about what is missing or broken. If there are any, the capture is not evidence.
    pub problems: Vec<String>,
}

/// What the case says about its paths.
pub(crate) struct CaptureSettings<'s> {
    /// By actor index.
    pub roles: &'s [Role],
    pub rules: &'s ContextRules,
    pub filter: &'s Filter,
    /// The tracer's cost per call, to be subtracted. Without it there are no costs.
    pub tracer: Option<TracerCost>,
}

/// Cuts a capture into the paths of its streams.
///
/// The caller judges what was lost while recording ([`CallForests::losses`]); everything else that is missing is in
/// [`CapturePaths::problems`].
pub(crate) fn capture_paths(
    forests: &CallForests,
    report: &RunReport,
    symbols: &dyn FunctionNames,
    settings: &CaptureSettings,
) -> CapturePaths {
    let operations = operations(forests, report);
    let mut work = Work::new(forests, report, symbols, settings, &operations.found);
    for task in forests.by_task.keys() {
        work.add_task(*task, &operations.found);
    }
    let shown = (settings.roles, settings.filter);
    let too_deep = too_deep::problems(forests, report, &operations.found, &work.windows, &mut work.names, shown);
    let mut out = work.finish();
    out.problems = operations.problems;
    out.problems.extend(too_deep);
    out
}

/// What ran the tree of an interrupt or softirq, in the order in which an iteration lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum RanBy {
    Operation(ActorIndex, StepIndex),
    /// An actor, outside its operations.
    Actor(ActorIndex),
    /// A hard interrupt, whatever it interrupted.
    Interrupt,
    /// Any other task.
    Task(i32),
    Idle,
}

/// A tree of a stream that is not a path yet.
struct Tree<'a> {
    stream: Stream,
    iteration: u32,
    by: RanBy,
    at: u64,
    place: Place,
    nodes: Vec<Kept<'a>>,
}

/// The task of some nodes, and the index in its forest from which they count.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place {
    task: TaskKey,
    base: usize,
}

struct Work<'s, 'a> {
    forests: &'a CallForests,
    settings: &'s CaptureSettings<'s>,
    names: NameTable<'a>,
    costing: Option<Costing>,
    actors: HashMap<i32, ActorIndex>,
    agents: &'a [i32],
    /// By iteration, the first start and the last end of its operations.
    windows: BTreeMap<u32, (u64, u64)>,
    trees: Vec<Tree<'a>>,
    /// When the calls of each task ran themselves, by node.
    runs: HashMap<TaskKey, Vec<OwnRun>>,
}

impl<'s, 'a> Work<'s, 'a> {
    fn new(
        forests: &'a CallForests,
        report: &'a RunReport,
        symbols: &'a dyn FunctionNames,
        settings: &'s CaptureSettings<'s>,
        found: &[Operation],
    ) -> Self {
        let mut windows: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
        for op in found {
            let window = windows.entry(op.iteration).or_insert((op.start, op.end));
            *window = (window.0.min(op.start), window.1.max(op.end));
        }
        Self {
            forests,
            settings,
            names: NameTable::new(symbols),
            costing: settings.tracer.map(|cost| Costing::new(forests, symbols, cost)),
            actors: report.actor_tids.iter().copied().zip(0..).collect(),
            agents: &report.agent_tids,
            windows,
            trees: Vec::new(),
            runs: HashMap::new(),
        }
    }

    fn add_task(&mut self, task: TaskKey, found: &[Operation<'a>]) {
        let Some(forest) = self.forests.by_task.get(&task) else { return };
        let own = self.costing.as_ref().map(|costing| costing.own_times(&forest.nodes));
        let OwnTimes { took: own, mut runs } = own.unwrap_or_default();
        runs.sort_by_key(|run| run.node);
        self.runs.insert(task, runs);
        let own_of = |from: usize, to: usize| own.get(from..to).unwrap_or_default();
        let mut next = 0;
        for op in found.iter().filter(|op| op.task == task) {
            let place = Place { task, base: next };
            self.add_outside_operations(place, &forest.nodes[next..op.first], own_of(next, op.first));
            let place = Place { task, base: op.first };
            next = op.first + op.nodes.len();
            let separated = separate(op.nodes, own_of(op.first, next), &mut self.names, self.settings.rules);
            for tree in separated.cut {
                self.add_cut(tree, place, RanBy::Operation(op.actor, op.step), Some(op.iteration));
            }
            self.trees.push(Tree {
                stream: Stream::Operation { actor: op.actor, step: op.step },
                iteration: op.iteration,
                by: RanBy::Operation(op.actor, op.step),
                at: op.start,
                place,
                nodes: separated.own,
            });
        }
        let place = Place { task, base: next };
        self.add_outside_operations(place, &forest.nodes[next..], own_of(next, forest.nodes.len()));
    }

    /// Adds what a task did outside the operations: interrupts and softirqs on its stack, and its own work if it is
    /// neither an actor nor the agent.
    fn add_outside_operations(&mut self, place: Place, nodes: &'a [Node], own: &[OwnTime]) {
        let by = match place.task {
            TaskKey::Idle(_) => RanBy::Idle,
            TaskKey::Task(pid) => self.actors.get(&pid).map_or(RanBy::Task(pid), |actor| RanBy::Actor(*actor)),
        };
        let separated = separate(nodes, own, &mut self.names, self.settings.rules);
        for tree in separated.cut {
            self.add_cut(tree, place, by, None);
        }
        let RanBy::Task(pid) = by else { return };
        if self.agents.contains(&pid) {
            return;
        }
        let class = self.class_of(pid);
        for root in separated.own.chunk_by(|_, next| next.depth > 0) {
            let at = root[0].node.start;
            let Some(iteration) = self.iteration_at(at) else { continue };
            if self.is_of_concern(root, |work, name| work.settings.rules.tasks_of_concern.matches(name)) {
                let stream = Stream::Task(class.clone());
                self.trees.push(Tree { stream, iteration, by, at, place, nodes: root.to_vec() });
            }
        }
    }

    fn add_cut(&mut self, tree: CutTree<'a>, place: Place, host: RanBy, iteration: Option<u32>) {
        let Some(iteration) = iteration.or_else(|| self.iteration_at(tree.at)) else { return };
        let rules = self.settings.rules;
        let (stream, kept) = match tree.context {
            Context::Softirq => {
                let dropped = tree.nodes.first().and_then(|root| self.name_of(root.node));
                let dropped = dropped.is_none_or(|name| rules.softirqs_of_no_concern.matches(&name));
                (Stream::Softirq, !dropped || self.is_of_concern(&tree.nodes, |_, _| false))
            }
            Context::HardIrq => {
                let concern = |_: &Self, name: &str| rules.interrupts_of_concern.matches(name);
                (Stream::HardIrq, self.is_of_concern(&tree.nodes, concern))
            }
            Context::Nmi | Context::Process => (Stream::Nmi, self.is_of_concern(&tree.nodes, |_, _| false)),
        };
        if kept {
            let by = if tree.by_interrupt { RanBy::Interrupt } else { host };
            self.trees.push(Tree { stream, iteration, by, at: tree.at, place, nodes: tree.nodes });
        }
    }

    /// The iteration during which something happened. If several overlap, it is the one that started first, because
    /// that one still has work left.
    fn iteration_at(&self, at: u64) -> Option<u32> {
        let open = self.windows.iter().filter(|(_, (start, end))| (*start..=*end).contains(&at));
        open.min_by_key(|(_, (start, _))| *start).map(|(iteration, _)| *iteration)
    }

    fn name_of(&mut self, node: &Node) -> Option<Arc<str>> {
        match node.kind {
            NodeKind::Call { func, .. } => Some(self.names.canonical(func)),
            _ => None,
        }
    }

    /// Whether the nodes contain a function of concern, or one that the case expects (except functions that run
    /// everywhere).
    fn is_of_concern(&mut self, nodes: &[Kept], concern: impl Fn(&Self, &str) -> bool) -> bool {
        nodes.iter().any(|kept| {
            let Some(name) = self.name_of(kept.node) else { return false };
            let expected = self.settings.filter.is_expected(&name) && !self.settings.rules.everywhere.matches(&name);
            expected || concern(self, &name)
        })
    }

    fn class_of(&self, pid: i32) -> Arc<str> {
        if self.agents.contains(&pid) {
            return "agent".into();
        }
        let comm = self.forests.comms.get(&pid).map_or("", String::as_str);
        self.settings.rules.class_of(comm)
    }

    fn actor_name(&self, actor: ActorIndex) -> Arc<str> {
        match self.settings.roles.get(usize::from(actor)) {
            Some(role) => role.name.as_str().into(),
            None => format!("actor{actor}").into(),
        }
    }

    fn label(&self, by: RanBy) -> Arc<str> {
        match by {
            RanBy::Operation(actor, step) => {
                let role = self.settings.roles.get(usize::from(actor));
                let name = role.and_then(|role| role.steps.get(usize::from(step)));
                let name = name.cloned().unwrap_or_else(|| format!("step{step}"));
                format!("{}.{name}", self.actor_name(actor)).into()
            }
            RanBy::Actor(actor) => self.actor_name(actor),
            RanBy::Interrupt => "interrupt".into(),
            RanBy::Task(pid) => self.class_of(pid),
            RanBy::Idle => "idle".into(),
        }
    }

    fn finish(mut self) -> CapturePaths {
        let mut trees = std::mem::take(&mut self.trees);
        // The order of trees from different CPUs means nothing, so they are sorted by what ran them.
        trees.sort_by(|one, other| {
            let key = |tree: &Tree| (tree.stream.clone(), tree.iteration);
            key(one).cmp(&key(other)).then_with(|| (one.by, one.at).cmp(&(other.by, other.at)))
        });
        let labels: Vec<Arc<str>> = trees.iter().map(|tree| self.label(tree.by)).collect();
        let pids: Vec<i32> = self.actors.keys().chain(self.forests.comms.keys()).copied().collect();
        let known: HashMap<i32, Woken> = pids.into_iter().map(|pid| (pid, self.who_is(pid))).collect();
        let woken = |pid: i32| known.get(&pid).cloned().unwrap_or_else(|| Woken::Other("other".into()));
        let switches_recorded = self.forests.by_task.values().any(|forest| {
            forest.nodes.iter().any(|node| matches!(node.kind, NodeKind::SwitchOut { .. } | NodeKind::SwitchIn { .. }))
        });
        let filter = self.settings.filter;
        let mut shaper = Shaper { names: &mut self.names, filter, woken: &woken, switches_recorded };
        let mut out = CapturePaths::default();
        for (tree, label) in trees.iter().zip(&labels) {
            let of_stream = out.streams.entry(tree.stream.clone()).or_default();
            let path = of_stream.entry(tree.iteration).or_default();
            let labelled = matches!(tree.stream, Stream::Softirq | Stream::Task(_));
            let new_label = labelled && last_root(path) != Some(label);
            if new_label {
                path.nodes.push(PathNode::once(0, PathEntry::In(label.clone())));
            }
            let before = path.nodes.len();
            let shown = shaper.append(&tree.nodes, u32::from(labelled), path);
            if self.costing.is_some() {
                let calls = out.calls.entry(tree.stream.clone()).or_default();
                calls.add(&tree.nodes, shown.iter().copied().zip(&path.nodes[before..]));
                let runs = self.runs.get(&tree.place.task).map(Vec::as_slice).unwrap_or_default();
                out.timed.entry(tree.iteration).or_default().push(timed(tree, &shown, path, runs));
            }
            if new_label && path.nodes.len() == before {
                path.nodes.pop();
            }
        }
        for of_stream in out.streams.values_mut() {
            of_stream.values_mut().for_each(|path| *path = fold(path));
            self.windows.keys().for_each(|iteration| _ = of_stream.entry(*iteration).or_default());
        }
        out
    }

    fn who_is(&self, pid: i32) -> Woken {
        match self.actors.get(&pid) {
            Some(actor) => Woken::Actor(self.actor_name(*actor)),
            None => Woken::Other(self.class_of(pid)),
        }
    }
}

/// The times of a tree. `shown` are the nodes of its lines in the path, which are the last lines of `path`; `runs` are those of
/// its task, by node.
fn timed(tree: &Tree, shown: &[usize], path: &CallPath, runs: &[OwnRun]) -> TimedTree {
    let nodes = &tree.nodes;
    let first_line = path.nodes.len() - shown.len();
    let line = |(at, line): (&usize, &PathNode)| match nodes[*at].node {
        Node { start, kind: NodeKind::Call { end, .. }, .. } => {
            TimedLine::Call { depth: line.depth, start: *start, end: *end }
        }
        Node { start, kind: NodeKind::Waking { pid }, .. } => TimedLine::Wakes { time: *start, pid: *pid },
        _ => TimedLine::Mark,
    };
    let mut out = TimedTree {
        stream: tree.stream.clone(),
        task: tree.place.task,
        cpu: nodes.first().map_or(0, |kept| kept.node.cpu),
        first_line,
        lines: shown.iter().zip(&path.nodes[first_line..]).map(line).collect(),
        runs: Vec::new(),
        away: Vec::new(),
        disturbed: 0,
    };
    // The shown calls around the current node, with their depths; what is hidden beneath one belongs to it.
    let mut open: Vec<(u32, usize)> = Vec::new();
    let mut next_line = 0;
    for (at, kept) in nodes.iter().enumerate() {
        while open.pop_if(|(depth, _)| *depth >= kept.depth).is_some() {}
        if shown.get(next_line) == Some(&at) {
            if matches!(kept.node.kind, NodeKind::Call { .. }) {
                open.push((kept.depth, next_line));
            }
            next_line += 1;
        }
        match (&kept.node.kind, open.last()) {
            (NodeKind::SwitchOut { state, .. }, _) => out.away.push((kept.node.start, None, *state)),
            (NodeKind::SwitchIn { .. }, _) => {
                if let Some((_, back, _)) = out.away.last_mut() {
                    *back = Some(kept.node.start);
                }
            }
            (NodeKind::Call { .. }, Some((_, line))) => {
                let node = tree.place.base + kept.at;
                let shared = kept.own.shared;
                let first = runs.partition_point(|run| run.node < node);
                let of_node = runs[first..].iter().take_while(|run| run.node == node);
                out.runs.extend(of_node.map(|run| TimedRun { line: *line, start: run.start, took: run.took, shared }));
                out.disturbed += usize::from(kept.interrupted || shared);
            }
            _ => {}
        }
    }
    out
}

fn last_root(path: &CallPath) -> Option<&Arc<str>> {
    match &path.nodes.iter().rfind(|node| node.depth == 0)?.entry {
        PathEntry::In(label) => Some(label),
        _ => None,
    }
}
