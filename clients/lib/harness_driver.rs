//! What every Rust driver shares: the harness's driver protocol, version 1, on stdin and stdout.
//!
//! A driver takes each [`Request`] in `Subject::start`, in whatever way its client is used (threads,
//! tasks), and hands an [`Answer`] to [`say`] when the client is done.

use std::io::{BufRead, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

const MESSAGE_LIMIT: usize = 200;

/// One operation, as the harness asks for it.
pub struct Request {
    pub id: u64,
    pub op: String,
    pub key: Vec<u8>,
    pub keys: Vec<Vec<u8>>,
    pub value: Vec<u8>,
    pub ttl_s: u32,
    pub flags: u32,
    pub by: u64,
    #[allow(dead_code, reason = "not every client can swap")]
    pub cas: u64,
}

/// What became of one key of a `get_many`: a value, nothing, or this key's error.
pub type OfKey = Result<Option<Vec<u8>>, Answer>;

/// What the client made of it, without the id.
#[derive(Clone)]
pub struct Answer(Value);

impl Answer {
    /// An answer without content: `stored`, `miss`, `not_found` and so on.
    pub fn done(name: &str) -> Self {
        Self(json!({ name: {} }))
    }

    pub fn hit(value: &[u8], flags: Option<u32>, cas: Option<u64>) -> Self {
        let mut hit = json!({ "value64": BASE64.encode(value) });
        if let Some(flags) = flags {
            hit["flags"] = flags.into();
        }
        if let Some(cas) = cas {
            hit["cas"] = cas.to_string().into();
        }
        Self(json!({ "hit": hit }))
    }

    /// What became of each key of a `get_many`.
    pub fn hits(found: Vec<(Vec<u8>, OfKey)>) -> Self {
        let one = |outcome: OfKey| match outcome {
            Ok(value) => {
                value.map_or(Value::Null, |value| json!({ "value64": BASE64.encode(value) }))
            }
            Err(error) => error.0,
        };
        let name = |key: Vec<u8>| String::from_utf8_lossy(&key).into_owned();
        let hits = found.into_iter().map(|(key, outcome)| (name(key), one(outcome)));
        Self(json!({ "hits": hits.collect::<serde_json::Map<_, _>>() }))
    }

    pub fn counted(value: u64) -> Self {
        Self(json!({ "counted": { "value": value } }))
    }

    pub fn error(class: &str, message: &str) -> Self {
        let message: String = message.chars().take(MESSAGE_LIMIT).collect();
        Self(json!({ "error": { "class": class, "message": message } }))
    }

    pub fn unsupported(op: &str) -> Self {
        Self::error("unsupported", &format!("no operation {op}"))
    }
}

/// The class of an error that the operating system gave.
#[allow(dead_code, reason = "not every client hands it over")]
pub fn io_class(error: &std::io::Error) -> &'static str {
    use std::io::ErrorKind as Kind;
    match error.kind() {
        Kind::TimedOut | Kind::WouldBlock => "timeout",
        Kind::ConnectionRefused => "refused",
        Kind::ConnectionReset | Kind::BrokenPipe => "reset",
        Kind::UnexpectedEof | Kind::ConnectionAborted => "closed",
        Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::AddrNotAvailable => {
            "no_connection"
        }
        _ => "other",
    }
}

/// The client under test.
pub trait Subject {
    /// Begins an operation and returns at once.
    fn start(&mut self, request: Request);
    /// Abandons an operation, where [`Description::cancel`] says that it can.
    fn cancel(&mut self, _id: u64) {}
}

/// What the driver says of itself.
pub struct Description {
    pub client: &'static str,
    pub version: &'static str,
    pub operations: &'static [&'static str],
    pub cancel: bool,
}

/// Answers a request.
pub fn say(id: u64, answer: Answer) {
    let mut line = answer.0;
    line["id"] = id.into();
    write(&line);
}

fn write(line: &Value) {
    let mut text = line.to_string();
    text.push('\n');
    let mut out = std::io::stdout().lock();
    // Without a reader there is nobody to work for.
    if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

/// Runs the client that `open` makes of servers, concurrency and settings, until the input ends or the harness says bye.
pub fn serve<S: Subject>(
    about: &Description,
    open: impl FnOnce(Vec<String>, usize, &Value) -> S,
) -> ! {
    let mut lines = std::io::stdin().lock().lines().map_while(Result::ok);
    let hello: Value =
        lines.next().and_then(|line| serde_json::from_str(&line).ok()).unwrap_or_default();
    if hello["hello"] != 1 {
        eprintln!("the first line must be a hello of version 1");
        std::process::exit(1);
    }
    let servers = hello["servers"].as_array().into_iter().flatten();
    let servers = servers.filter_map(|server| server.as_str().map(str::to_owned)).collect();
    let concurrency = hello["concurrency"].as_u64().map_or(1, |number| number as usize);
    let mut subject = open(servers, concurrency, &hello["settings"]);
    write(&json!({
        "ready": 1, "client": about.client, "version": about.version, "runtime": "Rust",
        "operations": about.operations, "cancel": about.cancel,
    }));
    for line in lines {
        take(&line, &mut subject);
    }
    std::process::exit(0)
}

fn take(line: &str, subject: &mut impl Subject) {
    let request: Value = match serde_json::from_str(line) {
        Ok(Value::Object(object)) => Value::Object(object),
        Ok(_) => return complain("a request is an object"),
        Err(error) => return complain(&error.to_string()),
    };
    if request["op"].is_string() {
        subject.start(parse(&request));
    } else if !request["ping"].is_null() {
        write(&json!({ "pong": request["ping"] }));
    } else if let Some(id) = request["cancel"].as_u64() {
        subject.cancel(id);
    } else if !request["bye"].is_null() {
        // Calls may hang in the client: its connections go with the process.
        write(&json!({ "bye": 1 }));
        std::process::exit(0);
    } else {
        complain(&format!("unknown request {line}"));
    }
}

fn complain(message: &str) {
    let message: String = message.chars().take(MESSAGE_LIMIT).collect();
    write(&json!({ "error": { "message": message } }));
}

fn parse(request: &Value) -> Request {
    let number = |name: &str| request[name].as_u64().unwrap_or_default();
    Request {
        id: number("id"),
        op: request["op"].as_str().unwrap_or_default().to_owned(),
        key: bytes(request, "key", "key64"),
        keys: request["keys"].as_array().into_iter().flatten().map(one_key).collect(),
        value: bytes(request, "value", "value64"),
        ttl_s: number("ttl_s") as u32,
        flags: number("flags") as u32,
        by: number("by"),
        cas: request["cas"].as_str().and_then(|token| token.parse().ok()).unwrap_or_default(),
    }
}

fn one_key(key: &Value) -> Vec<u8> {
    key.as_str().map_or_else(|| bytes(key, "key", "key64"), |text| text.as_bytes().to_vec())
}

fn bytes(request: &Value, plain: &str, encoded: &str) -> Vec<u8> {
    match request[encoded].as_str() {
        Some(text) => BASE64.decode(text).unwrap_or_default(),
        None => request[plain].as_str().unwrap_or_default().as_bytes().to_vec(),
    }
}
