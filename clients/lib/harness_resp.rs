//! What Rust drivers of RESP clients share besides `harness_driver.rs`: operations as commands, replies as answers, and
//! a task for each operation, which can be abandoned.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Runtime;
use tokio::task::AbortHandle;

use crate::harness_driver::{Answer, OfKey, Request, Subject, say};

pub const OPERATIONS: &[&str] =
    &["get", "get_many", "set", "add", "replace", "delete", "touch", "gat", "incr", "decr"];

/// A command: its name and what follows.
pub type Command = (&'static str, Vec<Vec<u8>>);

/// What a client made of a reply.
pub enum Reply {
    Nil,
    Done,
    Number(i64),
    Bytes(Vec<u8>),
    Many(Vec<Reply>),
    /// Something that no command of ours is answered by.
    Other(String),
}

/// The clients of all nodes; each knows one, and spreading keys over them is left to its callers.
pub trait Clients: Send + Sync + 'static {
    fn count(&self) -> usize;
    /// One command to one node. An error is an answer with its class.
    fn ask(
        &self,
        node: usize,
        command: Command,
    ) -> impl Future<Output = Result<Reply, Answer>> + Send;
}

/// The class of an error by the line that the server said.
pub fn class_of_line(line: &str) -> &'static str {
    match line.split(' ').next() {
        Some("ERR" | "WRONGTYPE" | "EXECABORT" | "CROSSSLOT") => "client_error",
        _ => "server_error",
    }
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

pub struct Tasks<C> {
    runtime: Runtime,
    clients: Arc<C>,
    running: Arc<Mutex<HashMap<u64, AbortHandle>>>,
}

impl<C: Clients> Tasks<C> {
    pub fn new(runtime: Runtime, clients: C) -> Self {
        Self { runtime, clients: Arc::new(clients), running: Arc::default() }
    }
}

impl<C: Clients> Subject for Tasks<C> {
    fn start(&mut self, request: Request) {
        let (clients, running, id) =
            (Arc::clone(&self.clients), Arc::clone(&self.running), request.id);
        let mut started = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        // Not in the task, which may be abandoned before it begins.
        let pending = Pending(Some(id));
        let task = self.runtime.spawn(async move {
            let answer = call(&*clients, &request).await.unwrap_or_else(|error| error);
            pending.over();
            running.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
            say(id, answer);
        });
        started.insert(id, task.abort_handle());
    }

    fn cancel(&mut self, id: u64) {
        let task = self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        if let Some(task) = task {
            task.abort();
        }
    }
}

async fn call<C: Clients>(clients: &C, r: &Request) -> Result<Answer, Answer> {
    if r.flags != 0 {
        return Ok(Answer::error("unsupported", "values of RESP have no flags"));
    }
    if r.op == "get_many" {
        return Ok(get_many(clients, &r.keys).await);
    }
    let Some(command) = command(r) else { return Ok(Answer::unsupported(&r.op)) };
    let reply = clients.ask(node_of(clients, &r.key), command).await?;
    Ok(match (r.op.as_str(), reply) {
        ("get" | "gat", Reply::Nil) => Answer::done("miss"),
        ("get" | "gat", Reply::Bytes(value)) => Answer::hit(&value, None, None),
        ("set" | "add" | "replace", Reply::Done) => Answer::done("stored"),
        ("add" | "replace", Reply::Nil) => Answer::done("not_stored"),
        ("touch", Reply::Bytes(_)) => Answer::done("touched"),
        ("delete" | "touch", Reply::Nil | Reply::Number(0)) => Answer::done("not_found"),
        ("delete", Reply::Number(_)) => Answer::done("deleted"),
        ("touch", Reply::Number(_)) => Answer::done("touched"),
        // A counter that is not there begins at zero: below it there was none.
        ("incr" | "decr", Reply::Number(value)) => match u64::try_from(value) {
            Ok(value) => Answer::counted(value),
            Err(_) => Answer::done("not_found"),
        },
        (_, Reply::Other(what)) => Answer::error("protocol", &what),
        _ => Answer::error("protocol", "the reply of another command"),
    })
}

fn node_of<C: Clients>(clients: &C, key: &[u8]) -> usize {
    crc32fast::hash(key) as usize % clients.count()
}

fn command(r: &Request) -> Option<Command> {
    let (key, text) = (r.key.clone(), |number: u64| number.to_string().into_bytes());
    let expiry = match r.ttl_s {
        0 => vec![],
        ttl_s => vec![b"EX".to_vec(), text(ttl_s.into())],
    };
    let store = |how: Option<&str>| {
        let how = how.map(|word| word.as_bytes().to_vec());
        let words = [key.clone(), r.value.clone()].into_iter().chain(how).chain(expiry.clone());
        ("SET", words.collect())
    };
    Some(match r.op.as_str() {
        "get" => ("GET", vec![key]),
        "set" => store(None),
        "add" => store(Some("NX")),
        "replace" => store(Some("XX")),
        "delete" => ("DEL", vec![key]),
        "touch" if r.ttl_s > 0 => ("EXPIRE", vec![key, text(r.ttl_s.into())]),
        "gat" if r.ttl_s > 0 => ("GETEX", [vec![key], expiry].concat()),
        // PERSIST says the same of a value without an expiry and of none; a read does not.
        "gat" | "touch" => ("GETEX", vec![key, b"PERSIST".to_vec()]),
        "incr" => ("INCRBY", vec![key, text(r.by)]),
        "decr" => ("DECRBY", vec![key, text(r.by)]),
        _ => return None,
    })
}

/// One read for each node that has some of the keys, one after the other.
async fn get_many<C: Clients>(clients: &C, keys: &[Vec<u8>]) -> Answer {
    let mut found: Vec<(Vec<u8>, OfKey)> = Vec::new();
    for node in 0..clients.count() {
        let theirs: Vec<Vec<u8>> =
            keys.iter().filter(|key| node_of(clients, key) == node).cloned().collect();
        if theirs.is_empty() {
            continue;
        }
        let came = clients.ask(node, ("MGET", theirs.clone())).await;
        let values = match came {
            Ok(Reply::Many(values)) if values.len() == theirs.len() => {
                values.into_iter().map(one).collect()
            }
            Ok(_) => vec![Err(Answer::error("protocol", "no list of values")); theirs.len()],
            Err(error) => vec![Err(error); theirs.len()],
        };
        found.extend(theirs.into_iter().zip(values));
    }
    Answer::hits(found)
}

fn one(reply: Reply) -> OfKey {
    match reply {
        Reply::Nil => Ok(None),
        Reply::Bytes(value) => Ok(Some(value)),
        _ => Err(Answer::error("protocol", "no value")),
    }
}
