//! Checks that the functions that cases name exist in the kernels that they run on, which only the images of kernels show.

use std::collections::BTreeSet;

use crate::case::{Case, Diagnostic, KernelFunctions, check_functions};
use crate::kernel::Series;
use crate::path::canonical;
use crate::trace::Presence;

use crate::suite::kernel_metadata::KernelMetadata;

/// Reports the functions that a case names and these kernels lack.
pub(crate) fn check(case: &Case, kernels: &[(Series, &KernelMetadata)]) -> Vec<Diagnostic> {
    let checked = checkable(case, kernels);
    if all_there(&checked, kernels) { Vec::new() } else { explain(&checked, kernels) }
}

/// The case reduced to the functions that these kernels can confirm.
///
/// A function that must not be called may be missing in one kernel, so it takes several kernels to judge its name. An
/// alternative (`a or b`) that none of the kernels has is dropped if they have a different one.
fn checkable(case: &Case, kernels: &[(Series, &KernelMetadata)]) -> Case {
    let admitted = |gate: &crate::case::Gate| kernels.iter().any(|(series, _)| gate.admits(*series));
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

fn is_known(name: &str, kernels: &[(Series, &KernelMetadata)]) -> bool {
    kernels.iter().any(|(_, metadata)| metadata.presence(name) == Presence::Traceable)
}

/// A quick check that nearly always suffices, without listing 45,000 names.
fn all_there(case: &Case, kernels: &[(Series, &KernelMetadata)]) -> bool {
    let there =
        |name: &str| kernels.iter().filter(|(_, metadata)| metadata.presence(name) == Presence::Traceable).count();
    case.functions().all(|function| {
        let admitting = kernels.iter().filter(|(series, _)| function.gate.admits(*series)).count();
        there(function.value) >= admitting.max(1)
    })
}

fn explain(case: &Case, kernels: &[(Series, &KernelMetadata)]) -> Vec<Diagnostic> {
    let names: Vec<BTreeSet<String>> = kernels
        .iter()
        .map(|(_, metadata)| metadata.symbols.traceable().map(|name| canonical(name).to_owned()).collect())
        .collect();
    let lists = kernels.iter().zip(&names).map(|((series, _), names)| KernelFunctions { series: *series, names });
    check_functions(case, &lists.collect::<Vec<_>>())
}
