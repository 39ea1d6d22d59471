//! fred: a `Client` for each node, shared by all tasks. It has one connection, which pipelines.

#[path = "../lib/harness_driver.rs"]
mod harness_driver;
#[path = "../lib/harness_resp.rs"]
mod harness_resp;

use std::time::Duration;

use fred::clients::Client;
use fred::error::{Error, ErrorKind};
use fred::interfaces::ClientLike;
use fred::types::config::{Config, ReconnectPolicy, ServerConfig};
use fred::types::{Builder, ClusterHash, CustomCommand, Value};
use harness_driver::{Answer, Description, serve};
use harness_resp::{Clients, Command, OPERATIONS, Reply, Tasks, class_of_line};
use serde_json::Value as Json;
use tokio::runtime::Runtime;

const ABOUT: Description =
    Description { client: "fred", version: "10.1.0", operations: OPERATIONS, cancel: true };

/// How long the first connection may take; then the driver begins without it.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);

struct Nodes(Vec<Client>);

impl Clients for Nodes {
    fn count(&self) -> usize {
        self.0.len()
    }

    async fn ask(&self, node: usize, (name, words): Command) -> Result<Reply, Answer> {
        let command = CustomCommand::new_static(name, ClusterHash::FirstKey, false);
        let words = words.into_iter().map(|word| Value::Bytes(word.into())).collect();
        self.0[node].custom(command, words).await.map(reply).map_err(|error| failed(&error))
    }
}

fn main() {
    serve(&ABOUT, |servers, _, settings: &Json| {
        let runtime = Runtime::new().expect("a runtime starts");
        let nodes: Vec<Client> = {
            let _inside = runtime.enter();
            servers.iter().map(|server| open(server, settings)).collect()
        };
        runtime.block_on(async {
            for node in &nodes {
                node.connect();
            }
            for node in &nodes {
                // One that is not there is found out by the calls.
                let _ = tokio::time::timeout(CONNECT_WITHIN, node.wait_for_connect()).await;
            }
        });
        Tasks::new(runtime, Nodes(nodes))
    })
}

/// The fields of its configuration by their names, times in ms.
fn open(server: &str, settings: &Json) -> Client {
    let ms = |name: &str| settings[name].as_u64().map(Duration::from_millis);
    let (host, port) = server.rsplit_once(':').expect("host:port");
    let place =
        ServerConfig::new_centralized(host.trim_matches(['[', ']']), port.parse().expect("a port"));
    let mut builder = Builder::from_config(Config { server: place, ..Config::default() });
    builder.with_connection_config(|config| {
        config.connection_timeout = ms("connection_timeout").unwrap_or(config.connection_timeout);
        config.internal_command_timeout =
            ms("internal_command_timeout").unwrap_or(config.internal_command_timeout);
        if let Some(attempts) = settings["max_command_attempts"].as_u64() {
            config.max_command_attempts = attempts as u32;
        }
        if let Some(time) = ms("unresponsive_max_timeout") {
            config.unresponsive.max_timeout = Some(time);
            config.unresponsive.interval = time / 2;
        }
    });
    builder.with_performance_config(|config| {
        config.default_command_timeout =
            ms("default_command_timeout").unwrap_or(config.default_command_timeout);
    });
    // Without end; with no policy it makes one connection and never another.
    if let Some(delay) = settings["reconnect_delay"].as_u64() {
        builder.set_policy(ReconnectPolicy::new_constant(0, delay as u32));
    }
    builder.build().expect("a configuration")
}

fn reply(value: Value) -> Reply {
    match value {
        Value::Null => Reply::Nil,
        Value::Integer(number) => Reply::Number(number),
        Value::Bytes(bytes) => Reply::Bytes(bytes.to_vec()),
        Value::String(text) if &*text == "OK" => Reply::Done,
        // What is text it hands over as text, whatever was stored.
        Value::String(text) => Reply::Bytes(text.as_bytes().to_vec()),
        Value::Array(values) => Reply::Many(values.into_iter().map(reply).collect()),
        other => Reply::Other(format!("{other:?}")),
    }
}

fn failed(error: &Error) -> Answer {
    let words = error.details();
    let class = match error.kind() {
        ErrorKind::Timeout => "timeout",
        ErrorKind::IO if words.contains("refused") => "refused",
        ErrorKind::IO if words.contains("reset") || words.contains("pipe") => "reset",
        ErrorKind::IO | ErrorKind::Canceled => "closed",
        ErrorKind::Backpressure => "no_connection",
        ErrorKind::Protocol | ErrorKind::Parse => "protocol",
        ErrorKind::InvalidCommand | ErrorKind::InvalidArgument => "client_error",
        ErrorKind::Auth | ErrorKind::Cluster => "server_error",
        _ => class_of_line(words),
    };
    Answer::error(class, words)
}
