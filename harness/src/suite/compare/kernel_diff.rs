//! What changed between two kernels, over many cases.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::OnceLock;

use indexmap::IndexMap;

use crate::case::{Case, CaseName};
use crate::code::CallGraph;
use crate::diff::{FunctionCost, OperationCost, Part, TimingLine, function_costs, runs, side_by_side};
use crate::kernel::{Fetched, Kernel};
use crate::path::canonical;
use crate::path::cost::SelfCosts;
use crate::suite::compare::accepted_matrix::MetadataByImage;
use crate::suite::compare::against::is_comparable;
use crate::suite::compare::result_cache::ResultCache;
use crate::suite::compare::sides::{CompareError, SectionDiff, Side, compare};
use crate::suite::matrix::matrix::{MatrixOptions, run_matrix};
use crate::suite::run::watcher::Watcher;
use crate::suite::store::run_results::{CaseResult, RESULTS_VERSION, Results, RunKernel, Verdict};
use crate::suite::store::saved::{OperationTiming, SavedFunctions};
use crate::suite::store::snapshot::Snapshots;
use crate::vm::{Accelerator, Images};

/// What changed from one kernel to another.
#[derive(Clone, Debug)]
pub(crate) struct KernelDiff {
    pub(crate) old: RunKernel,
    pub(crate) new: RunKernel,
    /// The cases that both kernels ran, by name.
    pub(crate) cases: Vec<CaseDiff>,
    /// The cases that one of them could not run, with the reason.
    pub(crate) left_out: Vec<(CaseName, String)>,
    /// The changes of paths, each once, the most frequent first.
    pub(crate) changes: Vec<SharedChange>,
    /// The functions whose self costs differ, those that matter most first.
    pub(crate) functions: Vec<FunctionCost>,
}

/// The changes of a case from one kernel to another.
#[derive(Clone, Debug)]
pub(crate) struct CaseDiff {
    pub(crate) case: CaseName,
    pub(crate) sections: Vec<SectionDiff>,
    pub(crate) timings: Vec<TimingLine>,
}

impl CaseDiff {
    pub(crate) fn has_other_paths(&self) -> bool {
        self.sections.iter().any(|section| !section.explained.diff.is_same())
    }
}

/// The same lines, changed in the same way beneath the same call, in several cases.
#[derive(Clone, Debug)]
pub(crate) struct SharedChange {
    /// The index of the first case with it.
    pub(crate) case: usize,
    /// The index of the section of that case.
    pub(crate) section: usize,
    /// Its lines there.
    pub(crate) lines: Range<usize>,
    /// The indices of all cases with it, in order.
    pub(crate) cases: Vec<usize>,
}

/// Two kernels to compare.
pub(crate) struct TwoKernels<'a> {
    pub(crate) old: &'a Kernel,
    pub(crate) new: &'a Kernel,
    pub(crate) fetched: &'a Fetched,
    pub(crate) images: &'a Images,
    pub(crate) snapshots: &'a Snapshots,
    pub(crate) cache: &'a ResultCache,
}

/// What explains the paths of one kernel.
struct Knowledge<'a> {
    metadata: MetadataByImage<'a>,
    graph: OnceLock<Option<CallGraph>>,
}

impl TwoKernels<'_> {
    /// Compares the cases, and returns the results of both kernels too. A case without a saved result is run.
    pub(crate) fn diff(
        &self,
        cases: &[&Case],
        options: &MatrixOptions,
        watcher: &dyn Watcher,
    ) -> Result<(KernelDiff, Results), CompareError> {
        let old = self.results(self.old, cases, options, watcher);
        let new = self.results(self.new, cases, options, watcher);
        let (mut comparable, mut left_out) = (Vec::new(), Vec::new());
        for ((case, old), new) in cases.iter().zip(&old).zip(&new) {
            match [old, new].into_iter().find_map(why_left_out) {
                Some(reason) => left_out.push((case.name.clone(), reason)),
                None => comparable.push((*case, old, new)),
            }
        }
        let knowledge = |kernel| Knowledge {
            metadata: MetadataByImage::new(kernel, self.fetched, self.images, watcher),
            graph: OnceLock::new(),
        };
        let (mut old_known, mut new_known) = (knowledge(self.old), knowledge(self.new));
        let diff_of = |(case, old, new): &(&Case, &CaseResult, &CaseResult)| {
            let is_same = old.found_paths() == new.found_paths();
            let (old_side, new_side) = (old_known.side(case, old, !is_same)?, new_known.side(case, new, !is_same)?);
            let timings = side_by_side(&costs(old), &costs(new));
            Ok(CaseDiff { case: case.name.clone(), sections: compare(old_side, new_side), timings })
        };
        let diffs = comparable.iter().map(diff_of).collect::<Result<Vec<_>, CompareError>>()?;
        let functions = function_costs(comparable.iter().flat_map(|(_, old, new)| parts(old, new)));
        let kernels = [self.old, self.new].map(|kernel| RunKernel::of(kernel, kernel.config().ok().flatten().as_ref()));
        let [old_kernel, new_kernel] = kernels.clone();
        let changes = shared_changes(&diffs);
        let diff = KernelDiff { old: old_kernel, new: new_kernel, cases: diffs, left_out, changes, functions };
        let mut all: Vec<CaseResult> = old.into_iter().chain(new).collect();
        all.sort_by(|one, other| (&one.case, &one.kernel).cmp(&(&other.case, &other.kernel)));
        let names: BTreeSet<String> = all.iter().flat_map(functions_of).collect();
        let saved = [(self.old, &old_known), (self.new, &new_known)].map(|(kernel, known)| {
            SavedFunctions::of(kernel.name(), &known.metadata.loaded().collect::<Vec<_>>(), &names)
        });
        let results = Results {
            version: RESULTS_VERSION,
            kernels: kernels.to_vec(),
            qemu: self.fetched.qemu.version.clone(),
            mode: Accelerator::Exact.word().to_owned(),
            cases: all,
            functions: saved.to_vec(),
            against: None,
        };
        Ok((diff, results))
    }

    /// The results of the cases on one kernel, in their order.
    fn results(
        &self,
        kernel: &Kernel,
        cases: &[&Case],
        options: &MatrixOptions,
        watcher: &dyn Watcher,
    ) -> Vec<CaseResult> {
        let qemu = &self.fetched.qemu;
        let mut results: HashMap<CaseName, CaseResult> =
            cases.iter().filter_map(|case| Some((case.name.clone(), self.cache.get(case, kernel, qemu)?))).collect();
        let missing: Vec<&Case> = cases.iter().copied().filter(|case| !results.contains_key(&case.name)).collect();
        if !missing.is_empty() {
            let fetched = Fetched { kernels: vec![kernel.clone()], qemu: qemu.clone() };
            let run = run_matrix(&missing, &fetched, self.images, self.snapshots, options, watcher);
            for (case, result) in missing.iter().zip(run.cases) {
                self.cache.put(&result, case, kernel, qemu);
                results.insert(result.case.clone(), result);
            }
        }
        cases.iter().filter_map(|case| results.remove(&case.name)).collect()
    }
}

impl Knowledge<'_> {
    /// One side of a case. The instructions are read only if they can explain something.
    fn side(&mut self, case: &Case, result: &CaseResult, with_graph: bool) -> Result<Side<'_>, CompareError> {
        let kernel = self.metadata.kernel;
        let metadata = self.metadata.of(case)?;
        let read = || {
            let elf = std::fs::read(kernel.vmlinux()).ok()?;
            CallGraph::of_kernel(&elf, metadata.symbols.functions(), canonical).ok()
        };
        Ok(Side {
            kernel: kernel.name(),
            metadata,
            graph: if with_graph { self.graph.get_or_init(read).as_ref() } else { None },
            sections: result.found_paths(),
            costs: result.paths.iter().map(|saved| (saved.name.clone(), saved.costs.clone())).collect(),
        })
    }
}

/// Why a result cannot be compared.
fn why_left_out(result: &CaseResult) -> Option<String> {
    let reason = match result.verdict {
        Verdict::Skipped => result.notes.first().map(String::as_str),
        verdict if verdict >= Verdict::Inconclusive && !is_comparable(result) => {
            result.problems.first().map(|problem| problem.message.as_str())
        }
        _ => return None,
    };
    let reason = reason.and_then(|reason| reason.lines().next()).unwrap_or("no reason is known");
    Some(format!("{} on {}: {reason}", result.verdict.word(), result.kernel))
}

fn costs(result: &CaseResult) -> Vec<(String, OperationCost)> {
    let cost = |one: &OperationTiming| (one.name.clone(), OperationCost { cost: one.cost, switches: one.switches });
    result.timings.iter().map(cost).collect()
}

/// The sections of a case on both kernels, with the self costs of their functions.
pub(crate) fn parts<'a>(old: &'a CaseResult, new: &'a CaseResult) -> impl Iterator<Item = Part<'a>> {
    static NONE: SelfCosts = SelfCosts::new();
    let names: BTreeSet<&str> = old.paths.iter().chain(&new.paths).map(|saved| saved.name.as_str()).collect();
    let of = |result: &'a CaseResult, name: &str| {
        result.paths.iter().find(|saved| saved.name == name).map_or(&NONE, |saved| &saved.self_costs)
    };
    names.into_iter().map(move |section| Part {
        case: &old.case,
        section,
        old: of(old, section),
        new: of(new, section),
    })
}

fn functions_of(result: &CaseResult) -> Vec<String> {
    let paths = result.found_paths();
    paths.iter().flat_map(|(_, path)| path.functions()).map(str::to_owned).collect()
}

/// Finds the changes of paths, each once.
pub(crate) fn shared_changes(cases: &[CaseDiff]) -> Vec<SharedChange> {
    let mut changes: IndexMap<String, SharedChange> = IndexMap::new();
    for (case, diff) in cases.iter().enumerate() {
        for (section, one) in diff.sections.iter().enumerate() {
            for (name, lines) in runs(&one.explained.diff) {
                let new = SharedChange { case, section, lines, cases: Vec::new() };
                let change = changes.entry(name).or_insert(new);
                if change.cases.last() != Some(&case) {
                    change.cases.push(case);
                }
            }
        }
    }
    let mut changes: Vec<SharedChange> = changes.into_values().collect();
    changes.sort_by_key(|change| std::cmp::Reverse(change.cases.len()));
    changes
}
