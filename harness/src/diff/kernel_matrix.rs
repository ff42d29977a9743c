//! Compares one case across many kernels: which take the same path, and in which kernel each change appeared.

use super::align::{Knowledge, align};
use super::path_diff::{Change, PathDiff};
use crate::path::{CallPath, text};

/// One kernel of a matrix.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MatrixInput<'p> {
    pub(crate) kernel: String,
    /// `None` if the kernel has no steady path.
    pub(crate) path: Option<&'p CallPath>,
}

/// One case across many kernels.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Matrix {
    /// Sorted by version.
    pub(crate) kernels: Vec<String>,
    /// The distinct paths, in order of their first kernel: each with the indices of the kernels that take it.
    pub(crate) classes: Vec<Vec<usize>>,
    pub(crate) changes: Vec<MatrixChange>,
}

/// A change of the path between two neighbouring kernels, not counting kernels without a path.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MatrixChange {
    /// Index of the last kernel with the earlier path.
    pub(crate) before: usize,
    /// Index of the first kernel with the later path.
    pub(crate) after: usize,
    /// Both paths aligned; the earlier one is the old side.
    pub(crate) diff: PathDiff,
    /// The first changed lines, each function once: the change, and the function's name or the mark.
    pub(crate) first_changed: Vec<(Change, String)>,
}

/// How many changed functions a matrix names for each change.
const FIRST_CHANGED: usize = 5;

/// Groups kernels by their path. The kernels must be sorted by version. `knowledge` gets the indices of each pair of
/// neighbours that differ.
pub(crate) fn matrix<'k>(inputs: &[MatrixInput], knowledge: impl Fn(usize, usize) -> Knowledge<'k>) -> Matrix {
    let with_path: Vec<(usize, &CallPath)> =
        inputs.iter().enumerate().filter_map(|(index, input)| Some((index, input.path?))).collect();
    let mut classes: Vec<Vec<usize>> = Vec::new();
    for (index, path) in &with_path {
        match classes.iter_mut().find(|class| inputs[class[0]].path == Some(*path)) {
            Some(class) => class.push(*index),
            None => classes.push(vec![*index]),
        }
    }
    let pairs = with_path.windows(2).filter(|pair| pair[0].1 != pair[1].1);
    let change = |pair: &[(usize, &CallPath)]| {
        let ((before, old), (after, new)) = (pair[0], pair[1]);
        let diff = align(old, new, &knowledge(before, after));
        MatrixChange { before, after, first_changed: first_changed(&diff), diff }
    };
    let changes = pairs.map(change).collect();
    Matrix { kernels: inputs.iter().map(|input| input.kernel.clone()).collect(), classes, changes }
}

fn first_changed(diff: &PathDiff) -> Vec<(Change, String)> {
    let mut first: Vec<(Change, String)> = Vec::new();
    for line in diff.changes() {
        let Some(node) = line.node() else { continue };
        let name = text::entry(&node.entry);
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
    fn kernels_are_grouped_by_path_and_each_change_has_its_neighbours() {
        let (a, b) = (parse("f\n  g\n  h\n").unwrap(), parse("f\n  level\n    g\n  h\n").unwrap());
        let input = |kernel: &str, path| MatrixInput { kernel: kernel.to_owned(), path };
        let inputs = [
            input("5.10", Some(&a)),
            input("6.1", Some(&a)),
            input("6.12", None),
            input("6.18", Some(&b)),
            input("7.2", Some(&a)),
        ];
        let renames = Renames::default();
        let matrix = matrix(&inputs, |_, _| Knowledge { renames: &renames, plausible: &|_, _| true });
        assert_eq!(matrix.classes, [vec![0, 1, 4], vec![3]]);
        let changes: Vec<_> = matrix.changes.iter().map(|change| (change.before, change.after)).collect();
        assert_eq!(changes, [(1, 3), (3, 4)]);
        assert_eq!(matrix.changes[0].first_changed, [(Change::SplicedIn, "level".to_owned())]);
        assert_eq!(matrix.changes[1].first_changed, [(Change::SplicedOut, "level".to_owned())]);
    }

    #[test]
    fn no_kernels_make_an_empty_matrix() {
        let renames = Renames::default();
        let matrix = matrix(&[], |_, _| Knowledge { renames: &renames, plausible: &|_, _| true });
        assert!(matrix.kernels.is_empty() && matrix.classes.is_empty() && matrix.changes.is_empty());
    }
}
