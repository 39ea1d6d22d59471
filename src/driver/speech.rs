//! The driver protocol, version 1: one JSON object a line, both ways. `docs/drivers.md` is its page.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use schemars::JsonSchema;
use serde::Serialize;

use crate::event::{ErrorClass, Operation};

mod heard;
mod schema;

pub use heard::read;
pub use schema::{answer_schema, request_schema};

/// The version that is spoken here.
pub const VERSION: u64 = 1;

/// The longest line, with its end. A value of memcached's largest item fits in base64.
pub const LINE_BYTES_MAX: usize = 8 << 20;

/// What is shown of a line that is none of the protocol's.
const SHOWN_MAX: usize = 200;

/// What a driver is told first.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Hello<'a> {
    /// [`VERSION`].
    pub hello: u64,
    /// Where the nodes are, as if each were the node itself.
    pub servers: &'a [String],
    /// How many operations it will have under way at most.
    pub concurrency: u32,
    /// How long an operation should take at most.
    pub timeout_ms: u64,
    /// What the nodes speak, such as `resp`; left out: memcached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<&'a str>,
    /// A file with the certificate of the authority that the nodes' own are signed by (PEM): they speak TLS.
    /// Left out: they speak none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_ca: Option<&'a str>,
    /// The user name that the nodes ask for; left out, with the password: they ask for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<&'a str>,
    /// Its password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<&'a str>,
    /// Whether both are said by SASL, and the nodes speak the binary protocol alone; left out: in text.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sasl: bool,
    /// The client file's own settings, as they stand there.
    pub settings: &'a serde_json::Map<String, serde_json::Value>,
}

/// Another list of nodes.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Members<'a> {
    /// Counted from 1; comes back when the client has taken the list.
    pub members: u64,
    /// The nodes in it, of those that the greeting had, in this order.
    pub servers: &'a [&'a str],
}

/// What a driver says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// The client's name.
    pub client: String,
    /// Its version.
    pub version: String,
    /// What runs it.
    pub runtime: String,
    /// What it can do.
    pub operations: Vec<String>,
    /// Whether a call can be abandoned.
    pub cancel: bool,
    /// Whether flags are stored and told.
    pub flags: bool,
    /// Whether its client can be told another list of nodes while it runs.
    pub members: bool,
    /// Operations whose answer does not tell whether the key was there.
    pub cannot_tell: Vec<String>,
}

/// One operation on the cache, as it is sent.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Request<'a> {
    /// The operation.
    #[schemars(extend("enum" = VERBS))]
    op: &'static str,
    /// The key, where it is ASCII.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    /// The key in base64, where it is not ASCII.
    #[serde(skip_serializing_if = "Option::is_none")]
    key64: Option<String>,
    /// The keys of a `get_many`, each ASCII.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    keys: Vec<&'a str>,
    /// The value in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    value64: Option<String>,
    /// The expiry in seconds; 0: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_s: Option<i64>,
    /// The flags, for a driver that has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    flags: Option<u32>,
    /// The unique number that `gets` told.
    #[serde(skip_serializing_if = "Option::is_none")]
    cas: Option<String>,
    /// The amount of an `incr` or `decr`.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<u64>,
}

/// A call: an operation with its number.
#[derive(Serialize, JsonSchema)]
struct Numbered<'a> {
    /// The number by which it is answered.
    id: u64,
    #[serde(flatten)]
    request: &'a Request<'a>,
}

impl<'a> Request<'a> {
    /// An operation on one key.
    #[must_use]
    pub fn new(op: &'static str, key: &'a [u8]) -> Self {
        let text = std::str::from_utf8(key).ok().filter(|text| text.is_ascii());
        let key64 = text.is_none().then(|| BASE64.encode(key));
        Self { op, key: text, key64, ..Self::default() }
    }

    /// A read of several keys, each ASCII.
    #[must_use]
    pub fn many(keys: Vec<&'a str>) -> Self {
        Self { op: "get_many", keys, ..Self::default() }
    }

    /// With a value.
    #[must_use]
    pub fn value(self, value: &[u8]) -> Self {
        Self { value64: Some(BASE64.encode(value)), ..self }
    }

    /// With an expiry, 0 for none.
    #[must_use]
    pub fn ttl_s(self, ttl_s: i64) -> Self {
        Self { ttl_s: Some(ttl_s), ..self }
    }

    /// With client flags.
    #[must_use]
    pub fn flags(self, flags: Option<u32>) -> Self {
        Self { flags, ..self }
    }

    /// With the unique number that a read has shown.
    #[must_use]
    pub fn cas(self, unique: u64) -> Self {
        Self { cas: Some(unique.to_string()), ..self }
    }

    /// With the amount of a change.
    #[must_use]
    pub fn by(self, by: u64) -> Self {
        Self { by: Some(by), ..self }
    }

    /// Its name in the protocol.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.op
    }

    /// The key, where it is ASCII.
    pub(super) const fn key(&self) -> Option<&str> {
        self.key
    }

    /// The key, the first of several, or its base64.
    pub(super) fn first_key(&self) -> &str {
        let single = self.key.or(self.key64.as_deref());
        single.or_else(|| self.keys.first().copied()).unwrap_or_default()
    }

    /// The value in base64.
    pub(super) fn value64(&self) -> Option<&str> {
        self.value64.as_deref()
    }

    /// The expiry in seconds.
    pub(super) const fn ttl(&self) -> Option<i64> {
        self.ttl_s
    }

    /// The amount of a change.
    pub(super) const fn amount(&self) -> Option<u64> {
        self.by
    }

    /// The line, with its end.
    #[must_use]
    pub fn line(&self, id: u64) -> Vec<u8> {
        line(&Numbered { id, request: self })
    }
}

/// A line that is neither an operation nor the greeting: `{"ping":12}`.
#[must_use]
pub fn control(word: &str, number: u64) -> Vec<u8> {
    format!("{{\"{word}\":{number}}}\n").into_bytes()
}

/// The line of anything, with its end.
#[must_use]
pub fn line(value: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).expect("plain data with names for keys");
    line.push(b'\n');
    line
}

/// Every operation that the protocol has.
pub const VERBS: [&str; 14] = [
    "get", "gets", "gat", "get_many", "set", "add", "replace", "append", "prepend", "cas",
    "delete", "touch", "incr", "decr",
];

/// What an operation is called in the protocol, and in `ready`.
#[must_use]
pub fn verb(operation: Operation) -> &'static str {
    match operation {
        Operation::MultiGet => "get_many",
        other => other.name(),
    }
}

/// What a driver says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// It can be used.
    Ready(Ready),
    /// What an operation came to.
    Answer(u64, Answer),
    /// The answer to a ping.
    Pong(u64),
    /// Its client has taken the list of this number.
    Listed(u64),
    /// It ends.
    Bye,
    /// It could not read a line of ours.
    Complaint(String),
}

/// What an operation came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A value.
    Hit(Value),
    /// No value.
    Miss,
    /// Stored.
    Stored,
    /// Not stored, as the condition demanded.
    NotStored,
    /// Changed since it was read.
    Exists,
    /// Removed.
    Deleted,
    /// Nothing there to change.
    NotFound,
    /// The expiry was set.
    Touched,
    /// The counter's value.
    Counted(u64),
    /// One entry a key: a value, none, or why it is not known.
    Hits(BTreeMap<String, Result<Option<Value>, Failed>>),
    /// The client reported an error.
    Error(Failed),
    /// It was abandoned.
    Cancelled,
}

impl Answer {
    /// Its name in the protocol.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Hit(_) => "hit",
            Self::Miss => "miss",
            Self::Stored => "stored",
            Self::NotStored => "not_stored",
            Self::Exists => "exists",
            Self::Deleted => "deleted",
            Self::NotFound => "not_found",
            Self::Touched => "touched",
            Self::Counted(_) => "counted",
            Self::Hits(_) => "hits",
            Self::Error(_) => "error",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether an operation can come to this.
    #[must_use]
    pub fn fits(&self, op: &str) -> bool {
        match self {
            Self::Error(_) | Self::Cancelled => true,
            Self::Hit(value) => match op {
                "gets" => value.cas.is_some(),
                _ => matches!(op, "get" | "gat"),
            },
            Self::Miss => matches!(op, "get" | "gets" | "gat"),
            Self::Hits(_) => op == "get_many",
            Self::Stored | Self::NotStored => {
                matches!(op, "set" | "add" | "replace" | "append" | "prepend" | "cas")
            }
            Self::Exists => op == "cas",
            Self::Deleted => op == "delete",
            Self::Touched => op == "touch",
            Self::Counted(_) => matches!(op, "incr" | "decr"),
            Self::NotFound => matches!(op, "cas" | "delete" | "touch" | "incr" | "decr" | "gat"),
        }
    }
}

/// A value as the client gave it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Value {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The flags, when it tells them.
    pub flags: Option<u32>,
    /// The unique number, when it was asked for.
    pub cas: Option<u64>,
}

/// An error as the client reported it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// Which class, by the driver.
    pub class: ErrorClass,
    /// The client's own words.
    pub message: String,
}

impl Failed {
    /// The driver does not list the call, so it was not asked.
    pub(super) const fn not_asked() -> Self {
        Self { class: ErrorClass::Other, message: String::new() }
    }
}

/// A line that is none of the protocol's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}, in the line: {line}")]
pub struct Nonsense {
    /// What is wrong with it.
    pub what: String,
    /// The line, cut short.
    pub line: String,
}

impl Nonsense {
    /// Something is wrong with this line.
    #[must_use]
    pub fn new(line: &[u8], what: impl Into<String>) -> Self {
        Self { what: what.into(), line: shown(line) }
    }
}

/// A line as an error shows it: cut short, and nothing in it that a terminal obeys.
#[must_use]
pub fn shown(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(&line[..line.len().min(SHOWN_MAX)]);
    let mut shown = String::new();
    for character in text.chars() {
        match character {
            // They stand in every line of JSON.
            '"' | '\'' | '\\' => shown.push(character),
            other => shown.extend(other.escape_debug()),
        }
    }
    if line.len() > SHOWN_MAX {
        shown.push_str("...");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(line: &str) -> Said {
        read(line.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
    }

    fn wrong(line: &str) -> String {
        read(line.as_bytes()).unwrap_err().to_string()
    }

    /// Catches requests that the page of the protocol does not have, and keys or values that do not
    /// survive a line of text.
    #[test]
    fn requests_are_what_the_page_says() {
        let text = |request: Request<'_>| String::from_utf8(request.line(7)).unwrap();
        assert_eq!(
            text(Request::new("get", b"k:1")),
            "{\"id\":7,\"op\":\"get\",\"key\":\"k:1\"}\n"
        );
        let store = Request::new("set", b"k:1").value(&[0, 255]).ttl_s(60).flags(Some(5));
        assert_eq!(
            text(store),
            "{\"id\":7,\"op\":\"set\",\"key\":\"k:1\",\"value64\":\"AP8=\",\"ttl_s\":60,\"flags\":5}\n"
        );
        let swap = Request::new("cas", b"\xff").value(b"").cas(u64::MAX);
        assert_eq!(
            text(swap),
            "{\"id\":7,\"op\":\"cas\",\"key64\":\"/w==\",\"value64\":\"\",\"cas\":\"18446744073709551615\"}\n"
        );
        let many = Request::many(vec!["a", "b"]);
        assert_eq!(text(many), "{\"id\":7,\"op\":\"get_many\",\"keys\":[\"a\",\"b\"]}\n");
        assert_eq!(control("ping", 12), b"{\"ping\":12}\n");
    }

    /// Catches an answer that is taken for another.
    #[test]
    fn answers_are_read() {
        let ready = said(
            r#"{"ready":1,"client":"pymemcache","version":"4.0.0","runtime":"CPython","operations":["get"]}"#,
        );
        let Said::Ready(ready) = ready else { panic!("{ready:?}") };
        assert_eq!((ready.client.as_str(), ready.cancel), ("pymemcache", false));
        let value = Value { bytes: vec![0, 255], flags: Some(5), cas: Some(9) };
        assert_eq!(
            said(r#"{"id":7,"hit":{"value64":"AP8=","flags":5,"cas":"9"}}"#),
            Said::Answer(7, Answer::Hit(value))
        );
        let text = Value { bytes: b"abc".to_vec(), ..Value::default() };
        assert_eq!(said(r#"{"id":7,"hit":{"value":"abc"}}"#), Said::Answer(7, Answer::Hit(text)));
        assert_eq!(said(r#"{"miss":{},"id":8}"#), Said::Answer(8, Answer::Miss));
        assert_eq!(said(r#"{"id":8,"counted":{"value":5}}"#), Said::Answer(8, Answer::Counted(5)));
        let Said::Answer(10, Answer::Hits(hits)) = said(
            r#"{"id":10,"hits":{"a":{"value64":""},"b":null,"c":{"error":{"class":"timeout","message":"m"}}}}"#,
        ) else {
            panic!("no hits")
        };
        assert_eq!(hits["a"], Ok(Some(Value::default())));
        assert_eq!(hits["b"], Ok(None));
        assert_eq!(hits["c"].as_ref().unwrap_err().class, ErrorClass::Timeout);
        assert_eq!(said(r#"{"pong":12}"#), Said::Pong(12));
        assert_eq!(said(r#"{"error":{"message":"what?"}}"#), Said::Complaint("what?".into()));
    }

    /// Catches a line that means nothing and is taken for something, and an error that does not say
    /// what to write instead.
    #[test]
    fn what_is_wrong_is_said_with_the_line() {
        for (line, part) in [
            ("hello", "no JSON object"),
            ("[1]", "not of the protocol"),
            (r#"{"id":1}"#, "says what the operation came to"),
            (r#"{"id":1,"miss":{},"stored":{}}"#, "an answer is one thing: `miss` or `stored`"),
            (r#"{"id":1,"hit":{}}"#, "`value64`"),
            (r#"{"id":1,"hit":{"value64":"?"}}"#, "not base64"),
            (r#"{"id":1,"hti":{}}"#, "unknown field `hti`"),
            (
                r#"{"id":1,"error":{"class":"oops"}}"#,
                "`oops` is no class of errors; they are timeout",
            ),
            (r#"{"ready":2,"client":"x"}"#, "version 2"),
            ("{}", "`ready`, `id`, `pong`"),
        ] {
            let text = wrong(line);
            assert!(text.contains(part) && text.contains("in the line: "), "{line}: {text}");
        }
        let long = format!("{{{}", "x".repeat(1000));
        assert!(wrong(&long).len() < 400);
    }
}
