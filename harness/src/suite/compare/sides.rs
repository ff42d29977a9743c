//! Aligns and explains the accepted paths of a case on several kernels, section by section.

use std::collections::BTreeMap;

use crate::case::CaseName;
use crate::code::CallGraph;
use crate::diff::{
    ExplainedDiff, Knowledge, Matrix, MatrixInput, NamedSymbols, PathDiff, Renames, align, could_be_renamed, explain,
    matrix, point_elsewhere,
};
use crate::kernel::KernelName;
use crate::path::CallPath;
use crate::path::cost::Costs;
use crate::suite::kernel_metadata::KernelMetadata;
use crate::suite::run::test_bed::TestBedError;
use crate::suite::store::path_document::{PathDocumentError, read_document};
use crate::suite::store::snapshot::{SnapshotError, SnapshotKind, Snapshots};

/// Why a case cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    #[error(
        "{case} has no accepted snapshot on {kernel}: run `rxpath run --case {case} --kernel {kernel}` and review it"
    )]
    NoSnapshot { case: CaseName, kernel: KernelName },
    #[error("{file} is not a snapshot of paths")]
    NotPaths {
        file: String,
        #[source]
        source: PathDocumentError,
    },
    #[error("cannot load the symbols of {kernel}")]
    Metadata {
        kernel: KernelName,
        #[source]
        source: Box<TestBedError>,
    },
    #[error(transparent)]
    Damaged(#[from] SnapshotError),
}

impl CompareError {
    /// Whether the request is wrong, as opposed to rxpath or its environment.
    pub(crate) fn is_request(&self) -> bool {
        !matches!(self, Self::Metadata { .. } | Self::Damaged(_))
    }
}

/// One kernel's side of a comparison.
#[derive(Debug)]
pub(crate) struct Side<'m> {
    pub(crate) kernel: KernelName,
    pub(crate) metadata: &'m KernelMetadata,
    /// The calls in the kernel's instructions, if they are known.
    pub(crate) graph: Option<&'m CallGraph>,
    /// The accepted paths, by section.
    pub(crate) sections: Vec<(String, CallPath)>,
    /// The costs of functions, by section, if they were measured.
    pub(crate) costs: BTreeMap<String, Costs>,
}

impl Side<'_> {
    fn symbols(&self) -> NamedSymbols<'_> {
        NamedSymbols { kernel: self.kernel.as_str(), symbols: &self.metadata.symbols, graph: self.graph }
    }
}

/// The changes of one section.
#[derive(Clone, Debug)]
pub(crate) struct SectionDiff {
    /// `receiver.recv`, `softirq`.
    pub name: String,
    pub explained: ExplainedDiff,
}

/// The accepted paths of a case on a kernel, by section.
pub fn accepted(
    snapshots: &Snapshots,
    case: &CaseName,
    kernel: &KernelName,
) -> Result<Vec<(String, CallPath)>, CompareError> {
    let document = snapshots
        .accepted(case, kernel, SnapshotKind::Path)?
        .ok_or_else(|| CompareError::NoSnapshot { case: case.clone(), kernel: kernel.clone() })?;
    let file = snapshots.file(case, kernel, SnapshotKind::Path);
    read_document(&document).map_err(|source| CompareError::NotPaths { file: file.display().to_string(), source })
}

/// Aligns and explains the accepted paths of two kernels. If one side lacks a section, all of its lines are new or gone.
pub(crate) fn compare(old: Side<'_>, new: Side<'_>) -> Vec<SectionDiff> {
    let (old_symbols, new_symbols) = (old.symbols(), new.symbols());
    let plausible = |from: &str, to: &str| could_be_renamed(&old_symbols, &new_symbols, from, to);
    let knowledge = Knowledge { renames: Renames::embedded(), plausible: &plausible };
    let mut names: Vec<String> = old.sections.iter().map(|(name, _)| name.clone()).collect();
    names.extend(
        new.sections
            .iter()
            .map(|(name, _)| name.clone())
            .filter(|name| !old.sections.iter().any(|(known, _)| known == name)),
    );
    let old_paths: BTreeMap<String, CallPath> = old.sections.iter().cloned().collect();
    let new_paths: BTreeMap<String, CallPath> = new.sections.iter().cloned().collect();
    let nothing = CallPath::default();
    let none = Costs::new();
    let (old_costs, new_costs) = (&old.costs, &new.costs);
    let section = |name: String| {
        let sides = (old_paths.get(&name).unwrap_or(&nothing), new_paths.get(&name).unwrap_or(&nothing));
        let diff: PathDiff = align(sides.0, sides.1, &knowledge);
        let costs = [old_costs, new_costs].map(|costs| costs.get(&name).unwrap_or(&none));
        SectionDiff { explained: explain(diff, (&old_symbols, costs[0]), (&new_symbols, costs[1])), name }
    };
    let mut sections: Vec<SectionDiff> = names.into_iter().map(section).collect();
    let mut parts: Vec<(&str, &mut ExplainedDiff)> =
        sections.iter_mut().map(|section| (section.name.as_str(), &mut section.explained)).collect();
    point_elsewhere(&mut parts);
    sections
}

/// Whether one function could have been renamed to another, between two kernels.
type Guess<'s> = Box<dyn Fn(&str, &str) -> bool + 's>;

/// One section of a case on several kernels, given oldest first.
pub(super) fn section_matrix(section: &str, kernels: &[Side<'_>]) -> Matrix {
    let inputs: Vec<MatrixInput> = kernels
        .iter()
        .map(|side| {
            let found = side.sections.iter().find(|(name, _)| name == section).map(|(_, path)| path);
            MatrixInput { kernel: side.kernel.to_string(), path: found }
        })
        .collect();
    let symbols: Vec<NamedSymbols> = kernels.iter().map(Side::symbols).collect();
    let guesses: BTreeMap<(usize, usize), Guess> = (0..symbols.len())
        .flat_map(|before| (before + 1..symbols.len()).map(move |after| (before, after)))
        .map(|(before, after)| {
            let (old, new) = (symbols[before], symbols[after]);
            let guess: Guess = Box::new(move |from, to| could_be_renamed(&old, &new, from, to));
            ((before, after), guess)
        })
        .collect();
    matrix(&inputs, |before, after| Knowledge { renames: Renames::embedded(), plausible: &*guesses[&(before, after)] })
}
