//! The functions of a run: where each is called, by what, and what it costs.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::call_cost::{CallCost, CallCosts};
use super::overview::Overview;
use crate::path::timing::Summary;
use crate::path::{PathEntry, PathNode};
use crate::suite::{RunKernel, SavedFunctions};

/// One function in all cases and kernels of a run. Its JSON is what `rxpath calls --json` prints.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct FunctionView<'r> {
    pub(crate) function: &'r str,
    /// The number of cases that call it.
    pub(crate) cases: usize,
    /// The kernels of the run, in order.
    pub(crate) kernels: Vec<OnKernel<'r>>,
    /// The functions directly above it, the most frequent first.
    pub(crate) callers: Vec<Neighbour<'r>>,
    /// The functions directly beneath it, the most frequent first.
    pub(crate) callees: Vec<Neighbour<'r>>,
    /// Where it is called, in the order of the cases.
    pub(crate) places: Vec<Place<'r>>,
}

/// A function on one kernel.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct OnKernel<'r> {
    pub(crate) kernel: &'r str,
    pub(crate) version: &'r str,
    pub(crate) presence: Presence,
    /// The number of cases that call it there.
    pub(crate) cases: usize,
    /// The medians of what a call takes in the places that call it.
    #[serde(flatten)]
    pub(crate) cost: CallCost,
    /// The link to its source in this version.
    pub(crate) source: Option<String>,
}

/// Whether a kernel has a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Presence {
    Called,
    /// It can be traced, and no case calls it.
    NotCalled,
    /// It exists, and ftrace cannot trace it.
    NotTraceable,
    /// There is no symbol of this name.
    Absent,
    Unknown,
}

/// A function directly above or beneath another one.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Neighbour<'r> {
    /// `None` if nothing is above it: it is the first function of an operation or context.
    pub(crate) function: Option<&'r str>,
    /// The number of cases in which one calls the other.
    pub(crate) cases: usize,
    pub(crate) kernels: Vec<&'r str>,
}

/// An operation or context that calls a function.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Place<'r> {
    pub(crate) case: &'r str,
    /// `receiver.recv`, `softirq`.
    pub(crate) section: &'r str,
    /// What ran a softirq or a task: an operation, `interrupt`, `ksoftirqd`.
    pub(crate) run_by: BTreeSet<&'r str>,
    /// The kernels on which it does.
    pub(crate) kernels: Vec<InPlace<'r>>,
}

/// A function in one path.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct InPlace<'r> {
    pub(crate) kernel: &'r str,
    /// How often the path shows it, repetitions included.
    pub(crate) calls: u64,
    #[serde(flatten)]
    pub(crate) cost: CallCost,
}

/// The functions of a run, by name. Those that no path shows are there too, if the run looked them up.
pub(crate) fn functions<'r>(overview: &'r Overview) -> BTreeMap<&'r str, FunctionView<'r>> {
    let mut found: BTreeMap<&'r str, Collected<'r>> = BTreeMap::new();
    for known in &overview.results.functions {
        for name in [&known.traceable, &known.untraceable, &known.absent].into_iter().flatten() {
            found.entry(name).or_default();
        }
    }
    for case in &overview.cases {
        for section in &case.sections {
            for (column, kernel) in case.kernels.iter().enumerate() {
                let Some((kernel, path)) = kernel.as_ref().and_then(|kernel| Some((kernel, kernel.path(section)?)))
                else {
                    continue;
                };
                let saved = kernel.result.paths.iter().find(|saved| saved.name == *section);
                let costs = saved.map(|saved| CallCosts::new(path, &saved.costs, &saved.self_costs));
                let cost = |name: &str| InPlace {
                    kernel: &kernel.result.kernel,
                    calls: 0,
                    cost: costs.as_ref().map(|costs| costs.of(name)).unwrap_or_default(),
                };
                let at = At { case: case.name, section, column };
                collect(&mut found, &path.nodes, at, cost);
            }
        }
    }
    found.into_iter().map(|(name, one)| (name, one.view(name, overview))).collect()
}

/// What is known of a function so far.
#[derive(Default)]
struct Collected<'r> {
    places: Vec<Place<'r>>,
    /// That of the last path with it.
    last_column: Option<usize>,
    callers: BTreeMap<Option<&'r str>, SeenIn<'r>>,
    callees: BTreeMap<Option<&'r str>, SeenIn<'r>>,
}

#[derive(Default)]
struct SeenIn<'r> {
    cases: BTreeSet<&'r str>,
    /// Those of the kernels.
    columns: BTreeSet<usize>,
}

#[derive(Clone, Copy)]
struct At<'r> {
    case: &'r str,
    section: &'r str,
    column: usize,
}

/// Adds the calls of one path.
fn collect<'r>(
    found: &mut BTreeMap<&'r str, Collected<'r>>,
    nodes: &'r [PathNode],
    at: At<'r>,
    cost: impl Fn(&str) -> InPlace<'r>,
) {
    // The lines around the current one: how often all of them ran, the innermost function, and what ran it.
    let mut above: Vec<(u64, Option<&str>, Option<&str>)> = Vec::new();
    for node in nodes {
        above.truncate(node.depth as usize);
        let (rounds, caller, run_by) = above.last().copied().unwrap_or((1, None, None));
        let times = rounds.saturating_mul(node.times.into());
        above.push(match &node.entry {
            PathEntry::Call(name) => (times, Some(name), run_by),
            PathEntry::In(who) => (times, caller, Some(who)),
            _ => (times, caller, run_by),
        });
        let Some(name) = node.entry.function() else { continue };
        let one = found.entry(name).or_default();
        one.call(at, run_by, times, || cost(name));
        one.callers.entry(caller).or_default().add(at);
        if let Some(caller) = caller {
            found.entry(caller).or_default().callees.entry(Some(name)).or_default().add(at);
        }
    }
}

impl<'r> SeenIn<'r> {
    fn add(&mut self, at: At<'r>) {
        self.cases.insert(at.case);
        self.columns.insert(at.column);
    }
}

impl<'r> Collected<'r> {
    fn call(&mut self, at: At<'r>, run_by: Option<&'r str>, times: u64, here: impl FnOnce() -> InPlace<'r>) {
        if self.places.last().is_none_or(|place| (place.case, place.section) != (at.case, at.section)) {
            let (case, section) = (at.case, at.section);
            self.places.push(Place { case, section, run_by: BTreeSet::new(), kernels: Vec::new() });
        }
        let Some(place) = self.places.last_mut() else { return };
        place.run_by.extend(run_by);
        if self.last_column != Some(at.column) || place.kernels.is_empty() {
            self.last_column = Some(at.column);
            place.kernels.push(here());
        }
        if let Some(here) = place.kernels.last_mut() {
            here.calls = here.calls.saturating_add(times);
        }
    }

    fn view(self, function: &'r str, overview: &'r Overview) -> FunctionView<'r> {
        let results = overview.results;
        let on_kernel = |kernel: &'r RunKernel| {
            let here = |place: &Place<'r>| {
                place.kernels.iter().find(|one| *kernel.name == *one.kernel).map(|here| (place.case, *here))
            };
            let (cases, costs): (BTreeSet<&str>, Vec<InPlace>) = self.places.iter().filter_map(here).unzip();
            OnKernel {
                kernel: &kernel.name,
                version: &kernel.version,
                presence: presence(function, !cases.is_empty(), results.functions_of(&kernel.name)),
                cases: cases.len(),
                cost: median_cost(&costs),
                source: overview.sources.link(&kernel.version, function),
            }
        };
        FunctionView {
            function,
            cases: self.places.iter().map(|place| place.case).collect::<BTreeSet<_>>().len(),
            kernels: results.kernels.iter().map(on_kernel).collect(),
            callers: neighbours(self.callers, overview),
            callees: neighbours(self.callees, overview),
            places: self.places,
        }
    }
}

fn neighbours<'r>(seen: BTreeMap<Option<&'r str>, SeenIn<'r>>, overview: &'r Overview) -> Vec<Neighbour<'r>> {
    let neighbour = |(function, seen): (Option<&'r str>, SeenIn<'r>)| Neighbour {
        function,
        cases: seen.cases.len(),
        kernels: seen.columns.into_iter().map(|column| overview.kernel(column)).collect(),
    };
    let mut all: Vec<Neighbour> = seen.into_iter().map(neighbour).collect();
    all.sort_by_key(|one| std::cmp::Reverse(one.cases));
    all
}

fn presence(function: &str, is_called: bool, known: Option<&SavedFunctions>) -> Presence {
    match known {
        _ if is_called => Presence::Called,
        Some(known) if known.traceable.contains(function) => Presence::NotCalled,
        Some(known) if known.untraceable.contains(function) => Presence::NotTraceable,
        Some(known) if known.absent.contains(function) => Presence::Absent,
        _ => Presence::Unknown,
    }
}

/// The medians of the places. Uncertain costs count only if there are no others.
fn median_cost(places: &[InPlace]) -> CallCost {
    let median = |cost: fn(&CallCost) -> (Option<u64>, bool)| {
        let of = |uncertain: bool| -> Option<u64> {
            let costs = places.iter().map(|one| cost(&one.cost)).filter(|(_, is_uncertain)| *is_uncertain == uncertain);
            let costs: Vec<u64> = costs.filter_map(|(cost, _)| cost).collect();
            Summary::of(&costs).map(|summary| summary.median)
        };
        match of(false) {
            Some(median) => (Some(median), false),
            None => (of(true), true),
        }
    };
    let (self_cost, self_cost_is_uncertain) = median(|cost| (cost.self_cost, cost.self_cost_is_uncertain));
    let (total, total_is_uncertain) = median(|cost| (cost.total, cost.total_is_uncertain));
    CallCost { self_cost, total, self_cost_is_uncertain, total_is_uncertain }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::path::cost::SelfCost;
    use crate::suite::{CaseResult, RESULTS_VERSION, Results, SavedPath};

    /// Two cases on two kernels: both call `f`, one of them only on the newer one.
    pub(in crate::report) fn sample() -> Results {
        let kernel = |name: &str, version: &str| RunKernel {
            name: name.into(),
            version: version.to_owned(),
            unlocked: false,
            options: BTreeMap::new(),
        };
        let path = |name: &str, path: &str, cost: u64, shared: bool| SavedPath {
            name: name.to_owned(),
            path: path.to_owned(),
            agreeing: 5,
            iterations: 5,
            costs: [("f".to_owned(), 10 * cost)].into(),
            self_costs: [("f".to_owned(), SelfCost { cost, traced: 1, shared })].into(),
        };
        let case = |case: &str, kernel: &str, paths| CaseResult {
            case: case.into(),
            kernel: kernel.into(),
            paths,
            ..CaseResult::default()
        };
        let (softirq, recv) =
            ("~ in b.send\n  rx\n    ~ repeats ×2\n      f ×3\n", "recv\n  f\n    g\n  wait\n    ~ sleeps\n");
        let known = |kernel: &str, traceable: &[&str], absent: &[&str]| SavedFunctions {
            kernel: kernel.into(),
            traceable: traceable.iter().map(|name| (*name).to_owned()).collect(),
            untraceable: BTreeSet::new(),
            absent: absent.iter().map(|name| (*name).to_owned()).collect(),
        };
        Results {
            against: None,
            version: RESULTS_VERSION,
            kernels: vec![kernel("6.2", "6.2.1-1"), kernel("6.12", "6.12.117-1")],
            qemu: String::new(),
            mode: "exact".to_owned(),
            cases: vec![
                case("g/one", "6.2", vec![path("a.recv", recv, 100, false)]),
                case("g/one", "6.12", vec![path("a.recv", recv, 120, false), path("softirq", softirq, 9000, true)]),
                case("g/two", "6.12", vec![path("a.recv", recv, 140, false)]),
            ],
            functions: vec![known("6.2", &["f", "gone"], &["rx"]), known("6.12", &["f", "rx"], &["gone"])],
        }
    }

    #[test]
    fn a_function_has_its_places_neighbours_and_medians_without_disturbed_places() {
        let results = sample();
        let overview = Overview::of(&results);
        let all = functions(&overview);
        let f = &all["f"];
        let cost = |on: &OnKernel| (on.cases, on.cost.self_cost, on.cost.self_cost_is_uncertain, on.cost.total);
        assert_eq!(cost(&f.kernels[0]), (1, Some(100), false, Some(1000)));
        assert_eq!(cost(&f.kernels[1]), (2, Some(120), false, Some(1400)));
        let names = |all: &[Neighbour]| -> Vec<String> {
            all.iter().map(|one| format!("{:?} {} {}", one.function, one.cases, one.kernels.join(" "))).collect()
        };
        assert_eq!(names(&f.callers), [r#"Some("recv") 2 6.2 6.12"#, r#"Some("rx") 1 6.12"#]);
        assert_eq!(names(&f.callees), [r#"Some("g") 2 6.2 6.12"#]);
        assert_eq!(names(&all["recv"].callers), ["None 2 6.2 6.12"]);
        let places: Vec<(&str, &str, usize, u64)> =
            f.places.iter().map(|at| (at.case, at.section, at.kernels.len(), at.kernels[0].calls)).collect();
        assert_eq!(places, [("g/one", "a.recv", 2, 1), ("g/one", "softirq", 1, 6), ("g/two", "a.recv", 1, 1)]);
        assert_eq!(Vec::from_iter(&f.places[1].run_by), [&"b.send"]);
        assert!(f.places[1].kernels[0].cost.self_cost_is_uncertain);
        assert!(all["recv"].places[0].kernels[0].cost.total_is_uncertain && !f.kernels[0].cost.total_is_uncertain);
    }

    #[test]
    fn a_kernel_that_does_not_call_a_function_says_why() {
        let results = sample();
        let overview = Overview::of(&results);
        let all = functions(&overview);
        let presence = |name: &str| all[name].kernels.iter().map(|on| on.presence).collect::<Vec<_>>();
        assert_eq!(presence("rx"), [Presence::Absent, Presence::Called]);
        assert_eq!(presence("gone"), [Presence::NotCalled, Presence::Absent]);
        assert_eq!(presence("g"), [Presence::Called, Presence::Called]);
        assert_eq!(all["gone"].cases, 0);
    }
}
