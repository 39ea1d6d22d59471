//! async-memcached: a task for each operation, a client for each connection.
//!
//! The crate has neither a pool nor a ring: a client is one connection to one node. What its callers
//! build round it is here as small as it can be: keys go by CRC-32 modulo the number of nodes, free clients
//! are kept, and one that an error or an abandoned call has spoilt is not used again. With the word `pool` behind
//! its name only an error keeps one away: most pools take a connection back when it is dropped, whoever drops it.

#[path = "../lib/harness_driver.rs"]
mod harness_driver;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_memcached::{AsciiProtocol as _, Client, Error, ErrorKind, Status};
use harness_driver::{Answer, Description, Request, Subject, io_class, say, serve};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::task::AbortHandle;

const ABOUT: Description = Description {
    client: "async-memcached",
    version: "0.9.0",
    operations: &["get", "get_many", "set", "add", "delete", "incr", "decr"],
    cancel: true,
};

/// One node and the clients of it that nobody uses at the moment.
struct Node {
    address: String,
    free: Mutex<Vec<Client>>,
}

impl Node {
    async fn take(&self) -> Result<Client, Error> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match free {
            Some(client) => Ok(client),
            None => Client::new(format!("tcp://{}", self.address)).await,
        }
    }
}

/// A client for one call, and whether it goes back when it is dropped.
struct Lent<'a> {
    node: &'a Node,
    client: Option<Client>,
    goes_back: bool,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(client) = self.client.take().filter(|_| self.goes_back) {
            self.node.free.lock().unwrap_or_else(PoisonError::into_inner).push(client);
        }
    }
}

struct Nodes {
    nodes: Vec<Node>,
    timeout: Option<Duration>,
    /// Whether the client of an abandoned call goes back.
    pools: bool,
}

impl Nodes {
    fn of(&self, key: &[u8]) -> &Node {
        &self.nodes[crc32fast::hash(key) as usize % self.nodes.len()]
    }

    /// One call on a client of the node.
    async fn on<T>(
        &self,
        node: &Node,
        call: impl AsyncFnOnce(&mut Client) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let whole = async {
            let client = Some(node.take().await?);
            let mut lent = Lent { node, client, goes_back: self.pools };
            let outcome = call(lent.client.as_mut().expect("it is lent until here")).await;
            lent.goes_back = !outcome.as_ref().is_err_and(spoils);
            outcome
        };
        match self.timeout {
            None => whole.await,
            Some(timeout) => match tokio::time::timeout(timeout, whole).await {
                Ok(outcome) => outcome,
                Err(_) => Err(Error::Io(std::io::ErrorKind::TimedOut.into())),
            },
        }
    }
}

/// Whether a client is of no more use after this error.
fn spoils(error: &Error) -> bool {
    !matches!(error, Error::Protocol(Status::NotStored | Status::NotFound))
}

/// Says `cancelled` when it is dropped before the operation is done.
struct Pending(Option<u64>);

impl Pending {
    fn over(mut self) {
        self.0 = None;
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(id) = self.0 {
            say(id, Answer::done("cancelled"));
        }
    }
}

struct Tasks {
    runtime: Runtime,
    nodes: Arc<Nodes>,
    running: Arc<Mutex<HashMap<u64, AbortHandle>>>,
}

impl Subject for Tasks {
    fn start(&mut self, request: Request) {
        let (nodes, running, id) = (Arc::clone(&self.nodes), Arc::clone(&self.running), request.id);
        let mut started = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        // Not in the task, which may be abandoned before it begins.
        let pending = Pending(Some(id));
        let task = self.runtime.spawn(async move {
            let answer = call(&nodes, &request).await.unwrap_or_else(|error| failed(&error));
            pending.over();
            running.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
            say(id, answer);
        });
        started.insert(id, task.abort_handle());
    }

    fn cancel(&mut self, id: u64) {
        if let Some(task) = self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&id)
        {
            task.abort();
        }
    }
}

fn main() {
    let pools = std::env::args().nth(1).as_deref() == Some("pool");
    serve(&ABOUT, |servers, _, settings: &Value| {
        let node = |address| Node { address, free: Mutex::default() };
        let timeout = settings["timeout"].as_f64().map(Duration::from_secs_f64);
        Tasks {
            runtime: Runtime::new().expect("a runtime starts"),
            nodes: Arc::new(Nodes {
                nodes: servers.into_iter().map(node).collect(),
                timeout,
                pools,
            }),
            running: Arc::default(),
        }
    })
}

async fn call(nodes: &Nodes, r: &Request) -> Result<Answer, Error> {
    let (key, value) = (r.key.as_slice(), r.value.as_slice());
    let (ttl, flags) = (Some(i64::from(r.ttl_s)), Some(r.flags));
    let node = nodes.of(key);
    match r.op.as_str() {
        "get" => Ok(match nodes.on(node, async |client| client.get(key).await).await? {
            Some(item) => Answer::hit(item.data.as_deref().unwrap_or_default(), item.flags, None),
            None => Answer::done("miss"),
        }),
        "get_many" => Ok(get_many(nodes, &r.keys).await),
        "set" => done(
            nodes.on(node, async |client| client.set(key, value, ttl, flags).await).await,
            "stored",
        ),
        "add" => done(
            nodes.on(node, async |client| client.add(key, value, ttl, flags).await).await,
            "stored",
        ),
        "delete" => done(nodes.on(node, async |client| client.delete(key).await).await, "deleted"),
        "incr" => counted(nodes.on(node, async |client| client.increment(key, r.by).await).await),
        "decr" => counted(nodes.on(node, async |client| client.decrement(key, r.by).await).await),
        other => Ok(Answer::unsupported(other)),
    }
}

/// One request to each node that has some of the keys.
async fn get_many(nodes: &Nodes, keys: &[Vec<u8>]) -> Answer {
    let mut found = Vec::new();
    for node in &nodes.nodes {
        let theirs: Vec<&Vec<u8>> =
            keys.iter().filter(|key| std::ptr::eq(nodes.of(key), node)).collect();
        if theirs.is_empty() {
            continue;
        }
        match nodes.on(node, async |client| client.get_multi(&theirs).await).await {
            Ok(items) => found.extend(theirs.into_iter().map(|key| {
                let item = items.iter().find(|item| item.key == *key);
                (key.clone(), Ok(item.and_then(|item| item.data.clone())))
            })),
            Err(Error::Protocol(Status::NotFound)) => {
                found.extend(theirs.into_iter().map(|key| (key.clone(), Ok(None))));
            }
            Err(error) => {
                found.extend(theirs.into_iter().map(|key| (key.clone(), Err(failed(&error)))))
            }
        }
    }
    Answer::hits(found)
}

fn done(outcome: Result<(), Error>, yes: &str) -> Result<Answer, Error> {
    match outcome {
        Ok(()) => Ok(Answer::done(yes)),
        Err(Error::Protocol(Status::NotStored)) => Ok(Answer::done("not_stored")),
        Err(Error::Protocol(Status::NotFound)) => Ok(Answer::done("not_found")),
        Err(error) => Err(error),
    }
}

fn counted(outcome: Result<u64, Error>) -> Result<Answer, Error> {
    match outcome {
        Ok(value) => Ok(Answer::counted(value)),
        Err(Error::Protocol(Status::NotFound)) => Ok(Answer::done("not_found")),
        Err(error) => Err(error),
    }
}

fn failed(error: &Error) -> Answer {
    let class = match error {
        Error::Connect(error) if error.kind() == std::io::ErrorKind::TimedOut => "connect_timeout",
        Error::Connect(error) | Error::Io(error) => io_class(error),
        Error::Protocol(Status::Error(ErrorKind::Server(text))) if text.contains("too large") => {
            "too_large"
        }
        Error::Protocol(Status::Error(ErrorKind::Server(_))) => "server_error",
        // What versions before 0.9 say when they lost their place, after the request was sent.
        Error::Protocol(Status::Error(ErrorKind::Client(text)))
            if text.starts_with("Buffer length") =>
        {
            "protocol"
        }
        Error::Protocol(Status::Error(ErrorKind::Client(_) | ErrorKind::KeyTooLong)) => {
            "client_error"
        }
        Error::Protocol(_) | Error::ParseError(_) => "protocol",
        // A connection that was given up; versions before 0.9 have no word for it.
        #[allow(unreachable_patterns, reason = "those versions")]
        _ => "closed",
    };
    Answer::error(class, &error.to_string())
}
