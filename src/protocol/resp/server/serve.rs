//! The embedded Redis as the loop of every node serves it: its items, its clock, its counters.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering::Relaxed;

use bytes::BytesMut;
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::clock::{Clock, Now};
use super::config::NodeConfig;
use super::facts::Facts;
use super::session::Session;
use super::state::Context;
use super::store::Store;
use crate::base::scope::Scope;
use crate::base::time::Wall;
use crate::protocol::node::output::Output;
use crate::protocol::node::serve::{self, Service, Step};

/// A running node. Dropping it stops it.
pub type Node = serve::Node<Redis>;

/// What a connection above the limit is told before it is closed.
const TOO_MANY_CONNECTIONS: &str = "-ERR max number of clients reached\r\n";

/// What a node holds and knows.
#[derive(Debug)]
pub struct Redis {
    store: Store,
    clock: Clock,
    /// How many seconds that clock was set ahead; below zero, behind.
    ahead: AtomicI64,
    facts: Facts,
}

impl Node {
    /// Listens, and serves in a scope below `scope`.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn start(config: &NodeConfig, scope: &Scope) -> io::Result<Self> {
        let listener = TcpListener::bind(&config.listen).await?;
        let facts = Facts {
            port: listener.local_addr()?.port(),
            max_connections: config.max_connections.into(),
            ..Facts::default()
        };
        let service = Redis {
            store: Store::new(config.memory.0),
            clock: Clock::new(Instant::now(), Wall::now().unix_seconds()),
            ahead: AtomicI64::new(0),
            facts,
        };
        Self::serve(listener, service, Arc::default(), scope)
    }
}

impl Redis {
    fn now(&self) -> Now {
        self.clock.at(Instant::now(), self.ahead.load(Relaxed))
    }
}

impl Service for Redis {
    type Conversation = Session;

    fn admit(&self) -> Result<Session, String> {
        let facts = &self.facts;
        if facts.connections.load(Relaxed) >= facts.max_connections {
            facts.connections_rejected.fetch_add(1, Relaxed);
            return Err(TOO_MANY_CONNECTIONS.to_owned());
        }
        facts.connections.fetch_add(1, Relaxed);
        let id = facts.connections_total.fetch_add(1, Relaxed) + 1;
        Ok(Session::new(id, self.store.memory_bytes()))
    }

    fn left(&self) {
        self.facts.connections.fetch_sub(1, Relaxed);
    }

    fn run(&self, session: &mut Session, input: &mut BytesMut, out: &mut Output) -> Step {
        let Self { store, clock, facts, .. } = self;
        session.run(input, out, &Context { store, clock, now: self.now(), facts })
    }

    fn pending(_: &mut Session) -> Option<(&mut Vec<u8>, usize)> {
        None
    }

    fn passed(&self, read: usize, written: usize) {
        self.facts.read_bytes.fetch_add(read as u64, Relaxed);
        self.facts.written_bytes.fetch_add(written as u64, Relaxed);
    }

    fn flush(&self) {
        self.store.lock(self.now()).flush();
    }

    fn set_ahead(&self, seconds: i64) {
        self.ahead.fetch_add(seconds, Relaxed);
    }
}
