//! What the workers call: the client in this process, a driver, or a service; or one of several for each group.

use crate::base::name::NodeIndex;
use crate::client::{Broken, Call, Client, Item, Keep, MultiCall, Store, Ttl};
use crate::driver::Driver;
use crate::protocol::memcached::frame::key::Key;

use super::keyspace::{Keyspace, Space};
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
    pub(super) fn keyspace(&self, counts: [u64; Space::ALL.len()]) -> Keyspace {
        match self.first() {
            Self::Own(client) => Keyspace::new(counts, |key| client.home(key)),
            // Nobody knows.
            Self::Service(_) | Self::Split(_) => Keyspace::new(counts, |_| NodeIndex(0)),
            Self::Driver(driver) => {
                let driver = driver.clone();
                Keyspace::learning(counts, std::sync::Arc::new(move |key| driver.home(key)))
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

    /// Whether it tells the flags of a value.
    pub(super) fn tells_flags(&self) -> bool {
        match self.first() {
            Self::Own(_) | Self::Service(_) | Self::Split(_) => true,
            Self::Driver(driver) => driver.ready().flags,
        }
    }
}
