//! Timings that differ from the accepted ones within the tolerance, named in one sentence for every output.

use std::collections::BTreeMap;

use super::change_words::count;
use crate::path::timing::WIDEST_BAND;
use crate::suite::{CaseResult, Drift, DriftedTiming, Results};

/// The number of timings that the sentence names.
const NAMED: usize = 3;

/// The drifted timings of a run with their results, by movement: the largest first.
pub(crate) fn drifted(results: &Results) -> Vec<(&CaseResult, &DriftedTiming)> {
    let drifts = results.cases.iter().filter_map(|one| Some((one, one.drift.as_ref()?)));
    let mut all: Vec<_> =
        drifts.flat_map(|(one, drift)| drift.timings.iter().map(move |timing| (one, timing))).collect();
    all.sort_by(|(_, one), (_, other)| other.share().abs().total_cmp(&one.share().abs()));
    all
}

/// Counts the drifted timings, and says why the tolerance applies and which moved most. `None` if none drifted.
pub(crate) fn drift_sentence(results: &Results) -> Option<String> {
    let all = drifted(results);
    let (_, largest) = all.first()?;
    let drifts: Vec<&Drift> = results.cases.iter().filter_map(|one| one.drift.as_ref()).collect();
    let named: Vec<String> = all.iter().take(NAMED).map(|(one, timing)| named(one, timing)).collect();
    let more = if all.len() > NAMED { format!(" and {} more", all.len() - NAMED) } else { String::new() };
    Some(format!(
        "{} of {} differ from the accepted ones by at most {:.2} %, within the tolerance of {} %, {}: {}{more}. \
         `rxpath review --refresh` accepts them.",
        count(all.len(), "timing"),
        count(drifts.len(), "pair"),
        largest.share().abs() * 100.0,
        WIDEST_BAND * 100.0,
        because(&drifts),
        named.join(", ")
    ))
}

/// A timing with its movement: `recv/tcp-peek on 6.12 receiver.recv +0.42 %`.
pub(crate) fn named(result: &CaseResult, timing: &DriftedTiming) -> String {
    format!("{} on {} {} {:+.2} %", result.case, result.kernel, timing.name, timing.share() * 100.0)
}

/// Why the tolerance applies, the most frequent reason first.
fn because(drifts: &[&Drift]) -> String {
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for drift in drifts {
        let reason = match &drift.because[..] {
            [] => "it is unknown what the accepted ones were measured with".to_owned(),
            names => format!("the accepted ones were measured with a different {}", names.join(" and ")),
        };
        *reasons.entry(reason).or_default() += 1;
    }
    let mut reasons: Vec<(String, usize)> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, pairs)| std::cmp::Reverse(*pairs));
    match &reasons[..] {
        [(reason, _)] => format!("because {reason}"),
        many => {
            let each = many.iter().map(|(reason, pairs)| format!("{reason} ({})", count(*pairs, "pair")));
            format!("because {}", each.collect::<Vec<_>>().join(", or "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_drift_is_named_first_and_each_reason_with_its_pairs() {
        let mut results = Results {
            against: None,
            version: crate::suite::RESULTS_VERSION,
            kernels: Vec::new(),
            qemu: String::new(),
            mode: "exact".to_owned(),
            cases: Vec::new(),
            functions: Vec::new(),
        };
        assert_eq!(drift_sentence(&results), None);
        let result = |case: &str, because: &[&str], costs: &[(&str, u64)]| {
            let drifted =
                |(name, cost): &(&str, u64)| DriftedTiming { name: (*name).to_owned(), accepted: 1000, cost: *cost };
            let because = because.iter().map(|one| (*one).to_owned()).collect();
            let drift = Some(Drift { because, timings: costs.iter().map(drifted).collect() });
            CaseResult { case: case.into(), kernel: "6.12".into(), drift, ..CaseResult::default() }
        };
        results.cases.push(result("g/one", &["agent"], &[("a.recv", 1001), ("a.send", 996)]));
        assert_eq!(
            drift_sentence(&results).unwrap(),
            "2 timings of 1 pair differ from the accepted ones by at most 0.40 %, within the tolerance of 0.5 %, because the \
             accepted ones were measured with a different agent: g/one on 6.12 a.send -0.40 %, g/one on 6.12 a.recv +0.10 %. \
             `rxpath review --refresh` accepts them."
        );
        results.cases.push(result("g/two", &[], &[("a.recv", 1005)]));
        results.cases.push(result("g/three", &[], &[("a.recv", 1002)]));
        let sentence = drift_sentence(&results).unwrap();
        let reasons = "because it is unknown what the accepted ones were measured with (2 pairs), or the accepted ones were \
                       measured with a different agent (1 pair): g/two on 6.12 a.recv +0.50 %, ";
        assert!(sentence.contains(reasons) && sentence.contains(" and 1 more. "), "{sentence}");
    }
}
