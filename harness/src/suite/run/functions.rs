//! Whether the functions that cases name are functions of the kernels they run on; only booted kernels can say.

use std::collections::BTreeSet;

use crate::case::{Case, Diagnostic, Diagnostics, KernelFunctions, check_functions};
use crate::kernel::Series;
use crate::path::canonical;
use crate::trace::Presence;

use crate::suite::kernel_metadata::KernelMetadata;

/// Everything that is wrong with the functions that these cases name, on these kernels (each case with its own).
pub(crate) fn check<'f>(
    cases: &[&Case],
    kernels_of: impl Fn(&Case) -> Vec<(Series, &'f KernelMetadata)>,
) -> Result<(), Diagnostics> {
    let mut wrong = Vec::new();
    for case in cases {
        let kernels = kernels_of(case);
        let asked = what_is_asked(case, &kernels);
        if !all_there(&asked, &kernels) {
            wrong.extend(explain(&asked, &kernels));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(Diagnostics::new(wrong)) }
}

/// The case with only what it says of these kernels. A function that must not be called may well be missing on one kernel:
/// a single one says nothing of its name. Nor do the chosen kernels say anything of an alternative (`a or b`) that none
/// of them has, as long as they have another of it.
fn what_is_asked(case: &Case, kernels: &[(Series, &KernelMetadata)]) -> Case {
    let admitted = |gate: &crate::case::Gate| kernels.iter().any(|(series, _)| gate.admits(*series));
    let mut asked = case.clone();
    asked.expectations.retain(|expectation| admitted(&expectation.gate));
    for expectation in &mut asked.expectations {
        expectation.calls.retain(|call| admitted(&call.gate));
        for call in &mut expectation.calls {
            let known: Vec<String> = call.value.names.iter().filter(|name| is_known(name, kernels)).cloned().collect();
            if !known.is_empty() {
                call.value.names = known;
            }
        }
        expectation.never.retain(|call| kernels.len() > 1 && admitted(&call.gate));
    }
    asked.milestones.retain(|milestone| admitted(&milestone.gate));
    asked
}

fn is_known(name: &str, kernels: &[(Series, &KernelMetadata)]) -> bool {
    kernels.iter().any(|(_, facts)| facts.presence(name) == Presence::Traceable)
}

/// The quick look that nearly always suffices: no list of 45,000 names is made for it.
fn all_there(case: &Case, kernels: &[(Series, &KernelMetadata)]) -> bool {
    let there = |name: &str| kernels.iter().filter(|(_, facts)| facts.presence(name) == Presence::Traceable).count();
    case.functions().all(|function| {
        let admitting = kernels.iter().filter(|(series, _)| function.gate.admits(*series)).count();
        there(function.value) >= admitting.max(1)
    })
}

fn explain(case: &Case, kernels: &[(Series, &KernelMetadata)]) -> Vec<Diagnostic> {
    let names: Vec<BTreeSet<String>> = kernels
        .iter()
        .map(|(_, facts)| facts.symbols.traceable().map(|name| canonical(name).to_owned()).collect())
        .collect();
    let lists = kernels.iter().zip(&names).map(|((series, _), names)| KernelFunctions { series: *series, names });
    check_functions(case, &lists.collect::<Vec<_>>())
}
