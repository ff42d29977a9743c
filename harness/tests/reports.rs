//! Saved results and what is made of them.

use std::path::{Path, PathBuf};

use rxpath::suite::{RESULTS_VERSION, Results, ResultsError, Verdict};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("harness/tests/data/results").join(name)
}

#[test]
fn results_written_before_there_were_paths_in_them_still_read() {
    let old = Results::load(&data("before-paths.json")).unwrap();
    assert_eq!((old.version, old.kernels.len(), old.cases.len()), (1, 6, 6));
    assert_eq!(old.worst(), Verdict::Pass);
    assert!(old.cases.iter().all(|one| one.paths.is_empty() && !one.costs.is_empty()));
}

#[test]
fn results_saved_and_loaded_are_the_same() {
    let results = Results::load(&data("four-cases.json")).unwrap();
    assert!(results.cases.iter().all(|one| !one.paths.is_empty() && !one.timings.is_empty()));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new/results.json");
    results.save(&file).unwrap();
    assert_eq!(Results::load(&file).unwrap(), results);
}

#[test]
fn what_is_no_result_of_a_run_or_of_a_later_version_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("results.json");
    std::fs::write(&file, format!("{{\"version\": {}, \"strange\": []}}", RESULTS_VERSION + 1)).unwrap();
    assert!(matches!(Results::load(&file), Err(ResultsError::TooNew { .. })));
    std::fs::write(&file, "{\"version\": 1}").unwrap();
    assert!(Results::load(&file).unwrap_err().to_string().contains("rxpath run --json"));
    assert!(matches!(Results::load(&folder.path().join("none")), Err(ResultsError::Unreadable { .. })));
}

#[test]
fn the_schema_in_docs_is_that_of_the_results() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/results.schema.json");
    let schema = serde_json::to_string_pretty(&schemars::schema_for!(Results)).unwrap() + "\n";
    if std::env::var_os("RXPATH_WRITE_SCHEMA").is_some() {
        std::fs::write(&file, &schema).unwrap();
    }
    let stored = std::fs::read_to_string(&file).unwrap();
    assert!(stored == schema, "RXPATH_WRITE_SCHEMA=1 cargo nextest run the_schema_in_docs writes it anew");
}

#[test]
fn runs_of_single_kernels_merge_into_the_run_of_all() {
    let all = Results::load(&data("four-cases.json")).unwrap();
    let part = |kernel: &str| {
        let mut part = all.clone();
        part.kernels.retain(|(series, _, _)| series == kernel);
        part.cases.retain(|one| one.kernel == kernel);
        part.functions.retain(|one| one.kernel == kernel);
        part
    };
    let parts = ["7.3", "6.1", "5.10", "7.2", "6.18", "6.12"].map(part);
    let merged = Results::merge(parts.to_vec()).unwrap();
    assert_eq!((&merged.kernels, &merged.cases, &merged.qemu), (&all.kernels, &all.cases, &all.qemu));
    assert_eq!(Results::merge(Vec::new()), None);
}
