//! The output contract for machines, made from the types.

use super::line::Line;

/// The JSON schema of every object of the stream, as `metrics/report.schema.json` holds it.
#[must_use]
pub fn schema_text() -> String {
    let schema = schemars::schema_for!(Line);
    let mut text = serde_json::to_string_pretty(&schema).expect("a schema is plain JSON");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a change of the contract that nobody wrote down. After a change that is meant, run
    /// `HARNESS_UPDATE_SCHEMA=1 cargo test --lib report::schema` and commit the file.
    #[test]
    fn the_schema_on_disk_is_that_of_the_types() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/metrics/report.schema.json");
        if std::env::var_os("HARNESS_UPDATE_SCHEMA").is_some() {
            std::fs::write(path, schema_text()).unwrap();
        }
        let known = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            known == schema_text(),
            "{path} differs from the types; HARNESS_UPDATE_SCHEMA=1 writes it again"
        );
    }
}
