//! The protocol for machines, made from the types that are written and read.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde::Serialize;

use super::heard::Raw;
use super::{Hello, Members, Numbered};

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
    /// Another list of nodes, for a driver that takes one.
    Members(Members<'a>),
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
