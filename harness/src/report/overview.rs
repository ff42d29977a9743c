//! A run's results prepared for reports: parsed paths, and the kernels in classes of equal paths.

use std::collections::BTreeMap;

use super::source_url::SourceUrl;
use crate::path::{CallPath, PathEntry};
use crate::suite::{CaseResult, Results, SavedSide, SectionDiff, accepted_diffs};

/// A run, ready to be formatted.
#[derive(Debug)]
pub struct Overview<'r> {
    pub(crate) results: &'r Results,
    /// The results of an earlier run, to compare timings with; they also list the functions that the kernels had then.
    pub(crate) earlier: Option<&'r Results>,
    /// Links to the source of functions.
    pub(crate) sources: SourceUrl,
    /// By case, in the order of the results.
    pub(crate) cases: Vec<CaseView<'r>>,
}

/// One case on all kernels.
#[derive(Debug)]
pub(crate) struct CaseView<'r> {
    /// `group/name`.
    pub(crate) name: &'r str,
    /// By kernel of the run; `None` where the case was not run.
    pub(crate) kernels: Vec<Option<KernelView<'r>>>,
    /// The names of all paths, in order.
    pub(crate) sections: Vec<String>,
}

/// One case on one kernel.
#[derive(Debug)]
pub(crate) struct KernelView<'r> {
    pub(crate) result: &'r CaseResult,
    /// The paths of this run, by name.
    pub(crate) paths: Vec<(String, CallPath)>,
    /// By section of the case: the number of the class of equal paths, from 0 for the first kernel that has a path.
    pub(crate) classes: Vec<Option<usize>>,
}

impl KernelView<'_> {
    /// The path of a section, if this kernel has one.
    pub(crate) fn path(&self, section: &str) -> Option<&CallPath> {
        self.paths.iter().find(|(name, _)| name == section).map(|(_, path)| path)
    }

    /// Whether a task sleeps in a section.
    pub(crate) fn sleeps_in(&self, section: &str) -> bool {
        self.path(section).is_some_and(|path| path.nodes.iter().any(|node| node.entry == PathEntry::Sleeps))
    }
}

impl<'r> Overview<'r> {
    /// Parses the paths of these results and finds the classes.
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
        Self { results, earlier: None, sources: SourceUrl::default(), cases }
    }

    /// Compares timings with those of an earlier run.
    pub fn compared_with(self, earlier: Option<&'r Results>) -> Self {
        Self { earlier, ..self }
    }

    /// Links functions to their source with this template.
    pub(crate) fn with_sources(self, sources: SourceUrl) -> Self {
        Self { sources, ..self }
    }

    /// Compares the paths of a result with the accepted ones.
    pub(crate) fn accepted_diffs(&self, result: &CaseResult) -> Vec<SectionDiff> {
        accepted_diffs(self.results, self.earlier, result)
    }

    /// The name of the kernel in column `at`.
    pub(crate) fn kernel(&self, at: usize) -> &'r str {
        &self.results.kernels[at].name
    }
}

/// The letter of a class of equal paths: A, B, …
pub(crate) fn class_letter(class: usize) -> char {
    char::from(b'A' + (class % 26) as u8)
}

fn find_classes(case: &mut CaseView) {
    for name in &case.sections {
        let mut seen: Vec<CallPath> = Vec::new();
        for kernel in case.kernels.iter_mut().flatten() {
            let class = kernel.path(name).map(|path| {
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
    /// The title, from the first kernel's result that has it.
    pub(crate) fn title(&self) -> &str {
        self.kernels.iter().flatten().map(|one| one.result.title.as_str()).find(|title| !title.is_empty()).unwrap_or("")
    }

    /// The description, from the first kernel's result that has it.
    pub(crate) fn about(&self) -> &str {
        self.kernels.iter().flatten().map(|one| one.result.about.as_str()).find(|about| !about.is_empty()).unwrap_or("")
    }

    /// Pairs of columns: each kernel that has paths, with the next one.
    pub(crate) fn neighbours(&self) -> Vec<(usize, usize)> {
        let has_paths = |at: &usize| self.kernels[*at].as_ref().is_some_and(|one| !one.paths.is_empty());
        let known: Vec<usize> = (0..self.kernels.len()).filter(has_paths).collect();
        known.windows(2).map(|pair| (pair[0], pair[1])).collect()
    }

    /// The neighbours whose paths differ, and the first and last kernel if these differ and are not neighbours.
    pub(crate) fn differing(&self) -> Vec<(usize, usize)> {
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

    /// The kernel in column `at` as one side of a comparison.
    pub(crate) fn side(&self, at: usize, results: &'r Results) -> Option<SavedSide<'_>> {
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
