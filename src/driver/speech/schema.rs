//! The protocol for machines, made from the types that are written and read.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde_json::json;

use super::heard::{Raw, UNSUPPORTED};
use super::{Hello, Numbered};
use crate::event::ErrorClass;

/// Every line that a driver is told.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "Request")]
#[expect(dead_code, reason = "its schema is what it is for")]
enum Line<'a> {
    /// The first one.
    Hello(Hello<'a>),
    /// A call.
    Call(Numbered<'a>),
    /// To be answered at once.
    Ping {
        /// Comes back in the `pong`.
        ping: u64,
    },
    /// Nobody waits for this call any more.
    Cancel {
        /// Its number.
        cancel: u64,
    },
    /// The last one.
    Bye {
        /// 1.
        bye: u64,
    },
}

/// The JSON schema of what a driver is told, as `metrics/driver-request.schema.json` holds it.
#[must_use]
pub fn request_schema() -> String {
    text(
        SchemaSettings::default()
            .for_serialize()
            .into_generator()
            .into_root_schema_for::<Line<'_>>(),
    )
}

/// The JSON schema of what a driver says, as `metrics/driver-answer.schema.json` holds it.
#[must_use]
pub fn answer_schema() -> String {
    text(schemars::schema_for!(Raw<'_>))
}

fn text(schema: Schema) -> String {
    let mut text = serde_json::to_string_pretty(&schema).expect("a schema is plain JSON");
    text.push('\n');
    text
}

/// Which fields make a line: one of these sets.
pub(super) fn one_of_the_lines(schema: &mut Schema) {
    let answers = [
        "hit",
        "miss",
        "stored",
        "not_stored",
        "exists",
        "deleted",
        "not_found",
        "touched",
        "counted",
        "hits",
        "error",
        "cancelled",
    ];
    let mut lines = vec![json!({"required": ["ready", "client", "version", "operations"]})];
    lines.extend(answers.map(|answer| json!({"required": ["id", answer]})));
    lines.extend(["pong", "bye"].map(|word| json!({"required": [word]})));
    lines.push(json!({"required": ["error"], "not": {"required": ["id"]}}));
    schema.insert("oneOf".to_owned(), lines.into());
}

/// The classes of errors.
pub(super) fn one_of_the_classes(schema: &mut Schema) {
    let classes = ErrorClass::ALL.iter().map(|class| class.name()).chain([UNSUPPORTED]);
    schema.insert("enum".to_owned(), classes.collect::<Vec<_>>().into());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a change of the protocol that nobody wrote down. After a change that is meant, run
    /// `HARNESS_UPDATE_SCHEMA=1 cargo test --lib speech::schema` and commit the files.
    #[test]
    fn the_schemas_on_disk_are_those_of_the_types() {
        for (name, schema) in [("request", request_schema()), ("answer", answer_schema())] {
            let root = env!("CARGO_MANIFEST_DIR");
            let path = format!("{root}/metrics/driver-{name}.schema.json");
            if std::env::var_os("HARNESS_UPDATE_SCHEMA").is_some() {
                std::fs::write(&path, &schema).unwrap();
            }
            let known = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(
                known == schema,
                "{path} differs from the types; HARNESS_UPDATE_SCHEMA=1 writes it again"
            );
        }
    }
}
