//! The client as a caller sees it.

use std::sync::Arc;

use super::call::{Call, Failure, Item, MultiCall, Store, Trace};
use super::config::{ClientConfig, ConfigError};
use super::server::Server;
use super::snapshot::NodeSnapshot;
use super::ttl::Ttl;
use crate::base::name::NodeIndex;
use crate::base::scope::Scope;
use crate::base::seed::Seed;
use crate::event::Events;
use crate::wire::key::Key;

/// A memcached client for a set of nodes. Clones share everything.
#[derive(Clone, Debug)]
pub struct Client {
    shared: Arc<ClientConfig>,
}

type Counters = Vec<(String, String)>;

impl Client {
    /// Starts a client. Nothing is dialled before the first call.
    ///
    /// # Errors
    /// When the servers or the settings cannot be used.
    pub fn start(
        servers: &[Server],
        config: ClientConfig,
        _seed: Seed,
        _events: Events,
        _scope: &Scope,
    ) -> Result<Self, ConfigError> {
        config.check(servers)?;
        Ok(Self { shared: Arc::new(config) })
    }

    fn unready<T>(&self) -> Call<T> {
        Call { result: Err(Failure::Shed), trace: Trace::new(NodeIndex(0)) }
    }

    /// Reads a value.
    pub async fn get(&self, _key: &Key) -> Call<Option<Item>> {
        self.unready()
    }

    /// Reads a value with its unique number.
    pub async fn gets(&self, _key: &Key) -> Call<Option<Item>> {
        self.unready()
    }

    /// Reads a value and sets a new expiry.
    pub async fn gat(&self, _key: &Key, _ttl: Ttl) -> Call<Option<Item>> {
        self.unready()
    }

    /// Reads several values.
    pub async fn get_multi(&self, keys: &[Key]) -> MultiCall {
        MultiCall {
            entries: keys.iter().map(|_| Err(Failure::Shed)).collect(),
            traces: Vec::new(),
            trace: Trace::new(NodeIndex(0)),
        }
    }

    /// Stores a value.
    pub async fn set(&self, _key: &Key, _value: &[u8], _ttl: Ttl) -> Call<Store> {
        self.unready()
    }

    /// Stores a value if there is none.
    pub async fn add(&self, _key: &Key, _value: &[u8], _ttl: Ttl) -> Call<Store> {
        self.unready()
    }

    /// Stores a value if there is one.
    pub async fn replace(&self, _key: &Key, _value: &[u8], _ttl: Ttl) -> Call<Store> {
        self.unready()
    }

    /// Puts bytes behind a value.
    pub async fn append(&self, _key: &Key, _value: &[u8], _ttl: Ttl) -> Call<Store> {
        self.unready()
    }

    /// Puts bytes before a value.
    pub async fn prepend(&self, _key: &Key, _value: &[u8], _ttl: Ttl) -> Call<Store> {
        self.unready()
    }

    /// Stores a value if it is unchanged since it was read.
    pub async fn cas(&self, _key: &Key, _value: &[u8], _ttl: Ttl, _unique: u64) -> Call<Store> {
        self.unready()
    }

    /// Removes a value.
    pub async fn delete(&self, _key: &Key) -> Call<bool> {
        self.unready()
    }

    /// Adds to a counter.
    pub async fn incr(&self, _key: &Key, _by: u64) -> Call<Option<u64>> {
        self.unready()
    }

    /// Subtracts from a counter, down to 0.
    pub async fn decr(&self, _key: &Key, _by: u64) -> Call<Option<u64>> {
        self.unready()
    }

    /// Sets a new expiry.
    pub async fn touch(&self, _key: &Key, _ttl: Ttl) -> Call<bool> {
        self.unready()
    }

    /// Whether there is a value.
    pub async fn exists(&self, _key: &Key) -> Call<bool> {
        self.unready()
    }

    /// Removes every value on every node.
    pub async fn flush_all(&self) -> Vec<Call<()>> {
        Vec::new()
    }

    /// The version of every node.
    pub async fn version(&self) -> Vec<Call<String>> {
        Vec::new()
    }

    /// The counters of every node.
    pub async fn stats(&self) -> Vec<Call<Counters>> {
        Vec::new()
    }

    /// A round trip to every node, those that were given up included.
    pub async fn health_check(&self) -> Vec<Call<()>> {
        Vec::new()
    }

    /// The node that owns `key` on the full ring.
    #[must_use]
    pub fn home(&self, _key: &Key) -> NodeIndex {
        NodeIndex(0)
    }

    /// What is known about every node, in node order.
    #[must_use]
    pub fn snapshot(&self) -> Vec<NodeSnapshot> {
        Vec::new()
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &ClientConfig {
        &self.shared
    }

    /// Closes every connection. Later calls are shed.
    pub async fn close(&self) {}
}
