//! Checks that the functions that cases name exist in the kernels that they run on, which only the images of kernels show.

use std::collections::BTreeSet;

use crate::case::{Case, Diagnostic, Gate, KernelFunctions, check_functions};
use crate::kernel::Series;
use crate::path::canonical;
use crate::trace::Presence;

use crate::suite::kernel_metadata::KernelMetadata;

/// A kernel with its metadata.
pub(crate) type Known<'m> = (Series, &'m KernelMetadata);

impl KernelFunctions for Known<'_> {
    fn series(&self) -> Series {
        self.0
    }

    fn has(&self, name: &str) -> bool {
        self.1.presence(name) == Presence::Traceable
    }

    fn names(&self) -> BTreeSet<&str> {
        self.1.symbols.traceable().map(canonical).collect()
    }
}

/// Reports the functions that a case names and these kernels lack.
pub(crate) fn check(case: &Case, kernels: &[Known<'_>]) -> Vec<Diagnostic> {
    check_functions(&checkable(case, kernels), kernels)
}

/// The case reduced to the functions that these kernels can confirm.
///
/// A function that must not be called may be missing in one kernel, so it takes several kernels to judge its name. An
/// alternative (`a or b`) that none of the kernels has is dropped if they have a different one.
fn checkable(case: &Case, kernels: &[Known<'_>]) -> Case {
    let admitted = |gate: &Gate| kernels.iter().any(|(series, _)| gate.admits(*series));
    let mut checked = case.clone();
    checked.expectations.retain(|expectation| admitted(&expectation.gate));
    for expectation in &mut checked.expectations {
        expectation.calls.retain(|call| admitted(&call.gate));
        for call in &mut expectation.calls {
            let known: Vec<String> = call.value.names.iter().filter(|name| is_known(name, kernels)).cloned().collect();
            if !known.is_empty() {
                call.value.names = known;
            }
        }
        expectation.never.retain(|call| kernels.len() > 1 && admitted(&call.gate));
    }
    checked.milestones.retain(|milestone| admitted(&milestone.gate));
    checked
}

fn is_known(name: &str, kernels: &[Known<'_>]) -> bool {
    kernels.iter().any(|kernel| kernel.has(name))
}

/// Whether one kernel confirms all functions that a case names for it.
pub(crate) fn has_all(case: &Case, kernel: &Known<'_>) -> bool {
    let has = |name: &String| kernel.has(name);
    let admits = |gate: &Gate| gate.admits(kernel.0);
    let mut expectations = case.expectations.iter().filter(|expectation| admits(&expectation.gate));
    let has_calls = expectations.all(|expectation| {
        let mut calls = expectation.calls.iter().filter(|call| admits(&call.gate));
        let mut never = expectation.never.iter().filter(|call| admits(&call.gate));
        calls.all(|call| call.value.names.iter().any(has)) && never.all(|call| call.value.names.iter().all(has))
    });
    has_calls && case.milestones.iter().filter(|one| admits(&one.gate)).all(|one| has(&one.value))
}
