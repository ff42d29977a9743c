//! Bounds on costs, which may compare a case with a different one.

use super::case::Case;
use super::diagnostic::{Diagnostic, Diagnostics};
use super::expectation::{Expectation, Failure};
use crate::nearest::suggestion;

/// A bound on a cost that does not hold, or cannot be checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CostFailure {
    /// The cost is out of bounds.
    OutOfBounds(Failure),
    /// One of the two costs was not measured.
    Unknown(Failure),
}

/// The cost bounds of `expectations` that do not hold. `cost` gives the cost of an operation (`receiver.recv`) of a
/// case.
pub(crate) fn evaluate_costs(
    case: &Case,
    expectations: &[Expectation],
    cost: impl Fn(&str, &str) -> Option<f64>,
) -> Vec<CostFailure> {
    let mut out = Vec::new();
    for expectation in expectations {
        let operation = case.context_name(&expectation.context);
        for bound in &expectation.costs {
            let failure = |message| Failure {
                context: operation.clone(),
                at: bound.at.clone(),
                message,
                in_all_iterations: true,
            };
            let Some(found) = cost(&case.name, &operation) else {
                out.push(CostFailure::Unknown(failure(format!("the cost of {operation} was not measured"))));
                continue;
            };
            let amount = bound.value.amount;
            let (limit, words) = match &bound.value.other {
                None => (amount, format!("{amount} instructions")),
                Some((other, step)) => {
                    let step = step.as_deref().unwrap_or(&operation);
                    let Some(theirs) = cost(other, step) else {
                        let message =
                            format!("the cost of {step} in {other}, which it is compared with, was not measured");
                        out.push(CostFailure::Unknown(failure(message)));
                        continue;
                    };
                    (theirs * amount, format!("{amount} × {other} ({theirs:.0})"))
                }
            };
            let (which, holds) =
                if bound.value.at_most { ("at most", found <= limit) } else { ("at least", found >= limit) };
            if !holds {
                let message = format!("expected it to cost {which} {words}, found {found:.0} instructions");
                out.push(CostFailure::OutOfBounds(failure(message)));
            }
        }
    }
    out
}

/// Reports cost bounds that name a case or an operation that does not exist.
pub(crate) fn check_references(cases: &[Case]) -> Result<(), Diagnostics> {
    let mut wrong = Vec::new();
    for case in cases {
        for expectation in &case.expectations {
            for cost in &expectation.costs {
                let Some((other, step)) = &cost.value.other else { continue };
                let step = step.clone().unwrap_or_else(|| case.context_name(&expectation.context));
                if let Some((message, help)) = check_reference(cases, other, &step) {
                    let label = "nothing to compare with".to_owned();
                    wrong.push(Diagnostic { at: cost.at.clone(), message, label, help });
                }
            }
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(Diagnostics::new(wrong)) }
}

/// The error and its help if `step` is not an operation of the case `other`.
fn check_reference(cases: &[Case], other: &str, step: &str) -> Option<(String, Option<String>)> {
    let Some(found) = cases.iter().find(|case| case.name == other) else {
        let help = suggestion(other, cases.iter().map(|case| case.name.as_str()));
        return Some((format!("there is no case `{other}`"), help));
    };
    let steps = found
        .actors
        .iter()
        .flat_map(|actor| actor.steps.iter().map(move |step| format!("{}.{}", actor.name, step.name)));
    let steps: Vec<String> = steps.collect();
    if steps.iter().any(|known| known == step) {
        return None;
    }
    let help = suggestion(step, steps.iter().map(String::as_str));
    Some((format!("`{other}` has no operation `{step}`"), help))
}
