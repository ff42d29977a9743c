//! Whether the functions that a case names are functions of the kernels it runs on.

use std::collections::BTreeSet;

use super::case::{Case, Gated};
use super::diagnostic::Diagnostic;
use super::gate::Gate;
use super::phrases::CallPhrase;
use crate::kernel::Series;
use crate::nearest::{any_of, nearest};

/// The functions of one kernel that can be traced, by their canonical names.
#[derive(Clone, Copy, Debug)]
pub struct KernelFunctions<'a> {
    /// Which kernel.
    pub series: Series,
    /// Canonical names: without `.isra.0` and the like.
    pub names: &'a BTreeSet<String>,
}

/// Functions that no kernel has, and functions demanded of a kernel that does not have them (or inlines them).
pub fn check_functions(case: &Case, kernels: &[KernelFunctions<'_>]) -> Vec<Diagnostic> {
    let kernels: Vec<_> = kernels.iter().copied().filter(|kernel| case.kernels.admits(kernel.series)).collect();
    let mut out = Vec::new();
    if kernels.is_empty() {
        return out;
    }
    for expectation in &case.expectations {
        for call in &expectation.calls {
            check_call(call, &expectation.gate, &kernels, true, &mut out);
        }
        for never in &expectation.never {
            check_call(never, &expectation.gate, &kernels, false, &mut out);
        }
    }
    for milestone in &case.milestones {
        let value = CallPhrase { names: vec![milestone.value.clone()], times: None };
        let call = Gated { gate: milestone.gate.clone(), value, at: milestone.at.clone() };
        check_call(&call, &Gate::default(), &kernels, true, &mut out);
    }
    out
}

fn check_call(
    call: &Gated<CallPhrase>,
    outer: &Gate,
    kernels: &[KernelFunctions<'_>],
    demanded: bool,
    out: &mut Vec<Diagnostic>,
) {
    let mut all_known = true;
    for name in &call.value.names {
        if !kernels.iter().any(|kernel| kernel.names.contains(name)) {
            all_known = false;
            out.push(unknown(call, name, kernels));
        }
    }
    if !all_known || !demanded || call.value.times.is_some_and(|times| times.holds(0)) {
        return;
    }
    let admitted = kernels.iter().filter(|kernel| call.gate.admits(kernel.series) && outer.admits(kernel.series));
    let lacks = |kernel: &&KernelFunctions<'_>| !call.value.names.iter().any(|name| kernel.names.contains(name));
    let lacking: Vec<_> = admitted.filter(lacks).map(|kernel| kernel.series).collect();
    if !lacking.is_empty() {
        out.push(absent(call, &lacking, kernels));
    }
}

fn unknown(call: &Gated<CallPhrase>, name: &str, kernels: &[KernelFunctions<'_>]) -> Diagnostic {
    let names: BTreeSet<&str> = kernels.iter().flat_map(|kernel| kernel.names.iter().map(String::as_str)).collect();
    let near = nearest(name, names);
    let help =
        if near.is_empty() { None } else { Some(format!("the nearest traceable functions are {}", any_of(near))) };
    Diagnostic {
        at: within(call, name),
        message: format!("no kernel has a traceable function `{name}`"),
        label: "unknown, or inlined everywhere".to_owned(),
        help,
    }
}

fn absent(call: &Gated<CallPhrase>, lacking: &[Series], kernels: &[KernelFunctions<'_>]) -> Diagnostic {
    let has = |kernel: &&KernelFunctions<'_>| call.value.names.iter().any(|name| kernel.names.contains(name));
    let words =
        |series: &mut dyn Iterator<Item = Series>| series.map(|one| one.to_string()).collect::<Vec<_>>().join(", ");
    let there = words(&mut kernels.iter().filter(has).map(|kernel| kernel.series));
    let name = any_of(call.value.names.iter().map(String::as_str));
    Diagnostic {
        at: call.at.clone(),
        message: format!("{name} cannot be traced on {}", words(&mut lacking.iter().copied())),
        label: "absent or inlined there".to_owned(),
        help: Some(format!("it is there on {there}: say so with `since`, `before` or `only`")),
    }
}

/// The part of the phrase that is this name.
fn within(call: &Gated<CallPhrase>, name: &str) -> super::diagnostic::Location {
    let mut at = call.at.clone();
    if let Some(from) = at.source.text[at.span.clone()].find(name) {
        at.span = at.span.start + from..at.span.start + from + name.len();
    }
    at
}
