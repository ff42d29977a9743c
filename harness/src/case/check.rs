//! Checks that the kernels a case runs on have the functions that it names.

use std::collections::BTreeSet;

use super::case::Case;
use super::diagnostic::{Diagnostic, Location};
use super::gate::{Gate, Gated};
use super::phrases::CallPhrase;
use crate::kernel::Series;
use crate::nearest::{any_of, nearest};

/// The functions of one kernel that can be traced, by their canonical names, without suffixes such as `.isra.0`.
pub trait KernelFunctions {
    fn series(&self) -> Series;
    fn has(&self, name: &str) -> bool;
    /// All of them; listing them takes longer than looking up a few.
    fn names(&self) -> BTreeSet<&str>;
}

/// Reports functions that none of the kernels has, and functions that must be called on a kernel that lacks or inlines
/// them.
pub fn check_functions<K: KernelFunctions>(case: &Case, kernels: &[K]) -> Vec<Diagnostic> {
    let kernels: Vec<_> = kernels.iter().filter(|kernel| case.kernels.admits(kernel.series())).collect();
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

fn check_call<K: KernelFunctions>(
    call: &Gated<CallPhrase>,
    outer: &Gate,
    kernels: &[&K],
    is_required: bool,
    out: &mut Vec<Diagnostic>,
) {
    let mut all_known = true;
    for name in &call.value.names {
        if !kernels.iter().any(|kernel| kernel.has(name)) {
            all_known = false;
            out.push(unknown(call, name, kernels));
        }
    }
    if !all_known || !is_required || call.value.times.is_some_and(|times| times.holds(0)) {
        return;
    }
    let admitted = kernels.iter().filter(|kernel| call.gate.admits(kernel.series()) && outer.admits(kernel.series()));
    let lacks = |kernel: &&&K| !call.value.names.iter().any(|name| kernel.has(name));
    let lacking: Vec<_> = admitted.filter(lacks).map(|kernel| kernel.series()).collect();
    if !lacking.is_empty() {
        out.push(absent(call, &lacking, kernels));
    }
}

fn unknown<K: KernelFunctions>(call: &Gated<CallPhrase>, name: &str, kernels: &[&K]) -> Diagnostic {
    let names: BTreeSet<&str> = kernels.iter().flat_map(|kernel| kernel.names()).collect();
    let near = nearest(name, names);
    let help = if near.is_empty() { None } else { Some(format!("the nearest traceable functions: {}", any_of(near))) };
    Diagnostic {
        at: within(call, name),
        message: format!("no kernel has a traceable function `{name}`"),
        label: "unknown, or inlined everywhere".to_owned(),
        help,
    }
}

fn absent<K: KernelFunctions>(call: &Gated<CallPhrase>, lacking: &[Series], kernels: &[&K]) -> Diagnostic {
    let has = |kernel: &&&K| call.value.names.iter().any(|name| kernel.has(name));
    let words =
        |series: &mut dyn Iterator<Item = Series>| series.map(|one| one.to_string()).collect::<Vec<_>>().join(", ");
    let there = words(&mut kernels.iter().filter(has).map(|kernel| kernel.series()));
    let name = any_of(call.value.names.iter().map(String::as_str));
    Diagnostic {
        at: call.at.clone(),
        message: format!("{name} cannot be traced on {}", words(&mut lacking.iter().copied())),
        label: "absent or inlined there".to_owned(),
        help: Some(format!("it can be traced on {there}: limit it to them with `since`, `before` or `only`")),
    }
}

/// The location of this name in the phrase.
fn within(call: &Gated<CallPhrase>, name: &str) -> Location {
    let mut at = call.at.clone();
    if let Some(from) = at.source.text[at.span.clone()].find(name) {
        at.span = at.span.start + from..at.span.start + from + name.len();
    }
    at
}
