//! Judges the cost bounds of cases, which may refer to other cases: so only when all cases have run.

use crate::case::{Case, CostFailure, Failure, evaluate_costs};
use crate::kernel::{Kernel, KernelName, Series};
use crate::suite::store::run_results::{CaseResult, Problem, Verdict};

/// Checks the cost bounds of a case on a kernel, given all results of the run.
pub(crate) fn judge_costs(case: &Case, kernel: &Kernel, results: &mut [CaseResult]) {
    let (series, kernel) = (kernel.series, kernel.name());
    let failures = cost_failures(case, series, &kernel, results);
    let Some(result) = results.iter_mut().find(|one| one.case == case.name && one.kernel == kernel) else { return };
    for failure in failures {
        match failure {
            CostFailure::OutOfBounds(Failure { context, at, message, .. }) => {
                result.downgrade(Verdict::Failed, Problem::new(context, format!("{at}: {message}")));
            }
            CostFailure::Unknown(Failure { context, message, .. }) => {
                result.notes.push(format!("{context}: not judged: {message}"));
            }
        }
    }
}

fn cost_failures(case: &Case, series: Series, kernel: &KernelName, results: &[CaseResult]) -> Vec<CostFailure> {
    let expectations: Vec<_> = case.expectations.iter().filter_map(|one| one.on(series)).collect();
    evaluate_costs(case, &expectations, |case: &str, operation: &str| {
        let result = results.iter().find(|one| one.case == *case && one.kernel == *kernel)?;
        result.timing(operation).map(|timing| timing.cost as f64)
    })
}
