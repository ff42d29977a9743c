//! Compares the kernels of a run with one of them, or with the saved results of a kernel (`--against`).

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::kernel::KernelName;
use crate::kernel::config::Config;
use crate::suite::judge::snapshot_check::{difference, note_accepted_costs};
use crate::suite::judge::timings::{TimingComparison, Timings};
use crate::suite::store::path_document::write_document;
use crate::suite::store::results_file::ResultsError;
use crate::suite::store::run_results::{CaseResult, Results, Verdict};
use crate::suite::store::saved::{DriftedTiming, SavedPath};
use crate::vm::Accelerator;

/// Compares each case on each kernel with what it showed on `reference`. What differs is changed; what was new passes if
/// nothing does.
pub(crate) fn compare_against(results: &mut Results, reference: &KernelName) {
    let (theirs, others): (Vec<&mut CaseResult>, Vec<_>) =
        results.cases.iter_mut().partition(|one| one.kernel == *reference);
    let theirs: Vec<&CaseResult> = theirs.into_iter().map(|one| &*one).collect();
    compare_all(others, &theirs, reference);
    results.against = Some(reference.to_string());
}

/// The saved results of one kernel.
#[derive(Debug)]
pub(crate) struct SavedReference {
    file: String,
    results: Results,
    label: String,
}

impl SavedReference {
    /// Reads the file of this name if it holds JSON, which no kernel does.
    pub(crate) fn find(named: &str) -> Option<Result<Self, ResultsError>> {
        let mut start = [0];
        let is_json = File::open(named).and_then(|mut file| file.read_exact(&mut start)).is_ok() && start == *b"{";
        is_json.then(|| Self::load(named))
    }

    fn load(file: &str) -> Result<Self, ResultsError> {
        let results = Results::load(Path::new(file))?;
        let [kernel] = &results.kernels[..] else {
            let kernels: Vec<&str> = results.kernels.iter().map(|kernel| kernel.name.as_str()).collect();
            return Err(ResultsError::NotOneKernel { file: file.to_owned(), kernels: kernels.join(", ") });
        };
        let label = format!("{} in {file}", kernel.name);
        Ok(Self { file: file.to_owned(), label, results })
    }

    /// Checks that the results are of this mode: instructions and nanoseconds cannot be compared.
    pub(crate) fn check_mode(&self, accelerator: Accelerator) -> Result<(), ResultsError> {
        if self.results.mode == accelerator.word() {
            return Ok(());
        }
        let (file, found) = (self.file.clone(), self.results.mode.clone());
        Err(ResultsError::OtherMode { file, found, mode: accelerator.word() })
    }

    /// The kernel and the file, for messages.
    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    pub(crate) fn results(&self) -> &Results {
        &self.results
    }

    /// The options of the kernel that change what every function costs, if they are known.
    pub(crate) fn options(&self) -> Option<Config> {
        let options = self.results.kernels.first().map(|kernel| kernel.options.clone());
        options.filter(|options| !options.is_empty()).map(Config::from)
    }

    /// Compares each case on each kernel with what it showed then, as [`compare_against`].
    pub(crate) fn compare(&self, results: &mut Results) {
        let theirs: Vec<&CaseResult> = self.results.cases.iter().collect();
        compare_all(results.cases.iter_mut().collect(), &theirs, &self.label);
        results.against = Some(self.label.clone());
    }
}

fn compare_all(results: Vec<&mut CaseResult>, before: &[&CaseResult], label: &str) {
    for result in results.into_iter().filter(|one| is_comparable(one)) {
        match before.iter().find(|one| one.case == result.case).filter(|one| is_comparable(one)) {
            Some(before) => compare_with(result, before, label),
            None => result.notes.push(format!("not compared: there is no path of {label}")),
        }
    }
}

/// Whether the iterations agreed on paths.
pub(crate) fn is_comparable(result: &CaseResult) -> bool {
    let agreed = result.paths.iter().all(SavedPath::is_steady);
    let judged =
        result.verdict <= Verdict::Failed && ![Verdict::Skipped, Verdict::Inconclusive].contains(&result.verdict);
    judged && agreed && !result.paths.is_empty()
}

fn compare_with(result: &mut CaseResult, before: &CaseResult, label: &str) {
    if result.verdict == Verdict::New {
        result.verdict = Verdict::Pass;
    }
    let (old, new) = (paths(before), paths(result));
    if old != new {
        result.downgrade(Verdict::Changed, difference(label, ("there", "here"), &old, &new));
        result.accepted = Some(old);
    }
    let (old, timings) = (timings(before).document(), timings(result));
    match timings.compare_with(&old) {
        TimingComparison::Same => {}
        TimingComparison::WithinBand(within) => {
            let within: Vec<String> = within.iter().map(DriftedTiming::to_string).collect();
            result.notes.push(format!("timings differ from {label} within the tolerance: {}", within.join("; ")));
        }
        TimingComparison::Different => {
            result.downgrade(Verdict::Changed, difference(label, ("there", "here"), &old, &timings.document()));
            note_accepted_costs(&mut result.timings, &before.timings);
        }
    }
}

fn paths(result: &CaseResult) -> String {
    let found = result.found_paths();
    write_document(found.iter().map(|(name, path)| (name.as_str(), path)))
}

fn timings(result: &CaseResult) -> Timings {
    let timings = result.timings.clone();
    let counts = timings.iter().filter_map(|timing| timing.summary.map(|summary| summary.count));
    Timings { iterations: counts.max().unwrap_or(0) as u32, timings }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(case: &str, kernel: &str, verdict: &str, path: &str, cost: u64) -> serde_json::Value {
        serde_json::json!({
            "case": case, "kernel": kernel, "verdict": verdict, "problems": [], "notes": [],
            "capture_digest": "", "timing_digest": "", "took_ms": 0,
            "paths": [{"name": "a.recv", "path": path, "agreeing": 5, "iterations": 5}],
            "timings": [{"name": "a.recv", "cost": cost, "switches": 0}],
        })
    }

    #[test]
    fn what_differs_from_the_reference_is_changed_and_what_does_not_passes() {
        let cases = [
            result("g/same", "6.12", "pass", "f\n", 1000),
            result("g/same", "mine", "new", "f\n", 1000),
            result("g/path", "6.12", "pass", "f\n", 1000),
            result("g/path", "mine", "new", "f\n  g\n", 1000),
            result("g/cost", "6.12", "pass", "f\n", 1000),
            result("g/cost", "mine", "new", "f\n", 2000),
            result("g/alone", "6.12", "skipped", "f\n", 1000),
            result("g/alone", "mine", "new", "f\n", 1000),
        ];
        let json = serde_json::json!({"version": 2, "kernels": [], "qemu": "10", "mode": "exact", "cases": cases});
        let mut results: Results = serde_json::from_value(json).unwrap();
        compare_against(&mut results, &"6.12".into());
        let mine: Vec<&CaseResult> = results.cases.iter().filter(|one| one.kernel == "mine").collect();
        let verdicts: Vec<Verdict> = mine.iter().map(|one| one.verdict).collect();
        assert_eq!(verdicts, [Verdict::Pass, Verdict::Changed, Verdict::Changed, Verdict::New]);
        let message = "6.12 differs from this run, first at line 3 of its text, in a.recv: there a blank line or the end, \
                       here `g`";
        assert_eq!(mine[1].problems[0].message, message);
        assert_eq!(mine[3].notes, ["not compared: there is no path of 6.12"]);
        assert_eq!((mine[1].accepted.as_deref(), &mine[0].accepted), (Some("# a.recv\nf\n"), &None));
        assert_eq!((mine[2].timings[0].accepted, mine[0].timings[0].accepted), (Some(1000), None));
        assert_eq!(results.against.as_deref(), Some("6.12"));
    }

    fn results(kernels: &[&str], mode: &str, cases: &[serde_json::Value]) -> serde_json::Value {
        let kernel = |name: &&str| serde_json::json!({"name": name, "version": "1", "unlocked": false, "options": {"CONFIG_HZ": "250"}});
        let kernels: Vec<_> = kernels.iter().map(kernel).collect();
        serde_json::json!({"version": 2, "kernels": kernels, "qemu": "10", "mode": mode, "cases": cases})
    }

    fn saved(json: &str) -> Option<Result<SavedReference, ResultsError>> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("base.json");
        std::fs::write(&file, json).unwrap();
        SavedReference::find(file.to_str().unwrap())
    }

    #[test]
    fn saved_results_are_compared_even_if_the_kernel_has_the_same_name() {
        let before = [result("g/same", "mine", "new", "f\n", 1000), result("g/path", "mine", "new", "f\n", 1000)];
        let saved = saved(&results(&["mine"], "exact", &before).to_string()).unwrap().unwrap();
        assert!(saved.check_mode(Accelerator::Exact).is_ok());
        assert_eq!(saved.options().unwrap().value("CONFIG_HZ"), Some("250"));
        let message = saved.check_mode(Accelerator::Kvm).unwrap_err().to_string();
        assert!(
            message.ends_with("base.json has results of exact mode, and this run is in native (KVM) mode"),
            "{message}"
        );
        let now = [
            result("g/same", "mine", "new", "f\n", 1000),
            result("g/path", "mine", "new", "f\n  g\n", 1000),
            result("g/later", "mine", "new", "f\n", 1000),
        ];
        let mut now: Results = serde_json::from_value(results(&["mine"], "exact", &now)).unwrap();
        saved.compare(&mut now);
        let verdicts: Vec<Verdict> = now.cases.iter().map(|one| one.verdict).collect();
        assert_eq!(verdicts, [Verdict::Pass, Verdict::Changed, Verdict::New]);
        let message = &now.cases[1].problems[0].message;
        assert!(message.starts_with("mine in /") && message.contains("base.json differs from this run"), "{message}");
    }

    #[test]
    fn a_file_of_several_kernels_is_refused_with_their_names_and_one_of_a_kernel_is_not_read() {
        let message = saved(&results(&["6.1", "6.12"], "exact", &[]).to_string()).unwrap().unwrap_err().to_string();
        let end = "base.json has the results of 6.1, 6.12, expected those of one kernel: save them with `rxpath run -k KERNEL --json \
                   FILE`";
        assert!(message.ends_with(end), "{message}");
        assert!(matches!(saved("{}"), Some(Err(ResultsError::NotResults { .. }))));
        assert!(saved("\x7fELF").is_none() && saved("").is_none());
        assert!(SavedReference::find("6.12").is_none() && SavedReference::find(".").is_none());
    }
}
