//! Reads what a driver says.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;

use super::{Answer, Failed, Nonsense, Ready, Said, VERSION, Value};
use crate::event::ErrorClass;

/// The class of what a driver cannot do. A run never asks for it, so that no report has it.
const UNSUPPORTED: &str = "unsupported";

/// An object in which nothing is looked at.
#[derive(JsonSchema)]
struct Empty {}

/// A line of a driver.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Answer", transform = one_of_the_lines)]
pub(super) struct Raw<'a> {
    /// The version of the protocol, 1.
    ready: Option<u64>,
    /// The client's name.
    client: Option<String>,
    /// The client's own version.
    version: Option<String>,
    /// What runs it.
    runtime: Option<String>,
    /// The operations that it can do.
    operations: Option<Vec<String>>,
    /// Whether it can abandon a call; false where it is left out.
    cancel: Option<bool>,
    /// Whether it stores and tells flags; false where it is left out.
    flags: Option<bool>,
    /// Of `delete` and `touch`, those that say the same whether the key was there or not.
    cannot_tell: Option<Vec<String>>,
    /// Whether its client can be told another list of nodes; false where it is left out.
    members: Option<bool>,
    /// The number of the list that its client has taken.
    listed: Option<u64>,
    /// The number of the ping.
    pong: Option<u64>,
    /// It ends.
    #[schemars(with = "Option<u64>")]
    bye: Option<IgnoredAny>,
    /// The call that is answered.
    id: Option<u64>,
    /// A value.
    #[serde(borrow)]
    hit: Option<RawValue<'a>>,
    /// No value.
    #[schemars(with = "Option<Empty>")]
    miss: Option<IgnoredAny>,
    /// Stored.
    #[schemars(with = "Option<Empty>")]
    stored: Option<IgnoredAny>,
    /// Not stored, as the condition demanded.
    #[schemars(with = "Option<Empty>")]
    not_stored: Option<IgnoredAny>,
    /// Changed since it was read.
    #[schemars(with = "Option<Empty>")]
    exists: Option<IgnoredAny>,
    /// Removed.
    #[schemars(with = "Option<Empty>")]
    deleted: Option<IgnoredAny>,
    /// Nothing there to change.
    #[schemars(with = "Option<Empty>")]
    not_found: Option<IgnoredAny>,
    /// The expiry was set.
    #[schemars(with = "Option<Empty>")]
    touched: Option<IgnoredAny>,
    /// The counter after the change.
    counted: Option<RawCount>,
    /// One entry a key; null: not found.
    #[serde(borrow)]
    hits: Option<BTreeMap<String, Option<RawEntry<'a>>>>,
    /// Why there is no answer; without `id`: a line of ours that could not be read.
    error: Option<RawError>,
    /// It was abandoned.
    #[schemars(with = "Option<Empty>")]
    cancelled: Option<IgnoredAny>,
}

/// A value, as `value64` or as `value`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Value")]
struct RawValue<'a> {
    /// The bytes in base64.
    #[serde(borrow)]
    value64: Option<Cow<'a, str>>,
    /// The bytes, where they are text.
    #[serde(borrow)]
    value: Option<Cow<'a, str>>,
    /// The flags.
    flags: Option<u32>,
    /// The unique number, in decimal digits.
    cas: Option<String>,
}

/// A value, or why there is none.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Entry")]
struct RawEntry<'a> {
    /// The bytes in base64.
    #[serde(borrow)]
    value64: Option<Cow<'a, str>>,
    /// The bytes, where they are text.
    #[serde(borrow)]
    value: Option<Cow<'a, str>>,
    /// The flags.
    flags: Option<u32>,
    /// The unique number, in decimal digits.
    cas: Option<String>,
    /// Why this key alone has no answer.
    error: Option<RawError>,
}

/// A counter.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Count")]
struct RawCount {
    /// Its value.
    value: u64,
}

/// An error, in the client's own words.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Error")]
struct RawError {
    /// The class, which every error of a call has.
    #[schemars(transform = one_of_the_classes)]
    class: Option<String>,
    /// The exception's name and text.
    #[serde(default)]
    message: String,
}

/// Which fields make a line: one of these sets.
fn one_of_the_lines(schema: &mut Schema) {
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
    lines.extend(["pong", "listed", "bye"].map(|word| json!({"required": [word]})));
    lines.push(json!({"required": ["error"], "not": {"required": ["id"]}}));
    schema.insert("oneOf".to_owned(), lines.into());
}

/// The classes of errors.
fn one_of_the_classes(schema: &mut Schema) {
    let classes = ErrorClass::tellable().map(ErrorClass::name).chain([UNSUPPORTED]);
    schema.insert("enum".to_owned(), classes.collect::<Vec<_>>().into());
}

impl RawValue<'_> {
    fn read(self) -> Result<Value, String> {
        let bytes = match (self.value64, self.value) {
            (Some(coded), None) => BASE64
                .decode(coded.as_bytes())
                .map_err(|error| format!("`value64` is not base64: {error}"))?,
            (None, Some(text)) => text.into_owned().into_bytes(),
            (None, None) => return Err("a value has `value64` (base64) or `value` (text)".into()),
            (Some(_), Some(_)) => return Err("a value has `value64` or `value`, not both".into()),
        };
        let number = |text: String| {
            let error = || format!("`cas` is {text:?}; give the server's number in decimal digits");
            text.parse().map_err(|_| error())
        };
        Ok(Value { bytes, flags: self.flags, cas: self.cas.map(number).transpose()? })
    }
}

impl RawEntry<'_> {
    fn read(self) -> Result<Result<Option<Value>, Failed>, String> {
        let Self { value64, value, flags, cas, error } = self;
        match error {
            Some(error) => Ok(Err(error.read()?)),
            None => RawValue { value64, value, flags, cas }.read().map(|value| Ok(Some(value))),
        }
    }
}

impl RawError {
    fn read(self) -> Result<Failed, String> {
        let class = self.class.ok_or("an error has a `class`")?;
        if class == UNSUPPORTED {
            return Ok(Failed { class: ErrorClass::Other, message: self.message });
        }
        let known = ErrorClass::tellable().find(|known| known.name() == class);
        let class = known.ok_or_else(|| {
            let names: Vec<&str> = ErrorClass::tellable().map(ErrorClass::name).collect();
            format!("`{class}` is no class of errors; they are {}, {UNSUPPORTED}", names.join(", "))
        })?;
        Ok(Failed { class, message: self.message })
    }
}

impl Raw<'_> {
    fn ready(self) -> Result<Said, String> {
        let version = self.ready.unwrap_or_default();
        if version != VERSION {
            return Err(format!(
                "it speaks version {version} of the driver protocol, not {VERSION}"
            ));
        }
        Ok(Said::Ready(Ready {
            client: self.client.ok_or("`ready` names the `client`")?,
            version: self.version.ok_or("`ready` has the client's `version`")?,
            runtime: self.runtime.unwrap_or_default(),
            operations: self.operations.ok_or("`ready` lists its `operations`")?,
            cancel: self.cancel.unwrap_or_default(),
            flags: self.flags.unwrap_or_default(),
            members: self.members.unwrap_or_default(),
            cannot_tell: self.cannot_tell.unwrap_or_default(),
        }))
    }

    fn answer(self) -> Result<Answer, String> {
        let plain = [
            (self.miss.is_some(), Answer::Miss),
            (self.stored.is_some(), Answer::Stored),
            (self.not_stored.is_some(), Answer::NotStored),
            (self.exists.is_some(), Answer::Exists),
            (self.deleted.is_some(), Answer::Deleted),
            (self.not_found.is_some(), Answer::NotFound),
            (self.touched.is_some(), Answer::Touched),
            (self.cancelled.is_some(), Answer::Cancelled),
        ];
        let mut answers: Vec<Answer> =
            plain.into_iter().filter(|(is_it, _)| *is_it).map(|(_, answer)| answer).collect();
        if let Some(value) = self.hit {
            answers.push(Answer::Hit(value.read()?));
        }
        answers.extend(self.counted.map(|counted| Answer::Counted(counted.value)));
        if let Some(error) = self.error {
            answers.push(Answer::Error(error.read()?));
        }
        if let Some(hits) = self.hits {
            let entry = |(key, entry): (String, Option<RawEntry<'_>>)| {
                let entry = entry.map_or(Ok(Ok(None)), RawEntry::read)?;
                Ok((key, entry))
            };
            answers.push(Answer::Hits(hits.into_iter().map(entry).collect::<Result<_, String>>()?));
        }
        match (answers.pop(), answers.pop()) {
            (Some(answer), None) => Ok(answer),
            (None, _) => {
                Err("an answer says what the operation came to: `hit`, `miss`, `stored`, \
                              `error` or another"
                    .into())
            }
            (Some(one), Some(other)) => {
                Err(format!("an answer is one thing: `{}` or `{}`", other.name(), one.name()))
            }
        }
    }
}

/// Reads a line without its end.
///
/// # Errors
/// When it is none of the protocol's.
pub fn read(line: &[u8]) -> Result<Said, Nonsense> {
    let raw: Raw<'_> = serde_json::from_slice(line).map_err(|error| {
        let what = match error.classify() {
            serde_json::error::Category::Data => format!("not of the protocol: {error}"),
            _ => format!("no JSON object: {error}"),
        };
        Nonsense::new(line, what)
    })?;
    let said = if raw.ready.is_some() {
        raw.ready()
    } else if let Some(id) = raw.id {
        raw.answer().map(|answer| Said::Answer(id, answer))
    } else if let Some(number) = raw.pong {
        Ok(Said::Pong(number))
    } else if let Some(number) = raw.listed {
        Ok(Said::Listed(number))
    } else if raw.bye.is_some() {
        Ok(Said::Bye)
    } else if let Some(error) = raw.error {
        Ok(Said::Complaint(error.message))
    } else {
        Err("a line has `ready`, `id`, `pong`, `listed`, `bye` or `error`".into())
    };
    said.map_err(|what| Nonsense::new(line, what))
}
