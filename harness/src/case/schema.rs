//! The JSON Schema of the case language, for editors and for [`super::schema_check`].

use super::model::CaseFile;

/// The schema, made from the model (JSON Schema 2020-12).
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(CaseFile).to_value()
}

/// The schema as it lies in cases/schema.json.
pub fn schema_file() -> String {
    serde_json::to_string_pretty(&schema()).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_that_editors_read_is_the_one_of_the_model() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/cases/schema.json");
        let found = std::fs::read_to_string(file).unwrap_or_default();
        assert!(
            found == schema_file(),
            "cases/schema.json is not of this model: `rxpath cases schema > cases/schema.json`"
        );
    }
}
