//! What changed of a case between kernels: its accepted snapshots, section by section, with reasons from the symbols.

use std::collections::BTreeMap;

use crate::case::{Case, CaseName};
use crate::diff::{
    ExplainedDiff, Knowledge, Matrix, MatrixInput, NamedSymbols, OperationCost, PathDiff, Renames, TimingLine, align,
    could_be_renamed, explain, matrix, point_elsewhere,
};
use crate::kernel::{Fetched, Kernel, KernelName};
use crate::path::CallPath;
use crate::path::cost::Costs;
use crate::vm::Images;

use crate::suite::judge::observe::read_document;
use crate::suite::judge::timings::Timings;
use crate::suite::kernel_metadata::KernelMetadata;
use crate::suite::run::matrix::Watcher;
use crate::suite::run::test_bed as prepare;
use crate::suite::store::saved::OperationTiming;
use crate::suite::store::snapshot::{SnapshotKind, Snapshots};

/// Why two kernels' snapshots cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// One was never accepted.
    #[error(
        "{case} has no accepted snapshot on {kernel}: run `rxpath run --case {case} --kernel {kernel}` and review it"
    )]
    NoSnapshot { case: CaseName, kernel: KernelName },
    /// One is no path.
    #[error("{file} is no snapshot of paths: {why}")]
    Unreadable {
        /// Which.
        file: String,
        /// Why not.
        why: String,
    },
    /// The timings of one were never accepted.
    #[error(
        "{case} has no accepted timings on {kernel}: run `rxpath run --case {case} --kernel {kernel}` and review them"
    )]
    NoTimings { case: CaseName, kernel: KernelName },
    /// One holds no timings.
    #[error("{file} is no snapshot of timings: {why}")]
    NoSuchTimings {
        /// Which.
        file: String,
        /// Why not.
        why: String,
    },
    /// A kernel's symbols.
    #[error("the symbols of {kernel}: {why}")]
    Facts {
        kernel: KernelName,
        /// Why they cannot be had.
        why: String,
    },
    /// rxpath's own table of renames.
    #[error(transparent)]
    Renames(#[from] crate::path::DataFileError),
}

/// One kernel's side of a comparison.
#[derive(Debug)]
pub struct Side<'f> {
    pub kernel: KernelName,
    /// Its symbols.
    pub facts: &'f KernelMetadata,
    /// Its accepted paths, by section.
    pub sections: Vec<(String, CallPath)>,
    /// What functions take in each section, as far as that was measured.
    pub costs: BTreeMap<String, Costs>,
}

/// One section of a case, compared.
#[derive(Clone, Debug)]
pub struct SectionDiff {
    /// `receiver.recv`, `softirq`.
    pub name: String,
    /// What changed, and why.
    pub explained: ExplainedDiff,
}

/// What changed of a case from one kernel to another.
#[derive(Clone, Debug)]
pub struct CaseDiff {
    pub case: CaseName,
    pub old: KernelName,
    pub new: KernelName,
    /// The paths, section by section; empty if only timings were asked for.
    pub sections: Vec<SectionDiff>,
    /// The timings; `None` if they were not asked for, or not accepted for both kernels.
    pub timings: Option<Vec<TimingLine>>,
}

/// The accepted costs of a case's operations on a kernel.
pub fn accepted_costs(
    snapshots: &Snapshots,
    case: &CaseName,
    kernel: &KernelName,
) -> Result<Vec<(String, OperationCost)>, CompareError> {
    let document = snapshots
        .accepted(case, kernel, SnapshotKind::Timing)
        .ok_or_else(|| CompareError::NoTimings { case: case.clone(), kernel: kernel.clone() })?;
    let timings = Timings::parse(&document).ok_or_else(|| CompareError::NoSuchTimings {
        file: snapshots.file(case, kernel, SnapshotKind::Timing).display().to_string(),
        why: "expected a heading and lines `OPERATION: COST` or `OPERATION: COST on the CPU, N switches`".to_owned(),
    })?;
    let cost = |one: OperationTiming| (one.name, OperationCost { cost: one.cost, switches: one.switches });
    Ok(timings.timings.into_iter().map(cost).collect())
}

/// The accepted paths of a case on a kernel, by section.
pub fn accepted(
    snapshots: &Snapshots,
    case: &CaseName,
    kernel: &KernelName,
) -> Result<Vec<(String, CallPath)>, CompareError> {
    let document = snapshots
        .accepted(case, kernel, SnapshotKind::Path)
        .ok_or_else(|| CompareError::NoSnapshot { case: case.clone(), kernel: kernel.clone() })?;
    let file = snapshots.file(case, kernel, SnapshotKind::Path);
    read_document(&document).map_err(|why| CompareError::Unreadable { file: file.display().to_string(), why })
}

/// The facts of a kernel on the machine a case asks for; boots an image if there is none.
pub fn facts_of(
    case: &Case,
    kernel: &Kernel,
    fetched: &Fetched,
    images: &Images,
    watcher: &dyn Watcher,
) -> Result<KernelMetadata, CompareError> {
    let found = || -> Result<KernelMetadata, Box<dyn std::error::Error>> {
        Ok(KernelMetadata::load(&prepare::image(case, kernel, &fetched.qemu, images, watcher)?)?)
    };
    found().map_err(|why| CompareError::Facts { kernel: kernel.series.into(), why: why.to_string() })
}

/// The old and the new kernel's accepted paths, aligned and explained. A section that one side lacks is all new or all gone.
pub fn compare(old: Side<'_>, new: Side<'_>) -> Result<Vec<SectionDiff>, CompareError> {
    let renames = Renames::embedded()?;
    let old_symbols = NamedSymbols { kernel: old.kernel.as_str(), symbols: &old.facts.symbols };
    let new_symbols = NamedSymbols { kernel: new.kernel.as_str(), symbols: &new.facts.symbols };
    let plausible = |from: &str, to: &str| could_be_renamed(&old_symbols, &new_symbols, from, to);
    let knowledge = Knowledge { renames: &renames, plausible: &plausible };
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
    Ok(sections)
}

/// Whether one function could have been renamed to another, between two kernels.
type Guess<'s> = Box<dyn Fn(&str, &str) -> bool + 's>;

/// One section of a case over kernels, given oldest first.
pub fn section_matrix(section: &str, kernels: &[Side<'_>]) -> Result<Matrix, CompareError> {
    let renames = Renames::embedded()?;
    let inputs: Vec<MatrixInput> = kernels
        .iter()
        .map(|side| {
            let found = side.sections.iter().find(|(name, _)| name == section).map(|(_, path)| path);
            MatrixInput { kernel: side.kernel.to_string(), path: found }
        })
        .collect();
    let symbols: Vec<NamedSymbols> = kernels
        .iter()
        .map(|side| NamedSymbols { kernel: side.kernel.as_str(), symbols: &side.facts.symbols })
        .collect();
    let guesses: BTreeMap<(usize, usize), Guess> = (0..symbols.len())
        .flat_map(|before| (before + 1..symbols.len()).map(move |after| (before, after)))
        .map(|(before, after)| {
            let (old, new) = (symbols[before], symbols[after]);
            let guess: Guess = Box::new(move |from, to| could_be_renamed(&old, &new, from, to));
            ((before, after), guess)
        })
        .collect();
    Ok(matrix(&inputs, |before, after| Knowledge { renames: &renames, plausible: &*guesses[&(before, after)] }))
}
