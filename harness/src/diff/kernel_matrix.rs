//! One case over many kernels: which take the same path, and where along the versions each change came in.

use super::align::{Knowledge, align};
use super::model::{Change, PathDiff};
use crate::path::CallPath;
use crate::path::timing::Summary;

/// What one kernel contributes to a matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct MatrixInput<'p> {
    /// The kernel's name.
    pub kernel: String,
    /// Its steady path, or why there is none.
    pub path: Result<&'p CallPath, String>,
    /// What the case's operation takes.
    pub timing: Option<Summary>,
}

/// One case over many kernels.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    /// In the order given: by version.
    pub kernels: Vec<MatrixKernel>,
    /// The distinct paths, in order of their first kernel; each with the indices of the kernels that take it.
    pub classes: Vec<Vec<usize>>,
    /// Where the path changed.
    pub changes: Vec<MatrixChange>,
}

/// One kernel of a matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct MatrixKernel {
    /// Its name.
    pub kernel: String,
    /// Index of its class, or why it has none.
    pub class: Result<usize, String>,
    /// What the case's operation takes.
    pub timing: Option<Summary>,
    /// The median's difference from the last kernel before that has a timing.
    pub timing_change: Option<i64>,
}

/// A change of the path between two kernels next to each other (apart from those that have no path).
#[derive(Clone, Debug, PartialEq)]
pub struct MatrixChange {
    /// Index of the last kernel with the earlier path.
    pub before: usize,
    /// Index of the first kernel with the later path.
    pub after: usize,
    /// Kernels between the two that have no path: the change may have come in with any of them.
    pub unknown_between: Vec<usize>,
    /// Index of the class, if a path returns that an earlier kernel had already.
    pub returns_to: Option<usize>,
    /// Both paths aligned, the earlier one as the old side.
    pub diff: PathDiff,
    /// The first lines that changed, in order, each function once: what changed it, and its name or mark.
    pub first_changed: Vec<(Change, String)>,
}

/// How many changed functions a matrix names for each change.
pub const FIRST_CHANGED: usize = 5;

/// Groups kernels, given in the order of their versions, by their path. `knowledge` is asked for each pair of neighbours
/// that differ, by their indices.
pub fn matrix<'k>(inputs: &[MatrixInput], knowledge: impl Fn(usize, usize) -> Knowledge<'k>) -> Matrix {
    let mut classes: Vec<Vec<usize>> = Vec::new();
    let mut kernels = Vec::with_capacity(inputs.len());
    let mut last_median = None;
    for (index, input) in inputs.iter().enumerate() {
        let class = input.path.clone().map(|path| {
            let known = classes.iter().position(|class| inputs[class[0]].path.as_ref() == Ok(&path));
            match known {
                Some(class) => {
                    classes[class].push(index);
                    class
                }
                None => {
                    classes.push(vec![index]);
                    classes.len() - 1
                }
            }
        });
        let median = input.timing.map(|timing| timing.median);
        let timing_change =
            median.zip(last_median).and_then(|(now, before)| i64::try_from(i128::from(now) - i128::from(before)).ok());
        last_median = median.or(last_median);
        kernels.push(MatrixKernel { kernel: input.kernel.clone(), class, timing: input.timing, timing_change });
    }
    let changes = changes(inputs, &kernels, knowledge);
    Matrix { kernels, classes, changes }
}

fn changes<'k>(
    inputs: &[MatrixInput],
    kernels: &[MatrixKernel],
    knowledge: impl Fn(usize, usize) -> Knowledge<'k>,
) -> Vec<MatrixChange> {
    let known: Vec<(usize, usize, &CallPath)> = inputs
        .iter()
        .zip(kernels)
        .enumerate()
        .filter_map(|(index, (input, kernel))| match (&kernel.class, &input.path) {
            (Ok(class), Ok(path)) => Some((index, *class, *path)),
            _ => None,
        })
        .collect();
    let pairs = known.windows(2).filter(|pair| pair[0].1 != pair[1].1);
    pairs
        .map(|pair| {
            let ((before, _, old), (after, class, new)) = (pair[0], pair[1]);
            let diff = align(old, new, &knowledge(before, after));
            let seen_before = known.iter().any(|(index, known, _)| *index <= before && *known == class);
            MatrixChange {
                before,
                after,
                unknown_between: (before + 1..after).collect(),
                returns_to: seen_before.then_some(class),
                first_changed: first_changed(&diff),
                diff,
            }
        })
        .collect()
}

fn first_changed(diff: &PathDiff) -> Vec<(Change, String)> {
    let mut first: Vec<(Change, String)> = Vec::new();
    for line in diff.changes() {
        let Some(node) = line.node() else { continue };
        let name = crate::path::text::step(&node.what);
        if !first.iter().any(|(_, known)| *known == name) {
            first.push((line.change.clone(), name));
        }
        if first.len() == FIRST_CHANGED {
            break;
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::Renames;
    use crate::path::text::parse;

    #[test]
    fn kernels_group_by_path_and_each_change_has_its_neighbours() {
        let (a, b) = (parse("f\n  g\n  h\n").unwrap(), parse("f\n  level\n    g\n  h\n").unwrap());
        let input = |kernel: &str, path, median: Option<u64>| MatrixInput {
            kernel: kernel.to_owned(),
            path,
            timing: median.and_then(|median| Summary::of(&[median])),
        };
        let inputs = [
            input("5.10", Ok(&a), Some(100)),
            input("6.1", Ok(&a), None),
            input("6.12", Err("lost events".to_owned()), None),
            input("6.18", Ok(&b), Some(130)),
            input("7.2", Ok(&a), Some(120)),
        ];
        let renames = Renames::default();
        let matrix = matrix(&inputs, |_, _| Knowledge { renames: &renames, plausible: &|_, _| true });
        assert_eq!(matrix.classes, [vec![0, 1, 4], vec![3]]);
        let classes: Vec<_> = matrix.kernels.iter().map(|kernel| kernel.class.clone().ok()).collect();
        assert_eq!(classes, [Some(0), Some(0), None, Some(1), Some(0)]);
        let timing: Vec<_> = matrix.kernels.iter().map(|kernel| kernel.timing_change).collect();
        assert_eq!(timing, [None, None, None, Some(30), Some(-10)]);
        let changes: Vec<_> =
            matrix.changes.iter().map(|c| (c.before, c.after, c.returns_to, c.unknown_between.clone())).collect();
        assert_eq!(changes, [(1, 3, None, vec![2]), (3, 4, Some(0), vec![])]);
        assert_eq!(matrix.changes[0].first_changed, [(Change::SplicedIn, "level".to_owned())]);
        assert_eq!(matrix.changes[1].first_changed, [(Change::SplicedOut, "level".to_owned())]);
    }

    #[test]
    fn no_kernel_makes_an_empty_matrix() {
        let renames = Renames::default();
        let matrix = matrix(&[], |_, _| Knowledge { renames: &renames, plausible: &|_, _| true });
        assert!(matrix.kernels.is_empty() && matrix.classes.is_empty() && matrix.changes.is_empty());
    }
}
