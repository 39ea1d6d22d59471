//! memcache: one client for all threads, with its pool of connections to each node.

#[path = "../lib/harness_driver.rs"]
mod harness_driver;

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use harness_driver::{Answer, Description, Request, Subject, io_class, say, serve};
use memcache::{Client, ClientError, CommandError, MemcacheError, ServerError};
use serde_json::Value;

const ABOUT: Description = Description {
    client: "memcache (Rust)",
    version: "0.21.0",
    operations: &[
        "get", "get_many", "gets", "cas", "set", "add", "replace", "append", "prepend", "delete",
        "touch", "incr", "decr",
    ],
    cancel: false,
};

/// Requests that wait for a thread.
struct Threads(mpsc::Sender<Request>);

impl Subject for Threads {
    fn start(&mut self, request: Request) {
        self.0.send(request).expect("the threads end with the process");
    }
}

fn main() {
    serve(&ABOUT, |servers, concurrency, settings| {
        let client = open(&servers, settings).unwrap_or_else(|error| {
            eprintln!("{error}");
            std::process::exit(1);
        });
        let (sender, waiting) = mpsc::channel::<Request>();
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..concurrency {
            let (client, waiting) = (client.clone(), Arc::clone(&waiting));
            std::thread::spawn(move || {
                loop {
                    let next = waiting.lock().expect("no thread panics with the lock").recv();
                    let Ok(request) = next else { return };
                    say(request.id, call(&client, &request).unwrap_or_else(|error| failed(&error)));
                }
            });
        }
        Threads(sender)
    })
}

/// The settings: `query`, which ends each server's URL, and what the builder takes.
fn open(servers: &[String], settings: &Value) -> Result<Client, MemcacheError> {
    let query = settings["query"].as_str().unwrap_or_default();
    let mut builder = Client::builder();
    for server in servers {
        builder = builder.add_server(format!("memcache://{server}?{query}"))?;
    }
    if let Some(size) = settings["max_pool_size"].as_u64() {
        builder = builder.with_max_pool_size(size as u32);
    }
    if let Some(seconds) = settings["connection_timeout"].as_f64() {
        builder = builder.with_connection_timeout(Duration::from_secs_f64(seconds));
    }
    builder.build()
}

type Found = (Vec<u8>, u32, Option<u64>);

fn call(client: &Client, r: &Request) -> Result<Answer, MemcacheError> {
    if r.flags != 0 {
        return Ok(Answer::error("unsupported", "this client cannot set flags"));
    }
    let Ok(key) = std::str::from_utf8(&r.key) else {
        return Ok(Answer::error("client_error", "keys are text here"));
    };
    let (value, ttl) = (r.value.as_slice(), r.ttl_s);
    Ok(match r.op.as_str() {
        "get" => match client.get::<(Vec<u8>, u32)>(key)? {
            Some((value, flags)) => Answer::hit(&value, Some(flags), None),
            None => Answer::done("miss"),
        },
        "gets" => match client.get::<Found>(key)? {
            Some((value, flags, cas)) => Answer::hit(&value, Some(flags), cas),
            None => Answer::done("miss"),
        },
        "get_many" => get_many(client, &r.keys)?,
        "cas" => done(
            client
                .cas(key, value, ttl, r.cas)
                .map(|swapped| if swapped { "stored" } else { "exists" }),
            "not_found",
        )?,
        "set" => done(client.set(key, value, ttl).map(|()| "stored"), "not_stored")?,
        "add" => done(client.add(key, value, ttl).map(|()| "stored"), "not_stored")?,
        "replace" => done(client.replace(key, value, ttl).map(|()| "stored"), "not_stored")?,
        "append" => done(client.append(key, value).map(|()| "stored"), "not_stored")?,
        "prepend" => done(client.prepend(key, value).map(|()| "stored"), "not_stored")?,
        "delete" => Answer::done(if client.delete(key)? { "deleted" } else { "not_found" }),
        "touch" => Answer::done(if client.touch(key, ttl)? { "touched" } else { "not_found" }),
        "incr" => counted(client.increment(key, r.by))?,
        "decr" => counted(client.decrement(key, r.by))?,
        other => Answer::unsupported(other),
    })
}

fn get_many(client: &Client, keys: &[Vec<u8>]) -> Result<Answer, MemcacheError> {
    let names: Vec<_> = keys.iter().map(|key| String::from_utf8_lossy(key)).collect();
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    let mut found = client.gets::<Vec<u8>>(&names)?;
    let one = |name: &&str| (name.as_bytes().to_vec(), Ok(found.remove(*name)));
    Ok(Answer::hits(names.iter().map(one).collect()))
}

/// The answer, where the server's no is an error of its own.
fn done(outcome: Result<&str, MemcacheError>, no: &str) -> Result<Answer, MemcacheError> {
    match outcome {
        Ok(name) => Ok(Answer::done(name)),
        Err(MemcacheError::CommandError(CommandError::KeyExists | CommandError::KeyNotFound)) => {
            Ok(Answer::done(no))
        }
        // The binary protocol's status for an item that was not stored has no name here.
        Err(MemcacheError::CommandError(CommandError::Unknown(5))) => Ok(Answer::done(no)),
        Err(error) => Err(error),
    }
}

fn counted(outcome: Result<u64, MemcacheError>) -> Result<Answer, MemcacheError> {
    match outcome {
        Ok(value) => Ok(Answer::counted(value)),
        Err(MemcacheError::CommandError(CommandError::KeyNotFound)) => {
            Ok(Answer::done("not_found"))
        }
        Err(error) => Err(error),
    }
}

fn failed(error: &MemcacheError) -> Answer {
    let class = match error {
        MemcacheError::IOError(error) => io_class(error),
        // No connection came free, or none could be made, within the pool's patience.
        MemcacheError::PoolError(_) => "no_connection",
        MemcacheError::ClientError(ClientError::Error(text)) if text.contains("too large") => {
            "too_large"
        }
        MemcacheError::ClientError(_) => "client_error",
        MemcacheError::ServerError(ServerError::Error(text)) if text.contains("too large") => {
            "too_large"
        }
        MemcacheError::ServerError(ServerError::Error(_)) => "server_error",
        MemcacheError::CommandError(CommandError::ValueTooLarge) => "too_large",
        MemcacheError::CommandError(_) => "client_error",
        MemcacheError::ServerError(_) | MemcacheError::ParseError(_) => "protocol",
        _ => "other",
    };
    Answer::error(class, &error.to_string())
}
