//! What the workers call: the client in this process, a driver, or a service; or one of several for each group.

use crate::base::name::NodeIndex;
use crate::client::{Broken, Call, Client, Failure, Item, Keep, MultiCall, Store, Trace, Ttl};
use crate::driver::Driver;
use crate::event::ErrorClass;
use crate::protocol::memcached::frame::key::Key;

use super::border::OnTheWire;
use super::keyspace::{Keyspace, Names};
use super::service::Service;
use super::split::Split;

/// Whoever makes the calls.
#[derive(Clone, Debug)]
pub enum Cache {
    /// The client in this process.
    Own(Client),
    /// A published client in its own.
    Driver(Driver),
    /// An application that is asked for answers, which has a cache somewhere.
    Service(Service),
    /// A client for each group of workers.
    Split(Split),
}

impl From<Client> for Cache {
    fn from(client: Client) -> Self {
        Self::Own(client)
    }
}

impl From<Driver> for Cache {
    fn from(driver: Driver) -> Self {
        Self::Driver(driver)
    }
}

impl From<Service> for Cache {
    fn from(service: Service) -> Self {
        Self::Service(service)
    }
}

/// One method a call, the same for both that are asked for keys.
macro_rules! calls {
    ($($name:ident($($given:ident: $type:ty),*) -> $call:ty;)*) => {
        impl Cache {
            $(pub(super) async fn $name(&self, $($given: $type),*) -> $call {
                match self {
                    Self::Own(client) => client.$name($($given),*).await,
                    Self::Driver(driver) => driver.$name($($given),*).await,
                    Self::Service(_) => unreachable!("a service is asked for answers, not for keys"),
                    Self::Split(_) => unreachable!("a worker calls the client of its group"),
                }
            })*
        }
    };
}

calls! {
    get(key: &Key) -> Call<Option<Item>>;
    gets(key: &Key) -> Call<Option<Item>>;
    gat(key: &Key, ttl: Ttl) -> Call<Option<Item>>;
    get_multi(keys: &[Key]) -> MultiCall;
    set(key: &Key, value: &[u8], keep: Keep) -> Call<Store>;
    add(key: &Key, value: &[u8], keep: Keep) -> Call<Store>;
    replace(key: &Key, value: &[u8], keep: Keep) -> Call<Store>;
    append(key: &Key, value: &[u8], ttl: Ttl) -> Call<Store>;
    prepend(key: &Key, value: &[u8], ttl: Ttl) -> Call<Store>;
    cas(key: &Key, value: &[u8], keep: Keep, unique: u64) -> Call<Store>;
    delete(key: &Key) -> Call<bool>;
    incr(key: &Key, by: u64) -> Call<Option<u64>>;
    decr(key: &Key, by: u64) -> Call<Option<u64>>;
    touch(key: &Key, ttl: Ttl) -> Call<bool>;
}

impl Cache {
    /// Whether it can be asked for bytes that are no key: a path of HTTP cannot hold them.
    pub(super) fn takes_any_key(&self) -> bool {
        match self {
            Self::Own(_) => true,
            Self::Driver(driver) => !driver.is_web(),
            Self::Service(_) => false,
            Self::Split(split) => split.all().all(Self::takes_any_key),
        }
    }

    /// Whether it has the call that drivers name so.
    pub(super) fn lists(&self, verb: &str) -> bool {
        match self {
            Self::Own(_) => true,
            Self::Driver(driver) => driver.lists(verb),
            Self::Service(_) => false,
            Self::Split(split) => split.all().all(|each| each.lists(verb)),
        }
    }

    /// What the keys of the run begin with.
    pub(super) fn key_prefix(&self) -> String {
        match self.first() {
            Self::Own(client) => client.config().key_prefix.clone(),
            Self::Driver(driver) => driver.key_prefix().to_owned(),
            Self::Service(_) | Self::Split(_) => String::new(),
        }
    }

    /// Reads a key of any bytes, the prefix among them, and looks whether the wire saw it or its `head`.
    pub(super) async fn get_any(&self, key: &[u8], head: &[u8]) -> (Call<Option<Item>>, OnTheWire) {
        match self {
            Self::Driver(driver) => {
                let (call, [whole, head]) = driver.get_any(key, head).await;
                (call, OnTheWire { whole, head })
            }
            _ => match self.own_key(key) {
                Some(key) => (self.get(&key).await, OnTheWire::default()),
                None => (no_key(), OnTheWire::default()),
            },
        }
    }

    /// Stores a value under a key of any bytes, in the same way.
    pub(super) async fn set_any(
        &self,
        key: &[u8],
        head: &[u8],
        value: &[u8],
        keep: Keep,
    ) -> (Call<Store>, OnTheWire) {
        match self {
            Self::Driver(driver) => {
                let (call, [whole, head]) = driver.set_any(key, head, value, keep).await;
                (call, OnTheWire { whole, head })
            }
            _ => match self.own_key(key) {
                Some(key) => (self.set(&key, value, keep).await, OnTheWire::default()),
                None => (no_key(), OnTheWire::default()),
            },
        }
    }

    /// The key as the client in this process takes it, which adds the prefix itself; `None`: it refuses
    /// it, before anything is sent.
    fn own_key(&self, key: &[u8]) -> Option<Key> {
        let whole = Key::new(key).ok()?;
        Key::new(whole.as_bytes().strip_prefix(self.key_prefix().as_bytes())?).ok()
    }

    /// Every client, in the order of the groups; itself where there are none.
    #[must_use]
    pub fn each(&self) -> Vec<&Self> {
        match self {
            Self::Split(split) => split.all().collect(),
            one => vec![one],
        }
    }

    /// The client of the first group: by its list, keys have their homes.
    #[must_use]
    pub fn first(&self) -> &Self {
        match self {
            Self::Split(split) => split.first(),
            one => one,
        }
    }

    /// Whom this worker calls.
    pub(super) fn of(&self, worker: u32, workers: u32) -> &Self {
        match self {
            Self::Split(split) => split.of(worker, workers),
            one => one,
        }
    }

    /// The keys, and where they live.
    pub(super) fn keyspace(&self, names: Names) -> Keyspace {
        match self.first() {
            Self::Own(client) => Keyspace::of(names, |key| client.home(key)),
            // Nobody knows.
            Self::Service(_) | Self::Split(_) => Keyspace::of(names, |_| NodeIndex(0)),
            Self::Driver(driver) => {
                let driver = driver.clone();
                Keyspace::learning(names, std::sync::Arc::new(move |key| driver.home(key)))
            }
        }
    }

    /// What is broken in it on purpose.
    pub(super) fn broken(&self) -> Option<Broken> {
        match self.first() {
            Self::Own(client) => client.config().broken,
            Self::Driver(_) | Self::Service(_) | Self::Split(_) => None,
        }
    }

    /// Whether a change of a counter that is not there makes one.
    pub(super) fn makes_counters(&self) -> bool {
        match self.first() {
            Self::Own(client) => client.config().protocol.makes_counters(),
            Self::Driver(driver) => driver.protocol().makes_counters(),
            Self::Service(_) | Self::Split(_) => false,
        }
    }

    /// Whether it tells the flags of a value.
    pub(super) fn tells_flags(&self) -> bool {
        match self.first() {
            Self::Own(client) => client.config().protocol.has_flags(),
            Self::Service(_) | Self::Split(_) => true,
            Self::Driver(driver) => driver.ready().flags,
        }
    }
}

/// A call that never left: what was asked for is no key.
const fn no_key<T>() -> Call<T> {
    let result = Err(Failure::Error(ErrorClass::ClientError));
    Call { result, trace: Trace::new(NodeIndex(0)) }
}
