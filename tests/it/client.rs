//! The client against servers that answer rightly, wrongly, late or not at all.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod desync;
mod healing;
mod operations;
mod servers;
mod strays;

use std::time::Duration;

use harness::base::scope::Scope;
use harness::base::seed::Seed;
use harness::client::{Client, ClientConfig, Server};
use harness::event::Events;
use harness::protocol::memcached::frame::key::Key;

/// A client for one address.
fn client(address: &str, config: ClientConfig) -> Client {
    watched(&[address], config, Events::ignore())
}

fn watched(addresses: &[&str], config: ClientConfig, events: Events) -> Client {
    let servers: Vec<Server> =
        addresses.iter().map(|address| Server::new(*address).unwrap()).collect();
    Client::start(&servers, config, Seed::new(1), events, &Scope::current("test")).unwrap()
}

/// The default settings with deadlines that a busy machine meets.
fn patient() -> ClientConfig {
    ClientConfig {
        connect_timeout: Duration::from_secs(5),
        operation_timeout: Duration::from_secs(5),
        pool_wait: Duration::from_secs(5),
        ..ClientConfig::default()
    }
}

fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}
