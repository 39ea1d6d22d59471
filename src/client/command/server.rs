//! Requests to a node as a whole.

use async_memcached::{Client as Wire, Error};

use super::exchange::{Command, Effect};
use crate::client::trouble::Trouble;

/// `version` on behalf of a caller.
#[derive(Debug)]
pub(in crate::client) struct Version;

/// `version` on the client's own behalf: does the node answer?
#[derive(Debug)]
pub(in crate::client) struct Ping;

/// `stats`.
#[derive(Debug)]
pub(in crate::client) struct Stats;

/// `flush_all`.
#[derive(Debug)]
pub(in crate::client) struct FlushAll;

impl Command for Version {
    type Reply = String;

    const EFFECT: Effect = Effect::Read;

    async fn run(&self, wire: &mut Wire) -> Result<String, Trouble> {
        version(wire).await
    }
}

impl Command for Ping {
    type Reply = ();

    const EFFECT: Effect = Effect::Read;
    const PING: bool = true;

    async fn run(&self, wire: &mut Wire) -> Result<(), Trouble> {
        version(wire).await.map(drop)
    }
}

/// The crate cuts eight bytes off any line; only what then looks like a version is one.
async fn version(wire: &mut Wire) -> Result<String, Trouble> {
    let line = wire.version().await.map_err(|error| Trouble::of(&error, false))?;
    let version = line.trim_end();
    if version.starts_with(|first: char| first.is_ascii_digit()) && version.contains('.') {
        Ok(version.to_owned())
    } else {
        Err(Trouble::surprise())
    }
}

impl Command for Stats {
    type Reply = Vec<(String, String)>;

    const EFFECT: Effect = Effect::Read;

    async fn run(&self, wire: &mut Wire) -> Result<Self::Reply, Trouble> {
        let counters = wire.stats().await.map_err(|error| Trouble::of(&error, false))?;
        let mut counters: Vec<(String, String)> = counters.into_iter().collect();
        counters.sort_unstable();
        Ok(counters)
    }
}

impl Command for FlushAll {
    type Reply = ();

    const EFFECT: Effect = Effect::Repeatable;

    async fn run(&self, wire: &mut Wire) -> Result<(), Trouble> {
        wire.flush_all().await.map_err(|error: Error| Trouble::of(&error, false))
    }
}
