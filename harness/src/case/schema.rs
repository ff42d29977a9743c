//! The JSON Schema of the case language, for editors and for [`super::shape`].

use super::model::CaseFile;

/// The schema, made from the model (JSON Schema 2020-12).
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(CaseFile).to_value()
}
