//! A driver in Rust, of the client in this crate: what `docs/drivers.md` describes, in one file.
//!
//! Its settings can make it misbehave in one known way, so that the tests see what the harness says:
//! `misbehave = "dies" | "hangs" | "lies" | "mixes" | "hides" | "underscores" | "babbles" | "floods" | "repeats" | "raises" |
//! "noop"`, from the two thousandth operation on, or from another one: `after = 100`.

#![expect(clippy::disallowed_methods, reason = "a program of its own, without a scope")]

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use harness::base::{scope::Scope, seed::Seed};
use harness::client::{Client, ClientConfig, Failure, Item, Keep, Server, Store, Ttl};
use harness::event::Events;
use harness::protocol::memcached::frame::key::Key;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

const OPERATIONS: [&str; 14] = [
    "get", "gets", "gat", "get_many", "set", "add", "replace", "append", "prepend", "cas",
    "delete", "touch", "incr", "decr",
];

/// Operations before it begins to misbehave: more than a run needs to get going.
const GOOD_OPERATIONS: u64 = 2000;

type Lines = mpsc::UnboundedSender<Vec<u8>>;

#[tokio::main]
async fn main() {
    let (lines, mut inbox) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let mut heard = std::io::stdin().lock().lines().map_while(Result::ok);
        heard.try_for_each(|line| lines.send(line))
    });
    let Some(hello) = inbox.recv().await else { return };
    let hello: Value = serde_json::from_str(&hello).expect("the harness speaks JSON");
    let misbehave = hello["settings"]["misbehave"].as_str().unwrap_or_default().to_owned();
    let good = hello["settings"]["after"].as_u64().unwrap_or(GOOD_OPERATIONS);
    let (out, outbox) = mpsc::unbounded_channel();
    let writer = std::thread::spawn(move || write(outbox));
    let client = Arc::new(client(&hello));
    say(
        &out,
        &json!({"ready": 1, "client": "harness", "version": env!("CARGO_PKG_VERSION"),
                "runtime": "tokio", "operations": OPERATIONS, "cancel": true, "flags": true}),
    );
    let (mut calls, done) = (BTreeMap::<u64, AbortHandle>::new(), Arc::new(AtomicU64::new(0)));
    while let Some(line) = inbox.recv().await {
        let Ok(request) = serde_json::from_str::<Value>(&line) else {
            say(&out, &json!({"error": {"message": "a line that is no JSON"}}));
            continue;
        };
        if let Some(number) = request["ping"].as_u64() {
            say(&out, &json!({"pong": number}));
        } else if let Some(id) = request["cancel"].as_u64() {
            if let Some(call) = calls.remove(&id).filter(|call| !call.is_finished()) {
                call.abort();
                say(&out, &json!({"id": id, "cancelled": {}}));
            }
        } else if request["bye"].is_u64() {
            client.close().await;
            say(&out, &json!({"bye": 1}));
            break;
        } else if let Some(id) = request["id"].as_u64() {
            let (client, out, done) = (Arc::clone(&client), out.clone(), Arc::clone(&done));
            let misbehave = misbehave.clone();
            calls.retain(|_, call| !call.is_finished());
            let call = tokio::spawn(async move {
                let number = done.fetch_add(1, Ordering::Relaxed);
                let wrong = if number >= good { misbehave.as_str() } else { "" };
                let answer = match misbehave.as_str() {
                    "noop" => noop(&request),
                    _ => perform(&client, &request, wrong == "underscores").await,
                };
                spoil(wrong, id, answer, &out).await;
            });
            calls.insert(id, call.abort_handle());
        }
    }
    drop(out);
    let _ = writer.join();
}

fn write(mut outbox: mpsc::UnboundedReceiver<Vec<u8>>) {
    let mut stdout = std::io::stdout().lock();
    let mut lines = Vec::new();
    while outbox.blocking_recv_many(&mut lines, 64) > 0 {
        let bytes: Vec<u8> = lines.drain(..).flatten().collect();
        if stdout.write_all(&bytes).is_err() || stdout.flush().is_err() {
            return;
        }
    }
}

fn say(out: &Lines, value: &Value) {
    let _ = out.send(format!("{value}\n").into_bytes());
}

/// Says what an operation came to, in the way in which it misbehaves.
async fn spoil(wrong: &str, id: u64, mut answer: Value, out: &Lines) {
    match wrong {
        "dies" => std::process::abort(),
        "hangs" => std::future::pending().await,
        "lies" if answer["hit"].is_object() => {
            answer = json!({"hit": {"value64": BASE64.encode("what nobody stored")}});
        }
        "mixes" | "hides" => {
            if let Some(hits) = answer["hits"].as_object_mut() {
                let last = hits.values().next_back().cloned().unwrap_or_default();
                let value = if wrong == "mixes" { last } else { Value::Null };
                hits.values_mut().take(1).for_each(|first| *first = value.clone());
            }
        }
        "babbles" => {
            let _ = out.send(b"Traceback (most recent call last):\n".to_vec());
        }
        "floods" => eprintln!("{}", "a warning that nobody reads ".repeat(50)),
        "raises" => {
            answer = json!({"error": {"class": "other", "message": "TypeError: not a function"}});
        }
        "repeats" => say(out, &with_id(id, answer.clone())),
        _ => {}
    }
    say(out, &with_id(id, answer));
}

fn with_id(id: u64, mut answer: Value) -> Value {
    answer["id"] = id.into();
    answer
}

fn client(hello: &Value) -> Client {
    let servers = hello["servers"].as_array().expect("a list").iter();
    let servers: Vec<Server> = servers
        .map(|server| Server::new(server.as_str().expect("an address")).expect("an address"))
        .collect();
    let timeout = Duration::from_millis(hello["timeout_ms"].as_u64().unwrap_or(1000));
    let config = ClientConfig { operation_timeout: timeout, ..ClientConfig::default() };
    let scope = Scope::current("driver");
    Client::start(&servers, config, Seed::from_system(), Events::ignore(), &scope)
        .expect("settings that fit")
}

/// What is asked without asking anybody: what the pipe alone can do.
fn noop(request: &Value) -> Value {
    match request["op"].as_str().unwrap_or_default() {
        "get" | "gets" | "gat" => json!({"miss": {}}),
        "get_many" => json!({"hits": {}}),
        "delete" => json!({"deleted": {}}),
        "touch" => json!({"touched": {}}),
        "incr" | "decr" => json!({"not_found": {}}),
        _ => json!({"stored": {}}),
    }
}

async fn perform(client: &Client, request: &Value, underscores: bool) -> Value {
    let key = |value: &Value| {
        let name = value.as_str().unwrap_or_default();
        if underscores { Key::new(name.replace(' ', "_")) } else { Key::new(name) }
    };
    if request["op"] == "get_many" {
        let names = request["keys"].as_array().cloned().unwrap_or_default();
        let keys: Vec<Key> = names.iter().filter_map(|name| key(name).ok()).collect();
        let call = client.get_multi(&keys).await;
        let entry = |(key, entry): (&Key, Result<Option<Item>, Failure>)| {
            let told = entry.map_or_else(failed, |item| item.map_or(Value::Null, hit));
            (key.as_str().to_owned(), told)
        };
        let entries: serde_json::Map<_, _> = keys.iter().zip(call.entries).map(entry).collect();
        return json!({"hits": entries});
    }
    let Ok(key) = key(&request["key"]) else {
        return json!({"error": {"class": "client_error", "message": "no key for memcached"}});
    };
    let value = BASE64.decode(request["value64"].as_str().unwrap_or_default()).unwrap_or_default();
    let ttl = Ttl::seconds(request["ttl_s"].as_i64().unwrap_or_default());
    let flags = request["flags"].as_u64().and_then(|flags| u32::try_from(flags).ok());
    let keep = Keep { ttl, flags: flags.unwrap_or_default() };
    let unique = request["cas"].as_str().and_then(|cas| cas.parse().ok()).unwrap_or_default();
    let by = request["by"].as_u64().unwrap_or(1);
    match request["op"].as_str().unwrap_or_default() {
        "get" => read(client.get(&key).await.result),
        "gets" => read(client.gets(&key).await.result),
        "gat" => read(client.gat(&key, ttl).await.result),
        "set" => stored(client.set(&key, &value, keep).await.result),
        "add" => stored(client.add(&key, &value, keep).await.result),
        "replace" => stored(client.replace(&key, &value, keep).await.result),
        "append" => stored(client.append(&key, &value, ttl).await.result),
        "prepend" => stored(client.prepend(&key, &value, ttl).await.result),
        "cas" => stored(client.cas(&key, &value, keep, unique).await.result),
        "delete" => done(client.delete(&key).await.result, "deleted"),
        "touch" => done(client.touch(&key, ttl).await.result, "touched"),
        "incr" => counted(client.incr(&key, by).await.result),
        "decr" => counted(client.decr(&key, by).await.result),
        other => json!({"error": {"class": "unsupported", "message": format!("no {other}")}}),
    }
}

fn failed(failure: Failure) -> Value {
    let class = failure.class().map_or("other", |class| class.name());
    json!({"error": {"class": class, "message": format!("{failure:?}")}})
}

fn hit(item: Item) -> Value {
    let cas = item.cas.map(|unique| unique.to_string());
    let mut hit = json!({"value64": BASE64.encode(&item.value), "flags": item.flags});
    if let Some(cas) = cas {
        hit["cas"] = cas.into();
    }
    hit
}

fn read(result: Result<Option<Item>, Failure>) -> Value {
    match result {
        Ok(Some(item)) => json!({"hit": hit(item)}),
        Ok(None) => json!({"miss": {}}),
        Err(failure) => failed(failure),
    }
}

fn stored(result: Result<Store, Failure>) -> Value {
    match result {
        Ok(Store::Stored) => json!({"stored": {}}),
        Ok(Store::NotStored) => json!({"not_stored": {}}),
        Ok(Store::Exists) => json!({"exists": {}}),
        Ok(Store::NotFound) => json!({"not_found": {}}),
        Err(failure) => failed(failure),
    }
}

fn done(result: Result<bool, Failure>, word: &str) -> Value {
    match result {
        Ok(true) => json!({word: {}}),
        Ok(false) => json!({"not_found": {}}),
        Err(failure) => failed(failure),
    }
}

fn counted(result: Result<Option<u64>, Failure>) -> Value {
    match result {
        Ok(Some(value)) => json!({"counted": {"value": value}}),
        Ok(None) => json!({"not_found": {}}),
        Err(failure) => failed(failure),
    }
}
