//! The client as a caller sees it.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use super::broken::Broken;
use super::call::{Call, Failure, Item, MultiCall, Store, Trace};
use super::command::{
    Command, Counter, Delete, Exists, FlushAll, Get, MetaGet, MetaStore, Mode, PlainStore, Stats,
    Touch, Version,
};
use super::config::{ClientConfig, ConfigError};
use super::conn::{Network, Way};
use super::keep::Keep;
use super::multi::{self, Placed, join};
use super::node::{Node, Surroundings};
use super::placement::Placement;
use super::selector::Selector;
use super::server::Server;
use super::snapshot::NodeSnapshot;
use super::transport::CounterStep;
use super::ttl::Ttl;
use super::upkeep;
use crate::base::name::NodeIndex;
use crate::base::scope::Scope;
use crate::base::seed::Seed;
use crate::event::{ErrorClass, Events};
use crate::protocol::memcached::frame::key::{KEY_BYTES_MAX, Key};

/// How long [`Client::close`] waits for operations under way, beyond their own deadlines.
const CLOSE_GRACE: Duration = Duration::from_millis(500);

/// A memcached client for a set of nodes. Clones share everything.
///
/// Every operation is cancel-safe: a future that is dropped halfway closes its connection, because
/// a reply may still come on it.
#[derive(Clone, Debug)]
pub struct Client {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    nodes: Vec<Arc<Node>>,
    around: Arc<Surroundings>,
}

/// The counters of one node: name and value, in the order of their names.
pub type NodeStats = Vec<(String, String)>;

impl Client {
    /// Starts a client. Nothing is dialled before the first call; its background tasks belong to
    /// `scope`.
    ///
    /// # Errors
    /// When the servers or the settings cannot be used.
    pub fn start(
        servers: &[Server],
        config: ClientConfig,
        seed: Seed,
        events: Events,
        scope: &Scope,
    ) -> Result<Self, ConfigError> {
        Self::start_on(Way::default(), servers, config, seed, events, scope)
    }

    /// Starts a client that reaches its servers in a way of its own.
    ///
    /// # Errors
    /// When the servers or the settings cannot be used.
    pub fn start_on(
        way: Way,
        servers: &[Server],
        config: ClientConfig,
        seed: Seed,
        events: Events,
        scope: &Scope,
    ) -> Result<Self, ConfigError> {
        Self::start_in(Network::Sockets(way), servers, config, seed, events, scope)
    }

    /// Starts a client whose connections are made of something else.
    pub(super) fn start_in(
        network: Network,
        servers: &[Server],
        config: ClientConfig,
        seed: Seed,
        events: Events,
        scope: &Scope,
    ) -> Result<Self, ConfigError> {
        config.check(servers)?;
        let placement = Placement::new(servers, &config)?;
        let scope = scope.child("client");
        let around = Arc::new(Surroundings { config, placement, events, scope, network });
        let nodes = (0_u16..)
            .zip(servers)
            .map(|(index, server)| {
                let seed = seed.fork("node").index(index.into());
                Node::new(NodeIndex(index), server, Arc::clone(&around), seed).map(Arc::new)
            })
            .collect::<Result<Vec<_>, ConfigError>>()?;
        let task = upkeep::run(nodes.clone(), Arc::clone(&around));
        around.scope.spawn("upkeep", task);
        Ok(Self { shared: Arc::new(Shared { nodes, around }) })
    }

    /// Reads a value.
    pub async fn get(&self, key: &Key) -> Call<Option<Item>> {
        let Some(sent) = self.prefixed(key) else { return self.unsendable(key) };
        let mut call = self.call(key, &Get { key: &sent }).await;
        if call.result.is_err() && self.config().broken == Some(Broken::ErrorsAsMisses) {
            call.result = Ok(None);
        }
        call
    }

    /// Reads a value with its unique number, which [`Client::cas`] takes.
    pub async fn gets(&self, key: &Key) -> Call<Option<Item>> {
        let Some(sent) = self.prefixed(key) else { return self.unsendable(key) };
        self.call(key, &MetaGet { key: &sent, ttl: None }).await
    }

    /// Reads a value and sets a new expiry.
    pub async fn gat(&self, key: &Key, ttl: Ttl) -> Call<Option<Item>> {
        let Some(sent) = self.prefixed(key) else { return self.unsendable(key) };
        self.call(key, &MetaGet { key: &sent, ttl: Some(ttl) }).await
    }

    /// Reads several values, from all their nodes at the same time. A node that fails costs its own
    /// keys only.
    pub async fn get_multi(&self, keys: &[Key]) -> MultiCall {
        let placed: Vec<Placed<'_>> = keys
            .iter()
            .map(|key| {
                let (home, target) = self.place(key);
                Placed { key: self.prefixed(key), home, target }
            })
            .collect();
        multi::get_multi(&self.shared.nodes, &placed).await
    }

    /// Stores a value.
    pub async fn set(&self, key: &Key, value: &[u8], keep: impl Into<Keep>) -> Call<Store> {
        let Some(sent) = self.prefixed(key) else { return self.unsendable(key) };
        self.call(key, &PlainStore::<false> { key: &sent, value, keep: keep.into() }).await
    }

    /// Stores a value if there is none.
    pub async fn add(&self, key: &Key, value: &[u8], keep: impl Into<Keep>) -> Call<Store> {
        let Some(sent) = self.prefixed(key) else { return self.unsendable(key) };
        self.call(key, &PlainStore::<true> { key: &sent, value, keep: keep.into() }).await
    }

    /// Stores a value if there is one.
    pub async fn replace(&self, key: &Key, value: &[u8], keep: impl Into<Keep>) -> Call<Store> {
        let Some(sent) = self.prefixed(key) else { return self.unsendable(key) };
        self.call(key, &MetaStore { key: &sent, value, keep: keep.into(), mode: Mode::Replace })
            .await
    }

    /// Puts bytes behind a value. Its expiry stays as it is, as in memcached: `ttl` has no effect.
    pub async fn append(&self, key: &Key, value: &[u8], ttl: Ttl) -> Call<Store> {
        let Some(sent) = self.prefixed(key) else { return self.unsendable(key) };
        self.call(key, &MetaStore { key: &sent, value, keep: ttl.into(), mode: Mode::Append }).await
    }

    /// Puts bytes before a value. Its expiry stays as it is, as in memcached: `ttl` has no effect.
    pub async fn prepend(&self, key: &Key, value: &[u8], ttl: Ttl) -> Call<Store> {
        let Some(sent) = self.prefixed(key) else { return self.unsendable(key) };
        self.call(key, &MetaStore { key: &sent, value, keep: ttl.into(), mode: Mode::Prepend })
            .await
    }

    /// Stores a value if it still has this unique number.
    pub async fn cas(
        &self,
        key: &Key,
        value: &[u8],
        keep: impl Into<Keep>,
        unique: u64,
    ) -> Call<Store> {
        let Some(sent) = self.prefixed(key) else { return self.unsendable(key) };
        self.call(
            key,
            &MetaStore { key: &sent, value, keep: keep.into(), mode: Mode::Unique(unique) },
        )
        .await
    }

    /// Removes a value; `false` when there was none. After two attempts (`trace.attempts`) `false`
    /// can also mean that the first one removed it.
    pub async fn delete(&self, key: &Key) -> Call<bool> {
        let Some(sent) = self.prefixed(key) else { return self.unsendable(key) };
        self.call(key, &Delete { key: &sent }).await
    }

    /// Adds to a counter; `None` when there is none.
    pub async fn incr(&self, key: &Key, by: u64) -> Call<Option<u64>> {
        let Some(sent) = self.prefixed(key) else { return self.unsendable(key) };
        self.call(key, &Counter { key: &sent, by, direction: CounterStep::Up }).await
    }

    /// Subtracts from a counter, down to 0; `None` when there is none.
    pub async fn decr(&self, key: &Key, by: u64) -> Call<Option<u64>> {
        let Some(sent) = self.prefixed(key) else { return self.unsendable(key) };
        self.call(key, &Counter { key: &sent, by, direction: CounterStep::Down }).await
    }

    /// Sets a new expiry; `false` when there is no value.
    pub async fn touch(&self, key: &Key, ttl: Ttl) -> Call<bool> {
        let Some(sent) = self.prefixed(key) else { return self.unsendable(key) };
        self.call(key, &Touch { key: &sent, ttl }).await
    }

    /// Whether there is a value.
    pub async fn exists(&self, key: &Key) -> Call<bool> {
        let Some(sent) = self.prefixed(key) else { return self.unsendable(key) };
        self.call(key, &Exists { key: &sent }).await
    }

    /// Removes every value on every node; one result a node, in node order.
    pub async fn flush_all(&self) -> Vec<Call<()>> {
        self.on_each(&FlushAll).await
    }

    /// The version of every node, in node order.
    pub async fn version(&self) -> Vec<Call<String>> {
        self.on_each(&Version).await
    }

    /// The counters of every node, in node order.
    pub async fn stats(&self) -> Vec<Call<NodeStats>> {
        self.on_each(&Stats).await
    }

    /// A real round trip to every node on a new connection, in node order: those that were given up
    /// too, whatever their breakers say. A dead node is the one whose result is an error.
    pub async fn health_check(&self) -> Vec<Call<()>> {
        let checks = self.shared.nodes.iter().map(|node| async move {
            let mut trace = Trace::new(node.index());
            let result = node.reach(&mut trace).await.map_err(Failure::Error);
            Call { result, trace }
        });
        join(checks.collect()).await
    }

    /// From now on these nodes are in the list that keys are placed by, in this order; the others of those
    /// that it was started with are asked for nothing any more. What is under way is not moved. `false`: a
    /// list without anybody, which is not taken.
    pub fn set_list(&self, nodes: &[NodeIndex]) -> bool {
        self.shared.around.placement.set_list(nodes)
    }

    /// Where every key would go with this list; `None`: nobody is in it.
    #[must_use]
    pub fn placed_among(&self, nodes: &[NodeIndex]) -> Option<Box<dyn Selector>> {
        self.shared.around.placement.among(nodes)
    }

    /// The node that owns `key` while every node in the list lives.
    #[must_use]
    pub fn home(&self, key: &Key) -> NodeIndex {
        self.shared.around.placement.home(key.as_bytes())
    }

    /// Whether calls on `key` are sent to a node now; if not they return at once, as shed. A caller
    /// may use it to skip the cache and what it would prepare for it.
    #[must_use]
    pub fn connection_available(&self, key: &Key) -> bool {
        self.shared.nodes[self.place(key).1.position()].connection_available()
    }

    /// What is known about every node, in node order.
    #[must_use]
    pub fn snapshot(&self) -> Vec<NodeSnapshot> {
        self.shared.nodes.iter().map(|node| node.snapshot()).collect()
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &ClientConfig {
        &self.shared.around.config
    }

    /// Closes every connection, waiting for what is under way. Later calls are shed.
    pub async fn close(&self) {
        let config = &self.shared.around.config;
        let grace = config.connect_timeout + config.operation_timeout + CLOSE_GRACE;
        join(self.shared.nodes.iter().map(|node| node.close(grace)).collect()).await;
        // Whoever owns the scope learns what its tasks came to; here there is nobody to tell.
        let _ = self.shared.around.scope.close(CLOSE_GRACE).await;
    }

    /// The owner of `key`, and the node that a call on it goes to now.
    fn place(&self, key: &Key) -> (NodeIndex, NodeIndex) {
        let placement = &self.shared.around.placement;
        let home = placement.home(key.as_bytes());
        (home, placement.target(key.as_bytes(), home))
    }

    /// The key as it is sent; `None` when the prefix makes it too long.
    fn prefixed<'a>(&self, key: &'a Key) -> Option<Cow<'a, [u8]>> {
        let prefix = self.shared.around.config.key_prefix.as_bytes();
        if prefix.is_empty() {
            return Some(Cow::Borrowed(key.as_bytes()));
        }
        let fits = prefix.len() + key.as_bytes().len() <= KEY_BYTES_MAX;
        fits.then(|| Cow::Owned([prefix, key.as_bytes()].concat()))
    }

    fn unsendable<T>(&self, key: &Key) -> Call<T> {
        let failure = Failure::Error(ErrorClass::ClientError);
        Call { result: Err(failure), trace: Trace::new(self.home(key)) }
    }

    async fn call<C: Command>(&self, key: &Key, command: &C) -> Call<C::Reply> {
        let (home, target) = self.place(key);
        let mut trace = Trace::new(home);
        let node = &self.shared.nodes[target.position()];
        let result = node.call(command, &mut trace).await;
        Call { result, trace }
    }

    async fn on_each<C: Command>(&self, command: &C) -> Vec<Call<C::Reply>> {
        let calls = self.shared.nodes.iter().map(|node| async move {
            let mut trace = Trace::new(node.index());
            let result = node.call(command, &mut trace).await;
            Call { result, trace }
        });
        join(calls.collect()).await
    }
}
