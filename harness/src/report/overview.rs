//! Saved results as reports look at them: paths read, kernels in classes of equal paths, and what changed between which two.

use std::collections::BTreeMap;

use crate::path::CallPath;
use crate::suite::{CaseResult, Results, SavedSide, SectionDiff, explain_saved};

/// A run, ready to be shown.
#[derive(Debug)]
pub struct Overview<'r> {
    /// The saved results.
    pub results: &'r Results,
    /// Those of an earlier run, to hold timings against; and they know which functions the kernels had then.
    pub earlier: Option<&'r Results>,
    /// By case, in the order of the results.
    pub cases: Vec<CaseView<'r>>,
}

/// One case over the kernels.
#[derive(Debug)]
pub struct CaseView<'r> {
    /// `group/name`.
    pub name: &'r str,
    /// By kernel of the run; `None` where the case was not run.
    pub kernels: Vec<Option<KernelView<'r>>>,
    /// Names of all paths, in order.
    pub sections: Vec<String>,
}

/// One case on one kernel.
#[derive(Debug)]
pub struct KernelView<'r> {
    /// What came of it.
    pub result: &'r CaseResult,
    /// The paths that were found, by name.
    pub paths: Vec<(String, CallPath)>,
    /// By section of the case: the number of the class of equal paths (0 is that of the first kernel that has one).
    pub classes: Vec<Option<usize>>,
}

impl<'r> Overview<'r> {
    /// Reads the paths of these results and finds the classes.
    pub fn of(results: &'r Results) -> Self {
        let mut by_case: BTreeMap<&str, usize> = BTreeMap::new();
        let mut cases: Vec<CaseView> = Vec::new();
        for one in &results.cases {
            let Some(column) = results.kernels.iter().position(|kernel| kernel.name == one.kernel) else {
                continue;
            };
            let at = *by_case.entry(&one.case).or_insert_with(|| {
                let kernels = results.kernels.iter().map(|_| None).collect();
                cases.push(CaseView { name: &one.case, kernels, sections: Vec::new() });
                cases.len() - 1
            });
            let paths = one.found_paths();
            for (name, _) in &paths {
                if !cases[at].sections.contains(name) {
                    cases[at].sections.push(name.clone());
                }
            }
            cases[at].kernels[column] = Some(KernelView { result: one, paths, classes: Vec::new() });
        }
        cases.iter_mut().for_each(find_classes);
        Self { results, earlier: None, cases }
    }

    /// What changed of a result from what was accepted.
    pub fn from_accepted(&self, result: &CaseResult) -> Vec<SectionDiff> {
        let Some(accepted) = result.accepted_paths() else { return Vec::new() };
        let old_name = format!("what was accepted on {}", result.kernel);
        let found = result.found_paths();
        let before = self.earlier.and_then(|earlier| earlier.functions_of(&result.kernel));
        let after = self.results.functions_of(&result.kernel);
        explain_saved(
            SavedSide { name: &old_name, paths: &accepted, functions: before, result: None },
            SavedSide { name: &result.kernel, paths: &found, functions: after, result: Some(result) },
        )
    }

    /// The kernel's name in column `at`.
    pub fn kernel(&self, at: usize) -> &'r str {
        &self.results.kernels[at].name
    }
}

fn find_classes(case: &mut CaseView) {
    for name in &case.sections {
        let mut seen: Vec<CallPath> = Vec::new();
        for kernel in case.kernels.iter_mut().flatten() {
            let class = kernel.paths.iter().find(|(known, _)| known == name).map(|(_, path)| {
                seen.iter().position(|known| known == path).unwrap_or_else(|| {
                    seen.push(path.clone());
                    seen.len() - 1
                })
            });
            kernel.classes.push(class);
        }
    }
}

impl<'r> CaseView<'r> {
    /// The title, from whichever kernel's result has it.
    pub fn title(&self) -> &str {
        self.kernels.iter().flatten().map(|one| one.result.title.as_str()).find(|title| !title.is_empty()).unwrap_or("")
    }

    /// What the case teaches.
    pub fn about(&self) -> &str {
        self.kernels.iter().flatten().map(|one| one.result.about.as_str()).find(|about| !about.is_empty()).unwrap_or("")
    }

    /// Neighbouring kernels with paths, as pairs of columns.
    pub fn neighbours(&self) -> Vec<(usize, usize)> {
        let has_paths = |at: &usize| self.kernels[*at].as_ref().is_some_and(|one| !one.paths.is_empty());
        let known: Vec<usize> = (0..self.kernels.len()).filter(has_paths).collect();
        known.windows(2).map(|pair| (pair[0], pair[1])).collect()
    }

    /// Neighbouring kernels whose paths differ, and the first and last kernel if more than one step lies between.
    pub fn differing(&self) -> Vec<(usize, usize)> {
        let neighbours = self.neighbours();
        let differ = |pair: &(usize, usize)| match (&self.kernels[pair.0], &self.kernels[pair.1]) {
            (Some(one), Some(other)) => one.paths != other.paths,
            _ => false,
        };
        let mut pairs: Vec<(usize, usize)> = neighbours.iter().copied().filter(differ).collect();
        if let (Some((first, _)), Some((_, last))) = (neighbours.first(), neighbours.last())
            && neighbours.len() > 1
            && differ(&(*first, *last))
        {
            pairs.push((*first, *last));
        }
        pairs
    }

    /// The side of a difference that the kernel in this column is.
    pub fn side(&self, at: usize, results: &'r Results) -> Option<SavedSide<'_>> {
        let kernel = self.kernels[at].as_ref()?;
        let name = &kernel.result.kernel;
        Some(SavedSide {
            name,
            paths: &kernel.paths,
            functions: results.functions_of(name),
            result: Some(kernel.result),
        })
    }
}
