//! redis-rs: a `ConnectionManager` for each node, shared by all tasks. It has one connection, which pipelines, and makes
//! it anew when it is gone.

#[path = "../lib/harness_driver.rs"]
mod harness_driver;
#[path = "../lib/harness_resp.rs"]
mod harness_resp;

use std::time::Duration;

use harness_driver::{Answer, Description, io_class, serve};
use harness_resp::{Clients, Command, OPERATIONS, Reply, Tasks, class_of_line};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, ErrorKind, RedisError, ServerErrorKind, Value};
use serde_json::Value as Json;
use tokio::runtime::Runtime;

const ABOUT: Description =
    Description { client: "redis-rs", version: "1.8.1", operations: OPERATIONS, cancel: true };

struct Nodes(Vec<ConnectionManager>);

impl Clients for Nodes {
    fn count(&self) -> usize {
        self.0.len()
    }

    async fn ask(&self, node: usize, (name, words): Command) -> Result<Reply, Answer> {
        let mut node = self.0[node].clone();
        let mut command = redis::cmd(name);
        words.iter().for_each(|word| {
            command.arg(word.as_slice());
        });
        command.query_async(&mut node).await.map(reply).map_err(|error| failed(&error))
    }
}

fn main() {
    serve(&ABOUT, |servers, _, settings: &Json| {
        let runtime = Runtime::new().expect("a runtime starts");
        let nodes = {
            let _inside = runtime.enter();
            servers.iter().map(|server| open(server, settings)).collect()
        };
        Tasks::new(runtime, Nodes(nodes))
    })
}

/// The setters of its configuration by their names, times in ms.
fn open(server: &str, settings: &Json) -> ConnectionManager {
    let ms = |name: &str| settings[name].as_u64().map(Duration::from_millis);
    let mut config = ConnectionManagerConfig::new();
    if let Some(time) = ms("response_timeout") {
        config = config.set_response_timeout(Some(time));
    }
    if let Some(time) = ms("connection_timeout") {
        config = config.set_connection_timeout(Some(time));
    }
    if let Some(time) = ms("max_delay") {
        config = config.set_max_delay(time);
    }
    if let Some(retries) = settings["number_of_retries"].as_u64() {
        config = config.set_number_of_retries(retries as usize);
    }
    let client = Client::open(format!("redis://{server}/")).expect("an address");
    ConnectionManager::new_lazy_with_config(client, config).expect("a configuration")
}

fn reply(value: Value) -> Reply {
    match value {
        Value::Nil => Reply::Nil,
        Value::Okay => Reply::Done,
        Value::Int(number) => Reply::Number(number),
        Value::BulkString(bytes) => Reply::Bytes(bytes),
        Value::Array(values) => Reply::Many(values.into_iter().map(reply).collect()),
        other => Reply::Other(format!("{other:?}")),
    }
}

fn failed(error: &RedisError) -> Answer {
    let class = match error.kind() {
        ErrorKind::Server(ServerErrorKind::ResponseError) => "client_error",
        ErrorKind::Server(_) => "server_error",
        ErrorKind::Extension => class_of_line(error.code().unwrap_or_default()),
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType => "protocol",
        ErrorKind::Client | ErrorKind::InvalidClientConfig => "client_error",
        _ if error.is_timeout() => "timeout",
        _ if error.is_connection_refusal() => "refused",
        ErrorKind::Io if error.is_connection_dropped() => "closed",
        _ => std::error::Error::source(error)
            .and_then(|source| source.downcast_ref::<std::io::Error>())
            .map_or("other", io_class),
    };
    Answer::error(class, &error.to_string())
}
