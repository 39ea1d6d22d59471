//! The embedded memcached as the loop of every node serves it: its items, its clock, its counters.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering::Relaxed;

use bytes::BytesMut;
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::clock::{Clock, Now};
use super::config::NodeConfig;
use super::lie::{Conversation, Liar};
use super::login::Login;
use super::reply::TOO_MANY_CONNECTIONS;
use super::session::Context;
use super::stats::Facts;
use super::store::{Limits, Store};
use crate::base::scope::Scope;
use crate::base::time::Wall;
use crate::protocol::node::gate::Gate;
use crate::protocol::node::output::Output;
use crate::protocol::node::serve::{self, Service, Step};

/// A running node. Dropping it stops it.
pub type Node = serve::Node<Memcached>;

/// The state of one connection.
#[derive(Debug)]
pub struct Talk {
    /// `None`: who asks is known, or of no matter.
    login: Option<Login>,
    conversation: Conversation,
}

/// What a node holds and knows.
#[derive(Debug)]
pub struct Memcached {
    store: Store,
    clock: Clock,
    /// How many seconds that clock was set ahead; below zero, behind.
    ahead: AtomicI64,
    facts: Facts,
    liar: Option<Arc<Liar>>,
    gate: Arc<Gate>,
}

impl Node {
    /// Listens, and serves in a scope below `scope`.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn start(config: &NodeConfig, scope: &Scope) -> io::Result<Self> {
        Self::start_behind(config, Arc::default(), scope).await
    }

    /// The same, behind a gate.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn start_behind(
        config: &NodeConfig,
        gate: Arc<Gate>,
        scope: &Scope,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(&config.listen).await?;
        let address = listener.local_addr()?;
        let item_bytes = usize::try_from(config.max_item.0).unwrap_or(usize::MAX);
        let service = Memcached {
            store: Store::new(Limits { memory_bytes: config.memory.0, item_bytes }),
            clock: Clock::new(Instant::now(), Wall::now().unix_seconds()),
            ahead: AtomicI64::new(0),
            facts: Facts {
                port: address.port(),
                address: address.ip().to_string(),
                max_connections: u64::from(config.max_connections),
                threads: tokio::runtime::Handle::current().metrics().num_workers() as u64,
                ..Facts::default()
            },
            liar: Liar::new(&config.lies, config.seed).map(Arc::new),
            gate: Arc::clone(&gate),
        };
        Self::serve(listener, service, gate, scope)
    }
}

impl Memcached {
    fn now(&self) -> Now {
        self.clock.at(Instant::now()).ahead(self.ahead.load(Relaxed))
    }
}

impl Service for Memcached {
    type Conversation = Talk;

    fn admit(&self) -> Result<Talk, String> {
        let facts = &self.facts;
        if facts.connections.load(Relaxed) >= facts.max_connections {
            facts.connections_rejected.fetch_add(1, Relaxed);
            return Err(format!("{TOO_MANY_CONNECTIONS}\r\n"));
        }
        facts.connections.fetch_add(1, Relaxed);
        facts.connections_total.fetch_add(1, Relaxed);
        let login = self.gate.account.lock().is_some().then(Login::default);
        Ok(Talk { login, conversation: Conversation::new(self.liar.as_ref()) })
    }

    fn left(&self) {
        self.facts.connections.fetch_sub(1, Relaxed);
    }

    fn run(&self, talk: &mut Talk, input: &mut BytesMut, out: &mut Output) -> Step {
        if let Some(login) = &mut talk.login {
            let account = self.gate.account.lock();
            let step = account.as_ref().and_then(|it| login.run(input, out.text(), it));
            if let Some(step) = step {
                return step;
            }
            talk.login = None;
        }
        let Self { store, clock, facts, .. } = self;
        talk.conversation.run(input, out, &Context { store, clock, now: self.now(), facts })
    }

    fn pending(talk: &mut Talk) -> Option<(&mut Vec<u8>, usize)> {
        talk.conversation.pending()
    }

    fn passed(&self, read: usize, written: usize) {
        self.facts.read_bytes.fetch_add(read as u64, Relaxed);
        self.facts.written_bytes.fetch_add(written as u64, Relaxed);
    }

    fn flush(&self) {
        self.store.flush(None, self.now());
    }

    fn set_ahead(&self, seconds: i64) {
        self.ahead.fetch_add(seconds, Relaxed);
    }
}
