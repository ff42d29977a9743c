//! Results of version 1, which had timings as four lists by name and kernels as triples.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::kernel::KernelName;
use crate::suite::store::run_results::{CaseResult, RESULTS_VERSION, Results, RunKernel};
use crate::suite::store::saved::{OperationTiming, SavedFunctions, TimingSummary};

#[derive(Deserialize)]
pub(crate) struct ResultsV1 {
    /// Name, exact version, and whether it is not the locked one.
    kernels: Vec<(KernelName, String, bool)>,
    qemu: String,
    mode: String,
    cases: Vec<CaseResultV1>,
    #[serde(default)]
    functions: Vec<SavedFunctions>,
}

#[derive(Deserialize)]
struct CaseResultV1 {
    costs: Vec<(String, u64)>,
    #[serde(default)]
    switches: Vec<(String, u32)>,
    #[serde(default)]
    accepted_costs: Vec<(String, u64)>,
    #[serde(default)]
    timings: Vec<NamedSummary>,
    /// What both versions have in common. `timings` is taken by the field above.
    #[serde(flatten)]
    common: CaseResult,
}

/// The summary of an operation's samples. Its median is among the costs.
#[derive(Deserialize)]
struct NamedSummary {
    name: String,
    #[serde(flatten)]
    summary: TimingSummary,
}

impl From<ResultsV1> for Results {
    fn from(old: ResultsV1) -> Self {
        let ResultsV1 { kernels, qemu, mode, cases, functions } = old;
        let kernels = kernels.into_iter().map(|(name, version, unlocked)| RunKernel {
            name,
            version,
            unlocked,
            options: BTreeMap::new(),
        });
        Self {
            version: RESULTS_VERSION,
            kernels: kernels.collect(),
            qemu,
            mode,
            cases: cases.into_iter().map(CaseResult::from).collect(),
            functions,
            against: None,
        }
    }
}

impl From<CaseResultV1> for CaseResult {
    fn from(old: CaseResultV1) -> Self {
        let CaseResultV1 { costs, switches, accepted_costs, timings, common } = old;
        let timing = |(name, cost): (String, u64)| OperationTiming {
            switches: value_of(&switches, &name).unwrap_or_default(),
            accepted: value_of(&accepted_costs, &name),
            summary: timings.iter().find(|timing| timing.name == name).map(|timing| timing.summary),
            name,
            cost,
        };
        Self { timings: costs.into_iter().map(timing).collect(), ..common }
    }
}

fn value_of<T: Copy>(list: &[(String, T)], name: &str) -> Option<T> {
    list.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_lists_of_timings_become_one() {
        let text = r#"{
            "case": "a/b", "kernel": "6.12", "verdict": "changed", "problems": [], "notes": [], "capture_digest": "",
            "timing_digest": "", "took_ms": 1, "costs": [["x.recv", 5], ["x.send", 7]], "switches": [["x.recv", 1]],
            "accepted_costs": [["x.send", 6], ["gone", 1]],
            "timings": [{"name": "x.recv", "count": 32, "min": 4, "median": 5, "p90": 6, "max": 9}]
        }"#;
        let result = CaseResult::from(serde_json::from_str::<CaseResultV1>(text).unwrap());
        let summary = Some(TimingSummary { count: 32, min: 4, p90: 6, max: 9 });
        let recv = OperationTiming { name: "x.recv".to_owned(), cost: 5, switches: 1, accepted: None, summary };
        let send =
            OperationTiming { name: "x.send".to_owned(), cost: 7, switches: 0, accepted: Some(6), summary: None };
        assert_eq!((result.kernel.as_str(), result.timings), ("6.12", vec![recv, send]));
    }
}
