//! The JSON Schema of the case language, for editors and for [`super::schema_check`].

use super::case_file::CaseFile;

/// The schema (JSON Schema 2020-12), generated from [`CaseFile`].
pub(crate) fn schema() -> serde_json::Value {
    schemars::schema_for!(CaseFile).to_value()
}

/// The content of cases/schema.json.
pub(crate) fn schema_file() -> String {
    serde_json::to_string_pretty(&schema()).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_that_editors_read_is_up_to_date() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/cases/schema.json");
        let found = std::fs::read_to_string(file).unwrap_or_default();
        assert!(found == schema_file(), "cases/schema.json is out of date: `rxpath cases schema > cases/schema.json`");
    }
}
